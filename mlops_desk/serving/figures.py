"""An endpoint's figures of each minute, from the gateway's counters to the history.

A minute is told of when the counters are read for the first time after it; a minute of which less than half was seen,
because the agent or the gateway was not there, is left out: it would tell of a load that nobody measured.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlops_desk.records.history import RecordPoints, SeriesName
from mlops_desk.records.serving.endpoint import Traffic
from mlops_desk.serving.gateway.traffic import Snapshot, load_between, percentile_between
from mlops_desk.serving.metrics import ENDPOINT

MINUTE_SECONDS = 60.0  # the finest roll-up of the history
_LEAST_SECONDS, _MOST_SECONDS = 30.0, 90.0  # chosen: half a minute is seen, and at most half of another one
_P99 = 0.99  # what it is called


def figures_of(load: Traffic, p99_seconds: float | None) -> dict[str, float | None]:
    """Return what is recorded of a load, by metric; None where there was no request."""
    return {
        "endpoint.requests": load.requests_per_second,
        "endpoint.errors": load.errors_per_second,
        "endpoint.latency.p50": load.latency_p50_seconds,
        "endpoint.latency.p95": load.latency_p95_seconds,
        "endpoint.latency.p99": p99_seconds,
    }


@dataclass(frozen=True, slots=True)
class _Begun:
    """A minute under way: the counters at its beginning, and how many requests they told of last."""

    minute: int
    first: Snapshot
    requests: int


class MinuteFigures:
    """Not locked: one thread reads the counters."""

    def __init__(self, record: RecordPoints) -> None:
        self._record = record
        self._begun: dict[str, _Begun] = {}

    def take(self, snapshots: Mapping[str, Snapshot], now: float | None = None) -> None:
        """Take in the counters as they stand; ``now`` is Unix seconds. Endpoints that are not named are forgotten."""
        minute = int((time.time() if now is None else now) // MINUTE_SECONDS)
        kept = {}
        for name, snapshot in snapshots.items():
            begun = self._begun.get(name)
            if begun is None or snapshot.requests < begun.requests:  # a new gateway counts from nothing
                begun = _Begun(minute, snapshot, snapshot.requests)
            elif minute != begun.minute:
                if _LEAST_SECONDS <= snapshot.at - begun.first.at <= _MOST_SECONDS:
                    self._tell(name, begun, snapshot)
                begun = _Begun(minute, snapshot, snapshot.requests)
            kept[name] = replace(begun, requests=snapshot.requests)
        self._begun = kept

    def _tell(self, name: str, begun: _Begun, last: Snapshot) -> None:
        at, p99 = begun.minute * MINUTE_SECONDS, percentile_between(begun.first, last, _P99)
        for metric, value in figures_of(load_between(begun.first, last), p99).items():
            if value is not None:
                self._record(SeriesName(ENDPOINT, name, metric), [(at, value)])
