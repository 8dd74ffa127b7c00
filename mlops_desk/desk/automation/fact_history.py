"""What rules may be about, and what the history has of it."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace

from mlops_desk.desk.model_composition import RECORDED
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.machine.alerts.alert_rule import Watched
from mlops_desk.machine.alerts.default_rules import DERIVED, WATCHED
from mlops_desk.machine.records.history import History, SeriesName
from mlops_desk.machine.records.metric import Metric, Reading
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.metrics.gpu import GPU
from mlops_desk.machine.telemetry.metrics.host import CORE, DISK, FILESYSTEM, HOST, NETWORK, SENSOR
from mlops_desk.machine.telemetry.metrics.table import TABLE
from mlops_desk.machine.telemetry.service import TelemetryService

# Measures of alerts as they were: at each point of the history reckoned of the readings that they are made of. Pure.
# A share, a sum, what is left to a limit: whatever is told by readings alone has a past, in which a mean of shares is
# taken for the share of the means. What rests on more than readings (the state of a GPU, an incident, a job), and
# counters that are judged by their growth, have none; why is told. The kind of a mount is no state: it has the one
# that it has now for as long as it is there.
_OF = {watched.named: watched for watched in WATCHED if watched.measure.declared is not None}
_NVLINKS = "gpu.nvlinks_down"
KIND = "kind"
"""What a file system is; ``facts`` have it beside the readings."""


def why_untold(device: str, metric: str) -> str | None:
    """Return why a measure can't be told of the history; None where it can, and for what is recorded itself."""
    watched = _OF.get((device, metric))
    if watched is None:
        return None
    if watched.pulse:
        return "it is told when it happens, and its history is that of the incidents"
    if watched.grown_over:
        return "it is by how much a counter grew within a minute, and the history is kept by the minute"
    if metric == _NVLINKS:
        return "whether links are missing is known of the GPU at work alone"
    if set(watched.measure.facts) - {KIND} or not watched.measure.reads:
        return "it rests on more than numbers, and of the rest no history is kept"
    return None


def readings_of(device: str, metric: str) -> tuple[str, ...]:
    """Return the metrics that a measure is reckoned of; none where it can't be, or is recorded itself."""
    watched = _OF.get((device, metric))
    return () if watched is None or why_untold(device, metric) else watched.measure.reads or ()


def reckoned(
    device: str, thing: str, metric: str, curves: Mapping[str, History], facts: Mapping[str, str]
) -> History | None:
    """Return a measure's curve by the curves of what it is made of; None where nothing of these was ever measured.

    One that is missing is missing at each point, as it is of a device that does not tell it. So is a fact: then the
    measure is not known at all.
    """
    watched = _OF[device, metric]
    if not curves or set(watched.measure.facts) - set(facts):
        return None
    finest = min(curves.values(), key=lambda curve: curve.step_seconds)
    values = tuple(_value(watched, curves, facts, at) for at in finest.times)
    coarsest = max(curve.tier_seconds for curve in curves.values())
    unit = watched.measure.declared.unit if watched.measure.declared is not None else watched.rule.unit
    return History(thing, metric, unit, coarsest, finest.step_seconds, finest.times, values, values, values)


def _value(watched: Watched, curves: Mapping[str, History], facts: Mapping[str, str], at: float) -> float | None:
    metrics = {
        name: Reading(value, curve.unit) for name, curve in curves.items() if (value := _at(curve, at)) is not None
    }
    return watched.measure.of(SimpleNamespace(metrics=metrics, **facts)) if metrics else None


def _at(curve: History, at: float) -> float | None:
    """Return a curve's mean in the bucket in which a moment lies."""
    place = bisect_right(curve.times, at) - 1
    return curve.mean[place] if place >= 0 and at < curve.times[place] + curve.step_seconds else None


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
