"""Secrets of people: one file each, 0400, in a folder for each person that nobody else can look into.

They are not in the database: its backups, its repair and whoever reads it would have them too.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.errors import Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.records.setting import SecretName

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_MOST = 1000  # chosen: more than one person has; a program that makes them without end is stopped


class SecretStore:
    """The secrets below ``folder``. Their values leave by ``value`` alone, for a job of the same person."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, uid: int) -> list[SecretName]:
        """Return what a person has, by name."""
        try:
            files = sorted(path for path in (self._folder / str(uid)).iterdir() if _NAME.fullmatch(path.name))
            return [SecretName(path.name, path.stat().st_mtime) for path in files]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"The secrets in {self._folder} can't be listed: {error.strerror}.") from error

    def name(self, uid: int, name: str) -> SecretName:
        """Return when a secret was changed. Raises NotFound, Invalid, Unavailable."""
        _checked(name)
        found = next((one for one in self.names(uid) if one.name == name), None)
        if found is None:
            raise _missing(name)
        return found

    def set(self, uid: int, name: str, value: str) -> SecretName:
        """Keep a value. Raises Invalid, Refused, Unavailable."""
        if not value:
            raise Invalid("The secret is empty.", Hint(f"mlops-desk secrets set {_checked(name)} < FILE"))
        path = self._path(uid, name)
        if not path.exists() and len(self.names(uid)) >= _MOST:
            raise Refused(f"{_MOST} secrets are the most that are kept for one person.", "Remove some.")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, value.encode())
            path.chmod(0o400)
        except OSError as error:
            raise Unavailable(f"The secret {name} can't be kept: {error.strerror}.") from error
        return SecretName(name, path.stat().st_mtime)

    def remove(self, uid: int, name: str) -> SecretName:
        """Forget a value, and return what it was called. Raises NotFound, Unavailable."""
        path = self._path(uid, name)
        try:
            known = SecretName(name, path.stat().st_mtime)
            path.unlink()
        except FileNotFoundError as error:
            raise _missing(name) from error
        except OSError as error:
            raise Unavailable(f"The secret {name} can't be removed: {error.strerror}.") from error
        return known

    def check(self, uid: int, names: Iterable[str]) -> None:
        """Raise Refused for a secret that the person has not."""
        for name in names:
            if not self._path(uid, name).is_file():
                raise Refused(_missing(name).message, _hint(name))

    def value(self, uid: int, name: str) -> bytes:
        """Return what a secret says. Raises NotFound, Unavailable."""
        try:
            descriptor = os.open(self._path(uid, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise _missing(name) from error
        except OSError as error:
            raise Unavailable(f"The secret {name} can't be read: {error.strerror}.") from error
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def _path(self, uid: int, name: str) -> Path:
        return self._folder / str(uid) / _checked(name)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        text = f"{plain(name, 40)} can't be the name of a secret."
        raise Invalid(text, "Letters, digits, dots, dashes and underscores are what it may have.")
    return name


def _hint(name: str) -> Hint:
    return Hint(f"mlops-desk secrets set {name}", after="    reads it from standard input.")


def _missing(name: str) -> NotFound:
    return NotFound(f"You have no secret {name}.", _hint(name))
