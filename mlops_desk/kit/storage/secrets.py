"""Secrets of people: in the keyring of whoever they are, else one file each, 0400, in a folder that is theirs alone.

They are not in the database: its backups, its repair and whoever reads it would have them too. A keyring lists nothing,
so each of its secrets has a mark, an empty file. Whatever is written comes before what it stands for is removed, and of
two the newer one holds: an agent that dies in between loses no secret.

Secrets in a person's keyring: each call is a child process that acts as that person, within a deadline.

The agent may have no session of its own, or serve people who have theirs: the bus of a person's session is where
systemd puts it, unless the agent's own environment says where its user's is.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.setting import FILE, KEYRING, SecretName

_WORKER = "mlops_desk.kit.storage.keyring.worker"
_SECONDS = 10.0  # chosen: who is not asked for a password has answered long before
_ASKED_SECONDS = 25.0  # chosen: for a password that is typed; moving a secret asks twice, and verbs end after 60 s


class PersonalKeyring:
    """``service`` is under which name all entries stand. Safe to use from several threads."""

    def __init__(self, service: str) -> None:
        self._service = service

    def look(self, uid: int) -> str:
        """Return what the keyring of a person is. Raises Refused where there is none, Unavailable."""
        return str(self._ask(uid, {"act": "look"})["keyring"])

    def value(self, uid: int, name: str, *, quiet: bool = True) -> str | None:
        """Return what an entry says; None for no such entry. Raises Refused, Unavailable.

        Asked ``quiet``, a locked keyring opens no window: a job that waits for it would open one again and again.
        """
        found = self._ask(uid, {"act": "get", "name": name, "quiet": quiet})["value"]
        return None if found is None else str(found)

    def set(self, uid: int, name: str, value: str) -> None:
        """Keep a value, and see that it comes back. Raises Refused, Unavailable."""
        if self._ask(uid, {"act": "set", "name": name, "value": value})["value"] != value:
            raise Unavailable(f"The keyring does not give {name} back as it was put in.")

    def remove(self, uid: int, name: str) -> None:
        """Forget an entry. Raises NotFound, Refused, Unavailable."""
        self._ask(uid, {"act": "remove", "name": name})

    def _ask(self, uid: int, request: dict[str, Any]) -> dict[str, Any]:
        own = uid == os.geteuid()
        seconds = _SECONDS if request.get("quiet") or request["act"] == "look" else _ASKED_SECONDS
        try:
            answer: dict[str, Any] = run_worker(
                _WORKER, {**request, "service": self._service}, seconds, _session(uid), as_uid=None if own else uid
            )
        except TimedOut as error:
            hint = "It may wait in a window for its password, or hang: unlock it, and do this again."
            raise Unavailable(f"The keyring gave no answer within {seconds:g} s.", hint) from error
        return answer


def _session(uid: int) -> dict[str, str]:
    """Return where the bus of a person's session is."""
    bus = Path(f"/run/user/{uid}/bus")
    if (uid == os.geteuid() and os.environ.get("DBUS_SESSION_BUS_ADDRESS")) or not bus.exists():
        return {}
    return {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}", "XDG_RUNTIME_DIR": str(bus.parent)}


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_MOST = 1000  # chosen: more than one person has; a program that makes them without end is stopped
_MARKS = ".keyring"
"""Of what is in the keyring; no secret can be called so."""
AUTO = "auto"


class SecretStore:
    """The secrets below ``folder``. Their values leave by ``value`` alone, for a job of the same person.

    ``wanted`` says where new ones go: keyring, file, or auto: the keyring where one answers.
    """

    def __init__(
        self, folder: Path, wanted: Callable[[], str] = lambda: FILE, keyring: PersonalKeyring | None = None
    ) -> None:
        self._folder = folder
        self._wanted = wanted
        self._keyring = keyring or PersonalKeyring(f"MLOps Desk {folder.parent}")

    def names(self, uid: int) -> list[SecretName]:
        """Return what a person has, by name."""
        home = self._folder / str(uid)
        found: dict[str, SecretName] = {}
        try:
            for folder, place in ((home, FILE), (home / _MARKS, KEYRING)):
                for path in folder.iterdir() if folder.is_dir() else ():
                    one = SecretName(path.name, path.stat().st_mtime, place)
                    known = found.get(one.name)
                    if _NAME.fullmatch(one.name) and (known is None or one.changed_at >= known.changed_at):
                        found[one.name] = one
        except OSError as error:
            raise Unavailable(f"The secrets in {self._folder} can't be listed: {error.strerror}.") from error
        return [found[name] for name in sorted(found)]

    def name(self, uid: int, name: str) -> SecretName:
        """Return when a secret was changed, and where it is. Raises NotFound, Invalid, Unavailable."""
        found = self._find(uid, name)
        if found is None:
            raise _missing(name)
        return found

    def set(self, uid: int, name: str, value: str) -> SecretName:
        """Keep a value, and tell where. Raises Invalid, Refused, Unavailable."""
        if not value:
            raise Invalid("The secret is empty.", Hint(f"mlops-desk secrets set {_checked(name)} < FILE"))
        if self._find(uid, name) is None and len(self.names(uid)) >= _MOST:
            raise Refused(f"{_MOST} secrets are the most that are kept for one person.", "Remove some.")
        wanted = self._wanted()
        if wanted != FILE:
            try:
                return self._into_keyring(uid, name, value)
            except DeskError as error:
                if wanted == KEYRING:
                    raise
                return replace(self._into_file(uid, name, value), note=error.message)
        return self._into_file(uid, name, value)

    def move(self, uid: int, name: str, to: str) -> SecretName:
        """Put a secret into the keyring or into a file, and only then out of where it was. Raises DeskError."""
        found = self.name(uid, name)
        if to not in {FILE, KEYRING}:
            raise Invalid(f"{plain(to)} is no place for a secret.", f"Say {KEYRING} or {FILE}.")
        if found.kept_in == to:  # of an agent that died while it moved it, the older one is left
            self._unlink(self._path(uid, name) if to == KEYRING else self._mark(uid, name))
            return found
        value = self._value(uid, name, quiet=False).decode()
        return self._into_keyring(uid, name, value) if to == KEYRING else self._into_file(uid, name, value)

    def remove(self, uid: int, name: str) -> SecretName:
        """Forget a value, and return what it was called. Raises NotFound, Unavailable."""
        known = self.name(uid, name)
        if self._mark(uid, name).exists():
            with contextlib.suppress(NotFound):  # removed by another program: what was wanted
                self._keyring.remove(uid, name)
        self._unlink(self._mark(uid, name), self._path(uid, name))
        return known

    def check(self, uid: int, names: Iterable[str]) -> None:
        """Raise Refused for a secret that the person has not."""
        for name in names:
            if self._find(uid, name) is None:
                raise Refused(_missing(name).message, _hint(name))

    def value(self, uid: int, name: str) -> bytes:
        """Return what a secret says, without a window that asks for a password. Raises NotFound, Unavailable."""
        return self._value(uid, name, quiet=True)

    def _value(self, uid: int, name: str, *, quiet: bool) -> bytes:
        if self.name(uid, name).kept_in == KEYRING:
            try:
                found = self._keyring.value(uid, name, quiet=quiet)
            except Refused as error:  # none in this session, as of an agent that was started outside of any
                text = f"The secret {name} is in a keyring. {error.message}"
                hint = Hint(
                    f"mlops-desk secrets set {name}", before="Log in where it answers, or set the secret anew: "
                )
                raise Unavailable(text, hint) from error
            if found is None:
                raise NotFound(f"The keyring has no secret {name} any more.", _hint(name))
            return found.encode()
        try:
            descriptor = os.open(self._path(uid, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise _missing(name) from error
        except OSError as error:
            raise Unavailable(f"The secret {name} can't be read: {error.strerror}.") from error
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def _into_keyring(self, uid: int, name: str, value: str) -> SecretName:
        self._keyring.set(uid, name, value)
        self._write(self._mark(uid, name), b"")
        self._unlink(self._path(uid, name))
        return self.name(uid, name)

    def _into_file(self, uid: int, name: str, value: str) -> SecretName:
        path, mark = self._path(uid, name), self._mark(uid, name)
        self._write(path, value.encode())
        if mark.exists():
            self._unlink(mark)
            with contextlib.suppress(DeskError):  # what stays there is the person's own, and nobody asks for it
                self._keyring.remove(uid, name)
        return self.name(uid, name)

    def _write(self, path: Path, data: bytes) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, data)
            path.chmod(0o400)
        except OSError as error:
            raise Unavailable(f"The secret {path.name} can't be kept: {error.strerror}.") from error

    def _unlink(self, *paths: Path) -> None:
        try:
            for path in paths:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"The secret {paths[0].name} can't be removed: {error.strerror}.") from error

    def _find(self, uid: int, name: str) -> SecretName | None:
        _checked(name)
        return next((one for one in self.names(uid) if one.name == name), None)

    def _path(self, uid: int, name: str) -> Path:
        return self._folder / str(uid) / _checked(name)

    def _mark(self, uid: int, name: str) -> Path:
        return self._folder / str(uid) / _MARKS / _checked(name)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        text = f"{plain(name, 40)} can't be the name of a secret."
        raise Invalid(text, "Letters, digits, dots, dashes and underscores are what it may have.")
    return name


def _hint(name: str) -> Hint:
    return Hint(f"mlops-desk secrets set {name}", after="    reads it from standard input.")


def _missing(name: str) -> NotFound:
    return NotFound(f"You have no secret {name}.", _hint(name))
