"""A connection to the tracking server, held to a deadline and a share: containers that are not trusted open them too.

No token is seen before a request's head has come, so whoever reaches the port could keep the server from everybody
else by heads that never end. uvicorn waits for them without end and counts no connections.
"""

import asyncio
import resource
from collections import defaultdict
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from mlops_desk.base.peers import UNKNOWN, Peers

HEAD_SECONDS = 30.0  # chosen: a head is one packet; a slow one holds a descriptor
MOST_OF_ONE = 256
"""Connections of one peer: a container has an address of its own, and a training with 20 loaders holds no more than
200. All of this machine's users come from one address, so they are told apart by name."""
_DESCRIPTORS = 4096
"""For a dozen containers that all hold their share, where systems give a process 1,024."""


def raise_descriptors() -> None:
    """Let this process open as many files as it may need, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


class Callers:
    """The open connections by whose they are: a user's of this machine, or an address's."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._open: defaultdict[str, set[ServerConnection]] = defaultdict(set)

    def enter(self, connection: "ServerConnection") -> bool:
        """Take a connection in; of a peer that has its share, the one that has waited longest leaves for it."""
        here = connection.server
        connection.peer = self._peers.name(connection.client, None if here is None else (here[0], here[1] or 0))
        own = self._open[connection.peer]
        if len(own) >= MOST_OF_ONE:
            victim = min((one for one in own if not one.is_answering), key=lambda one: one.since, default=None)
            if victim is None:
                return False
            self.leave(victim)
            victim.transport.abort()
        own.add(connection)
        return True

    def leave(self, connection: "ServerConnection") -> None:
        """Forget a connection; no error when it is not there."""
        own = self._open[connection.peer]
        own.discard(connection)
        if not own:
            del self._open[connection.peer]


class ServerConnection(H11Protocol):
    """uvicorn's connection, counted among ``callers``. ``since`` is the loop's time at which it last began to wait."""

    def __init__(self, callers: Callers, **given: Any) -> None:
        super().__init__(**given)
        self._callers = callers
        self._deadline: asyncio.TimerHandle | None = None
        self.peer = UNKNOWN
        self.since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn has a Transport where asyncio has its base class
        super().connection_made(transport)
        if self._callers.enter(self):
            self.app_state = {**self.app_state, "peer": self.peer}  # handed to each request (page/door.py)
            self._note()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._callers.leave(self)
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)
            self._note()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.since = self.loop.time()
        self._note()

    @property
    def is_answering(self) -> bool:
        """Tell whether a request's head has come and its answer has not gone out."""
        cycle = self._cycle
        return cycle is not None and not cycle.response_complete

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        """The newest request; uvicorn has None here before the first, and does not say so."""
        return self.cycle

    def _note(self) -> None:
        """Set the deadline of a head that has begun; between two requests uvicorn's own holds."""
        is_between = self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        if self.is_answering or (is_between and self._cycle is not None):
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
