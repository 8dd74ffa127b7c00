"""Bytes of a connection to requests, whatever the pieces they come in. Pure.

llhttp (under httptools) reads as strictly as it can: both lengths, two lengths, folded headers, lines that end in LF
alone, NUL, spaces before a colon are errors. What it lets through and the gateway does not want is refused here.
After trouble nothing more is read: whoever sent it and whoever reads it no longer agree on where a request begins.
"""

from collections import deque
from typing import Any

import httptools

from mlops_desk.serving.gateway.header_cache import KnownHeads
from mlops_desk.serving.gateway.messages import RequestHead

_HEAD_BYTES = 32 << 10  # as much as nginx takes by default (four buffers of 8 KiB)
_HEADERS = 100  # as many as Apache takes
_UNPARSED_BYTES = 2 * _HEAD_BYTES
"""What may come of a head before its end: the parser collects a header until it is whole."""
_FRAME_BYTES = 16 << 10  # chosen: chunks' lengths, extensions and trailers beside a body, for a start
_FRAME_SHARE = 8  # a chunk of one byte costs five more, and CR LF
_ONCE = frozenset({b"host", b"authorization", b"content-type", b"transfer-encoding", b"x-request-id", b"expect"})
"""Headers that must not come twice: which of the two holds is what readers disagree on."""
_SPECIAL = frozenset({b"transfer-encoding", b"expect"})
"""Headers of a request that is more than a head and so many bytes."""


class Malformed:
    """Stands for a request that can't be read: what to answer. Nothing comes after it."""

    __slots__ = ("status", "text")

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Malformed) and (self.status, self.text) == (other.status, other.text)

    __hash__ = None  # type: ignore[assignment]  # it is compared by what it says, and kept in no set


class RequestEnd:
    """Stands for the end of a request."""


REQUEST_END = RequestEnd()
Part = RequestHead | bytes | RequestEnd | Malformed


_known: KnownHeads[RequestHead] = KnownHeads()
"""Of all connections: most callers ask one thing again and again."""


class _Refusal(Exception):  # noqa: N818 - ends a callback of the parser's, and is caught beside it
    """Carries a status and a sentence out of the parser."""


class RequestReader:
    """Feed it bytes, and take from ``parts``: a head, pieces of its body, its end; or what is wrong, once."""

    def __init__(self) -> None:
        self.parts: deque[Part] = deque()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._head_bytes = self._count = 0
        self._raw_bytes = self._body_bytes = 0
        self._has_begun = self._is_in_body = self._is_last = False
        self._trouble: Malformed | None = None

    @property
    def is_between(self) -> bool:
        """Return whether nothing of a next request has come."""
        return not self._has_begun

    def whole(self, data: bytes) -> tuple[RequestHead, bytes] | None:
        """Return the request that ``data`` is, all of it and no more, where its head was read before; else None."""
        if self._has_begun or self._is_last or self._trouble is not None or self.parts:
            return None
        known = _known.find(data)
        return None if known is None else (known.said, data[known.body_at :])

    def feed(self, data: bytes | memoryview) -> None:
        """Read on."""
        if self._trouble is not None:
            return
        is_first = not self._has_begun and not self.parts
        self._parse(data)
        if is_first and self.parts and self.parts[-1] is REQUEST_END:
            self._learn(bytes(data))

    def _learn(self, data: bytes) -> None:
        """Remember the head of a request that came in one piece, unless its connection ends or more is to be said."""
        head, *rest = self.parts
        if not isinstance(head, RequestHead) or len(rest) > 2:  # a body and its end
            return
        if head.is_kept and not head.is_old and not head.headers.keys() & _SPECIAL:
            _known.learn(data, self._body_bytes, head)

    def _parse(self, data: bytes | memoryview) -> None:
        self._raw_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._stop(501, "No other protocol is spoken here.")
        except httptools.HttpParserCallbackError as error:
            status, text = error.__context__.args if isinstance(error.__context__, _Refusal) else (400, str(error))
            self._stop(status, text)
        except httptools.HttpParserError as error:
            self._stop(400, f"This is no HTTP: {error}.")
        else:
            self._look_at_sizes()

    def _look_at_sizes(self) -> None:
        """Stop whoever makes the parser collect: a head without end, or frames without a body."""
        if not self._is_in_body:
            if self._raw_bytes > _UNPARSED_BYTES:
                self._stop(431, f"A request's head may have {_HEAD_BYTES} bytes.")
        elif self._raw_bytes - self._body_bytes > _FRAME_BYTES + _FRAME_SHARE * self._body_bytes:
            self._stop(400, "More frame than body.")

    def _stop(self, status: int, text: str) -> None:
        self._trouble = Malformed(status, text)
        self.parts.append(self._trouble)

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._has_begun = True
        self._target = b""
        self._headers = {}
        self._head_bytes = self._count = 0

    def on_url(self, url: bytes) -> None:
        self._target += url  # it comes as it is cut

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        self._count += 1
        if self._is_in_body:  # a trailer: nobody asked for any
            return
        name = name.lower()
        known = self._headers.get(name)
        if known is None:
            self._headers[name] = value
        elif name in _ONCE:
            raise _Refusal(400, f"The header {name.decode('latin-1')} came twice.")
        else:
            self._headers[name] = known + b", " + value

    def on_headers_complete(self) -> None:
        if self._head_bytes + len(self._target) > _HEAD_BYTES or self._count > _HEADERS:
            raise _Refusal(431, f"A request's head may have {_HEAD_BYTES} bytes and {_HEADERS} headers.")
        version = self._parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            raise _Refusal(505, "HTTP/1.1 is spoken here.")
        if self._parser.should_upgrade():
            raise _Refusal(501, "No other protocol is spoken here.")
        if (coding := self._headers.get(b"transfer-encoding")) is not None:
            if version == "1.0":
                raise _Refusal(400, "HTTP/1.0 knows no chunks.")
            if coding.lower() != b"chunked":
                raise _Refusal(501, "Of the transfer encodings only chunked is understood.")
        is_kept = self._parser.should_keep_alive()
        self._is_last = not is_kept
        method = self._parser.get_method()
        self.parts.append(RequestHead(method, self._target, self._headers, is_kept, version == "1.0"))
        self._is_in_body = True
        self._raw_bytes = self._body_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self.parts.append(body)

    def on_message_complete(self) -> None:
        self.parts.append(REQUEST_END)
        self._has_begun = self._is_in_body = False
        self._raw_bytes = 0
