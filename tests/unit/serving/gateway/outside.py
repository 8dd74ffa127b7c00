"""The same gateway as other machines reach it: by TLS, with a certificate of the desk's own."""

import asyncio
import datetime as dt
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from mlops_desk.serving.gateway.inbound.connection_guard import Warden
from mlops_desk.serving.gateway.inbound.network import NetworkDoor, NetworkPeers
from mlops_desk.serving.gateway.routes import (
    EndpointRoutes,
    GatewayLimits,
    NetworkListening,
    NetworkState,
    Route,
    RoutingTable,
)
from mlops_desk.serving.network.certificate_worker import CALLERS, own_identity
from tests.free_port import free_port
from tests.unit.serving.gateway.world import Replica, Talk, World, eventually, run_in

NAMES = ("desk.lab", "127.0.0.1", "*.wild.lab")
TOKEN = "token-of-digits"
TOKENS = (hashlib.sha256(TOKEN.encode()).hexdigest(),)


def identity(folder: Path, names: Sequence[str] = NAMES) -> Path:
    """Write a key and its certificate, each time others of the same authority."""
    folder.mkdir(exist_ok=True)
    (folder / "own.key").unlink(missing_ok=True)
    pem = own_identity(folder, names, dt.datetime.now(dt.UTC))
    path = folder / f"identity-{hashlib.sha256(pem).hexdigest()[:8]}.pem"
    path.write_bytes(pem)
    return path


class Outside(World):
    """A gateway that listens by TLS too; whoever asks and says nothing else has a token, and comes from outside."""

    async def start(self, most: int = 100, most_of_one: int = 80, held_bytes: int = 64 << 20) -> None:
        await super().start(most, most_of_one, held_bytes)
        self.loopback_port = self.port
        self.told: list[NetworkState | None] = []
        self.wardens: list[Warden] = []
        self.identity = identity(self.folder / "tls")
        self.door = NetworkDoor(self.proxy, lambda: self._room(most, most_of_one), self.told.append, 100)
        self.running = asyncio.create_task(self.door.run())
        self.wanted: NetworkListening | None = None
        await self.listen(free_port())

    def _room(self, most: int, most_of_one: int) -> Warden:
        self.wardens.append(Warden(NetworkPeers(self.peers), lambda: self.proxy.limits, most, most_of_one))
        return self.wardens[-1]

    async def listen(
        self, port: int | None, path: Path | None = None, names: Sequence[str] = NAMES, address: str = "127.0.0.1"
    ) -> None:
        """Have it listen, and wait until it has said what became of that."""
        before = len(self.told)
        wanted = None if port is None else NetworkListening(address, port, str(path or self.identity), tuple(names))
        if wanted == self.wanted:
            return
        self.wanted = wanted
        self.door.follow(wanted)
        self.port = port or self.port
        await eventually(lambda: len(self.told) > before)

    async def stop(self) -> None:
        await self.door.finish(0.0)
        self.running.cancel()
        self.port = self.loopback_port
        await super().stop()

    def route(self, *replicas: Replica, limits: GatewayLimits | None = None, name: str = "digits", **more: Any) -> None:
        """Lead an endpoint that wants the token to ``replicas``."""
        super().route(*replicas, limits=limits, name=name, **{"is_open": False, "tokens": TOKENS, **more})

    def head(self, method: str = "POST", path: str = "/digits", *lines: str) -> bytes:
        token = () if any(line.startswith("authorization") for line in lines) else (f"authorization: Bearer {TOKEN}",)
        return super().head(method, path, *token, *lines)

    def trusting(self, **more: Any) -> ssl.SSLContext:
        """Return what a caller has who was given the authority."""
        context = ssl.create_default_context(cafile=str(self.folder / "tls" / CALLERS))
        for name, value in more.items():
            setattr(context, name, value)
        return context

    async def dial(
        self, context: ssl.SSLContext | None = None, name: str = "desk.lab", address: str = "127.0.0.1"
    ) -> Talk:
        reader, writer = await asyncio.open_connection(
            address, self.port, ssl=context or self.trusting(), server_hostname=name
        )
        made = Talk(reader, writer)
        self._talks.append(made)
        return made

    async def dial_plainly(self, port: int | None = None) -> Talk:
        """Connect without TLS."""
        made = Talk(*await asyncio.open_connection("127.0.0.1", port or self.port))
        self._talks.append(made)
        return made


def closed(route: Route, **more: Any) -> RoutingTable:
    return RoutingTable(1, {"digits": EndpointRoutes((route,), "/nowhere", is_open=False, tokens=TOKENS, **more)})


def from_outside(scenario: Callable[[Outside], Awaitable[None]], **room: int) -> None:
    """Run ``scenario`` on the way in from other machines."""
    run_in(Outside, scenario, room)
