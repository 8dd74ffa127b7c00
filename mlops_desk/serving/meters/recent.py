"""What an endpoint did lately: latency of the last minute, errors of the last day."""

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from mlops_desk.records.history import Point
from mlops_desk.records.serving.endpoint import LatencyPercentiles
from mlops_desk.serving.gateway.traffic import Snapshot, SnapshotWindow, errors_between, latency_between

LATENCY_SECONDS = 60.0  # the contract: show tells of the last minute
DAY_SECONDS = 86_400.0
_SLOT_SECONDS = 60.0  # chosen: a minute more or less of a day; 1,440 small counts of each class


@dataclass(frozen=True, slots=True)
class Recent:
    """Latency of the last minute, and errors of the last 24 hours by class; a class without any is left out."""

    latency: LatencyPercentiles
    errors: dict[str, int]


@dataclass(slots=True)
class _Counted:
    window: SnapshotWindow = field(default_factory=lambda: SnapshotWindow(LATENCY_SECONDS))
    last: Snapshot | None = None
    slots: dict[str, deque[Point]] = field(default_factory=dict)


class RecentFigures:
    """Counters come from one thread, what the history tells of the day before from another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[str, _Counted] = {}

    def take(self, name: str, snapshot: Snapshot, now: float | None = None) -> Recent:
        """Take in an endpoint's counters as they stand at ``now`` (Unix seconds)."""
        at = time.time() if now is None else now
        with self._lock:
            counted = self._counted.setdefault(name, _Counted())
            first = counted.window.add(snapshot)
            before, counted.last = counted.last, snapshot
            if before is not None and snapshot.requests >= before.requests:
                for class_, count in errors_between(before, snapshot).items():
                    _add(counted, class_, at // _SLOT_SECONDS * _SLOT_SECONDS, count)
            return Recent(latency_between(first, snapshot), _of_day(counted, at))

    def remember(self, name: str, class_: str, points: Iterable[Point]) -> None:
        """Take in what was counted before this agent came; ``points`` by time."""
        with self._lock:
            counted = self._counted.setdefault(name, _Counted())
            later = counted.slots.pop(class_, deque())
            for at, count in (*points, *later):
                _add(counted, class_, at, round(count))

    def forget(self, name: str) -> None:
        with self._lock:
            self._counted.pop(name, None)


def _add(counted: _Counted, class_: str, at: float, count: int) -> None:
    if not count:
        return
    slots = counted.slots.setdefault(class_, deque())
    if slots and slots[-1][0] == at:
        slots[-1] = (at, slots[-1][1] + count)
    else:
        slots.append((at, float(count)))


def _of_day(counted: _Counted, now: float) -> dict[str, int]:
    found = {}
    for class_, slots in counted.slots.items():
        while slots and slots[0][0] < now - DAY_SECONDS:
            slots.popleft()
        if slots:
            found[class_] = int(sum(count for _, count in slots))
    return found
