"""Requests and answers as the gateway's application sees them: read with a cap, asked onward, sent back."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_desk.serving.gateway.routes import GatewayLimits
from mlops_desk.serving.gateway.upstream import Lost, NotConnected, Question, ask_one

_RETRY_AFTER_SECONDS = 2  # chosen: most answers of models take less, so there is room by then
_PIECE_BYTES = 256 << 10  # chosen: more at once gains nothing, and a slow reader holds one piece at a time


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the caller."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Rejected(Exception):  # noqa: N818 - a rejection is an answer here, not a fault
    """Ends the handling of a request with a status and a sentence."""

    def __init__(self, status: int, text: str, *, retry: bool = False, close: bool = False) -> None:
        super().__init__(text)
        wait = [("retry-after", str(_RETRY_AFTER_SECONDS))] if retry else []
        last = [("connection", "close")] if close else []
        self.answer = Answer(status, json.dumps({"error": text}).encode(), headers=(*wait, *last))


async def read_body(
    headers: Mapping[str, str], receive: Any, limits: GatewayLimits, hold: Callable[[int], None]
) -> bytes:
    """Read a request's body; ``hold`` is told of each piece and may reject it.

    Raises Rejected when it is too large or too slow, or its sender has gone.
    """
    too_large = Rejected(413, f"A request may have {limits.body_bytes} bytes.")
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > limits.body_bytes:
        raise too_large
    pieces, size, more = [], 0, True
    try:
        async with asyncio.timeout(limits.body_seconds):
            while more:
                async with asyncio.timeout(limits.body_idle_seconds):
                    message = await receive()
                if message["type"] == "http.disconnect":
                    raise Rejected(400, "The request broke off.")
                piece = message.get("body", b"")
                size += len(piece)
                if size > limits.body_bytes:
                    raise too_large
                hold(len(piece))
                pieces.append(piece)
                more = message.get("more_body", False)
    except TimeoutError as error:
        raise Rejected(408, "The request's body came too slowly.", close=True) from error
    return b"".join(pieces)


async def ask(addresses: Sequence[str], question: Question, limit_bytes: int, hold: Callable[[int], None]) -> Answer:
    """Ask the replicas at ``addresses``, one after the other while no connection comes about. Raises Rejected.

    A request that has gone out is not tried again, whatever became of it: it may be what broke the connection.
    """
    size = 0

    def take(amount: int) -> None:
        nonlocal size
        size += amount
        if size > limit_bytes:
            raise Rejected(502, f"The model answered with more than {limit_bytes} bytes.")
        hold(amount)

    for address in addresses:
        try:
            reply = await ask_one(address, question, take)
        except NotConnected:
            continue
        except Lost as error:
            raise Rejected(502, "The model's container broke off.", retry=True) from error
        return Answer(reply.status, reply.body, reply.content_type)
    raise Rejected(503, "No replica of this endpoint is up.", retry=True)


async def send_answer(send: Any, answer: Answer) -> None:
    """Send ``answer`` as ASGI messages, the body in pieces, so that a slow reader makes this wait."""
    headers = [
        (b"content-type", answer.content_type.encode("latin-1", "replace")),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *((name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    for start in range(0, max(1, len(answer.body)), _PIECE_BYTES):
        end = start + _PIECE_BYTES
        more = end < len(answer.body)
        await send({"type": "http.response.body", "body": answer.body[start:end], "more_body": more})
