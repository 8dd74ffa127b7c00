"""Heads that were read before: whoever asks or answers again in the same words need not be parsed again. Pure.

A parser that is between two messages reads the same bytes the same way, so what it has found in a head once holds for
the same head, byte for byte. Only what is plain is remembered: a head with a length that came in one piece with all of
its body and nothing else. All others, and the first of each, go through the parser.
"""

from typing import Generic, TypeVar

from msgspec import Struct

H = TypeVar("H")
_END = b"\r\n\r\n"
_HEAD_BYTES = 2048  # chosen: a token, a trace and a dozen headers; a longer one is parsed each time
_MOST = 256  # chosen: half a megabyte at most; a replica's Date makes a new one each second


class KnownHead(Struct, Generic[H], frozen=True, gc=False):
    """What a head was found to say, and where its body begins and ends."""

    said: H
    body_at: int
    ends_at: int


class KnownHeads(Generic[H]):
    """The heads of one kind of message, for one event loop. When there are too many, all are forgotten."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownHead[H]] = {}

    def find(self, data: bytes) -> KnownHead[H] | None:
        """Return what is known of the head of ``data``, where that is one whole message; None where it is not."""
        end = data.find(_END, 0, _HEAD_BYTES)
        if end < 0:
            return None
        found = self._known.get(data[:end])
        return found if found is not None and found.ends_at == len(data) else None

    def learn(self, data: bytes, body_bytes: int, said: H) -> None:
        """Remember what a parser has found in ``data``: one whole message, whose body has so many bytes."""
        end = data.find(_END, 0, _HEAD_BYTES)
        body_at = end + len(_END)
        if end < 0 or body_at + body_bytes != len(data):  # something else came before it or with it
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[data[:end]] = KnownHead(said, body_at, len(data))
