"""What a replica is asked and says, and who takes it."""

from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct


class Lost(Exception):  # noqa: N818 - an answer for the caller
    """The connection broke, or made no sense, after the request went out."""


class Question(Struct):
    """What a replica is asked. ``content_type`` is passed on byte for byte; ``headers`` are whole lines."""

    method: bytes
    path: bytes
    body: bytes
    content_type: bytes
    headers: bytes = b""

    def head(self) -> bytes:
        """Return its head as it goes out: nothing of the caller's own but what stands here."""
        return (
            b"%b %b HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n%bcontent-type: %b\r\ncontent-length: %d\r\n\r\n"
            % (self.method, self.path, self.headers, self.content_type, len(self.body))
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a replica said."""

    status: int
    body: bytes
    content_type: str


class Taker(Protocol):
    """Who asked. Of ``whole``, ``ended`` and ``failed`` one is called, unless the question is dropped before."""

    def hold(self, amount: int) -> None:
        """Note that so much of an answer came. Raises Rejected when it is too much."""

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:
        """Take a whole answer."""

    def begins(self, status: int, content_type: bytes) -> None:
        """Take the head of an answer that comes in pieces."""

    def piece(self, data: bytes) -> None:
        """Take the next piece."""

    def ended(self) -> None:
        """Note that the pieces have ended."""

    def failed(self, error: Exception) -> None:
        """Take NotConnected, Lost, or what ``hold`` raised."""
