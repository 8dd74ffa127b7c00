"""Which connections stay open: who may come in, who makes room, who is late. One timer for all of them."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Protocol, TypeVar

from mlops_desk.kit.base.network import Places
from mlops_desk.kit.base.peers import Address
from mlops_desk.serving.gateway.routes import GatewayLimits

# Which connections the gateway holds, and who has to make room when there are too many. Pure.
# No peer holds more than its share, and of a peer that has its share the connection that has kept the gateway waiting
# longest goes first: so a flood pushes itself out, and whoever asks at once is answered.
C = TypeVar("C", bound=Hashable)


@dataclass(slots=True)
class _Held(Generic[C]):
    """One peer's connections that wait, each kind oldest first: those that owe a request, and those between two."""

    owing: dict[C, None] = field(default_factory=dict)
    resting: dict[C, None] = field(default_factory=dict)

    def oldest(self) -> C | None:
        return next(iter(self.owing or self.resting), None)


class Admission(Generic[C]):
    """The connections that are open, by peer. ``most`` in all, ``most_of_one`` for each peer."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._places = Places(most, most_of_one)
        self._peers: dict[C, str] = {}
        self._held: defaultdict[str, _Held[C]] = defaultdict(_Held)

    def __len__(self) -> int:
        return len(self._peers)

    def enter(self, connection: C, peer: str) -> tuple[bool, C | None]:
        """Let a connection in; return whether it may stay, and which one has left for it."""
        victim = None
        if not self._places.take(peer):
            victim = self._victim(peer)
            if victim is None:
                return False, None
            self.leave(victim)
            self._places.take(peer)
        self._peers[connection] = peer
        self._held[peer].owing[connection] = None
        return True, victim

    def owes(self, connection: C) -> None:
        """Note that a connection has begun to send a request, and has not ended it."""
        if (held := self._waiting_of(connection)) is not None:
            held.resting.pop(connection, None)
            held.owing.setdefault(connection)

    def rests(self, connection: C) -> None:
        """Note that a connection was answered and has not sent anything since."""
        if (held := self._waiting_of(connection)) is not None:
            held.owing.pop(connection, None)
            held.resting.setdefault(connection)

    def works(self, connection: C) -> None:
        """Note that a whole request has come and is being answered: such a connection is never ended for others."""
        if (held := self._waiting_of(connection)) is not None:
            held.owing.pop(connection, None)
            held.resting.pop(connection, None)

    def leave(self, connection: C) -> None:
        """Forget a connection; no error when it is not there."""
        peer = self._peers.pop(connection, None)
        if peer is None:
            return
        held = self._held[peer]
        held.owing.pop(connection, None)
        held.resting.pop(connection, None)
        self._places.give(peer)
        if not self._places.of(peer):
            del self._held[peer]

    def _waiting_of(self, connection: C) -> _Held[C] | None:
        peer = self._peers.get(connection)
        return None if peer is None else self._held[peer]

    def _victim(self, peer: str) -> C | None:
        """Return who makes room: one of the peer's own when it has its share, else one of whoever has most."""
        if self._places.of(peer) >= self._places.most_of_one:
            return self._held[peer].oldest()
        for crowd in sorted(self._held, key=self._places.of, reverse=True):
            if (oldest := self._held[crowd].oldest()) is not None:
                return oldest
        return None


_log = logging.getLogger(__name__)

_SWEEP_SECONDS = 1.0  # one timer for all connections, instead of one for each request; deadlines are whole seconds
_TELL_SECONDS = 60.0  # chosen: a flood must not fill the log
_LOOK_SECONDS = 0.05  # chosen: nobody notices it


class ConnectionPhase(Enum):
    """What a connection is at."""

    HEAD = "owes a request's head, or the rest of one that was refused"
    BODY = "owes a request's body"
    WORK = "is being answered"
    UNREAD = "does not read its answer as fast as it comes"
    REST = "was answered and has sent nothing since"


class Guarded(Hashable, Protocol):
    """A connection, as the warden sees it."""

    def check(self, now: float, limits: GatewayLimits) -> None:
        """End the connection if it is late."""

    def end(self, status: int, text: str) -> None:
        """Say why and close, or break off an answer that is on its way."""

    def finish(self) -> None:
        """Close now if nothing is under way, else after the answer."""

    def abort(self) -> None:
        """Close whatever is under way."""


class PeerNames(Protocol):
    """Says whose share a connection counts for."""

    def name(self, peer: Address | None, here: Address | None = None) -> str:
        """Return the name of who is at the other end of a connection that was accepted at ``here``."""
        ...


class Warden:
    """Lets connections in and ends those that are late by ``limits``.

    Looks once a second, and only while there are any.
    """

    def __init__(self, peers: PeerNames, limits: Callable[[], GatewayLimits], most: int, most_of_one: int) -> None:
        self._peers = peers
        self.limits = limits
        self._admission: Admission[Guarded] = Admission(most, most_of_one)
        self._open: set[Guarded] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = -_TELL_SECONDS
        self.is_ending = False
        self.works, self.rests, self.owes = self._admission.works, self._admission.rests, self._admission.owes

    def enter(self, connection: Guarded, client: Address | None, here: Address | None = None) -> str | None:
        """Take a new connection in, accepted at ``here``; return its peer's name, or None when there is no place."""
        peer = self._peers.name(client, here)
        is_in, victim = self._admission.enter(connection, peer)
        if victim is not None or not is_in:
            self._tell(peer)
        if victim is not None:
            victim.end(503, "Too many connections wait here: this one waited longest.")
        if not is_in:
            return None
        self._open.add(connection)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        return peer

    def leave(self, connection: Guarded) -> None:
        """Forget a connection."""
        self._admission.leave(connection)
        self._open.discard(connection)

    async def finish(self, seconds: float) -> None:
        """End all connections: those at rest now, others after their answers, after ``seconds`` all."""
        self.is_ending = True
        for connection in list(self._open):
            connection.finish()
        deadline = time.monotonic() + seconds
        while self._open and time.monotonic() < deadline:  # noqa: ASYNC110 - it happens once, at the end
            await asyncio.sleep(_LOOK_SECONDS)
        for connection in list(self._open):
            connection.abort()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now, limits = time.monotonic(), self.limits()
        for connection in list(self._open):
            connection.check(now, limits)
        self._timer = loop.call_later(_SWEEP_SECONDS, self._sweep, loop) if self._open else None

    def _tell(self, peer: str) -> None:
        now = time.monotonic()
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            _log.warning("%s connections are open, %s asks for more: those that wait longest are closed",
                         len(self._admission), peer)  # fmt: skip
