"""Connections to replicas that are kept, and the errand of one question: which replica, over which connection.

A question that may have reached a replica is never asked twice, but one case: a GET on a connection that was used
before and breaks before a byte of the answer. It changes nothing, and such a connection may have ended by its age.

Sockets that are connected to a replica, at ``unix:PATH`` or ``host:port``, within a deadline.
"""

import asyncio
import random
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from mlops_desk.serving import socket_handover
from mlops_desk.serving.gateway.outbound.connection import ReplicaConnection
from mlops_desk.serving.gateway.outbound.question import Lost, Question, Taker

_CONNECT_SECONDS = 2.0  # a container's socket lies on this machine: who does not accept by then hangs
_FULL_PAUSE_SECONDS = 0.02  # chosen: a full backlog is emptied as fast as the model accepts


class NotConnected(Exception):  # noqa: N818 - an answer for the caller, who may try another replica
    """Nobody answers at the address; nothing was sent."""


async def dial(address: str) -> socket.socket:
    """Return a connected socket, which does not block. Raises NotConnected."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            path = socket_handover.path_of(address)
            return await (_at_port(address) if path is None else _at_path(path))
    except OSError as error:  # TimeoutError is one
        raise NotConnected("nobody answers there") from error


async def _at_port(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, (host, int(port)))
    except BaseException:
        made.close()
        raise
    return made


async def _at_path(path: Path) -> socket.socket:
    """Connect to a socket of the file system. asyncio's own way takes a full queue for a connection."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        while True:
            try:
                with socket_handover.short(path) as name:
                    made.connect(name)
            except BlockingIOError:
                await asyncio.sleep(_FULL_PAUSE_SECONDS)
            else:
                return made
    except BaseException:
        made.close()
        raise


_IDLE_SECONDS = 1.5  # gunicorn closes after 2 s, uvicorn after 5: a connection is let go before its server does that
_IDLE_MOST = 64  # chosen: of one replica; more come and go


class ReplicaPool:
    """The connections to one replica: those that are free, the newest last, and how many are in use."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._free: list[ReplicaConnection] = []
        self.in_use = 0

    def free(self) -> ReplicaConnection | None:
        """Return a connection that is fit to be asked; None when there is none."""
        while self._free:
            connection = self._free.pop()
            if connection.is_fit():
                return connection
            connection.drop()
        return None

    async def open(self) -> ReplicaConnection:
        """Return a new connection. Raises NotConnected."""
        made = await dial(self._address)
        try:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(
                lambda: ReplicaConnection(made, self._keep, self._forget), sock=made
            )
        except OSError as error:
            made.close()
            raise NotConnected("nobody answers there") from error
        return connection

    def tidy(self, now: float) -> None:
        """Let go of connections that have been free for long."""
        while self._free and now - self._free[0].free_since >= _IDLE_SECONDS:
            self._free.pop(0).drop()

    def close(self) -> None:
        """Let go of all that are free."""
        while self._free:
            self._free.pop().drop()

    def _keep(self, connection: ReplicaConnection) -> None:
        connection.free_since = time.monotonic()
        self._free.append(connection)
        if len(self._free) > _IDLE_MOST:
            self._free.pop(0).drop()

    def _forget(self, connection: ReplicaConnection) -> None:
        if connection in self._free:
            self._free.remove(connection)


class ReplicaPools:
    """A pool for each address."""

    def __init__(self) -> None:
        self._pools: dict[str, ReplicaPool] = {}
        self._kept: frozenset[str] = frozenset()

    def at(self, address: str) -> ReplicaPool:
        """Return the pool of an address."""
        pool = self._pools.get(address)
        if pool is None:
            pool = self._pools[address] = ReplicaPool(address)
        return pool

    @property
    def in_use(self) -> dict[str, int]:
        """Return how many questions are under way at each address that has any, also at one that gets no more."""
        return {address: pool.in_use for address, pool in self._pools.items() if pool.in_use}

    def follow(self, addresses: frozenset[str]) -> None:
        """Keep the pools of ``addresses``, and others only until what is under way there has ended."""
        self._kept = addresses
        for address in self._pools.keys() - addresses:
            self._pools[address].close()
            if not self._pools[address].in_use:
                del self._pools[address]

    def tidy(self) -> None:
        """Let go of connections that have been free for long."""
        now = time.monotonic()
        for pool in self._pools.values():
            pool.tidy(now)
        for address in [one for one, pool in self._pools.items() if one not in self._kept and not pool.in_use]:
            self._pools.pop(address).close()

    def by_load(self, addresses: Sequence[str]) -> list[ReplicaPool]:
        """Return the pools of ``addresses``, the one with the least under way first; chance decides between equals."""
        if len(addresses) == 1:
            return [self.at(addresses[0])]
        pools = [self.at(address) for address in random.sample(addresses, len(addresses))]
        return sorted(pools, key=lambda pool: pool.in_use)


class Errand:
    """One question on its way to one of ``addresses``. It passes on to ``taker`` what it learns."""

    def __init__(self, pools: ReplicaPools, addresses: Sequence[str], question: Question, taker: Taker) -> None:
        self._question = question
        self._taker = taker
        self._order = pools.by_load(addresses)
        self._pool: ReplicaPool | None = None
        self._connection: ReplicaConnection | None = None
        self._dialing: asyncio.Task[None] | None = None

    def go(self) -> None:
        """Ask over a connection that is free, or over a new one, of one replica after the other until one is there."""
        connection = self._order[0].free()
        if connection is None:
            self._dialing = asyncio.get_running_loop().create_task(self._dial(self._order))
        else:
            self._enter(self._order[0])
            self._ask(connection)

    def drop(self) -> None:
        """Ask no more; whoever answers is hung up on."""
        if self._dialing is not None:
            self._dialing.cancel()
        self._leave()
        if self._connection is not None:
            self._connection.drop()

    def pause(self) -> None:
        """Read no more of the answer for now."""
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Read on."""
        if self._connection is not None:
            self._connection.resume()

    def _ask(self, connection: ReplicaConnection) -> None:
        self._connection = connection
        connection.ask(self._question, self)

    async def _dial(self, pools: Sequence[ReplicaPool]) -> None:
        for pool in pools:
            self._enter(pool)  # before it is there: a replica that seems idle may be ended
            try:
                connection = await pool.open()
            except NotConnected:
                self._leave()
                continue
            self._dialing = None
            self._ask(connection)
            return
        self._dialing = None
        self._taker.failed(NotConnected("nobody answers there"))

    def _enter(self, pool: ReplicaPool) -> None:
        self._pool = pool
        pool.in_use += 1

    def _leave(self) -> None:
        if self._pool is not None:
            self._pool.in_use -= 1
            self._pool = None

    # The Taker.

    def hold(self, amount: int) -> None:
        self._taker.hold(amount)

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:
        self._connection = None
        self._leave()
        self._taker.whole(status, content_type, body)

    def begins(self, status: int, content_type: bytes) -> None:
        self._taker.begins(status, content_type)

    def piece(self, data: bytes) -> None:
        self._taker.piece(data)

    def ended(self) -> None:
        self._connection = None
        self._leave()
        self._taker.ended()

    def failed(self, error: Exception) -> None:
        connection, pool, self._connection = self._connection, self._pool, None
        self._leave()
        is_stale = connection is not None and connection.is_reused and not connection.has_begun
        if pool is not None and isinstance(error, Lost) and is_stale and self._question.method == b"GET":
            self._dialing = asyncio.get_running_loop().create_task(self._dial([pool]))
            return
        self._taker.failed(error)
