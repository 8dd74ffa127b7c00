"""What endpoints do and take, counted: now, of the last day, and into the history.

What the rest of the house keeps and tells of endpoints: their past, and the GPU memory of containers.

What an endpoint did lately: latency of the last minute, errors of the last day.

What the containers of endpoints take: processor and memory by the kernel, GPU memory by what telemetry sees.

Figures of endpoints and of their revisions, a stretch of time at a time, from the gateway's counters to the history.

A stretch is told of when the counters are read for the first time after it; one of which less than half was seen,
because the agent or the gateway was not there, is left out: it would tell of a load that nobody measured.

The gateway's counters each time that they are read: what is shown of an endpoint, and what the history keeps.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.jobs.runtimes.local.resource_usage import LiveCounters
from mlops_desk.machine.records.history import Point, RecordPoints, SeriesName, forget_points
from mlops_desk.serving.gateway.process_control import Stats
from mlops_desk.serving.gateway.traffic import (
    ERROR_CLASSES,
    Snapshot,
    SnapshotWindow,
    TrafficCounters,
    errors_between,
    latency_between,
    load_between,
    snapshot_of,
)
from mlops_desk.serving.metrics import ENDPOINT
from mlops_desk.serving.records.endpoint import Endpoint, LatencyPercentiles, Traffic
from mlops_desk.serving.records.rollout import SHADOW_PERCENT

GpuMemory = Callable[[], Mapping[str, int]]
"""Returns the GPU memory that processes of containers hold, in bytes by the container's name."""
PastErrors = Callable[[str, str], Sequence[Point]]
"""Returns how many errors of an endpoint and a class the history has of the last 24 hours, by Unix time."""


def _no_gpu_memory() -> Mapping[str, int]:
    return {}


def _no_errors(_name: str, _class: str) -> Sequence[Point]:
    return ()


@dataclass(frozen=True, slots=True)
class EndpointPast:
    """``record`` keeps points of a series; the defaults stand where there is no history."""

    record: RecordPoints = forget_points
    gpu_memory: GpuMemory = _no_gpu_memory
    errors: PastErrors = _no_errors


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


@dataclass(frozen=True, slots=True)
class EndpointUsage:
    """What some containers take together; None where that is not known of all of them. ``cpus`` is in cores."""

    cpus: float | None = None
    memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None


class ContainerUsage:
    """``see`` is told what runs; ``of`` reads some containers at a time, in one thread."""

    def __init__(self, gpu_memory: GpuMemory, counters: LiveCounters | None = None) -> None:
        self._gpu_memory = gpu_memory
        self._counters = LiveCounters() if counters is None else counters

    def see(self, containers: Iterable[ContainerFacts]) -> None:
        """Take note of the containers of endpoints that are there."""
        self._counters.see([facts for facts in containers if facts.status == "running"])

    def of(self, containers: Iterable[str]) -> dict[str, EndpointUsage]:
        """Return what each of the containers takes, by name."""
        gpus = self._gpu_memory()
        return {name: self._one(name, gpus.get(name)) for name in containers}

    def _one(self, name: str, gpu_bytes: int | None) -> EndpointUsage:
        use = self._counters.read(name)
        return (
            EndpointUsage(gpu_memory_bytes=gpu_bytes)
            if use is None
            else EndpointUsage(use.cpus, use.memory_bytes, gpu_bytes)
        )


def summed(parts: Iterable[EndpointUsage]) -> EndpointUsage:
    """Return what several containers take together; GPU memory is that of those that hold any."""
    found = list(parts)
    cpus = [one.cpus for one in found if one.cpus is not None]
    memory = [one.memory_bytes for one in found if one.memory_bytes is not None]
    gpus = [one.gpu_memory_bytes for one in found if one.gpu_memory_bytes is not None]
    return EndpointUsage(
        sum(cpus) if found and len(cpus) == len(found) else None,
        sum(memory) if found and len(memory) == len(found) else None,
        sum(gpus) if gpus else None,
    )


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


class EndpointMeters:
    """Not locked where it says nothing: one thread reads the counters."""

    def __init__(self, past: EndpointPast) -> None:
        self._series = EndpointSeries(past.record)
        self._shadows = EndpointSeries(past.record, SHADOW)
        self._recent = RecentFigures()
        self._usage = ContainerUsage(past.gpu_memory)
        self._recall = past.errors

    def see(self, containers: Iterable[ContainerFacts]) -> None:
        """Take note of the containers of endpoints that are there."""
        self._usage.see(containers)

    def remember(self, names: Iterable[str], ending: threading.Event) -> None:
        """Take in what the history has of the errors of a day; reads for a moment for each endpoint."""
        for name in names:
            for class_ in ERROR_CLASSES:
                if ending.is_set():
                    return
                self._recent.remember(name, class_, self._recall(name, class_))

    def take(self, stats: Stats, up: Sequence[Endpoint], now: float | None = None) -> dict[str, Recent]:
        """Take in the counters of the endpoints that are not at rest; return what they did lately."""
        at = time.time() if now is None else now
        silence = snapshot_of(TrafficCounters(), stats.at)  # the gateway counts from a first request on
        snapshots: dict[str, Snapshot] = {}
        for endpoint in up:
            snapshots[endpoint.name] = stats.endpoints.get(endpoint.name, silence)
            counted = stats.revisions.get(endpoint.name, {})
            for number in sorted({replica.revision for replica in endpoint.replicas}):
                snapshots[f"{endpoint.name}/{number}"] = counted.get(number, silence)
        self._shadows.take(_of_shadows(stats, up, silence), at)
        told = self._series.take(snapshots, at)
        if told:
            self._tell_usage(told, up)
        return {one.name: self._recent.take(one.name, snapshots[one.name], at) for one in up}

    def forget(self, name: str) -> None:
        self._recent.forget(name)

    def _tell_usage(self, told: Sequence[tuple[str, float]], up: Sequence[Endpoint]) -> None:
        containers: dict[str, list[str]] = {}
        for endpoint in up:
            for replica in endpoint.replicas:
                for key in (endpoint.name, f"{endpoint.name}/{replica.revision}"):
                    containers.setdefault(key, []).append(replica.container)
        used = self._usage.of({name for key, _ in told for name in containers.get(key, ())})
        for key, at in told:
            self._series.tell_usage(key, at, summed(used[name] for name in containers.get(key, ())))


def _of_shadows(stats: Stats, up: Sequence[Endpoint], silence: Snapshot) -> dict[str, Snapshot]:
    """Return what was counted of the shadows there are now, by NAME/REVISION."""
    found = {}
    for endpoint in up:
        rollout = endpoint.rollout
        if rollout is not None and rollout.percent == SHADOW_PERCENT:
            counted = stats.shadows.get(endpoint.name, {}).get(rollout.revision, silence)
            found[f"{endpoint.name}/{rollout.revision}"] = counted
    return found
