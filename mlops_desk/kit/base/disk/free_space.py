"""Whether a folder can be written in at all: said in a sentence, before anything in it is tried and fails halfway."""

import errno
import os
from pathlib import Path

from mlops_desk.kit.base.disk.write_deadline import HungDisk
from mlops_desk.kit.base.errors import DeskError, Hint, TimedOut, Unavailable

LEAST_BYTES = 1 << 20  # chosen: a SQLite transaction with its journal needs more than one that is nearly nothing
FULL = {errno.ENOSPC, errno.EDQUOT}
_DISK = {errno.ENOSPC: "is full", errno.EDQUOT: "is full for this user", errno.EROFS: "can't be written to"}


def check_room(folder: Path, hint: str) -> None:
    """See that ``folder`` can be written in and has 1 MiB left. Raises Unavailable, OSError.

    ``hint``, a sentence, says where else one could go. Asked of the kernel, which also tells root of a read-only mount.
    """
    facts = os.statvfs(folder)
    if not folder.is_dir():
        raise Unavailable(f"{folder} is no folder.", hint)
    if facts.f_flag & os.ST_RDONLY:
        raise Unavailable(f"{folder} can't be written in: its filesystem is mounted read-only.", hint)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Unavailable(f"{folder} can't be written in: this user may not.", hint)
    free = _free_bytes(facts)
    if free is not None and free < LEAST_BYTES:
        text = f"The disk of {folder} is full: {free >> 10} KiB are free."
        after = f" tells how much there is). Or {hint[:1].lower()}{hint[1:]}"
        raise Unavailable(text, Hint(f"df -h {folder}", before="Free some space (", after=after))


def free_bytes(folder: Path) -> int | None:
    """Return how many bytes this user can still write below ``folder``; None where the filesystem does not tell."""
    try:
        return _free_bytes(os.statvfs(folder))
    except OSError:
        return None


def available_bytes(folder: Path) -> int | None:
    """Return what ``df`` calls available below ``folder``, which is what is told to people; None where it is unknown.

    The superuser can write beyond it, into the blocks that are reserved for him: that is no room to plan with.
    """
    try:
        facts = os.statvfs(folder)
    except OSError:
        return None
    return facts.f_frsize * facts.f_bavail if facts.f_blocks else None


def _free_bytes(facts: os.statvfs_result) -> int | None:
    if not facts.f_blocks:
        return None
    return facts.f_frsize * (facts.f_bfree if os.geteuid() == 0 else facts.f_bavail)


def disk_trouble(error: OSError) -> DeskError | None:
    """Return an error of a disk that is full, read-only or hangs in words, None for any other error."""
    if isinstance(error, HungDisk):
        text = "The disk of the data folder does not answer; what was asked for may still happen."
        return TimedOut(text, Hint("journalctl -k", before="The kernel may tell why: "))
    if error.errno not in _DISK:
        return None
    where = f" of {error.filename}" if error.filename else ""
    text = f"The disk{where} {_DISK[error.errno]}; nothing was changed."
    return Unavailable(text, "Free some space, or have it mounted writable, and try again.")
