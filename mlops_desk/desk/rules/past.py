"""What rules may be about, and what the history has of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from mlops_desk.alerts.table import DERIVED
from mlops_desk.base.errors import NotFound
from mlops_desk.desk.model_wiring import RECORDED
from mlops_desk.desk.rules.reckoned import KIND, readings_of, reckoned, why_untold
from mlops_desk.records.history import History, SeriesName
from mlops_desk.records.metric import Metric
from mlops_desk.records.status import Status
from mlops_desk.telemetry.metrics.table import CORE, DISK, FILESYSTEM, GPU, HOST, NETWORK, SENSOR, TABLE
from mlops_desk.telemetry.service import TelemetryService

RULE_METRICS: dict[tuple[str, str], Metric] = {
    **TABLE, **{(one.device, one.name): one for one in (*RECORDED, *DERIVED)}
}  # fmt: skip
"""All that the machine measures, features record and alerts reckon, by class and name."""
KINDS = frozenset(one.device for one in RECORDED)
"""Kinds of things of which features record something."""
_WATCHED = frozenset({"job", "monitor"})
"""Classes of things that alerts look at, and that go by the name that they have there."""
CLASSES: Mapping[str, Callable[[Status], Iterator[str]]] = {
    GPU: lambda status: (gpu.uuid for gpu in status.gpus),
    HOST: lambda _status: iter((HOST,)),
    CORE: lambda status: (core.name for core in status.host.cores),
    SENSOR: lambda status: (sensor.name for sensor in status.host.sensors),
    DISK: lambda status: (disk.name for disk in status.disks),
    NETWORK: lambda status: (network.name for network in status.networks),
    FILESYSTEM: lambda status: (mounted.mount for mounted in status.filesystems),
}
"""The names of the machine's devices, by class; parts of GPUs are of none."""
_PAGE = 1000  # as many as a page of a list has at most


class RuleHistory:
    """Implements ``rules.documents.RulePast`` by the history of telemetry."""

    def __init__(self, telemetry: TelemetryService) -> None:
        self._telemetry = telemetry

    def things(self, device: str, metric: str) -> Sequence[str]:
        if device in KINDS:
            return [*self._recorded(device, metric)]
        return devices_of(self._telemetry.status(), device)

    def name(self, device: str, given: str) -> str:
        if device in KINDS:
            return SeriesName.of(device, given, "").device
        return given if device in _WATCHED else self._telemetry.device(given)

    def curve(self, device: str, thing: str, metric: str, since: float, until: float, points: int) -> History | None:
        """Return a curve; of a measure of alerts that is made of readings one that is reckoned of theirs."""
        names = readings_of(device, metric)
        if not names:
            return self._measured(thing, metric, since, until, points)
        found = {name: self._measured(thing, name, since, until, points) for name in names}
        known = {name: curve for name, curve in found.items() if curve is not None}
        return self._reckoned(device, thing, metric, known)

    def curves(
        self, device: str, metric: str, things: Sequence[str], since: float, until: float, points: int
    ) -> Sequence[History | None]:
        """Return the same of several things in one look, all on one time axis."""
        names = readings_of(device, metric)
        asked = [(thing, name) for thing in things for name in names or (metric,)]
        read = self._telemetry.histories(asked, since, until, points)
        found = {(curve.device, curve.metric): curve for curve in read if curve is not None}
        if not names:
            return [found.get((thing, metric)) for thing in things]
        return [
            self._reckoned(
                device, thing, metric, {name: found[thing, name] for name in names if (thing, name) in found}
            )
            for thing in things
        ]

    def why_untold(self, device: str, metric: str) -> str | None:
        return why_untold(device, metric)

    def _reckoned(self, device: str, thing: str, metric: str, curves: Mapping[str, History]) -> History | None:
        return reckoned(device, thing, metric, curves, self._facts(device, thing))

    def _facts(self, device: str, thing: str) -> dict[str, str]:
        """Return what measures need of a thing besides readings, and what stays as it is while the thing is there."""
        mounts = self._telemetry.status().filesystems if device == FILESYSTEM else ()
        return next(({KIND: mounted.kind} for mounted in mounts if mounted.mount == thing), {})

    def _measured(self, thing: str, metric: str, since: float, until: float, points: int) -> History | None:
        try:
            return self._telemetry.history(metric, thing, since, until, points)
        except NotFound:
            return None  # nothing was ever measured

    def _recorded(self, kind: str, metric: str) -> Iterator[str]:
        cursor = None
        while True:
            page = self._telemetry.series(kind, None, _PAGE, cursor)
            for brief in page.items:
                if brief.metric == metric:
                    yield brief.device.removeprefix(f"{kind}:")
            cursor = page.next
            if cursor is None:
                return


def devices_of(status: Status, device: str) -> list[str]:
    """Return the names of the machine's devices of a class; parts of GPUs are of none."""
    return [*CLASSES[device](status)] if device in CLASSES else []
