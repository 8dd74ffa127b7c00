"""How much goes through an endpoint and how long it takes: counters in the gateway, rates and their past in the agent.

Latencies are counted in buckets that grow by a tenth, from 0.1 ms to about 100 s, so that a percentile
is right within 5 % whatever the load, and two snapshots can be subtracted. The load of the last quarter of an hour
is in memory only: it is old news after a restart of the agent.
"""

import bisect
import operator
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.records.endpoint import LatencyPercentiles, PastTraffic, Traffic

BOUNDS_SECONDS: tuple[float, ...] = tuple(1e-4 * 1.1**step for step in range(146))
KEPT_SECONDS = 900.0  # chosen: what happened just now; longer pasts are the history
_KEPT_POINTS = 1000  # a point a second for all of it, and some to spare
_FIRST_ERROR = 400  # HTTP's own limit between answers and errors
_TIMEOUT = 504  # what the gateway answers for a model that does not
ERROR_CLASSES = ("4xx", "5xx", "timeout")
"""Errors by what they are: the caller's, the model's or the gateway's, and answers that did not come in time."""


@dataclass(slots=True)
class TrafficCounters:
    """What the gateway counts for one revision since it started.

    ``classes``: by the status's first digit; ``timeouts`` (504) are among those of 5.
    """

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    timeouts: int = 0
    classes: list[int] = field(default_factory=lambda: [0] * 6)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_SECONDS) + 1))

    def count(self, status: int, latency_seconds: float) -> None:
        """Count one answered request; a status from 400 on is an error."""
        self.requests += 1
        self.errors += status >= _FIRST_ERROR
        self.seconds += latency_seconds
        self.timeouts += status == _TIMEOUT
        self.classes[status // 100] += 1
        self.buckets[bisect.bisect_left(BOUNDS_SECONDS, latency_seconds)] += 1


def together(counted: Iterable[TrafficCounters]) -> TrafficCounters:
    """Return the sum of several counters."""
    found = TrafficCounters()
    for counters in counted:
        found.requests += counters.requests
        found.errors += counters.errors
        found.seconds += counters.seconds
        found.timeouts += counters.timeouts
        found.classes = [*map(operator.add, found.classes, counters.classes)]
        found.buckets = [*map(operator.add, found.buckets, counters.buckets)]
    return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The counters as they stood at ``at`` (monotonic seconds); ``queued`` is how many waited then."""

    at: float
    requests: int
    errors: int
    buckets: tuple[int, ...]
    unlogged: int = 0
    classes: tuple[int, ...] = (0,) * 6
    timeouts: int = 0
    queued: int = 0


def snapshot_of(counters: TrafficCounters, at: float, queued: int = 0) -> Snapshot:
    """Return the counters as they stand now."""
    return Snapshot(
        at,
        counters.requests,
        counters.errors,
        tuple(counters.buckets),
        classes=tuple(counters.classes),
        timeouts=counters.timeouts,
        queued=queued,
    )


class SnapshotWindow:
    """The snapshots of the last ``seconds``. A counter that fell (a new gateway) starts it over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._snapshots: deque[Snapshot] = deque()

    def add(self, snapshot: Snapshot) -> Snapshot:
        """Take a new snapshot in and return the one with which the window begins."""
        if self._snapshots and snapshot.requests < self._snapshots[-1].requests:
            self._snapshots.clear()
        self._snapshots.append(snapshot)
        while len(self._snapshots) > 2 and snapshot.at - self._snapshots[1].at >= self._seconds:
            self._snapshots.popleft()
        return self._snapshots[0]


class LoadWindow:
    """Turns snapshots into rates over the last ``seconds``."""

    def __init__(self, seconds: float = 30.0) -> None:
        self._window = SnapshotWindow(seconds)

    def add(self, snapshot: Snapshot) -> Traffic:
        """Take a new snapshot in and return the load over the window."""
        return load_between(self._window.add(snapshot), snapshot)


def load_between(first: Snapshot, last: Snapshot) -> Traffic:
    """Return rates and percentiles of what happened between two snapshots."""
    seconds = last.at - first.at
    requests = last.requests - first.requests
    buckets = _counted(first, last)
    return Traffic(
        requests_per_second=requests / seconds if seconds > 0 else 0.0,
        latency_p50_seconds=percentile(buckets, 0.50),
        latency_p95_seconds=percentile(buckets, 0.95),
        errors_per_second=(last.errors - first.errors) / seconds if seconds > 0 else 0.0,
        requests_total=last.requests,
        errors_total=last.errors,
        unlogged_total=last.unlogged,
    )


def latency_between(first: Snapshot, last: Snapshot) -> LatencyPercentiles:
    """Return how long what happened between two snapshots took."""
    buckets = _counted(first, last)
    return LatencyPercentiles(*(percentile(buckets, share) for share in (0.50, 0.95, 0.99)))


def errors_between(first: Snapshot, last: Snapshot) -> dict[str, int]:
    """Return how many requests between two snapshots ended with an error, by ``ERROR_CLASSES``, each once."""
    timeouts = last.timeouts - first.timeouts
    of_caller, of_server = (last.classes[digit] - first.classes[digit] for digit in (4, 5))
    return dict(zip(ERROR_CLASSES, (of_caller, of_server - timeouts, timeouts), strict=True))


def _counted(first: Snapshot, last: Snapshot) -> list[int]:
    return [after - before for before, after in zip(first.buckets, last.buckets, strict=True)]


def percentile(buckets: Sequence[int], share: float) -> float | None:
    """Return the latency below which ``share`` of the counted requests lie, within its bucket; None for none."""
    total = sum(buckets)
    if total == 0:
        return None
    wanted, reached = share * total, 0
    for index, count in enumerate(buckets):
        if count and reached + count >= wanted:
            low = BOUNDS_SECONDS[index - 1] if index else 0.0
            high = BOUNDS_SECONDS[min(index, len(BOUNDS_SECONDS) - 1)]
            return low + (high - low) * (wanted - reached) / count
        reached += count
    return BOUNDS_SECONDS[-1]


class Past:
    """One ring for each endpoint. Not locked: its owner is."""

    def __init__(self) -> None:
        self._rings: dict[str, deque[PastTraffic]] = {}

    def note(self, name: str, traffic: Traffic, at: float | None = None) -> None:
        """Keep what the load is now, or was ``at`` a Unix time after the last; drop what is too old."""
        ring = self._rings.setdefault(name, deque(maxlen=_KEPT_POINTS))
        now = time.time()
        ring.append(PastTraffic(now if at is None else at, traffic))
        while ring and ring[0].at < now - KEPT_SECONDS:
            ring.popleft()

    def since(self, name: str, seconds: float) -> list[PastTraffic]:
        """Return the newest ``seconds`` of an endpoint, oldest first. Raises Invalid."""
        if not 0 < seconds <= KEPT_SECONDS:
            raise Invalid(f"{seconds:g} s can't be shown.", f"The load of up to {KEPT_SECONDS:g} s is kept.")
        first = time.time() - seconds
        return [point for point in self._rings.get(name, ()) if point.at >= first]

    def forget(self, name: str) -> None:
        self._rings.pop(name, None)
