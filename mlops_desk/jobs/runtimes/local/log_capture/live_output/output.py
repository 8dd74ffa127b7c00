"""What a container writes, as Docker's API hands it on to who is attached: the line of it that has no end yet. Pure.

Bounded whatever comes: of the two streams the end is kept, as much as a bar can be long.
"""

_HEAD_BYTES = 16 << 10  # chosen: an answer's head has a few hundred
_FRAME_HEAD_BYTES = 8  # Docker's API: stream, three zeros, and the length (big-endian)
_STREAMS = (1, 2)  # stdout and stderr in Docker's API
_KEPT_BYTES = 4096  # chosen: two states of a line that fills a wide terminal, and what comes between them
SHOWN_BYTES = 1000  # chosen: a bar over the whole width of a wide terminal has 600


class Output:
    """Takes what is received of one attachment, cut anywhere."""

    def __init__(self) -> None:
        self._head: bytes | None = b""
        self._framed: bool | None = None
        self._frame_head = b""
        self._stream, self._left = 0, 0
        self._tails = {0: b"", 1: b"", 2: b""}
        self._newest = 0

    @property
    def began(self) -> bool:
        """Tell whether the engine has said that it hands on what is written."""
        return self._head is None

    def feed(self, data: bytes) -> bool:
        """Take a piece; False where the engine refuses, or speaks another language."""
        if self._head is not None:
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                self._head = head
                return len(head) <= _HEAD_BYTES
            if head[:13].split(b" ")[1:2] not in ([b"101"], [b"200"]):
                return False
            self._head = None
        if self._framed is None and data:
            # A terminal's output has no frames; no program begins with such a byte and three zeros.
            self._framed = data[0] in _STREAMS and data[1:4] == bytes(3)[: len(data) - 1]
        if not self._framed:
            self._write(0, data)
            return True
        return self._unframe(data)

    def _unframe(self, data: bytes) -> bool:
        while data:
            if not self._left:
                wanted = _FRAME_HEAD_BYTES - len(self._frame_head)
                self._frame_head, data = self._frame_head + data[:wanted], data[wanted:]
                if len(self._frame_head) < _FRAME_HEAD_BYTES:
                    return True
                self._stream, self._left = self._frame_head[0], int.from_bytes(self._frame_head[4:], "big")
                self._frame_head = b""
                if self._stream not in _STREAMS:
                    return False
            text, data = data[: self._left], data[self._left :]
            self._left -= len(text)
            self._write(self._stream, text)
        return True

    def _write(self, stream: int, text: bytes) -> None:
        if text:
            before, end, after = text.rpartition(b"\n")
            tail = after if before or end else self._tails[stream] + after
            self._tails[stream], self._newest = tail[-_KEPT_BYTES:], stream

    @property
    def painted(self) -> bytes:
        """Return what stands in the unfinished line that was written to last; b"" where each has its end."""
        for stream in (self._newest, *_STREAMS):
            state = self._tails[stream].rstrip(b"\r").rpartition(b"\r")[2]
            if state.strip():
                return state if len(state) <= SHOWN_BYTES else b""
        return b""
