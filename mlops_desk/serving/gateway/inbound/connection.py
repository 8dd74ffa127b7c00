"""A caller's connection: one request at a time is read off it, handed to the gate, and answered.

It is held to deadlines: who keeps the gateway waiting is answered 408 and closed. What comes while a request is being
answered is left unread, and what is owed after a refusal is thrown away until its sender has seen the answer: closed
at once, the kernel would reset the connection and the answer be lost.
"""

import asyncio
import time
from typing import cast

from mlops_desk.kit.base.peers import UNKNOWN
from mlops_desk.serving.gateway.inbound.connection_guard import ConnectionPhase, Warden
from mlops_desk.serving.gateway.inbound.reader import REQUEST_END, Malformed, Part, RequestReader
from mlops_desk.serving.gateway.messages import Answer, Call, Gate, Rejected, RequestHead, head_of
from mlops_desk.serving.gateway.routes import GatewayLimits

# Answers on their way out of one connection, no faster than they are read.
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


_SLICE_BYTES = 16 << 10  # so many bytes at a time are cut into requests: what else came lies there as it is
_BUFFER_BYTES = 64 << 10  # asyncio's own limit, said so that nobody need know it
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

HEAD, BODY, WORK, UNREAD, REST = ConnectionPhase


class GatewayConnection(asyncio.Protocol):
    """One connection. It is the ``Asker`` of its requests."""

    def __init__(self, gate: Gate, warden: Warden) -> None:
        self.peer = UNKNOWN
        self._gate = gate
        self._warden = warden
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)  # before connection_made nothing happens
        self._reader = RequestReader()
        self._rest = memoryview(b"")
        self._head: RequestHead | None = None
        self._call: Call | None = None
        self._pieces: list[bytes] = []
        self._is_busy = False  # a whole request is here, and not answered yet
        self._is_last = self._is_lingering = False  # nothing follows; what still comes is thrown away
        self._is_held_up = self._is_reading = False
        self._phase = HEAD
        self._since = self._moved_at = self._piece_at = time.monotonic()
        self._unsent = 0

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_BUFFER_BYTES)
        self._writer = AnswerWriter(self._transport)
        ends = (transport.get_extra_info(name) for name in ("peername", "sockname"))
        peer = self._warden.enter(self, *ends)
        if peer is None:
            self.end(503, "Too many connections at once.")
        else:
            self.peer = peer

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it has gone, whatever the reason
        self._warden.leave(self)
        call, self._call = self._call, None
        if call is not None:
            call.abandon()

    def eof_received(self) -> bool:
        """Answer whoever has said all, and keep the connection for that, unless the call takes it for a farewell."""
        self._is_last = True
        return self._is_busy and (self._call is None or not self._call.ends_with_caller)

    def data_received(self, data: bytes) -> None:
        if self._is_lingering or self._transport.is_closing():
            return
        if not self._rest and not self._is_busy and (whole := self._reader.whole(data)) is not None:
            self._take_whole(*whole)
            return
        self._rest = memoryview(bytes(self._rest) + data if self._rest else data)
        self._read()

    def pause_writing(self) -> None:
        self._writer.is_paused = True
        self._enter(UNREAD)
        if self._writer.is_streaming and self._call is not None:
            self._call.pause()

    def resume_writing(self) -> None:
        self._writer.is_paused = False
        self._writer.go_on()
        if self._writer.is_out:
            self._close_request()
        elif self._writer.is_streaming and self._call is not None:
            self._enter(WORK)
            self._call.resume()

    # Reading.

    def _read(self) -> None:
        """Take requests off what came, until one of them has to be answered first."""
        if self._is_reading:  # a request was answered on the spot: the loop below goes on
            return
        self._is_reading = True
        parts = self._reader.parts
        while not self._is_busy and not self._is_lingering:
            if parts:
                self._take(parts.popleft())
            elif self._rest:
                self._reader.feed(self._rest[:_SLICE_BYTES])
                self._rest = self._rest[_SLICE_BYTES:]
            else:
                break
        self._is_reading = False
        self._hold_up(is_wanted=bool(self._rest))
        if self._is_busy or self._is_lingering:
            return
        if self._call is not None:
            self._enter(BODY)
        elif not self._reader.is_between:
            self._enter(HEAD)

    def _hold_up(self, *, is_wanted: bool) -> None:
        if is_wanted != self._is_held_up and not self._transport.is_closing():
            self._is_held_up = is_wanted
            (self._transport.pause_reading if is_wanted else self._transport.resume_reading)()

    def _take_whole(self, head: RequestHead, body: bytes) -> None:
        """Take a request that came in one piece and whose like was read before."""
        self._begin(head)
        if body and self._call is not None:
            self._collect(body)
        if self._call is not None and not self._is_busy:
            self._start()

    def _take(self, part: Part) -> None:
        if part is REQUEST_END:
            self._start()
        elif isinstance(part, bytes):
            self._collect(part)
        elif isinstance(part, RequestHead):
            self._begin(part)
        elif isinstance(part, Malformed):
            self._refuse(Rejected(part.status, part.text, close=True))

    def _begin(self, head: RequestHead) -> None:
        self._head = head
        try:
            self._call = self._gate.open(head, self)
        except Rejected as rejected:
            self._refuse(rejected)
            return
        self._piece_at = time.monotonic()
        if b"expect" in head.headers and head.owes_body and not head.is_old:
            self._transport.write(_CONTINUE)

    def _collect(self, piece: bytes) -> None:
        if self._call is None:
            return
        self._piece_at = time.monotonic()
        try:
            self._call.take(len(piece))
        except Rejected as rejected:
            self._refuse(rejected)
        else:
            self._pieces.append(piece)

    def _start(self) -> None:
        """Hand a whole request on; one that was refused by its head has been answered."""
        if self._call is None:
            return
        pieces, self._pieces = self._pieces, []
        self._is_busy = True
        self._enter(WORK)
        try:
            self._call.start(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        except Rejected as rejected:
            self.answer(self._call.refuse(rejected.answer))

    def _refuse(self, rejected: Rejected) -> None:
        """Answer before the whole request is here; what is left of it is thrown away, and the connection ends."""
        answer = rejected.answer if self._call is None else self._call.refuse(rejected.answer)
        self._pieces = []
        self._is_busy = True
        if self._head is None or self._head.owes_body or answer.is_last:
            answer.is_last = self._is_lingering = True
            self._rest = memoryview(b"")
            self._hold_up(is_wanted=False)
        self.answer(answer)

    # Answering: the Asker.

    def answer(self, answer: Answer) -> None:
        """Send a whole answer."""
        if self._transport.is_closing():
            return
        answer.is_last = self._is_last = self._is_the_last(answer)
        self._writer.whole(answer, self._head)
        if self._writer.is_out:
            self._close_request()

    def stream(self, answer: Answer) -> None:
        """Begin an answer that comes in pieces; for an old caller, who knows no chunks, it ends with the connection."""
        if self._transport.is_closing():
            return
        is_old = self._head is not None and self._head.is_old
        answer.is_last = self._is_last = self._is_the_last(answer) or is_old
        self._writer.stream(answer, self._head)

    def piece(self, data: bytes) -> None:
        """Send the next piece."""
        if not self._transport.is_closing():
            self._writer.piece(data)

    def end_stream(self) -> None:
        """End an answer that came in pieces."""
        if self._transport.is_closing():
            return
        self._writer.end_stream()
        if self._writer.is_out:
            self._close_request()

    def break_off(self) -> None:
        """Close the connection in the middle of an answer."""
        self._transport.abort()

    def _is_the_last(self, answer: Answer) -> bool:
        is_kept = self._head is not None and self._head.is_kept
        return answer.is_last or self._is_last or not is_kept or self._warden.is_ending

    def _close_request(self) -> None:
        """Turn to what comes next: the answer is out."""
        call, self._call, self._head = self._call, None, None
        if call is not None:
            call.release()
        self._is_busy = False
        self._writer.begin()
        if self._is_last:
            self._close()
            return
        self._enter(REST)
        if self._rest or self._reader.parts:
            self._read()

    def _close(self) -> None:
        """Close; where something is still on its way here, only after its sender had time to read why."""
        if not self._is_lingering:
            self._transport.close()
        elif self._transport.can_write_eof():
            self._enter(HEAD)
            self._transport.write_eof()

    # The warden's.

    def check(self, now: float, limits: GatewayLimits) -> None:
        """End the connection if it is late."""
        waited = now - self._since
        if self._unread_seconds(now) >= limits.unread_seconds:
            self._transport.abort()
        elif self._transport.is_closing():
            return
        elif self._phase is HEAD and waited >= limits.head_seconds:
            if self._is_lingering:
                self._transport.abort()
            else:
                self.end(408, f"The request's head did not come within {limits.head_seconds:g} s.")
        elif self._phase is BODY and (
            waited >= limits.body_seconds or now - self._piece_at >= limits.body_idle_seconds
        ):
            self._refuse(Rejected(408, "The request's body came too slowly.", close=True))
        elif self._phase is REST and waited >= limits.rest_seconds:
            self._transport.close()

    def end(self, status: int, text: str) -> None:
        """Say why and close, or break off an answer that is on its way."""
        if self._is_busy or self._is_lingering or self._transport.get_write_buffer_size() > 0:
            self._transport.abort()
            return
        self._transport.write(_last_words(status, text))
        self._transport.close()

    def finish(self) -> None:
        """Close now if nothing is under way, else after the answer."""
        if not self._is_busy and self._call is None:
            self._transport.close()

    def abort(self) -> None:
        """Close whatever is under way."""
        self._transport.abort()

    def _unread_seconds(self, now: float) -> float:
        """Return for how long an answer has lain there and nothing was read of it, also while its connection closes."""
        unsent = self._transport.get_write_buffer_size()
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._moved_at = unsent, now
        return now - self._moved_at

    def _enter(self, phase: ConnectionPhase) -> None:
        if phase is self._phase:
            return
        self._phase, self._since = phase, time.monotonic()
        if phase is WORK:
            self._warden.works(self)
        elif phase is REST:
            self._warden.rests(self)
        else:
            self._warden.owes(self)


def _last_words(status: int, text: str) -> bytes:
    answer = Rejected(status, text, close=True).answer
    return head_of(answer, None) + answer.body
