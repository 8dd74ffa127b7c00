"""A part of a log on the disk: blocks of lines, each a zstd frame, and beside them where each begins.

N.zst   frames one after another: the whole of it is a zstd file, which any tool reads; each line begins with its time
N.idx   a row for each frame: where it lies, which lines it holds, and from when to when they were written

N is the number of the part's first line. A frame is written first and its row then: what a crash leaves of a frame
without a row is cut off before the next is written, for its lines are had from the engine again.
"""

import os
import struct
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
