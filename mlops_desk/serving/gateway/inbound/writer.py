"""Answers on their way out of one connection, no faster than they are read."""

import asyncio

from mlops_desk.serving.gateway.messages import Answer, RequestHead, head_of

_PIECE_BYTES = 256 << 10  # chosen: more at once gains nothing, and a slow reader holds one piece at a time


class AnswerWriter:
    """Writes one answer after the other. ``is_paused``: what was written is not read yet."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: RequestHead | None = None
        self._rest: memoryview | None = None
        self._is_said = False
        self.is_paused = self.is_streaming = False

    @property
    def is_out(self) -> bool:
        """Return whether the answer is written, and read but for what the kernel and a small buffer hold."""
        return self._is_said and self._rest is None and not self.is_paused

    def begin(self) -> None:
        """Turn to the next answer."""
        self._is_said = self.is_streaming = False

    def whole(self, answer: Answer, head: RequestHead | None) -> None:
        """Send a whole answer, a large one piece by piece."""
        line = head_of(answer, head)
        body = b"" if head is not None and head.method == b"HEAD" else answer.body
        self._is_said = True
        if len(body) <= _PIECE_BYTES:
            self._transport.write(line + body)
            return
        self._rest = memoryview(body)
        self._transport.write(line)
        self.go_on()

    def go_on(self) -> None:
        """Write more of a large answer, as far as it is read."""
        while (rest := self._rest) is not None and not self.is_paused:
            self._rest = rest[_PIECE_BYTES:] or None
            self._transport.write(rest[:_PIECE_BYTES])

    def stream(self, answer: Answer, head: RequestHead | None) -> None:
        """Begin an answer that comes in pieces."""
        self._head, self.is_streaming = head, True
        self._transport.write(head_of(answer, head, chunked=True))

    def piece(self, data: bytes) -> None:
        """Send the next piece, as a chunk where the caller knows any."""
        if data:
            self._transport.write(data if self._is_old else b"%x\r\n%b\r\n" % (len(data), data))

    def end_stream(self) -> None:
        """End an answer that came in pieces."""
        if not self._is_old:
            self._transport.write(b"0\r\n\r\n")
        self._is_said = True

    @property
    def _is_old(self) -> bool:
        return self._head is not None and self._head.is_old
