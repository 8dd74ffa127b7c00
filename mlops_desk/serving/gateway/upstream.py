"""One request to one replica: a connection of its own, the request, the whole answer.

A connection is never used twice, so a request never meets one that its predecessor broke, and it is
always known whether a request has gone out: only one that has not may be tried elsewhere.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h11

from mlops_desk.serving import door

_CONNECT_SECONDS = 2.0  # a container's socket lies on this machine: who does not accept by then hangs
_FULL_PAUSE_SECONDS = 0.02  # chosen: a full backlog is emptied as fast as the model accepts
_PIECE_BYTES = 256 << 10  # chosen: more at once gains nothing, and a slow reader holds one piece at a time
_HEAD_BYTES = 64 << 10  # chosen: a model's server sends a few hundred bytes
_STATUSES = range(200, 600)


class NotConnected(Exception):  # noqa: N818 - an answer for the caller, who may try another replica
    """Nobody answers at the address; nothing was sent."""


class Lost(Exception):  # noqa: N818 - likewise, but it may not
    """The connection broke, or made no sense, after the request went out."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a replica is asked. ``content_type`` is passed on byte for byte."""

    method: str
    path: str
    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a replica said."""

    status: int
    body: bytes
    content_type: str


async def ask_one(address: str, question: Question, hold: Callable[[int], None]) -> Reply:
    """Ask the replica at ``address``; ``hold`` is told of each piece of the answer and may raise.

    Raises NotConnected and Lost.
    """
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await _connect(address)
    except OSError as error:  # TimeoutError is one
        raise NotConnected("nobody answers there") from error
    try:
        return await _exchange(reader, writer, question, hold)
    except (OSError, h11.RemoteProtocolError) as error:
        raise Lost(f"the connection broke off: {error}") from error
    finally:
        writer.transport.abort()


def ask_at_once(address: str, question: Question, timeout_seconds: float, limit_bytes: int) -> Reply:
    """Ask from a thread that has no event loop, within a deadline for all of it. Raises NotConnected and Lost."""
    size = 0

    def count(amount: int) -> None:
        nonlocal size
        size += amount
        if size > limit_bytes:
            raise Lost(f"an answer of more than {limit_bytes} bytes")

    async def asked() -> Reply:
        async with asyncio.timeout(timeout_seconds):
            return await ask_one(address, question, count)

    try:
        return asyncio.run(asked())
    except TimeoutError as error:
        raise Lost(f"no answer within {timeout_seconds:g} s") from error


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    path = door.path_of(address)
    if path is None:
        host, _, port = address.rpartition(":")
        return await asyncio.open_connection(host, int(port))
    return await asyncio.open_unix_connection(sock=await _at(path))


async def _at(path: Path) -> socket.socket:
    """Connect to a socket of the file system. asyncio's own way takes a full queue for a connection."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        while True:
            try:
                with door.short(path) as name:
                    made.connect(name)
            except BlockingIOError:
                await asyncio.sleep(_FULL_PAUSE_SECONDS)
            else:
                return made
    except BaseException:
        made.close()
        raise


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: Question, hold: Callable[[int], None]
) -> Reply:
    speech = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
    for part in _parts_of(question):
        writer.write(speech.send(part) or b"")
    # Not drained: a model may answer before it has read everything, and the body lies in memory anyway.
    status, kind, pieces = 0, "application/json", list[bytes]()
    while True:
        event = speech.next_event()
        if event is h11.NEED_DATA:
            speech.receive_data(await reader.read(_PIECE_BYTES))
        elif isinstance(event, h11.Response):
            status = event.status_code
            if status not in _STATUSES:
                raise Lost(f"status {status}")
            kind = dict(event.headers).get(b"content-type", kind.encode()).decode("latin-1")
        elif isinstance(event, h11.Data):
            hold(len(event.data))
            pieces.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return Reply(status, b"".join(pieces), kind)


def _parts_of(question: Question) -> tuple[h11.Request, h11.Data, h11.EndOfMessage]:
    headers = [
        (b"host", b"localhost"),
        (b"accept", b"*/*"),
        (b"content-type", question.content_type.encode("latin-1")),
        (b"content-length", b"%d" % len(question.body)),
        (b"connection", b"close"),
    ]
    request = h11.Request(method=question.method, target=question.path, headers=headers)
    return request, h11.Data(data=question.body), h11.EndOfMessage()
