"""The gateway's counters each time that they are read: what is shown of an endpoint, and what the history keeps."""

import threading
import time
from collections.abc import Iterable, Sequence

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.records.serving.rollout import SHADOW_PERCENT
from mlops_desk.serving.gateway.gatekeeper import Stats
from mlops_desk.serving.gateway.traffic import ERROR_CLASSES, Snapshot, TrafficCounters, snapshot_of
from mlops_desk.serving.meters.past import EndpointPast
from mlops_desk.serving.meters.recent import Recent, RecentFigures
from mlops_desk.serving.meters.series import SHADOW, EndpointSeries
from mlops_desk.serving.meters.usage import ContainerUsage, summed


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
