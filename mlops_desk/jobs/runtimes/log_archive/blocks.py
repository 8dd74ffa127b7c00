"""A part of a log on the disk: blocks of lines, each a zstd frame, and beside them where each begins.

N.zst   frames one after another: the whole of it is a zstd file, which any tool reads; each line begins with its time
N.idx   a row for each frame: where it lies, which lines it holds, and from when to when they were written

N is the number of the part's first line. A frame is written first and its row then: what a crash leaves of a frame
without a row is cut off before the next is written, for its lines are had from the engine again.
"""

import contextlib
import os
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import zstandard

_ROW = struct.Struct("<QIIQdd")
_LEVEL = 6  # chosen: a log of steps shrinks to a tenth; 128 KiB take a millisecond
_MOST_RAW_BYTES = 64 << 20
"""More than any frame of ours holds: a damaged one must not fill the memory."""


class KeptLine(NamedTuple):
    """A line, and the engine's own words for when it was written."""

    stamp: str
    text: bytes


class LogBlock(NamedTuple):
    """Where a frame lies (``offset`` and ``size`` in bytes), and the ``lines`` from ``first`` on that it holds."""

    offset: int
    size: int
    lines: int
    first: int
    first_at: float
    last_at: float

    @property
    def end(self) -> int:
        return self.first + self.lines


class KeptPart:
    """The two files of a part, named by its first line."""

    def __init__(self, folder: Path, first: int) -> None:
        self.first = first
        self.data = folder / f"{first}.zst"
        self.index = folder / f"{first}.idx"

    def blocks(self) -> list[LogBlock]:
        """Return the rows of the index; a torn one at its end is left out."""
        try:
            rows = self.index.read_bytes()
        except FileNotFoundError:
            return []
        return [LogBlock(*row) for row in _ROW.iter_unpack(rows[: len(rows) - len(rows) % _ROW.size])]

    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.data, self.index) if path.exists())

    def remove(self) -> None:
        self.index.unlink(missing_ok=True)
        self.data.unlink(missing_ok=True)

    def mend(self) -> list[LogBlock]:
        """Cut off what a crash has left half written, and return what is whole. Raises OSError."""
        blocks = self.blocks()
        held = self.data.stat().st_size if self.data.exists() else 0
        while blocks and blocks[-1].offset + blocks[-1].size > held:
            blocks.pop()
        whole = blocks[-1].offset + blocks[-1].size if blocks else 0
        if held > whole:
            os.truncate(self.data, whole)
        if self.index.exists() and self.index.stat().st_size != len(blocks) * _ROW.size:
            os.truncate(self.index, len(blocks) * _ROW.size)
        return blocks

    def append(self, lines: Sequence[KeptLine], first: int, first_at: float, last_at: float) -> LogBlock:
        """Write a block behind the others. Raises OSError, and then the next ``mend`` removes what was written."""
        raw = b"".join(b"%s %s\n" % (line.stamp.encode("ascii", "replace"), line.text) for line in lines)
        frame = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(raw)
        with self.data.open("ab") as file:
            offset = file.tell()
            file.write(frame)
        block = LogBlock(offset, len(frame), len(lines), first, first_at, last_at)
        with self.index.open("ab") as file:
            file.write(_ROW.pack(*block))
        return block

    def cut(self, number: int) -> int:
        """Take away all from line ``number`` on, and return how many lines there are then, of all parts.

        What a crash loses of the block that the line stands in is had from the engine again. Raises OSError.
        """
        blocks = [block for block in self.blocks() if block.end > number]
        if not blocks:
            return max((block.end for block in self.blocks()), default=self.first)
        torn = blocks[0]
        try:
            before = list(self.read(torn))[: max(0, number - torn.first)]
        except ValueError:  # damaged: the engine has its lines again, from its first on
            before = []
        os.truncate(self.data, torn.offset)
        self.mend()
        if before:
            self.append(before, torn.first, torn.first_at, torn.last_at)
        return torn.first + len(before)

    def read(self, block: LogBlock) -> Iterator[KeptLine]:
        """Yield the lines of a block. Raises OSError, and ValueError where it is damaged."""
        with self.data.open("rb") as file:
            file.seek(block.offset)
            frame = file.read(block.size)
        try:
            raw = zstandard.ZstdDecompressor().decompress(frame, max_output_size=_MOST_RAW_BYTES)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
        for line in raw.split(b"\n")[:-1]:
            stamp, _, text = line.partition(b" ")
            yield KeptLine(stamp.decode("ascii", "replace"), text)


def parts(folder: Path) -> list[KeptPart]:
    """Return the parts of a log that are there, oldest first."""
    try:
        names = [path.stem for path in folder.iterdir() if path.suffix == ".zst"]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [KeptPart(folder, number) for number in sorted(int(name) for name in names if name.isdecimal())]


# Writes a log as it comes, and goes on where an earlier agent left off: no line is lost, and none comes twice.
#
# Lines are gathered to blocks. What was not written yet when an agent dies is had from the engine again; what is asked
# for again and was written already is known by the engine's own time of it, to the nanosecond.

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
