"""From the bytes that a program writes to lines: folded, cut, and plain on the way to a person.

A progress bar redraws its line with carriage returns: of those the last state is kept. Colours and other commands to a
terminal are kept where a log is kept, and left out where it is shown.
"""

import re

from mlops_desk.kit.base.text import LINE_LIMIT, plain

LONGEST_BYTES = 4 * LINE_LIMIT
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class LineFolder:
    """Makes lines of chunks as they come; of a line that is longer than can be shown, the beginning is kept."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that a chunk ends, without their end."""
        *whole, pending = (self._pending + chunk).split(b"\n")
        if len(pending) > 2 * LONGEST_BYTES:
            pending = _folded(pending)[:LONGEST_BYTES]
        self._pending = pending
        return [_folded(line)[:LONGEST_BYTES] for line in whole]

    @property
    def painted(self) -> bytes:
        """What stands in the line that has no end yet, as the last repaint left it."""
        return _folded(self._pending)[:LONGEST_BYTES]


def shown(line: bytes) -> str:
    """Return a line as text that is safe to show."""
    if b"\x1b" in line:
        line = _ESCAPES.sub(b"", line)
    return plain(line.decode("utf-8", "replace"), LINE_LIMIT)


def _folded(line: bytes) -> bytes:
    return line.rstrip(b"\r").rpartition(b"\r")[2]
