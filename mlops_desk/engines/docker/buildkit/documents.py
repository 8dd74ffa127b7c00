"""Splits what ``buildx --progress=rawjson`` writes: JSON documents over many lines or one, and lines of text between.

What comes is from a program that may be any: nothing is kept beyond a limit, and what is beyond it is no progress.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_desk.base.errors import Unavailable

LIMIT_BYTES = 8 << 20  # chosen: a step's text is capped at some KiB; a thousand of them at once stay far below


class Garbled(Unavailable):
    """What comes is no progress of a build."""


class Documents:
    """Takes in bytes as they come; gives documents, and whole lines of text that belong to none."""

    def __init__(self) -> None:
        self._pending = b""
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Mapping[str, Any] | bytes]:
        """Yield what a chunk completes. Raises Garbled for what grows without an end."""
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for line in lines:
            yield from self._line(line)
        if self._size + len(self._pending) > LIMIT_BYTES:
            raise Garbled(f"It wrote more than {LIMIT_BYTES >> 20} MiB that are no progress of a build.")

    def end(self) -> Iterator[Mapping[str, Any] | bytes]:
        """Yield what has no end when all was read."""
        rest = [*self._parts, self._pending]
        self._parts, self._pending = [], b""
        yield from (line for line in rest if line.strip())

    def _line(self, line: bytes) -> Iterator[Mapping[str, Any] | bytes]:
        line = line.rstrip(b"\r")
        if not self._parts and not line.startswith(b"{"):
            if line.strip():
                yield line
            return
        self._parts.append(line)
        self._size += len(line)
        # Indented documents begin and end with a brace of their own line, compact ones are one line.
        if line == b"}" or (len(self._parts) == 1 and line != b"{"):
            whole = b"\n".join(self._parts)
            self._parts, self._size = [], 0
            yield from _document(whole)


def _document(whole: bytes) -> Iterator[Mapping[str, Any] | bytes]:
    try:
        found = json.loads(whole)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        yield found
    else:
        yield from whole.split(b"\n")
