"""``python -m mlops_desk.serving.gateway.process FOLDER``: the process in the path of requests. It outlives the agent.

It listens on loopback, on a port that its state file keeps across restarts, routes by the table the
agent leaves beside it, and writes the request log. A lock sees to it that there is one for a folder.
"""

import asyncio
import contextlib
import functools
import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import duckdb
import uvicorn

from mlops_desk.base import log, wire
from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.disk.lock import FolderLock
from mlops_desk.base.errors import Invalid
from mlops_desk.base.loop import Loop
from mlops_desk.base.peers import Peers
from mlops_desk.base.process import boot_id, start_ticks
from mlops_desk.serving.gateway.capacity import Capacity, capacity
from mlops_desk.serving.gateway.connection import GatewayConnection, Warden
from mlops_desk.serving.gateway.gatekeeper import ROUTES, STATE, VERSION, GatewayState, read_state
from mlops_desk.serving.gateway.proxy import Proxy
from mlops_desk.serving.gateway.routes import RoutingTable
from mlops_desk.serving.gateway.spool import Exchange, Spool
from mlops_desk.storage.requests import tidy, trim

_log = logging.getLogger(__name__)
_ROLL_SECONDS = 5.0
"""Chosen: how much of the log a crash of the machine may cost in drift's eyes; the spool itself is on the disk."""
_ROLL_REQUESTS = 1000  # chosen: a Parquet file of fewer rows is mostly header
_ROLL_BYTES = 64 << 20  # chosen: what one file takes in memory while it is made
_SPOOL_BYTES = 2 * _ROLL_BYTES
"""What comes faster than it can be rolled up is answered and not logged, which is counted: as much may come while a
spool is rolled up as that one holds."""
_TIDY_SECONDS = 300.0  # chosen: limits of the log are gigabytes and days
_LOOK_SECONDS = 0.5  # chosen: how late a changed table of routes is taken up; a look is one stat
_HEAD_BYTES = 32 << 10  # as much as nginx takes by default (four buffers of 8 KiB)


class RequestLog:
    """The spools of all endpoints and the thread that rolls them up."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._spools: dict[str, Spool] = {}
        self._table = RoutingTable()
        self._wanted = threading.Event()
        self._rolling = threading.Lock()
        self._tidied_at = 0.0
        self._is_failing = False

    def follow(self, table: RoutingTable) -> None:
        """Keep a spool for each endpoint of ``table``."""
        for name, endpoint in table.endpoints.items():
            folder = Path(endpoint.log)
            spool = self._spools.get(name)
            if spool is None or spool.folder != folder:
                spool = self._spools[name] = Spool(folder)
            spool.describe({route.revision: route.features for route in endpoint.routes})
        self._table = table

    def keep(self, name: str, exchange: Exchange) -> bool:
        """Spool one exchange; False when it is one too many, or the disk would not take it.

        The disk's trouble is said once, not for each request.
        """
        spool = self._spools[name]
        if spool.waiting_bytes >= _SPOOL_BYTES:
            return False
        try:
            spool.append(exchange)
        except OSError as error:
            if not self._is_failing:
                _log.error("Requests of %s can't be logged: %s", name, error)
            self._is_failing = True
            return False
        self._is_failing = False
        if spool.waiting >= _ROLL_REQUESTS or spool.waiting_bytes >= _ROLL_BYTES:
            self._wanted.set()
        return True

    def run(self) -> None:
        """Roll up every few seconds, sooner when much waits, until the process ends."""
        while not self._loop.ending.is_set():
            self.roll()
            self._wanted.wait(_ROLL_SECONDS)
            self._wanted.clear()

    def roll(self) -> None:
        """Roll up all spools now and, now and then, tidy the log."""
        with self._rolling:
            is_time_to_tidy = time.monotonic() - self._tidied_at > _TIDY_SECONDS
            for spool in list(self._spools.values()):
                if spool.folder.is_dir():
                    self._roll_one(spool, is_time_to_tidy=is_time_to_tidy)
            if is_time_to_tidy:
                self._tidied_at = time.monotonic()

    def end(self) -> None:
        """Wake the thread for the last time and write out what is spooled."""
        self._wanted.set()
        self.roll()

    def _roll_one(self, spool: Spool, *, is_time_to_tidy: bool) -> None:
        limits = self._table.limits
        try:
            spool.roll()
            trim(spool.folder, limits.log_bytes)
            if is_time_to_tidy:
                tidy(spool.folder, time.time(), limits.log_days, limits.log_bytes)
        except (OSError, duckdb.Error, ValueError) as error:
            _log.warning("The request log in %s can't be written now: %s", spool.folder, error)


class Gateway:
    """One process: its socket, its application, its log."""

    def __init__(self, folder: Path, loop: Loop) -> None:
        self._folder = folder
        self._loop = loop
        self._seen: tuple[int, int] | None = None
        self._log = RequestLog(loop)
        known = read_state(folder)
        self._socket = _listen(known.port if known else 0)
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
        room = capacity()
        proxy = Proxy(self._state.port, self._state.token, self._log.keep, self._roll, room.held_bytes)
        self._look(proxy)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._look, proxy)
        self._socket.listen(room.backlog)  # before it is asked who asks: a socket that does not listen is not found
        peers = Peers(self._socket.getsockname())
        warden = Warden(peers, lambda: proxy.table.limits, room.connections, room.connections_of_one)
        server = _Server(_config(proxy, warden, room))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.end)
        self._loop.start("roll", self._log.run)
        watching = asyncio.create_task(self._watch(proxy))
        write_atomically(self._folder / STATE, json.dumps(wire.to_builtins(self._state)).encode())
        _log.info("Gateway %s listens on 127.0.0.1:%s", self._state.pid, self._state.port)
        try:
            await server.serve(sockets=[self._socket])
        finally:
            watching.cancel()
            self._loop.ending.set()
            self._log.end()

    async def _roll(self) -> None:
        await self._loop.run("roll-now", self._log.roll)

    async def _watch(self, proxy: Proxy) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._look(proxy)

    def _look(self, proxy: Proxy) -> None:
        """Take the routing table in if the file changed; a table that can't be read leaves the old one in force."""
        path = self._folder / ROUTES
        try:
            facts = path.stat()
            if (facts.st_ino, facts.st_mtime_ns) == self._seen:
                return
            table = wire.loads(path.read_bytes(), RoutingTable)
        except (OSError, Invalid) as error:
            if not isinstance(error, FileNotFoundError):
                _log.warning("The routing table can't be read, the old one holds: %s", error)
            return
        self._seen = (facts.st_ino, facts.st_mtime_ns)
        self._log.follow(table)
        proxy.table = table


class _Server(uvicorn.Server):
    """Leaves signals to the gateway: uvicorn's own way ends the process before the log is written out."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        self.should_exit = True


def _config(proxy: Proxy, warden: Warden, room: Capacity) -> uvicorn.Config:
    return uvicorn.Config(
        proxy,
        http=cast("type[asyncio.Protocol]", functools.partial(GatewayConnection, warden)),  # uvicorn only ever calls it
        backlog=room.backlog,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        log_level=logging.ERROR,  # each caller that speaks no HTTP would be a line
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def _listen(port: int) -> socket.socket:
    """Open the port of last time, or a free one where somebody else has taken it."""
    for wanted in (port, 0):
        # Named as TCP, or asyncio leaves Nagle's algorithm on and each answer takes 40 ms more.
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(("127.0.0.1", wanted))
        except OSError as error:
            opened.close()
            _log.warning("Port %s can't be had (%s); the endpoints' addresses change", wanted, error.strerror)
            continue
        return opened
    raise OSError("no port of 127.0.0.1 can be had")


def main(folder: Path) -> int:
    """Be the gateway of ``folder``; another one that is there already is left alone."""
    log.start_early()
    lock = FolderLock(folder / "gateway.lock")
    if not lock.acquire():
        return 0
    log.start_file(folder / "gateway.log")
    asyncio.run(Gateway(folder, Loop("gateway")).serve())
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
