"""Which connections the gateway holds, and who has to make room when there are too many. Pure.

No peer holds more than its share, and of a peer that has its share the connection that has kept the
gateway waiting longest goes first: so a flood pushes itself out, and whoever asks at once is answered.
"""

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mlops_desk.base.network.places import Places

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
