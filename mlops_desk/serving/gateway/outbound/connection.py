"""One connection to a replica: a question goes out, its answer comes back whole or piece by piece, and so on.

A connection is used again only when nothing is wrong with it: the answer was whole and said that the connection stays,
nothing came after it, and the whole question had gone out. Before its next question it is looked at once more.
"""

import asyncio
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, cast

import httptools

from mlops_desk.serving.gateway.header_cache import KnownHeads
from mlops_desk.serving.gateway.messages import Rejected, broken
from mlops_desk.serving.gateway.outbound.question import Lost, Question, Taker

_HEAD_BYTES = 64 << 10  # chosen: a model's server sends a few hundred bytes
_FRAME_SHARE = 8  # a chunk of one byte costs five more, and CR LF
_INTERIM = 8  # chosen: a server says 100 once, and 103 hardly ever
_SMALL_BYTES = 64 << 10  # chosen: a question up to here goes out in one piece
_STATUSES = range(200, 600)
_INTERIM_STATUSES = frozenset({100, 102, 103})
"""What comes before an answer. 101 is another protocol."""
_EVENTS = b"text/event-stream"
_TYPE = re.compile(rb"[\x20-\x7e]{1,1024}")  # chosen: four times what a multipart's boundary needs


_known: KnownHeads[tuple[int, bytes]] = KnownHeads()
"""Status and content type of answers whose connection stays, of all replicas."""


class ReplicaConnection(asyncio.Protocol):
    """One connection. ``on_free`` is told that it can be asked again, ``on_gone`` that it is closed."""

    def __init__(
        self,
        made: socket.socket,
        on_free: Callable[["ReplicaConnection"], None],
        on_gone: Callable[["ReplicaConnection"], None],
    ) -> None:
        self._socket = made
        self._on_free = on_free
        self._on_gone = on_gone
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)  # before connection_made nothing happens
        self._parser: Any = httptools.HttpResponseParser(self)
        self._taker: Taker | None = None
        self.free_since = 0.0
        self.is_reused = False
        self._begin()

    def _begin(self) -> None:
        self._status = self._interim = 0
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._raw_bytes = self._body_bytes = self._held_bytes = 0
        self._is_streamed = self._is_told = self._is_whole = self._is_kept = False
        self._is_spoilt = False
        self._trouble: Rejected | None = None

    @property
    def has_begun(self) -> bool:
        """Return whether a byte of the answer came."""
        return self._raw_bytes > 0

    def is_fit(self) -> bool:
        """Return whether the connection is open and nothing has come on it that nobody asked for."""
        if self._transport.is_closing():
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def ask(self, question: Question, taker: Taker) -> None:
        """Send a question; ``taker`` takes the answer."""
        self._begin()
        self._taker = taker
        head = question.head()
        if len(question.body) <= _SMALL_BYTES:
            self._transport.write(head + question.body)
        else:  # not waited for: a model may answer before it has read everything, and the body lies in memory anyway
            self._transport.write(head)
            self._transport.write(question.body)

    def drop(self) -> None:
        """Close at once, and tell nobody."""
        self._taker = None
        self._transport.abort()

    def pause(self) -> None:
        """Read no more for now."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._taker is None:  # nobody has asked
            self._transport.abort()
            return
        if not self._raw_bytes and (known := _known.find(data)) is not None:
            self._take_whole(self._taker, data, *known.said, known.body_at)
            return
        self._raw_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._is_whole:
                self._fail(Lost(f"no answer in HTTP: {error}"))
                return
            self._is_spoilt = True
        if self._trouble is not None:
            self._fail(self._trouble)
        else:
            is_plain = self._is_kept and not self._is_streamed  # one that is kept is whole
            if is_plain and self._raw_bytes == len(data):
                _known.learn(data, self._body_bytes, (self._status, self._content_type()))
            self._deliver(self._taker)

    def _take_whole(self, taker: Taker, data: bytes, status: int, content_type: bytes, body_at: int) -> None:
        """Take an answer that came in one piece and whose like was read before."""
        self._raw_bytes, self._is_kept = len(data), True
        try:
            taker.hold(len(data) - body_at)
        except Rejected as rejected:
            self._fail(rejected)
            return
        if self._taker is taker:
            self._let_go()
            taker.whole(status, content_type, data[body_at:])

    def eof_received(self) -> None:
        if self._taker is not None and self._status and not self._is_whole and self._ends_with_connection():
            self._is_whole, self._is_kept = True, False
            self._deliver(self._taker)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_gone(self)
        self._fail(Lost(f"the connection broke off: {exc}" if exc else "the connection was closed"))

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._is_whole:
            self._is_spoilt = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_spoilt and not self._status:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._is_spoilt:
            return
        status = self._parser.get_status_code()
        if status in _STATUSES:
            self._status = status
            self._trouble = _trouble(self._headers)
            self._is_streamed = b"transfer-encoding" in self._headers or self._content_type().startswith(_EVENTS)
            return
        self._interim += 1
        if status not in _INTERIM_STATUSES or self._interim > _INTERIM:
            raise ValueError(f"status {status}")

    def on_body(self, body: bytes) -> None:
        if not self._is_spoilt:
            self._pieces.append(body)
            self._body_bytes += len(body)
            self._held_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._is_spoilt:
            return
        if not self._status:  # it said 100 or 103: the answer comes after it
            self._headers = {}
            return
        self._is_whole = True
        self._is_kept = self._parser.should_keep_alive()

    # What becomes of it.

    def _content_type(self) -> bytes:
        return self._headers.get(b"content-type", b"application/json")

    def _ends_with_connection(self) -> bool:
        return b"content-length" not in self._headers and b"transfer-encoding" not in self._headers

    def _deliver(self, taker: Taker) -> None:
        held, self._held_bytes = self._held_bytes, 0
        try:
            taker.hold(held)
        except Rejected as rejected:
            self._fail(rejected)
            return
        if self._status and self._is_streamed:
            self._tell(taker)
        if self._taker is not taker:  # whoever takes it has dropped it
            return
        if self._is_whole:
            self._finish(taker)
        elif self._is_endless():
            self._fail(Lost("more frame than answer"))

    def _is_endless(self) -> bool:
        return self._raw_bytes - self._body_bytes > _HEAD_BYTES + _FRAME_SHARE * self._body_bytes

    def _tell(self, taker: Taker) -> None:
        if not self._is_told:
            self._is_told = True
            taker.begins(self._status, self._content_type())
        pieces, self._pieces = self._pieces, []
        if pieces and self._taker is taker:
            taker.piece(b"".join(pieces))

    def _let_go(self) -> None:
        """Have the connection be free, if it is fit to be asked again."""
        self._taker = None
        is_sent = self._transport.get_write_buffer_size() == 0
        if self._is_kept and is_sent and not self._is_spoilt and not self._transport.is_closing():
            self.is_reused = True
            self._on_free(self)
        else:
            self._transport.abort()

    def _finish(self, taker: Taker) -> None:
        self._let_go()
        if self._is_streamed:
            taker.ended()
        else:
            body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces = []
            taker.whole(self._status, self._content_type(), body)

    def _fail(self, error: Exception) -> None:
        taker, self._taker = self._taker, None
        if taker is not None:
            self._transport.abort()
            taker.failed(error)


def _trouble(headers: Mapping[bytes, bytes]) -> Rejected | None:
    """Return what keeps an answer from being handed on: its caller would take it for something that it is not."""
    codings = headers.get(b"content-encoding", b"identity"), headers.get(b"transfer-encoding", b"chunked")
    if (codings[0].lower(), codings[1].lower()) != (b"identity", b"chunked"):
        return broken("The model's answer is packed, which nobody has asked for.")
    if not _TYPE.fullmatch(headers.get(b"content-type", b"application/json")):
        return broken("The model's answer has a content type that is none.")
    return None
