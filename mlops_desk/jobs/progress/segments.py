"""What a program paints, cut where it draws anew: each segment is a line, or one state of a line that is redrawn.

Pieces come as the engine hands them on, cut anywhere: Docker holds a line back until its end comes, and of one without
an end it hands on 16 KiB at a time. So the last segment of a piece is complete only when more follows it.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

_ENDS = re.compile(rb"[\r\n]+")
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|[\x08\x00]+")
_BAR = re.compile(rb"([^|%]*?)\s*(\d{1,3})%\|")
_LONGEST_BYTES = 4096
"""Chosen: a bar over the whole width of a wide terminal has 600 bytes; what is longer tells its progress before."""
_BAR_END = b"]"  # how tqdm ends what it paints; the others end it with a carriage return or a line's end


class Segments:
    """Cuts pieces into segments of plain text; of a bar that is drawn a thousand times a second, few are handed on."""

    def __init__(self) -> None:
        self._pending = b""
        self._drawn = (b"", 0)

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the segments that a piece completes, and one that is complete by its look."""
        *whole, pending = _ENDS.split(self._pending + data)
        for segment, following in pairwise([*whole, b""]):
            if segment and not self._passes_by(segment, following):
                yield _plain(segment)
        self._pending = pending[:_LONGEST_BYTES]
        if pending.endswith(_BAR_END):
            yield _plain(pending)

    def lose(self) -> None:
        """Forget what waits for its end: something between it and what comes now was not heard."""
        self._pending = b""

    def _passes_by(self, segment: bytes, following: bytes) -> bool:
        """Tell whether a bar goes on from the one before it to the one behind it: neither begins it anew."""
        bar = _BAR.match(segment)
        if bar is None:
            return False
        name, percent = bar[1], int(bar[2])
        before, after = self._drawn, _BAR.match(following)
        if after is not None and before[0] == name == after[1] and before[1] <= percent <= int(after[2]):
            return True
        self._drawn = name, percent
        return False


def _plain(segment: bytes) -> str:
    segment = segment[:_LONGEST_BYTES]
    if b"\x1b" in segment or b"\x08" in segment or b"\x00" in segment:
        segment = _ESCAPES.sub(b"", segment)
    return segment.decode("utf-8", "replace")
