"""How large the files of runs and versions are: added up in a child process, which a disk that hangs may hold up.

Links are neither followed nor counted, and a file with several names is counted once. What was not gone through to
its end is not known: it is no number that is too small.
"""

import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import TimedOut
from mlops_desk.kit.base.process import run_worker, serve_one
from mlops_desk.registry.records.model import Artifact

_SPARE_SECONDS = 5.0  # chosen: a child starts within it on a busy machine
_BLOCK_BYTES = 512  # the unit of st_blocks (stat(2))
_MODULE = "mlops_desk.registry.artifacts.sizes"


@dataclass(frozen=True, slots=True)
class FilesSize:
    """``size_bytes`` is what the files hold, ``room_bytes`` what they take on the disk: a sparse one takes less."""

    size_bytes: int
    room_bytes: int
    n_files: int


def measured(folders: Mapping[str, str], seconds: float) -> Mapping[str, FilesSize | None]:
    """Return the size of each folder by its key; None: it is not there, may not be read, or there was no time.

    Raises Unavailable where the child can't be started, never for a folder or a disk.
    """
    try:
        answer = run_worker(_MODULE, {"folders": dict(folders), "seconds": seconds}, seconds + _SPARE_SECONDS)
    except TimedOut:
        return dict.fromkeys(folders)
    found: Mapping[str, FilesSize | None] = wire.from_builtins(answer, dict[str, FilesSize | None])
    return found


def size_of(folder: str, until: float) -> FilesSize | None:
    """Add up what lies in a folder; None where it can't be gone through before ``until`` (a monotonic time)."""
    size_bytes = room_bytes = n_files = 0
    waiting, counted = [folder], set()
    try:
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if time.monotonic() > until:
                        return None
                    facts = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(facts.st_mode):
                        waiting.append(entry.path)
                    elif stat.S_ISREG(facts.st_mode) and (facts.st_dev, facts.st_ino) not in counted:
                        if facts.st_nlink > 1:
                            counted.add((facts.st_dev, facts.st_ino))
                        size_bytes += facts.st_size
                        room_bytes += facts.st_blocks * _BLOCK_BYTES
                        n_files += 1
    except OSError:
        return None  # not there, not readable, or changed under us
    return FilesSize(size_bytes, room_bytes, n_files)


def added(listed: Sequence[Artifact], most: int) -> tuple[int | None, int | None]:
    """Return size and number of listed files: None where a size is not known, or where there are more than ``most``."""
    if len(listed) > most:
        return None, None
    sizes = [one.size_bytes for one in listed]
    return (None if None in sizes else sum(size for size in sizes if size is not None)), len(listed)


def work(request: dict[str, Any]) -> Any:
    """Measure folder after folder until the time is up."""
    until = time.monotonic() + float(request["seconds"])
    return wire.to_builtins({key: size_of(folder, until) for key, folder in request["folders"].items()})


if __name__ == "__main__":
    serve_one(work)
