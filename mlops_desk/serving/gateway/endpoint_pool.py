"""What the gateway keeps of one endpoint: places at its replicas, who waits for one, how often it may be asked, counts.

As long as somebody who may have a place waits for one, none is free: a place that is given back is handed on at once.
So whoever comes and finds one free takes it, past those who wait because they have their share already.
"""

import time
from collections import Counter, deque
from typing import Protocol

from mlops_desk.kit.base.network import Places
from mlops_desk.serving.gateway.messages import busy
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits
from mlops_desk.serving.gateway.traffic import TrafficCounters

_SHARE_OF_ONE = 0.75  # of those who wait that may be one peer's: a second one always finds room


class QueuedRequest(Protocol):
    """A request that wants a place."""

    peer: str

    def go(self) -> None:
        """Go on: there is a place."""


class Rate:
    """Allows ``per_second`` requests, and as many at once as come in a second. ``None`` allows all. Pure."""

    def __init__(self, per_second: float | None, now: float) -> None:
        self.per_second = per_second
        self._left = self._most = max(1.0, per_second or 1.0)
        self._at = now

    def wait_seconds(self, now: float) -> float:
        """Take one; return 0.0, or take none and return after how many seconds there is one."""
        if self.per_second is None:
            return 0.0
        self._left = min(self._most, self._left + (now - self._at) * self.per_second)
        self._at = now
        if self._left >= 1.0:
            self._left -= 1.0
            return 0.0
        return (1.0 - self._left) / self.per_second if self.per_second > 0 else self._most


class EndpointLane:
    """One endpoint's. ``under_way`` counts by revision the requests that its replicas have and have not answered.

    What shadows answered is in ``shadow_counters`` alone: nobody has asked them, so it is none of its requests.
    """

    def __init__(self) -> None:
        self._places = Places(0, 0)
        self._queue = Places(0, 0)
        self._waiting: deque[QueuedRequest] = deque()
        self._rate = Rate(None, 0.0)
        self._is_asleep = self._hands_on = False
        self.counters: dict[int, TrafficCounters] = {}
        self.shadow_counters: dict[int, TrafficCounters] = {}
        self.under_way: Counter[int] = Counter()
        self.unlogged = self.shadows_dropped = 0

    @property
    def waiting(self) -> int:
        """Return how many wait for a place."""
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Return how many have one."""
        return self._places.taken

    def follow(self, endpoint: EndpointRoutes, limits: GatewayLimits, *, is_asleep: bool = False) -> None:
        """Allow what a new table allows. While it sleeps, whoever comes waits."""
        self._is_asleep = is_asleep
        self._places.most, self._places.most_of_one = limits.in_flight, limits.in_flight_of_one
        self._queue.most, self._queue.most_of_one = endpoint.queue, max(1, int(endpoint.queue * _SHARE_OF_ONE))
        if self._rate.per_second != endpoint.requests_per_second:
            self._rate = Rate(endpoint.requests_per_second, time.monotonic())
        self._hand_on()

    def wait_seconds(self) -> float:
        """Take one of the requests that are allowed; return 0.0, or after how many seconds there is one."""
        return self._rate.wait_seconds(time.monotonic())

    def enter(self, waiter: QueuedRequest) -> bool:
        """Give ``waiter`` a place, or have it wait for one; return whether it has one. Raises Rejected."""
        if not self._is_asleep and self._places.take(waiter.peer):
            return True
        if not self._queue.take(waiter.peer):
            raise busy("Too many requests wait already." if self._is_asleep else "Too many requests at once.")
        self._waiting.append(waiter)
        return False

    def give_up(self, waiter: QueuedRequest) -> None:
        """Wait no longer."""
        self._waiting.remove(waiter)
        self._queue.give(waiter.peer)

    def leave(self, peer: str) -> None:
        """Give a place back, to whoever waits for one."""
        self._places.give(peer)
        if self._waiting:
            self._hand_on()

    def count(self, revision: int, status: int, latency_seconds: float) -> None:
        """Count one answered request."""
        _count(self.counters, revision, status, latency_seconds)

    def count_shadow(self, revision: int, status: int, latency_seconds: float) -> None:
        """Count what a shadow made of a copy."""
        _count(self.shadow_counters, revision, status, latency_seconds)

    def _hand_on(self) -> None:
        """Give what is free to those who wait, the first of them first, as far as each one's share goes."""
        if self._is_asleep or self._hands_on:
            return  # whoever goes on and is refused at once gives its place back while the next one gets it here
        self._hands_on = True
        try:
            for waiter in list(self._waiting):
                if self._places.taken >= self._places.most:
                    return
                if self._places.take(waiter.peer):
                    self.give_up(waiter)
                    waiter.go()
        finally:
            self._hands_on = False


def _count(counted: dict[int, TrafficCounters], revision: int, status: int, latency_seconds: float) -> None:
    counters = counted.get(revision)
    if counters is None:
        counters = counted[revision] = TrafficCounters()
    counters.count(status, latency_seconds)
