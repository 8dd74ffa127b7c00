"""The folder in memory in which an agent lays secrets and logins: held while it lives, swept when nobody needs it.

One agent's private folder in memory, locked as long as it lives, with a note of where its containers may be.

The lock is the kernel's, on the folder itself, and shared by the runtimes of one agent: whoever gets it alone knows
that no agent is there.

Removes what agents that are gone have left in memory: secrets and logins that nobody needs any more.

Only what is provably nobody's: it is this user's, no agent holds it, its agent has noted on which engines its
containers may be, each of those answers, and none has a container of it that may still begin or go on. All else is left
alone; a restart of the machine forgets it.
"""

import contextlib
import fcntl
import json
import logging
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mlops_desk.engines.engine import Engine
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import DeskError, Unavailable

_log = logging.getLogger(__name__)

NOTE = ".engines.json"
NAME = "mlops-desk-{uid}-{instance}"
_NOTE_BYTES = 64 << 10  # chosen: a thousand addresses
_TRIES, _PAUSE_SECONDS = 20, 0.05  # chosen: who sweeps holds it for as long as a listing of containers takes


class MemoryFolder:
    """``engines`` returns the addresses of all engines on which this agent has containers; None: nothing is noted."""

    def __init__(self, path: Path, engines: Callable[[], Iterable[str]] | None = None) -> None:
        self.path = path
        self._engines = engines
        self._descriptor: int | None = None
        with contextlib.suppress(OSError, Unavailable):  # not there yet, or refused when it is needed
            self._hold()

    def make(self) -> None:
        """Make the folder that nobody else looks into; anybody could have put something in its place.

        Raises OSError, and Unavailable.
        """
        for _ in range(_TRIES):
            self.path.mkdir(mode=0o700, exist_ok=True)
            if self._hold():
                self._note()
                return
            time.sleep(_PAUSE_SECONDS)
        raise Unavailable(f"{self.path} is held by somebody else.", "Look again in a moment.")

    def leave(self) -> None:
        """Remove it, unless something of this agent lies there still. Raises OSError."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if all(name == NOTE for name in os.listdir(self.path)):  # noqa: PTH208 - names are what is asked for
                with contextlib.suppress(FileNotFoundError):
                    (self.path / NOTE).unlink()
                with contextlib.suppress(OSError):  # a job has put something there just now
                    self.path.rmdir()

    def _hold(self) -> bool:
        """Lock the folder that is there now; False where who sweeps is there, or has removed it."""
        if self._descriptor is not None and _is_at(self._descriptor, self.path):
            return True
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if not is_private(descriptor) or self.path.is_symlink():
            os.close(descriptor)
            text = f"{self.path} is not a private folder of this user, so no secret is put there."
            raise Unavailable(text, "Remove it.")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        if not _is_at(descriptor, self.path):
            os.close(descriptor)
            return False
        before, self._descriptor = self._descriptor, descriptor
        if before is not None:
            os.close(before)
        return True

    def _note(self) -> None:
        if self._engines is None or self._descriptor is None:
            return
        # Those of before count on: the settings may have changed, and containers go on where they are.
        text = json.dumps(sorted({*self._engines(), *(noted(self._descriptor) or ())}))
        new = self.path / f"{NOTE}.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(self.path / NOTE)


def is_private(descriptor: int) -> bool:
    """Tell whether an open folder is this user's, and closed to others."""
    facts = os.fstat(descriptor)
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o077


def noted(folder: int) -> set[str] | None:
    """Return on which engines its containers may be; None where nobody noted it."""
    try:
        opened = open_plain(NOTE, folder=folder)
    except OSError:
        return None
    with opened as file:
        text = file.read(_NOTE_BYTES + 1)
    try:
        found = json.loads(text)
    except ValueError:
        return None
    whole = isinstance(found, list) and bool(found) and all(isinstance(one, str) for one in found)
    return set(found) if whole else None


def _is_at(descriptor: int, path: Path) -> bool:
    """Tell whether the open folder is the one that has this name."""
    held = os.fstat(descriptor)
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)


_OVER = frozenset({"exited", "dead"})


def sweep(memory: Path, instance: str, engines: Mapping[str, Engine], label: str) -> list[Path]:
    """Remove the folders below ``memory`` that nobody needs, and return which; ``engines`` are all, by address.

    ``instance`` is this agent's own, ``label`` what each agent's containers have theirs in.
    """
    swept = []
    for folder in sorted(memory.glob(NAME.format(uid=os.geteuid(), instance="*"))):
        theirs = folder.name.rpartition("-")[2]
        if theirs == instance:
            continue
        try:
            if _sweep(folder, engines, {label: theirs}):
                swept.append(folder)
        except OSError as error:  # another agent of this user removes it just now, or it is none: looked at again later
            _log.debug("%s can't be looked at: %s", folder, error.strerror)
        except DeskError as error:
            _log.debug("%s is left alone, an engine does not answer: %s", folder, error.message)
    if swept:
        _log.info("What agents that are gone had left in memory was removed: %s", ", ".join(one.name for one in swept))
    return swept


def _sweep(folder: Path, engines: Mapping[str, Engine], labels: Mapping[str, str]) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not is_private(descriptor):
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # its agent lives
        found = noted(descriptor)
        if found is None or not found <= engines.keys():
            return False
        if any(_needs(engines[address], labels) for address in found):
            return False
        for part in folder.iterdir():
            if part.is_dir() and not part.is_symlink():
                part.chmod(0o700)
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)
    return True


def _needs(engine: Engine, labels: Mapping[str, str]) -> bool:
    """Tell whether an engine has a container of that agent which may still begin, or go on."""
    return any(facts.status not in _OVER for facts in engine.containers(labels))
