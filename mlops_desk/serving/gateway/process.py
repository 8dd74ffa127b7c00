"""``python -m mlops_desk.serving.gateway.process FOLDER [TABLE [SOCKET…]]``: the process in the path of requests.

It outlives the agent. It listens on loopback, on a port that its state file keeps across restarts, and on the network
where the table says so; it routes by the table that the agent hands it and leaves beside it, and writes the request
log. A lock sees to it that there is one for a folder. ``TABLE`` and ``SOCKET`` are descriptors: of a table that the
disk did not take (``-`` for none), and of the sockets that the agent has held, loopback's first.

How much the gateway takes on, by what this process and this machine can give. A request it refuses is answered.
"""

import asyncio
import gc
import json
import logging
import os
import resource
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from mlops_desk.kit.base import log, wire
from mlops_desk.kit.base.disk.lock import FolderLock
from mlops_desk.kit.base.disk.preallocation import SpareFile
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.peers import Peers
from mlops_desk.kit.base.process import boot_id, start_ticks
from mlops_desk.serving.gateway.inbound.connection import GatewayConnection
from mlops_desk.serving.gateway.inbound.connection_guard import Warden
from mlops_desk.serving.gateway.inbound.listeners import Lender, listen, taken_over
from mlops_desk.serving.gateway.inbound.network import NetworkDoor, NetworkPeers
from mlops_desk.serving.gateway.process_control import STATE, VERSION, GatewayState, read_state
from mlops_desk.serving.gateway.proxy import Proxy
from mlops_desk.serving.gateway.request_log.log import RequestLog
from mlops_desk.serving.gateway.request_log.roller import ChildRoller
from mlops_desk.serving.gateway.routes import NetworkState, RoutingTable
from mlops_desk.serving.gateway.routing_table import ROUTES, TableEar
from mlops_desk.serving.gateway.wake_signal import BELL, Doorbell

_log = logging.getLogger(__name__)

_MOST_CONNECTIONS = 2048
"""A connection costs some 30 KiB, and the sweep over all of them a few milliseconds a second."""
_SHARE_OF_ONE = 4  # of the connections one peer may have: three others always find room
_SHARE_OF_NETWORK = 2
"""From other machines come half as many again, counted by themselves: they never take a place on loopback."""
_BACKLOG = 256
"""asyncio accepts as many at a time before it is seen who they are."""
_SPARE_DESCRIPTORS = 128
"""For logs, spools, Parquet and the event loop."""
_MOST_DESCRIPTORS = 2 * (_MOST_CONNECTIONS + _MOST_CONNECTIONS // _SHARE_OF_NETWORK) + _BACKLOG + _SPARE_DESCRIPTORS
_MOST_HELD_BYTES = 2 << 30  # chosen: the trainings beside it need the memory more
_SHARE_OF_MEMORY = 8  # chosen: the gateway is a guest beside trainings


@dataclass(frozen=True, slots=True)
class Capacity:
    """Connections in all and of one peer, how many wait to be accepted, and bytes of bodies and answers in memory.

    ``network_connections`` are those from other machines, beside the others.
    """

    connections: int
    connections_of_one: int
    backlog: int
    held_bytes: int
    network_connections: int
    network_connections_of_one: int


def capacity() -> Capacity:
    """Raise this process's limit on descriptors as far as it needs and may, and return what it can take on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_MOST_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return fitting(max(soft, enough) if soft != resource.RLIM_INFINITY else _MOST_DESCRIPTORS, memory)


def fitting(descriptors: int, memory_bytes: int) -> Capacity:
    """Return what can be taken on with so many descriptors: each connection may need a second one, to a replica."""
    backlog = min(_BACKLOG, descriptors // 8)
    each = 2 + 2 // _SHARE_OF_NETWORK
    connections = max(8, min(_MOST_CONNECTIONS, (descriptors - backlog - _SPARE_DESCRIPTORS) // each))
    network = connections // _SHARE_OF_NETWORK
    held_bytes = min(_MOST_HELD_BYTES, memory_bytes // _SHARE_OF_MEMORY)
    shares = (max(4, connections // _SHARE_OF_ONE), max(2, network // _SHARE_OF_ONE))
    return Capacity(connections, shares[0], backlog, held_bytes, network, shares[1])


_LOOK_SECONDS = 0.5  # chosen: how late a table is taken up that came by its file alone; a look is one stat
_SWITCH_SECONDS = 1e-4
"""Chosen: how long the log's threads may keep the event loop waiting; Python's own 5 ms last as long as 50 requests."""
_GC_OBJECTS = 20_000  # chosen: a search for circles in so many new objects takes about a millisecond
_LAST_SECONDS = 5.0  # chosen: what requests under way have left when the gateway is asked to end


class Gateway:
    """One process: its socket, its application, its log."""

    def __init__(self, folder: Path, loop: Loop, table: int | None = None, sockets: Sequence[int] = ()) -> None:
        """Listen on the ``sockets`` that the agent has held, loopback's first, or open one; ``table`` is a file."""
        self._folder = folder
        self._loop = loop
        self._seen: tuple[int, int] | None = None
        self._given = b"" if table is None else _whole(table)
        self._log = RequestLog(loop, ChildRoller())
        known = read_state(folder)
        held = [taken_over(descriptor) for descriptor in sockets]
        self._socket = held[0] if held else listen(known.port if known else 0)
        self._held_outside = held[1] if len(held) > 1 else None
        self._lender = Lender(folder, self._lent)
        self._door: NetworkDoor | None = None
        self._state_file = SpareFile(folder / STATE)
        self._is_untold = False
        self._state = GatewayState(
            pid=os.getpid(),
            start_ticks=start_ticks(os.getpid()) or 0,
            boot_id=boot_id(),
            port=self._socket.getsockname()[1],
            token=secrets.token_hex(32),
            version=VERSION,
        )

    async def serve(self) -> None:
        """Serve until a signal ends the process."""
        loop = asyncio.get_running_loop()
        room = capacity()
        bell = Doorbell(self._folder / BELL)
        proxy = Proxy(
            self._state.port, self._state.token, self._log, self._roll, self._feedback, room.held_bytes, bell.ring
        )
        self._socket.listen(room.backlog)  # before it is asked who asks: a socket that does not listen is not found
        peers = Peers(self._socket.getsockname())
        self._door = door = self._network_door(proxy, peers, room)
        self._look(proxy)
        if self._given:
            self._take(proxy, self._given)
        ear = TableEar(self._folder, lambda document: self._take(proxy, document))
        await ear.start()
        loop.add_signal_handler(signal.SIGHUP, self._look, proxy)
        warden = Warden(peers, lambda: proxy.limits, room.connections, room.connections_of_one)
        ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
        self._log.start()
        server = await loop.create_server(
            lambda: GatewayConnection(proxy, warden), sock=self._socket, backlog=room.backlog
        )
        loop.add_reader(self._lender, self._lender.lend)
        tasks = [asyncio.create_task(one) for one in (self._watch(proxy), door.run())]
        gc.set_threshold(_GC_OBJECTS)  # what a request leaves behind goes by itself: there are no circles in it
        gc.freeze()  # what is loaded by now stays: it need not be looked through while requests wait
        self._write_state()
        _log.info("Gateway %s listens on 127.0.0.1:%s", self._state.pid, self._state.port)
        try:
            await ending.wait()
            server.close()
            await asyncio.gather(warden.finish(_LAST_SECONDS), door.finish(_LAST_SECONDS))
        finally:
            for task in tasks:
                task.cancel()
            loop.remove_reader(self._lender)
            self._lender.close()
            ear.close()
            self._loop.ending.set()
            self._log.end()

    def _network_door(self, proxy: Proxy, peers: Peers, room: Capacity) -> NetworkDoor:
        most, of_one = room.network_connections, room.network_connections_of_one
        names = NetworkPeers(peers)
        return NetworkDoor(
            proxy, lambda: Warden(names, lambda: proxy.limits, most, of_one), self._told, room.backlog,
            self._held_outside,
        )  # fmt: skip

    def _lent(self) -> list[socket.socket]:
        outside = None if self._door is None else self._door.listening
        return [self._socket, *([] if outside is None else [outside])]

    def _told(self, network: NetworkState | None) -> None:
        """Write down what became of the way in from the network: the agent reads it there."""
        self._state = replace(self._state, network=network)
        try:
            self._write_state()
        except OSError as error:
            _log.warning("What became of the way in from the network can't be written down yet: %s", error)
            self._is_untold = True

    def _write_state(self) -> None:
        self._state_file.write(json.dumps(wire.to_builtins(self._state)).encode())
        self._is_untold = False

    async def _feedback(self, name: str, body: bytes) -> int:
        return await self._loop.run("feedback", lambda: self._log.feedback(name, body))

    async def _roll(self) -> None:
        await self._loop.run("roll-now", self._log.roll)

    async def _watch(self, proxy: Proxy) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._look(proxy)
            proxy.tidy()
            if self._is_untold:
                self._told(self._state.network)

    def _look(self, proxy: Proxy) -> None:
        """Take the routing table in if the file changed."""
        path = self._folder / ROUTES
        try:
            facts = path.stat()
            if (facts.st_ino, facts.st_mtime_ns) == self._seen:
                return
            document = path.read_bytes()
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                _log.warning("The routing table can't be read, the old one holds: %s", error)
            return
        self._seen = (facts.st_ino, facts.st_mtime_ns)
        self._take(proxy, document)

    def _take(self, proxy: Proxy, document: bytes) -> int:
        """Go by a table unless it is older than the one in force, or can't be read; return the serial in force then."""
        try:
            table = wire.loads(document, RoutingTable)
        except Invalid as error:
            _log.warning("The routing table can't be read, the old one holds: %s", error)
            return proxy.table.serial
        if table.serial > proxy.table.serial:
            self._log.follow(table)
            proxy.follow(table)
            if self._door is not None:
                self._door.follow(table.network)
        return proxy.table.serial


def _whole(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read()


def main(folder: Path, table: int | None = None, sockets: Sequence[int] = ()) -> int:
    """Be the gateway of ``folder``; another one that is there already is left alone."""
    log.start_early()
    lock = FolderLock(folder / "gateway.lock")
    if not lock.acquire():
        return 0
    log.start_file(folder / "gateway.log")
    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Gateway(folder, Loop("gateway"), table, sockets).serve())
    return 0


if __name__ == "__main__":
    given, *held = sys.argv[2:] or ["-"]
    sys.exit(main(Path(sys.argv[1]), None if given == "-" else int(given), [int(word) for word in held]))
