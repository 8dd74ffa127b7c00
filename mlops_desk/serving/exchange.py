"""Requests and answers as the gateway's application sees them: read with a cap, asked onward, sent back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

_RETRY_AFTER_SECONDS = 2
_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout)
_LOST = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the caller."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Rejected(Exception):  # noqa: N818 - a rejection is an answer here, not a fault
    """Ends the handling of a request with a status and a sentence."""

    def __init__(self, status: int, text: str, *, retry: bool = False) -> None:
        super().__init__(text)
        wait = (("retry-after", str(_RETRY_AFTER_SECONDS)),) if retry else ()
        self.answer = Answer(status, json.dumps({"error": text}).encode(), headers=wait)


async def read_body(headers: Mapping[str, str], receive: Any, limit_bytes: int) -> bytes:
    """Read a request's body. Raises Rejected when it is too large or its sender has gone."""
    too_large = Rejected(413, f"A request may have {limit_bytes} bytes.")
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit_bytes:
        raise too_large
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Rejected(400, "The request broke off.")
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit_bytes:
            raise too_large
        pieces.append(piece)
        more = message.get("more_body", False)
    return b"".join(pieces)


async def ask(
    client: httpx.AsyncClient, addresses: tuple[str, ...], method: str, path: str, body: bytes, content_type: str,
    limit_bytes: int,
) -> Answer:  # fmt: skip
    """Ask the replicas at ``addresses``, one after the other while no connection comes about. Raises Rejected.

    A connection that is lost after the request went out is not tried again: the request may be what broke it.
    """
    for address in addresses:
        try:
            return await _ask_one(client, f"http://{address}{path}", method, body, content_type, limit_bytes)
        except _NO_CONNECTION:
            continue
        except _LOST as error:
            raise Rejected(502, "The model's container broke off.", retry=True) from error
    raise Rejected(503, "No replica of this endpoint is up.", retry=True)


async def _ask_one(
    client: httpx.AsyncClient, url: str, method: str, body: bytes, content_type: str, limit_bytes: int
) -> Answer:
    headers = {"content-type": content_type}
    async with client.stream(method, url, content=body, headers=headers) as response:
        pieces, size = [], 0
        async for piece in response.aiter_bytes():
            size += len(piece)
            if size > limit_bytes:
                raise Rejected(502, f"The model answered with more than {limit_bytes} bytes.")
            pieces.append(piece)
    kind = response.headers.get("content-type", "application/json")
    return Answer(response.status_code, b"".join(pieces), kind)


async def send_answer(send: Any, answer: Answer) -> None:
    """Send ``answer`` as ASGI messages."""
    headers = [
        (b"content-type", answer.content_type.encode("latin-1", "replace")),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *((name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
