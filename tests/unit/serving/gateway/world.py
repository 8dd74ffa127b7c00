"""A gateway within the test's own process: its gate, connections to it, and replicas that say what a test has them say."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import uvloop

from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.peers import Peers
from mlops_desk.serving.gateway.inbound.connection import GatewayConnection
from mlops_desk.serving.gateway.inbound.connection_guard import Warden
from mlops_desk.serving.gateway.proxy import Proxy
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits, Route, RoutingTable
from mlops_desk.serving.gateway.spool import Exchange

AGENT = "agent-token"
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Kept:
    """The request log's double."""

    kept: list[tuple[str, Exchange]] = field(default_factory=list)
    is_full: bool = False

    def keep(self, name: str, exchange: Exchange) -> bool:
        if not self.is_full:
            self.kept.append((name, exchange))
        return not self.is_full

    def unlogged(self, _name: str) -> int:
        return 0


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Replica:
    """Serves on a socket of the file system. ``asked`` are the requests that came, ``connections`` how many were made."""

    def __init__(self, path: Path, serve: Serve | None = None) -> None:
        self.path = path
        self.asked: list[bytes] = []
        self.connections = 0
        self.answer: bytes | Callable[[bytes], bytes] = OK
        self._serve = serve or self._in_turn
        self._server: asyncio.Server | None = None
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def address(self) -> str:
        return f"unix:{self.path}"

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, str(self.path))

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self.writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)

    async def _in_turn(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = await self.read(reader)
            writer.write(self.answer(asked) if callable(self.answer) else self.answer)

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Return one whole request."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
        asked = head + await reader.readexactly(length)
        self.asked.append(asked)
        return asked


class World:
    """One gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = Kept()
        self.rolled = 0
        self.fed: list[tuple[str, bytes]] = []
        self._replicas: list[Replica] = []
        self._talks: list[Talk] = []
        self._serial = 0

    async def start(self, most: int = 100, most_of_one: int = 80, held_bytes: int = 64 << 20) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: GatewayConnection(self.proxy, self.warden), "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()
        self.port = self.address[1]
        self.proxy = Proxy(self.port, AGENT, self.log, self._roll, self._feedback, held_bytes)
        self.peers = Peers(self.address)
        self.warden = Warden(self.peers, lambda: self.proxy.limits, most, most_of_one)

    async def stop(self) -> None:
        self.server.close()
        for talk in self._talks:
            talk.close()
        await self.warden.finish(0.0)
        self.proxy.follow(RoutingTable())
        for replica in self._replicas:
            await replica.stop()
        self.peers.close()
        await asyncio.sleep(0.02)

    async def replica(self, serve: Serve | None = None) -> Replica:
        made = Replica(self.folder / f"{len(self._replicas)}.sock", serve)
        self._replicas.append(made)
        await made.start()
        return made

    def route(self, *replicas: Replica, limits: GatewayLimits | None = None, name: str = "digits", **more: Any) -> None:
        """Lead an endpoint to ``replicas``, all of revision 3."""
        route = Route(3, 1.0, tuple(replica.address for replica in replicas))
        self.endpoints({name: EndpointRoutes((route,), "/nowhere", **more)}, limits)

    def endpoints(self, endpoints: dict[str, EndpointRoutes], limits: GatewayLimits | None = None) -> None:
        self._serial += 1
        self.proxy.follow(RoutingTable(self._serial, endpoints, limits or GatewayLimits()))

    async def _feedback(self, name: str, body: bytes) -> int:
        if body == b"odd":
            raise Invalid("This is no feedback.")
        if body == b"late":
            raise Unavailable("The disk does not keep up.")
        self.fed.append((name, body))
        return len(self.fed)

    async def _roll(self) -> None:
        self.rolled += 1

    def head(self, method: str = "POST", path: str = "/digits", *lines: str) -> bytes:
        given = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{self.port}", *lines]
        return "".join(f"{line}\r\n" for line in (*given, "")).encode()

    def request(self, body: bytes = b"{}", path: str = "/digits", *lines: str) -> bytes:
        return self.head("POST", path, f"content-length: {len(body)}", *lines) + body

    async def dial(self) -> "Talk":
        made = Talk(*await asyncio.open_connection("127.0.0.1", self.port))
        self._talks.append(made)
        return made

    async def ask(self, sent: bytes | None = None) -> Said:
        """Ask on a connection of its own."""
        talk = await self.dial()
        try:
            return await talk.ask(self.request() if sent is None else sent)
        finally:
            talk.close()


class Talk:
    """A caller's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def ask(self, sent: bytes, *, is_head: bool = False) -> Said:
        self.send(sent)
        return await self.said(is_head=is_head)

    async def said(self, *, is_head: bool = False) -> Said:
        """Read one answer."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            return Said(int(first.split(" ")[1]), headers, b"" if is_head else await self._body(headers))

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            if "content-length" not in headers:
                return await self.reader.read()
            return await self.reader.readexactly(int(headers["content-length"]))
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return body

    async def is_over(self) -> bool:
        """Return whether the gateway closes without another word."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read(1) == b""
            except OSError:
                return True

    def close(self) -> None:
        self.writer.transport.abort()


W = TypeVar("W", bound=World)


def run_in(kind: type[W], scenario: Callable[[W], Awaitable[None]], room: dict[str, int]) -> None:
    """Run ``scenario`` in a world of this kind, on the loop that the gateway runs on."""

    async def run(folder: Path) -> None:
        world = kind(folder)
        await world.start(**room)
        try:
            async with asyncio.timeout(60):
                await scenario(world)
        finally:
            await world.stop()

    with TemporaryDirectory(prefix="mld-") as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(Path(folder)))


def within(scenario: Callable[[World], Awaitable[None]], **room: int) -> None:
    """Run ``scenario`` on this machine's own way in."""
    run_in(World, scenario, room)


async def eventually(is_true: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not is_true():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


SHORT = replace(GatewayLimits(), head_seconds=0.2, body_seconds=30.0, body_idle_seconds=0.2, rest_seconds=1)
