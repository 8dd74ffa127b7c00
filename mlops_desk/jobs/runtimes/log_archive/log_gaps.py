"""Finds where the stream of a log has skipped lines that the engine has, and puts them in their place.

Docker's stream loses what was written while its file was changed twice: of 20 MB that a program prints in two seconds,
a third. The engine's own log is whole, so what was heard is held against it line by line, and from the first
difference on the engine's words count.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mlops_desk.engines.engine import LogPiece
from mlops_desk.engines.log_lines import LineFolder
from mlops_desk.jobs.runtimes.log_archive import reader
from mlops_desk.jobs.runtimes.log_archive.blocks import OVERLAP_SECONDS, LogWriter

_MARK = "compared"


class ToldLine(NamedTuple):
    """A line as the engine has it."""

    at: float
    stamp: str
    text: bytes


def told_lines(pieces: Iterable[LogPiece], *, to_the_end: bool) -> Iterator[ToldLine]:
    """Yield the lines that pieces make; ``to_the_end``: what is painted in one that has no end is a line too."""
    folded, at, stamp = LineFolder(), 0.0, ""
    for piece in pieces:
        at, stamp = piece.at, piece.stamp
        for line in folded.feed(piece.data):
            yield ToldLine(at, stamp, line)
    if to_the_end and folded.painted:
        yield ToldLine(at, stamp, folded.painted)


class Comparison:
    """What ``writer`` keeps in ``folder``, held against what the engine tells from ``since`` (Unix seconds) on."""

    def __init__(self, writer: LogWriter, folder: Path, since: float) -> None:
        self._writer = writer
        self._kept = reader.numbered(folder, since - OVERLAP_SECONDS)
        self._next = next(self._kept, None)
        self._first = 0 if self._next is None else self._next[0]
        self._begun = False
        self.cut_at: int | None = None
        """The number of the first line that is another now; None: none is."""

    def complete(self, told: Iterable[ToldLine]) -> None:
        """Make what is kept the same as what is told, to its end. Raises OSError."""
        for line in told:
            if not self._is_kept(line):
                self._writer.put(*line)

    def mend(self, told: Iterable[ToldLine], last: str) -> None:
        """Make it the same up to the line with the stamp ``last``: what is told behind it comes by the stream."""
        for line in told:
            if not self._is_kept(line):
                if self.cut_at is None:
                    return
                self._writer.put(*line)
            if line.stamp == last:
                return

    def _is_kept(self, line: ToldLine) -> bool:
        if not self._begun and self._is_before(line):
            return True
        if self._next is None:
            return False
        number, kept = self._next
        if kept.stamp == line.stamp:
            self._next = next(self._kept, None)
            return True
        self.cut_at, self._next = number, None
        self._writer.cut(number)
        return False

    def _is_before(self, line: ToldLine) -> bool:
        """Pass over what the engine has forgotten, and tell whether ``line`` is one that was dropped for room."""
        if self._next is not None and self._next[0] > 0 and self._next[0] == self._first and self._is_older(line):
            return True
        while self._next is not None and self._next[1].stamp != line.stamp and not self._is_older(line):
            self._next = next(self._kept, None)
        self._begun = True
        return False

    def _is_older(self, line: ToldLine) -> bool:
        """Tell whether ``line`` was written before the next one that is kept."""
        if self._next is None or self._next[1].stamp == line.stamp:
            return False
        return (reader.time_of(self._next[1].stamp) or 0.0) >= line.at


def compared_to(folder: Path) -> float:
    """Return up to when (Unix seconds) the log in ``folder`` was compared; 0: never."""
    try:
        return float((folder / _MARK).read_text("ascii"))
    except (OSError, ValueError):
        return 0.0  # then it is compared from its beginning


def note_compared(folder: Path, at: float) -> None:
    """Write down up to when a log was compared. Raises OSError."""
    (folder / _MARK).write_text(f"{at:.3f}", "ascii")
