"""Counters to rates. A counter that went back (reset, wrap, device gone and back) gives no rate, never a spike."""

import os
from collections.abc import Mapping
from pathlib import Path

_SURELY_LAST_BYTES = 2048
"""The kernel hands out as many lines as go into a page, at least: less than half a page is the end of the file.

To ask for more would make it write the whole text once again.
"""


class Counters:
    """Remembers the last values of one set of counters and when they were read (monotonic seconds)."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._values: Mapping[str, float] = {}

    def advance(self, at: float, values: Mapping[str, float]) -> tuple[float, dict[str, float]] | None:
        """Return the seconds since the last call and what each counter grew; None at the first call.

        A counter that is new or went back is left out.
        """
        before, known = self._at, self._values
        self._at, self._values = at, values
        if before is None or at <= before:
            return None
        grown = {name: value - known[name] for name, value in values.items() if name in known and value >= known[name]}
        return at - before, grown


class KernelFile:
    """A file of /proc or /sys that is read again and again through one descriptor; empty when it can't be read."""

    def __init__(self, path: Path, limit_bytes: int = 1 << 20) -> None:
        self._path = path
        self._limit = limit_bytes
        self._descriptor: int | None = None

    def read(self) -> str:
        """Return the whole text as it is now."""
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            return self._read_all(self._descriptor)
        except OSError:
            self.close()
            return ""

    def _read_all(self, descriptor: int) -> str:
        parts, offset = [], 0
        while offset < self._limit and (part := os.pread(descriptor, 1 << 16, offset)):
            parts.append(part)
            offset += len(part)
            if len(part) <= _SURELY_LAST_BYTES:
                break
        return b"".join(parts).decode("utf-8", "replace")

    def close(self) -> None:
        """Give the descriptor back; the next ``read`` opens the file again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def integers(text: str) -> list[int]:
    """Return the numbers of a line; raises ValueError when there is another word."""
    return [int(word) for word in text.split()]
