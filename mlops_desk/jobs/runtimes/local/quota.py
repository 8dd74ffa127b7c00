"""How much a running job has written to its own folders (/mlops-desk/out, outputs, checkpoint), looked at now and then.

They lie on the disk of the desk's own data, so a job that fills it would stop everybody's. They may hold
millions of files and be changed while they are looked at: a child counts, with a deadline, and what it
can't tell in time is not known rather than too much.
"""

import os
import stat
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.base.process import run_command

_EVERY_SECONDS = 5.0  # chosen: a disk of 1 GB/s gets 5 GB beyond the limit in between
_REST = 20.0
"""A count rests for so many times as long as it took: a folder that is slow to count costs 5 % of a core at most."""
_DEADLINE_SECONDS = 30.0  # chosen: a folder of millions of files is not counted through; then nothing is known of it
_FEW_FILES = 64  # chosen: so many are looked at without a process of their own
_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the filesystem's blocks are (stat(2))


class OutQuota:
    """Says when a job's folder is to be counted, and counts it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}

    def is_due(self, attempt_id: str) -> bool:
        """Tell whether it is time to count; a new attempt is first counted a moment after its start."""
        now = time.monotonic()
        with self._lock:
            return now >= self._due.setdefault(attempt_id, now + _EVERY_SECONDS)

    def used(self, attempt_id: str, folders: Sequence[Path]) -> int | None:
        """Return the bytes that the folders take on their disk; None when that can't be told now."""
        began = time.monotonic()
        found = _all(used_bytes(folder) for folder in folders)
        ended = time.monotonic()
        with self._lock:
            self._due[attempt_id] = ended + max(_EVERY_SECONDS, _REST * (ended - began))
        return found

    def forget(self, attempt_id: str) -> None:
        with self._lock:
            self._due.pop(attempt_id, None)


def _all(parts: Iterable[int | None]) -> int | None:
    total = 0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def used_bytes(folder: Path, deadline_seconds: float = _DEADLINE_SECONDS) -> int | None:
    """Return the bytes that a folder's files take on the disk, holes left out; None when that can't be told in time."""
    few = _few_files(folder)
    return few if few is not None else _counted_by_child(folder, deadline_seconds)


def _few_files(folder: Path) -> int | None:
    """Add up a small folder without folders in it; None for any other."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                facts = entry.stat(follow_symlinks=False)
                if number >= _FEW_FILES or stat.S_ISDIR(facts.st_mode):
                    return None
                total += facts.st_blocks * _BLOCK_BYTES
    except OSError:
        return None  # it changes just now
    return total


def _counted_by_child(folder: Path, deadline_seconds: float) -> int | None:
    try:
        done = run_command(
            ["du", "--summarize", "--one-file-system", "--block-size=1", "--", str(folder)], deadline_seconds
        )
    except Unavailable:
        return None
    word = done.output.partition(b"\t")[0]
    return int(word) if word.isdigit() else None


def too_much(used: int, limit_bytes: int, folders: Sequence[Path]) -> Reason:
    """Return why a job that wrote more than it may is stopped."""
    holds = " and ".join([*map(str, folders[:-1]), f"{folders[-1]} hold{'s' if len(folders) == 1 else ''}"])
    evidence = f"{holds} {used / 2**30:.3g} GiB; {limit_bytes / 2**30:.3g} GiB are allowed."
    mount = "Write large results to a mount (mounts: [{source: ..., target: ..., mode: rw}]), or allow more: "
    hint = Hint("mlops-desk settings set jobs.out_mebibytes N", before=mount)
    return Reason(
        "disk_quota",
        "The job wrote more to its own folders than it may and was stopped.",
        evidence,
        hint,
        title="Wrote more than it may",
    )
