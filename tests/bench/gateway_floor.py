"""``python gateway_floor.py PORT SOCKET``: the least that a proxy in Python does, to know what the gateway could reach.

It reads requests by httptools on uvloop, decodes their bodies and those of answers as JSON, and keeps connections to the
upstream. It looks at no token and at no limit, has no deadline, counts nothing, logs nothing and forgives no mistake.
"""

import asyncio
import sys
from typing import Any

import httptools
import msgspec
import uvloop

_decode = msgspec.json.Decoder().decode
_ASKED = (
    b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
)
_SAID = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Caller(asyncio.Protocol):
    """A connection of who asks, with one of its own to the upstream."""

    def __init__(self, way_in: str) -> None:
        self._way_in = way_in
        self._parser: Any = httptools.HttpRequestParser(self)
        self._body = b""
        self._behind: asyncio.Future[Upstream] | None = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        loop = asyncio.get_running_loop()
        self._behind = loop.create_future()
        self._opening = loop.create_task(self._open(loop))

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        _, made = await loop.create_unix_connection(lambda: Upstream(self), self._way_in)
        if self._behind is not None:
            self._behind.set_result(made)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        if body:
            _decode(body)
        behind = self._behind
        if behind is None:
            return
        if behind.done():
            behind.result().ask(body)
        else:
            behind.add_done_callback(lambda done: done.result().ask(body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._behind is not None and self._behind.done():
            self._behind.result().transport.close()


class Upstream(asyncio.Protocol):
    """A connection to the upstream."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._parser: Any = httptools.HttpResponseParser(self)
        self._body = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, body: bytes) -> None:
        """Send a question."""
        self.transport.write(_ASKED % len(body) + body)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        _decode(body)
        self._caller.transport.write(_SAID % len(body) + body)


async def serve(port: int, way_in: str) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Caller(way_in), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), sys.argv[2]))
