"""All logs together keep within one budget: the logs of those that ended first go first."""

import logging
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.jobs.runtimes.log_archive.blocks import has_ended, parts

_log = logging.getLogger(__name__)

_REMOVED = "removed"


def trim(folders: list[Path], most_bytes: int) -> int:
    """Remove logs of what has ended until all take at most ``most_bytes``; return how many went. Raises OSError."""
    sizes = {folder: sum(part.size_bytes() for part in parts(folder)) for folder in folders}
    total, removed = sum(sizes.values()), 0
    for folder in _oldest_first(folders):
        if total <= most_bytes:
            break
        if sizes[folder]:
            (folder / _REMOVED).touch()
            for part in parts(folder):
                part.remove()
            total -= sizes[folder]
            removed += 1
            _log.info("The log in %s was removed: all logs together may take %d MiB", folder, most_bytes >> 20)
    return removed


@dataclass(frozen=True, slots=True)
class EndedLog:
    """The log of what has ended. ``ended_at`` is Unix time."""

    folder: Path
    size_bytes: int
    ended_at: float


def first_to_go(folders: list[Path]) -> EndedLog | None:
    """Return the log that goes first when there is no room for all; None: none has ended. Raises OSError."""
    for folder in _oldest_first(folders):
        size = sum(part.size_bytes() for part in parts(folder))
        if size:
            return EndedLog(folder, size, _ended_at(folder))
    return None


def kept_bytes(folders: list[Path]) -> int:
    """Return what logs take together. Raises OSError."""
    return sum(part.size_bytes() for folder in folders for part in parts(folder))


def was_removed(folder: Path) -> bool:
    """Tell whether a log was kept and had to go."""
    return (folder / _REMOVED).exists()


def _oldest_first(folders: list[Path]) -> list[Path]:
    return sorted(filter(has_ended, folders), key=_ended_at)


def _ended_at(folder: Path) -> float:
    return (folder / "ended").stat().st_mtime
