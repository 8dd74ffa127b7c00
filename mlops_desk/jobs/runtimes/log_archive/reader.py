"""Reads a log that is kept, from any line or time on, without reading what stands before."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from mlops_desk.jobs.runtimes.log_archive.blocks import KeptLine, KeptPart, LogBlock, parts

_DAMAGED = "--- {} lines of the log are damaged and can't be read ---"


def lines(folder: Path, *, first: int = 0, end: int | None = None, since: float | None = None) -> Iterator[KeptLine]:
    """Yield the lines from number ``first`` (to before ``end``) that were written ``since`` a Unix time.

    Lines of a block that is damaged are told of and left out. Raises OSError.
    """
    for part, block in _blocks(folder):
        if block.end <= first or (since is not None and block.last_at < since):
            continue
        if end is not None and block.first >= end:
            return
        try:
            read = list(part.read(block))
        except ValueError:
            yield KeptLine("", _DAMAGED.format(block.lines).encode())
            continue
        for number, line in enumerate(read, block.first):
            if number >= first and (end is None or number < end) and (since is None or _written(line) >= since):
                yield line


def numbered(folder: Path, since: float) -> Iterator[tuple[int, KeptLine]]:
    """Yield the lines of all blocks that were written later than a Unix time, each with its number.

    A block that is damaged is one line without a stamp. Raises OSError.
    """
    for part, block in _blocks(folder):
        if block.last_at >= since:
            try:
                yield from enumerate(list(part.read(block)), block.first)
            except ValueError:
                yield block.first, KeptLine("", b"")


def tail(folder: Path, count: int, since: float | None = None) -> Iterator[KeptLine]:
    """Yield the newest lines. Raises OSError."""
    last = max((block.end for _, block in _blocks(folder)), default=0)
    yield from lines(folder, first=max(0, last - count), since=since)


def _blocks(folder: Path) -> Iterator[tuple[KeptPart, LogBlock]]:
    for part in parts(folder):
        for block in part.blocks():
            yield part, block


def _written(line: KeptLine) -> float:
    return time_of(line.stamp) or 0.0


def time_of(stamp: str) -> float | None:
    """Return an engine's time of a line as Unix seconds; None where it is none."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return None
