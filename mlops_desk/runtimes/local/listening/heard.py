"""What was heard last of a container, for whoever glances at it: neither engine nor disk is asked.

Lines come from the log. What a line consists of so far is seen on the container itself, where somebody looks on: an
engine's log has a line when it is over, and tells then all that it showed before. That was seen, and is left out.

A later agent goes on with the end of what is kept, so that it knows at once how far a job is.
"""

import threading
from collections import deque
from pathlib import Path

from mlops_desk.engines.engine import LogPiece
from mlops_desk.engines.log_lines import shown
from mlops_desk.runtimes.archive import reader
from mlops_desk.runtimes.runtime import Glance, SeenLine, SeenPiece

_LINES = 500  # chosen: who glances every few seconds misses no line of a job that logs a hundred a second
_PIECES_BYTES = 32 << 10
"""Chosen: twice what Docker hands on of a line that has no end; who looks each second reads no more of a flood."""
_RECALLED = 200  # chosen: the last epoch's line stands among so many, mostly


class Heard:
    """Bounded, and safe to use from several threads; the lock is held for no longer than a copy takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[SeenLine] = deque(maxlen=_LINES)
        self._pieces: deque[SeenPiece] = deque()
        self._bytes = 0
        self._count = 0
        self._painted = b""
        self._at: float | None = None
        self._line_at = 0.0
        self._is_seen = False
        self.pieces = 0

    def recall(self, folder: Path, count: int) -> None:
        """Take up the end of the ``count`` lines that are kept. Raises OSError."""
        newest = list(reader.tail(folder, _RECALLED))
        with self._lock:
            self._count = count
            for number, line in enumerate(newest, count - len(newest)):
                at = reader.time_of(line.stamp)
                if at is not None:
                    self._lines.append(SeenLine(number, at, shown(line.text)))
                    self._keep(at, line.text + b"\n")
                    self._at = at

    def take(self, piece: LogPiece, lines: list[bytes], count: int, painted: bytes, *, again: bool) -> None:
        """Take what was written: the new ones among the lines that it ends (``count`` in all), and what is painted.

        ``again``: it was heard before, and is told once more as the engine was asked anew.
        """
        seen = [SeenLine(number, piece.at, shown(line)) for number, line in enumerate(lines, count - len(lines))]
        with self._lock:
            self._lines.extend(seen)
            self._count, self._at = count, piece.at
            if lines:
                self._line_at = piece.at
            if not self._is_seen:
                self._painted = painted
                if not again:
                    self._keep(piece.at, piece.data)
            elif lines:
                self._keep(piece.at, b"".join(line + b"\n" for line in lines))

    def see(self, at: float, painted: bytes) -> None:
        """Take what is painted at Unix time ``at``, b"" for nothing: from now on who looks on tells it, not the log."""
        with self._lock:
            self._is_seen = True
            if at < self._line_at:
                return  # what has ended since may be this
            self._painted = painted
            if painted:
                self._at = at
                self._keep(at, b"\r" + painted + b"\r")

    def see_no_more(self) -> None:
        """Nobody looks on: the log alone tells."""
        with self._lock:
            if self._is_seen:
                self._is_seen, self._painted = False, b""

    def _keep(self, at: float, data: bytes) -> None:
        self._pieces.append(SeenPiece(self.pieces, at, data[-_PIECES_BYTES:]))
        self.pieces += 1
        self._bytes += len(self._pieces[-1].data)
        while self._bytes > _PIECES_BYTES:
            self._bytes -= len(self._pieces.popleft().data)

    def glance(self) -> Glance:
        """Return what was heard last."""
        with self._lock:
            return Glance(self._count, tuple(self._lines), shown(self._painted), self._at, tuple(self._pieces))
