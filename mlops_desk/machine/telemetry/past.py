"""The workstation as it was at a time, made of its history: readings, holders, and the verdict of that minute.

Which devices there are is taken from now: the history keeps numbers, not inventories. What it does not keep is left out
rather than told as it is now.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from mlops_desk.jobs.records.brief import JobRun
from mlops_desk.kit.storage.history.rollup import Rolled
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.history import ProcessMemory
from mlops_desk.machine.records.host import Core, Disk, Filesystem, Host, Network, Sensor
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import PastStatus, Status
from mlops_desk.machine.telemetry.history.curves import HOLDERS_SECONDS, CurveReader
from mlops_desk.machine.telemetry.metrics.host import HOST
from mlops_desk.machine.telemetry.metrics.throttle_reasons import THROTTLE_METRICS
from mlops_desk.machine.telemetry.verdicts.diagnosis import THROTTLED, Idle, Means, diagnose
from mlops_desk.machine.telemetry.verdicts.verdict_cache import MINUTE_SECONDS

FEWEST_ROWS = 5
"""Fewer fine rows say what a moment was, not a minute: as live, no verdict is given on them."""

_LASTING = frozenset({MetricState.NOT_SUPPORTED, MetricState.NOT_SUPPORTED_BY_DRIVER, MetricState.NO_PERMISSION})
_D = TypeVar("_D", Core, Sensor, Disk, Network, Filesystem)

Runs = Callable[[float, float], Sequence[JobRun]]
"""Tells what ran between two Unix times."""
Values = Mapping[tuple[str, str], float]


class PastReader:
    """Answers for one history; ``runs`` tells which jobs had which GPUs."""

    def __init__(self, reader: CurveReader, runs: Runs) -> None:
        self._reader = reader
        self._runs = runs

    def at(self, now: Status, moment: float) -> PastStatus:
        """Return what was at Unix time ``moment`` of the devices in ``now``. Raises Invalid, Unavailable, TimedOut."""
        names = [(device, metric) for device, metrics in _devices(now) for metric in metrics]
        rows, step = self._reader.last_before(names, moment, MINUTE_SECONDS)
        known = {name: found for name, found in zip(names, rows, strict=True) if _counted(found).any()}
        last = {name: float(found.mean[_counted(found)][-1]) for name, found in known.items()}
        few = 1 if step > 1.0 else FEWEST_ROWS
        means = {name: _mean(found) for name, found in known.items() if _counted(found).sum() >= few}
        runs = [run for run in self._runs(moment, moment) if run.gpus] if known else []
        held = self._reader.processes_in(moment - HOLDERS_SECONDS, moment) if known else []
        gpus = tuple(self._gpu(gpu, last, means, _Holders(gpu.uuid, held, runs), moment) for gpu in now.gpus)
        status = _past(now, gpus, last, moment if known else None)
        verdicts = diagnose(replace(status, gpus=_told(gpus)), means, Idle({}, moment))
        return PastStatus(moment, max(step, MINUTE_SECONDS), bool(known), replace(status, diagnoses=verdicts))

    def _gpu(self, gpu: Gpu, last: Values, means: Means, holders: "_Holders", moment: float) -> Gpu:
        there = any(device == gpu.uuid for device, _ in last)
        return Gpu(
            uuid=gpu.uuid,
            index=gpu.index,
            name=gpu.name,
            pci_bus_id=gpu.pci_bus_id,
            state=GpuState.OK if there else GpuState.NOT_RECORDED,
            lease=holders.lease(),
            metrics=_readings(gpu.uuid, gpu.metrics, last),
            processes=tuple(self._process(one, holders, moment) for one in holders.processes) if there else (),
            throttle_reasons=tuple(
                word for metric, word in THROTTLE_METRICS if means.get((gpu.uuid, metric), 0.0) >= THROTTLED
            ),
            note=None if there else "Nothing was recorded of it at that time.",
            processes_known=there,
            peers=gpu.peers,
            numa_node=gpu.numa_node,
            cpu_affinity=gpu.cpu_affinity,
        )

    def _process(self, one: ProcessMemory, holders: "_Holders", moment: float) -> GpuProcess:
        held = self._reader.held_bytes(one.gpu, one.pid, moment)
        size = int(one.peak_bytes if held is None else held)
        return GpuProcess(one.pid, one.user, one.command, size, one.container, job=holders.job_in(one.container))


class _Holders:
    """Who had a GPU at the time: what held its memory, and the jobs it was given to."""

    def __init__(self, uuid: str, held: Iterable[ProcessMemory], runs: Iterable[JobRun]) -> None:
        self.processes = [one for one in held if one.gpu == uuid]
        self._runs = [run for run in runs if uuid in run.gpus]

    def lease(self) -> LeaseInfo | None:
        run = next(iter(self._runs), None)
        return None if run is None else LeaseInfo("leased", user=run.user, attempt=run.container, label=run.name)

    def job_in(self, container: str | None) -> str | None:
        """Return the job whose container has a name."""
        return next((run.name for run in self._runs if run.container == container), None)


def _devices(status: Status) -> Iterator[tuple[str, Mapping[str, Reading]]]:
    """Yield what has curves of its own; links and MIG instances are left out: nothing shows them as they were."""
    host = status.host
    yield from ((gpu.uuid, gpu.metrics) for gpu in status.gpus)
    yield HOST, host.metrics
    for devices in (host.cores, host.sensors, status.disks, status.networks):
        yield from ((device.name, device.metrics) for device in devices)
    yield from ((mounted.mount, mounted.metrics) for mounted in status.filesystems)


def _counted(rows: Rolled) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return np.isfinite(rows.mean) & (rows.count > 0)


def _mean(rows: Rolled) -> float:
    there = _counted(rows)
    return float(np.average(rows.mean[there], weights=rows.count[there]))


def _readings(device: str, now: Mapping[str, Reading], last: Values) -> dict[str, Reading]:
    """Return what was read then; what can never be read still says so, what was not read then is missing."""
    found = {}
    for metric, reading in now.items():
        value = last.get((device, metric), math.nan)
        if math.isfinite(value):
            found[metric] = Reading(value, reading.unit)
        elif reading.state in _LASTING:
            found[metric] = reading
    return found


def _past(now: Status, gpus: tuple[Gpu, ...], last: Values, at: float | None) -> Status:
    """Return the rest of the machine; facts and notes are of now, except those of the hardware itself."""
    host = now.host

    def each(devices: tuple[_D, ...], key: Callable[[_D], str]) -> tuple[_D, ...]:
        return tuple(replace(one, metrics=_readings(key(one), one.metrics, last)) for one in devices)

    booted = host.booted_at if host.booted_at is not None and at is not None and host.booted_at <= at else None
    return replace(
        now,
        gpus=gpus,
        host=Host(
            host.name,
            _readings(HOST, host.metrics, last),
            host.facts if booted is not None else {},
            each(host.cores, lambda one: one.name),
            each(host.sensors, lambda one: one.name),
            booted,
        ),
        disks=tuple(replace(one, note=None) for one in each(now.disks, lambda one: one.name)),
        networks=tuple(replace(one, link="unknown", facts={}) for one in each(now.networks, lambda one: one.name)),
        filesystems=tuple(
            replace(one, note=None, silent_since=None) for one in each(now.filesystems, lambda one: one.mount)
        ),
        sampled_at=at,
        diagnoses=(),
    )


def _told(gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    return tuple(gpu for gpu in gpus if gpu.state is GpuState.OK)
