"""The load of endpoints over the last quarter of an hour, in memory: old news after a restart of the agent."""

import time
from collections import deque

from mlops_desk.base.errors import Invalid
from mlops_desk.records.endpoint import PastTraffic, Traffic

KEPT_SECONDS = 900.0
_POINTS = 1000


class Past:
    """One ring for each endpoint. Not locked: its owner is."""

    def __init__(self) -> None:
        self._rings: dict[str, deque[PastTraffic]] = {}

    def note(self, name: str, traffic: Traffic) -> None:
        """Keep what the load is now; drop what is too old."""
        ring = self._rings.setdefault(name, deque(maxlen=_POINTS))
        now = time.time()
        ring.append(PastTraffic(now, traffic))
        while ring[0].at < now - KEPT_SECONDS:
            ring.popleft()

    def since(self, name: str, seconds: float) -> list[PastTraffic]:
        """Return the newest ``seconds`` of an endpoint, oldest first. Raises Invalid."""
        if not 0 < seconds <= KEPT_SECONDS:
            raise Invalid(f"{seconds:g} s can't be shown.", f"The load of up to {KEPT_SECONDS:g} s is kept.")
        first = time.time() - seconds
        return [point for point in self._rings.get(name, ()) if point.at >= first]

    def forget(self, name: str) -> None:
        self._rings.pop(name, None)
