"""Tickets: the tokens that jobs get, one for each attempt, each good for one run until the attempt is over.

A job that an earlier version started has the owner's token of then: it too is a ticket now, of all such jobs together.

Of a ticket only its digest is kept, as the name of a file that says whose it is, so the tracking server can look a
ticket up without knowing any, and a ticket is void once its file is gone. The files outlive agent and server.
"""

import contextlib
import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Unavailable

_PREFIX = "job-"
_TOKEN_BYTES = 32  # 256 bits: nobody guesses it
DEFAULT_ARTIFACT_BYTES = 100 << 30
"""What tickets of earlier versions are good for, which do not say it."""
DEFAULT_LOGGED_BYTES = 4 << 30
"""Likewise: some eleven million points of metrics, a hundred of them each second for a day and a quarter."""
_DIGEST = re.compile(r"[0-9a-f]{64}(?:-[0-9a-f]{16})?")
"""The second part tells apart the grants of one token."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a ticket is good for: the run that its holder may write, and the attempt it was made for.

    ``artifact_bytes`` is how much the files of that run and its children may take, ``logged_bytes`` how much all else
    that they log may take of the store. ``job`` is the job's name, None for
    whoever may register under any name; ``models`` are those that its file names as the only ones. ``governed`` are
    those that policies were about when it was made. ``is_strangers``: its file is a repository's, so that what it
    names opens nothing, and ``job`` is told with the repository.
    """

    run_id: str
    attempt_id: str
    artifact_bytes: int = DEFAULT_ARTIFACT_BYTES
    job: str | None = None
    models: tuple[str, ...] | None = None
    governed: tuple[str, ...] = ()
    is_strangers: bool = False
    logged_bytes: int = DEFAULT_LOGGED_BYTES


_FACTS = frozenset(field.name for field in fields(Grant))
"""A later version may write more into a ticket, which is good all the same."""


class Tickets:
    """The grants that lie in ``folder``. Safe to use from several processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def issue(self, grant: Grant) -> str:
        """Make a ticket; earlier ones of the same attempt are void. Raises Unavailable."""
        token = _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.void(grant.attempt_id)
            write_atomically(self._path(token), json.dumps(asdict(grant)).encode())
        except OSError as error:
            text = f"The job's token can't be noted in {self._folder}: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error
        return token

    def admit(self, token: str, grant: Grant) -> None:
        """Let ``token``, which is no ticket, be good for ``grant`` too. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        other = hashlib.sha256(grant.attempt_id.encode()).hexdigest()[:16]
        path = self._path(token)
        write_atomically(path.with_name(f"{path.name}-{other}"), json.dumps(asdict(grant)).encode())

    def find(self, token: str) -> tuple[Grant, ...]:
        """Return what ``token`` is good for: nothing when it is no ticket, or one that is void."""
        path = self._path(token)
        paths = [path] if token.startswith(_PREFIX) else sorted(self._folder.glob(f"{path.name}-*"))
        return tuple(grant for path in paths if (grant := _read(path)) is not None)

    def held(self) -> list[Grant]:
        """Return all grants there are."""
        return [grant for _, grant in self._all()]

    def void(self, attempt_id: str) -> None:
        """Make an attempt's tickets void. Raises OSError."""
        for path, grant in self._all():
            if grant.attempt_id == attempt_id:
                path.unlink(missing_ok=True)

    def _path(self, token: str) -> Path:
        return self._folder / hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

    def _all(self) -> Iterator[tuple[Path, Grant]]:
        with contextlib.suppress(FileNotFoundError):  # no ticket was ever made
            for path in sorted(self._folder.iterdir()):
                if _DIGEST.fullmatch(path.name) and (grant := _read(path)):
                    yield path, grant


def _read(path: Path) -> Grant | None:
    try:
        found = json.loads(path.read_bytes())
        known = {name: value for name, value in found.items() if name in _FACTS}
        models = known.get("models")
        lists = {"models": None if models is None else tuple(models), "governed": tuple(known.get("governed", ()))}
        return Grant(**{**known, **lists})
    except (OSError, ValueError, TypeError, AttributeError):
        return None  # void, or damaged, which is as good as void
