"""Visits: a browser's way to MLflow's own page. The agent makes one, and the tracking server finds it.

A visit has a host name that nobody guesses (``….localhost``, which browsers take for this machine). A cookie is sent to
every port of a host, so one for 127.0.0.1 would reach whatever a job serves on another port there; this one goes to a
name that no other page was ever loaded from. It opens by an address that is good once and for a minute, and only for
programs of the person it was made for, as the kernel names them: who reads the address elsewhere gains nothing.

The agent's files say what there is; that an address was used is a file of the server's, which may not write the others.
"""

import contextlib
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.errors import Unavailable

OPENS_SECONDS = 60.0  # chosen: a browser that is started for it takes ten
LASTS_SECONDS = 12 * 3600.0  # chosen: a working day; the next one is a click
_TOKEN_BYTES = 32  # 256 bits: nobody guesses it
_NAME_BYTES = 16  # 128 bits, likewise; a label of a host has 63 letters at most
_MOST = 100  # chosen: more than a person opens in half a day
_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SUFFIX = ".localhost"


@dataclass(frozen=True, slots=True)
class Visit:
    """``opener`` is the digest of what opens it, ``cookie`` what its browser shows from then on.

    ``uid`` is whose programs may come; times are Unix seconds.
    """

    name: str
    uid: int
    opener: str
    cookie: str
    opens_until: float
    ends_at: float

    @property
    def host(self) -> str:
        return self.name + _SUFFIX


_FACTS = frozenset(field.name for field in fields(Visit))


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Visits:
    """The visits in ``folder``, which the agent writes; in ``used`` the server notes those that were opened."""

    def __init__(self, folder: Path, used: Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._used = used
        self._now = now

    # -- the agent's side --------------------------------------------------------------------

    def issue(self, uid: int) -> tuple[Visit, str]:
        """Make a visit for programs of ``uid``; return it, and what opens it once. Raises Unavailable."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._now()
        visit = Visit(
            secrets.token_hex(_NAME_BYTES), uid, digest(token), secrets.token_urlsafe(_TOKEN_BYTES),
            now + OPENS_SECONDS, now + LASTS_SECONDS,
        )  # fmt: skip
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.sweep()
            write_atomically(self._folder / visit.name, json.dumps(asdict(visit)).encode())
        except OSError as error:
            text = f"The visit of the page can't be noted in {self._folder}: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error
        return visit, token

    def sweep(self) -> None:
        """Forget the visits that are over, and of too many the oldest. Raises OSError."""
        known = sorted(self._all(), key=lambda visit: visit.ends_at)
        late = [visit for visit in known if visit.ends_at <= self._now()]
        for visit in [*late, *known[: max(0, len(known) - _MOST + 1)]]:
            (self._folder / visit.name).unlink(missing_ok=True)

    def end(self) -> None:
        """End all visits. Raises OSError."""
        for visit in self._all():
            (self._folder / visit.name).unlink(missing_ok=True)

    def _all(self) -> list[Visit]:
        with contextlib.suppress(FileNotFoundError):  # none was ever made
            return [visit for path in self._folder.iterdir() if (visit := self._read(path.name)) is not None]
        return []

    # -- the server's side -------------------------------------------------------------------

    def find(self, host: str) -> Visit | None:
        """Return the visit that a host name belongs to, unless it is over."""
        name = host.removesuffix(_SUFFIX)
        if name == host:
            return None
        visit = self._read(name)
        return None if visit is None or visit.ends_at <= self._now() else visit

    def open(self, visit: Visit, token: str) -> bool:
        """Tell whether ``token`` opens a visit, which it does once, and until a minute after it was made."""
        if visit.opens_until <= self._now() or not hmac.compare_digest(digest(token), visit.opener):
            return False
        try:
            self._used.mkdir(mode=0o700, exist_ok=True)
            for path in self._used.iterdir():
                if self._read(path.name) is None:
                    path.unlink(missing_ok=True)
            (self._used / visit.name).touch(0o600, exist_ok=False)
        except OSError:
            return False  # used, or the disk is full: rather closed than open twice
        return True

    def is_open(self, visit: Visit, cookie: str) -> bool:
        """Tell whether a browser shows the cookie that it was given when it opened the visit."""
        shown = hmac.compare_digest(cookie.encode("utf-8", "surrogatepass"), visit.cookie.encode())
        return shown and (self._used / visit.name).exists()

    def _read(self, name: str) -> Visit | None:
        if not _NAME.fullmatch(name):
            return None
        try:
            found = json.loads((self._folder / name).read_bytes())
            visit = Visit(**{key: value for key, value in found.items() if key in _FACTS})
        except (OSError, ValueError, TypeError, AttributeError):
            return None  # over, or damaged, which is as good as over
        return visit if visit.name == name else None


def has_page(packages: Path) -> bool:
    """Tell whether the MLflow that lies in a folder of packages has its page; the small package has none."""
    return (packages / "mlflow" / "server" / "js" / "build" / "index.html").is_file()
