"""Folders among the temporary files for work of minutes: gone with their block, or swept by a later agent.

Whoever is killed leaves its folder behind. Its name tells whose it was: process, start of it, and the PID namespace in
which that is its number, since containers may share /tmp. What such a process has left is swept once it is over, if it
is our own user's and older than whoever sweeps; a folder of somebody who still works, of another agent of ours too, is
never touched, nor one of another namespace, whose processes nobody here sees.
"""

import logging
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)
_NAME = re.compile(r"mlops-desk-[a-z]+-([1-9]\d{0,9})\.(\d{1,20})(?:\.(\d{1,20}))?-[a-z0-9_]+")
_STARTED = 19  # starttime counted from what follows the name of the program, proc_pid_stat(5)


@contextmanager
def scratch(what: str, within: str | None = None) -> Iterator[str]:
    """Give a new folder that only this user reads, in ``within`` or among temporary files. Raises OSError."""
    ours = f"mlops-desk-{what}-{os.getpid()}.{_started(os.getpid()) or 0}.{_namespace()}-"
    with tempfile.TemporaryDirectory(prefix=ours, dir=within) as name:
        yield name


def sweep_scratch(began: float) -> int:
    """Delete what processes of ours that were killed have left before the Unix time ``began``; return how many folders.

    What can't be deleted stays, and is named in the log.
    """
    gone = 0
    try:
        entries = [*os.scandir(tempfile.gettempdir())]
    except OSError as error:
        _log.warning("Temporary files can't be looked through: %s", error)
        return 0
    for entry in entries:
        match = _NAME.fullmatch(entry.name)
        if match is None or match[3] not in {None, _namespace()} or _started(int(match[1])) == int(match[2]):
            continue
        try:
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and facts.st_mtime < began:
                shutil.rmtree(entry.path)  # follows no link
                gone += 1
        except FileNotFoundError:
            continue  # another agent sweeps at the same time
        except OSError as error:
            _log.warning("What a process that was killed has left in %s can't be deleted: %s", entry.path, error)
    return gone


def _namespace() -> str:
    """Return the number of the PID namespace that we are in; 0 where it can't be told."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return "0"


def _started(pid: int) -> int | None:
    """Return when a process began, in ticks since the boot; None where there is none. Raises nothing."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[_STARTED])
