"""Requests and answers as the gateway's parts hand them to one another, and how an answer is written down. Pure.

What is made for each request is a struct of msgspec's, which is made in a fifth of a dataclass's time.
"""

import json
import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from msgspec import Struct

_RETRY_AFTER_SECONDS = 2  # chosen: most answers of models take less, so there is room by then
JSON_TYPE = b"application/json"
_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}


class RequestHead(Struct):
    """A request's head: names of headers in lower case. ``is_kept``: its connection may stay open after the answer."""

    method: bytes
    target: bytes
    headers: Mapping[bytes, bytes]
    is_kept: bool = True
    is_old: bool = False
    """Whether it is HTTP/1.0, which knows no chunks."""
    admitted: object = None
    """What the gate has made of this very head, for the next request that has it."""

    @property
    def owes_body(self) -> bool:
        """Return whether more than the head is to come."""
        return b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0").strip(b"0") != b""


class Answer(Struct):
    """What goes back to the caller. ``headers`` are whole lines."""

    status: int
    body: bytes
    content_type: bytes = JSON_TYPE
    headers: bytes = b""
    is_last: bool = False
    """Whether the connection ends with it."""


class Rejected(Exception):  # noqa: N818 - a rejection is an answer here, not a fault
    """Ends the handling of a request with a status and a sentence."""

    def __init__(
        self, status: int, text: str, *, retry: float | None = None, close: bool = False, headers: bytes = b""
    ) -> None:
        super().__init__(text)
        wait = b"" if retry is None else b"retry-after: %d\r\n" % max(1, round(retry))
        self.answer = Answer(status, json.dumps({"error": text}).encode(), JSON_TYPE, headers + wait, is_last=close)


def busy(text: str, *, close: bool = False) -> Rejected:
    """Return the rejection of who may ask again in a moment."""
    return Rejected(503, text, retry=_RETRY_AFTER_SECONDS, close=close)


def broken(text: str) -> Rejected:
    """Return the rejection for a model whose answer is none."""
    return Rejected(502, text, retry=_RETRY_AFTER_SECONDS)


class Asker(Protocol):
    """The connection of whoever asked, as the handling of a request sees it."""

    peer: str

    def answer(self, answer: Answer) -> None:
        """Send a whole answer; it is the last thing said about the request."""

    def stream(self, answer: Answer) -> None:
        """Begin an answer that comes in pieces."""

    def piece(self, data: bytes) -> None:
        """Send the next piece."""

    def end_stream(self) -> None:
        """End an answer that came in pieces."""

    def break_off(self) -> None:
        """Close the connection in the middle of an answer, so that nobody takes it for whole."""


class Call(Protocol):
    """A request that was let in by its head, as its connection sees it."""

    def take(self, amount: int) -> None:
        """Note that so much of the body came. Raises Rejected."""

    def start(self, body: bytes) -> None:
        """Go on: the whole request is here. Raises Rejected."""

    @property
    def ends_with_caller(self) -> bool:
        """Return whether a caller who sends no more is taken for one who has gone."""
        ...

    def refuse(self, answer: Answer) -> Answer:
        """Note that the request ends with ``answer``, and return it as it goes out."""

    def pause(self) -> None:
        """Give no more pieces for now: the caller does not read."""

    def resume(self) -> None:
        """Go on giving pieces."""

    def abandon(self) -> None:
        """Note that the caller has gone; memory is given back when nothing is under way any more."""

    def release(self) -> None:
        """Give back what memory the request held: its answer is out."""


class Gate(Protocol):
    """Lets requests in by their heads."""

    def open(self, head: RequestHead, caller: Asker) -> Call:
        """Return the call that a request with this head is. Raises Rejected."""


def head_of(answer: Answer, head: RequestHead | None, *, chunked: bool = False) -> bytes:
    """Return an answer's head, up to the empty line and with it; ``head`` is the request's, where there was one."""
    line = _LINES.get(answer.status) or b"HTTP/1.1 %d \r\n" % answer.status
    if chunked:
        length = b"" if head is not None and head.is_old else b"transfer-encoding: chunked\r\n"
    else:
        length = b"content-length: %d\r\n" % len(answer.body)
    if answer.is_last:
        last = b"connection: close\r\n"
    else:
        last = b"connection: keep-alive\r\n" if head is not None and head.is_old else b""
    return b"%bdate: %b\r\ncontent-type: %b\r\n%bx-content-type-options: nosniff\r\n%b%b\r\n" % (
        line, _date(), answer.content_type, length, answer.headers, last,
    )  # fmt: skip


class _Clock:
    """The date as HTTP writes it, made once a second."""

    second = 0
    text = b""


def _date() -> bytes:
    now = int(time.time())
    if now != _Clock.second:
        _Clock.second, _Clock.text = now, formatdate(now, usegmt=True).encode()
    return _Clock.text
