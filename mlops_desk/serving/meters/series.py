"""Figures of endpoints and of their revisions, a stretch of time at a time, from the gateway's counters to the history.

A stretch is told of when the counters are read for the first time after it; one of which less than half was seen,
because the agent or the gateway was not there, is left out: it would tell of a load that nobody measured.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlops_desk.records.history import RecordPoints, SeriesName
from mlops_desk.records.serving.endpoint import LatencyPercentiles, Traffic
from mlops_desk.serving.gateway.traffic import Snapshot, errors_between, latency_between, load_between
from mlops_desk.serving.meters.usage import EndpointUsage
from mlops_desk.serving.metrics import ENDPOINT

STEP_SECONDS = 10.0  # chosen: a 99th percentile of fewer seconds is mostly one request
LONG_STEP_SECONDS = 60.0  # the finest roll-up of the history
SHORT_STEPS_UP_TO = 100
"""Chosen: series' holders (endpoints and revisions) that get a point each ten seconds: some hundred points a second."""
SHADOW = f"{ENDPOINT}.shadow"
MOST_HOLDERS = 2000  # chosen: of what is up at once on one machine, far more than it can run
_LEAST, _MOST = 0.5, 1.5  # chosen: half a stretch is seen, and at most half of another one


def figures_of(load: Traffic, latency: LatencyPercentiles, of: str = ENDPOINT) -> dict[str, float | None]:
    """Return what is recorded of a load, by metric; None where there was no request. ``of`` begins their names."""
    return {
        f"{of}.requests": load.requests_per_second,
        f"{of}.errors": load.errors_per_second,
        f"{of}.latency.p50": latency.p50,
        f"{of}.latency.p95": latency.p95,
        f"{of}.latency.p99": latency.p99,
    }


@dataclass(frozen=True, slots=True)
class _Begun:
    """A stretch under way (Unix seconds), the counters at its beginning, and what was seen of them since."""

    start: float
    seconds: float
    first: Snapshot
    requests: int
    queued: int


class EndpointSeries:
    """Not locked: one thread reads the counters. Those of shadows are ``of`` them, and tell of copies alone."""

    def __init__(self, record: RecordPoints, of: str = ENDPOINT) -> None:
        self._record = record
        self._of = of
        self._begun: dict[str, _Begun] = {}
        self._classes: set[tuple[str, str]] = set()

    def take(self, snapshots: Mapping[str, Snapshot], now: float | None = None) -> list[tuple[str, float]]:
        """Take in the counters as they stand, by NAME or NAME/REVISION; ``now`` is Unix seconds.

        Returns whose stretch has ended, and when it began. What is not named is forgotten.
        """
        at = time.time() if now is None else now
        seconds = STEP_SECONDS if len(snapshots) <= SHORT_STEPS_UP_TO else LONG_STEP_SECONDS
        kept, told = {}, []
        for key, snapshot in [*snapshots.items()][:MOST_HOLDERS]:
            begun = self._begun.get(key)
            if begun is None or snapshot.requests < begun.requests:  # a new gateway counts from nothing
                begun = _begun(at, seconds, snapshot)
            elif not begun.start <= at < begun.start + begun.seconds:
                if _LEAST <= (snapshot.at - begun.first.at) / begun.seconds <= _MOST:
                    self._tell(key, begun, snapshot)
                    told.append((key, begun.start))
                begun = _begun(at, seconds, snapshot)
            kept[key] = replace(begun, requests=snapshot.requests, queued=max(begun.queued, snapshot.queued))
        self._begun = kept
        self._classes = {known for known in self._classes if known[0] in kept}
        return told

    def tell_usage(self, key: str, at: float, usage: EndpointUsage) -> None:
        """Keep what an endpoint's or a revision's containers take, as far as that is known."""
        for metric, value in (
            ("endpoint.cpu", usage.cpus),
            ("endpoint.memory", usage.memory_bytes),
            ("endpoint.gpu.memory", usage.gpu_memory_bytes),
        ):
            if value is not None:
                self._record(SeriesName(ENDPOINT, key, metric), [(at, float(value))])

    def _tell(self, key: str, begun: _Begun, last: Snapshot) -> None:
        figures = figures_of(load_between(begun.first, last), latency_between(begun.first, last), self._of)
        if self._of == ENDPOINT:
            self._add_waits_and_classes(figures, key, begun, last)
        for metric, value in figures.items():
            if value is not None:
                self._record(SeriesName(ENDPOINT, key, metric), [(begun.start, value)])

    def _add_waits_and_classes(self, figures: dict[str, float | None], key: str, begun: _Begun, last: Snapshot) -> None:
        if "/" not in key:  # requests wait for an endpoint's place, not for a revision's
            figures["endpoint.queue"] = float(max(begun.queued, last.queued))
        for class_, count in errors_between(begun.first, last).items():
            if count or (key, class_) in self._classes:
                self._classes.add((key, class_))
                figures[f"endpoint.errors.{class_}"] = count / (last.at - begun.first.at)


def _begun(at: float, seconds: float, first: Snapshot) -> _Begun:
    return _Begun(at // seconds * seconds, seconds, first, first.requests, first.queued)
