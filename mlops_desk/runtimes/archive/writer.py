"""Writes a log as it comes, and goes on where an earlier agent left off: no line is lost, and none comes twice.

Lines are gathered to blocks. What was not written yet when an agent dies is had from the engine again; what is asked
for again and was written already is known by the engine's own time of it, to the nanosecond.
"""

import contextlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mlops_desk.runtimes.archive.blocks import KeptLine, KeptPart, parts

OVERLAP_SECONDS = 2.0
"""Lines of two streams may come in another order when asked anew: so much before the last is compared."""
_BLOCK_BYTES = 128 << 10
"""Chosen: larger blocks compress hardly better, and each is read whole for one line of it."""
_PARTS = 8  # chosen: of an endless log an eighth goes at once
_ENDED = "ended"


class LogWriter:
    """Appends to the log in ``folder``, of which at most about ``most_bytes`` are kept. Raises OSError."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = parts(folder)
        self._part = found[-1] if found else KeptPart(folder, 0)
        blocks = self._part.mend()
        self.written = blocks[-1].end if blocks else self._part.first
        self.last_at = blocks[-1].last_at if blocks else 0.0
        self.waiting: list[KeptLine] = []
        self._waiting_at: list[float] = []
        self._waiting_bytes = 0
        self._known = self._recent(found[-2:])

    def _recent(self, newest: Sequence[KeptPart]) -> Counter[str]:
        """Count the times of the lines that may be told again."""
        since = self.last_at - OVERLAP_SECONDS
        known: Counter[str] = Counter()
        for part in newest:
            for block in part.blocks():
                if block.last_at >= since:
                    with contextlib.suppress(ValueError):  # damaged: its lines may come twice then
                        known.update(line.stamp for line in part.read(block))
        return known

    @property
    def count(self) -> int:
        """How many lines there are, with those that are not on the disk yet."""
        return self.written + len(self.waiting)

    def add(self, at: float, stamp: str, text: bytes) -> bool:
        """Append a line written at a Unix time; False where it is there already."""
        if self._known:
            if at > self.last_at + OVERLAP_SECONDS:
                self._known.clear()
            elif self._known[stamp]:
                self._known[stamp] -= 1
                return False
        self.put(at, stamp, text)
        return True

    def put(self, at: float, stamp: str, text: bytes) -> None:
        """Append a line that is known not to be there."""
        self.waiting.append(KeptLine(stamp, text))
        self._waiting_at.append(at)
        self._waiting_bytes += len(text)
        if self._waiting_bytes >= _BLOCK_BYTES:
            self.flush()

    def cut(self, number: int) -> None:
        """Take back all from line ``number`` on: the engine tells it anew, with what is missing there."""
        self.flush()
        for part in reversed(parts(self._folder)):
            if part.first < number or part.first == self._first():
                self.written = part.cut(number)
                self._part = part
                break
            part.remove()

    def _first(self) -> int:
        return min((part.first for part in parts(self._folder)), default=0)

    def flush(self) -> None:
        """Write what waits. It goes on waiting when that fails."""
        if not self.waiting:
            return
        if self._part.size_bytes() > self._most_bytes // _PARTS:
            self._part = KeptPart(self._folder, self.written)
        try:
            block = self._part.append(self.waiting, self.written, min(self._waiting_at), max(self._waiting_at))
        except OSError:
            self._part.mend()
            raise
        self.written = block.end
        if not self._known:
            self.last_at = max(self.last_at, block.last_at)
        self.waiting, self._waiting_at, self._waiting_bytes = [], [], 0
        while len(found := parts(self._folder)) > _PARTS:
            found[0].remove()

    def end(self) -> None:
        """Write what waits and note that no more will come."""
        self.flush()
        (self._folder / _ENDED).touch()


def has_ended(folder: Path) -> bool:
    """Tell whether the whole of a log is kept."""
    return (folder / _ENDED).exists()
