"""What the desk announces, as facts and moments for rules: states of jobs, endpoints, monitors and GPUs, and numbers.

A job is known by its id, and by its name, for which the newest job of that name stands. A job that has ended stays for
a while, so that what lasts can be judged, and is forgotten then: no job comes back.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mlops_desk.automation.rules.document.conditions import BROKEN, UNTOLD
from mlops_desk.automation.rules.live.fact_store import Fact, FactBoard
from mlops_desk.drift.records.monitors import DriftWatch, MonitorStanding, MonitorState
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.hysteresis import GAP_SECONDS
from mlops_desk.kit.rule_engine.plan import NAMED_JOB, Value
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.history import Point, SeriesName
from mlops_desk.machine.records.status import Status
from mlops_desk.serving.records.endpoint import Endpoint

JOB, ENDPOINT, MONITOR, GPU = "state/job", "state/endpoint", "state/monitor", "state/gpu"
DRIFT = "drift"
ENDED_SECONDS = 3600.0  # chosen: a condition of a job that has ended lasts no longer than that
_DRIFT_SECONDS = 86_400.0  # chosen: windows of data are cut by the day at the longest as monitors are proposed
_OF_WINDOWS = frozenset({DRIFT, "monitor"})
"""Of which there are numbers by windows of data alone: scores of columns, figures of answers."""
_Devices = Callable[[Status], Iterable[tuple[str, Any]]]
_DEVICES: Mapping[str, _Devices] = {
    "gpu": lambda status: ((gpu.uuid, gpu) for gpu in status.gpus),
    "nvlink": lambda status: ((f"{gpu.uuid}/link-{one.number}", one) for gpu in status.gpus for one in gpu.links),
    "mig": lambda status: ((one.fingerprint, one) for gpu in status.gpus for one in gpu.mig),
    "host": lambda status: (("host", status.host),),
    "core": lambda status: ((core.name, core) for core in status.host.cores),
    "sensor": lambda status: ((sensor.name, sensor) for sensor in status.host.sensors),
    "disk": lambda status: ((disk.name, disk) for disk in status.disks),
    "network": lambda status: ((network.name, network) for network in status.networks),
    "filesystem": lambda status: ((mounted.mount, mounted) for mounted in status.filesystems),
}


def machine_facts(status: Status, wanted: Mapping[str, tuple[str, ...]]) -> Iterator[Fact]:
    """Yield the facts of the machine that rules ask for."""
    for device, metrics in wanted.items():
        for name, thing in _DEVICES[device](status) if device in _DEVICES else ():
            for metric in metrics:
                reading = thing.metrics.get(metric)
                yield f"{device}/{metric}", name, None if reading is None else reading.value
    for gpu in status.gpus:
        yield GPU, gpu.uuid, _gpu_state(gpu)


def _gpu_state(gpu: Gpu) -> Value:
    return None if gpu.state is GpuState.NOT_RECORDED else _told(gpu.state.value)


def _told(state: str) -> Value:
    return None if state in UNTOLD else state


class RuleHearing:
    """Puts what is heard on the board. Nothing here waits, and no method raises."""

    def __init__(self, board: FactBoard, now: Callable[[], float]) -> None:
        self._board = board
        self._now = now
        self._newest: dict[str, tuple[float, str]] = {}
        self._ended: dict[str, float] = {}
        self._told: dict[str, set[tuple[str, str]]] = {}
        self._chains: dict[str, int] = {}

    def machine(self, status: Status, reckoned: Iterable[Fact] = ()) -> None:
        """Hear of a sample, and of what is ``reckoned`` of it beside what it holds."""
        facts = {(fact, thing): value for fact, thing, value in machine_facts(status, self._board.wanted)}
        facts.update({(fact, thing): value for fact, thing, value in reckoned})
        self._board.put_machine((*key, value) for key, value in facts.items())

    def things(self, device: str, facts: Iterable[Fact]) -> None:
        """Hear what is so of all things of a class (jobs, monitors); of one that is not told any more nobody knows."""
        told = set()
        for fact, thing, value in facts:
            told.add((fact, thing))
            self._board.put(fact, thing, value)
        for fact, thing in self._told.get(device, set()) - told:
            self._board.put(fact, thing, None)
        self._told[device] = told

    def recorded(self, series: SeriesName, points: Iterable[Point]) -> None:
        """Hear of a feature's number: the newest of its points holds until the next, or until it is too old.

        One that is not a number says that nobody knows by now.
        """
        fact = f"{series.kind}/{series.metric}"
        newest = max(points, key=lambda point: point[0], default=None)
        if newest is not None:
            lasts = _DRIFT_SECONDS if series.kind in _OF_WINDOWS else GAP_SECONDS
            self._board.put(fact, series.key, None if math.isnan(newest[1]) else newest[1], lasts)

    def job(self, job: Job) -> None:
        """Hear of a job as it stands."""
        state = _told(job.state.value)
        self._link(job.id, job.chain)
        self._board.put(JOB, job.id, state)
        self._board.put(NAMED_JOB, job.id, state)
        name = self._newest.get(job.name)
        if name is None or (job.submitted_at, job.id) >= name:
            self._newest[job.name] = job.submitted_at, job.id
            self._link(job.name, job.chain)
            self._board.put(NAMED_JOB, job.name, state)
        if job.state.is_final:
            self._ended.setdefault(job.id, self._now())

    def _link(self, name: str, chain: int) -> None:
        self._chains.pop(name, None)
        if chain:
            self._chains[name] = chain

    def chain_of(self, name: str) -> int:
        """Return the chain of a job, by its id or as the newest of its name; 0 where no rule stands behind it."""
        return self._chains.get(name, 0)

    def endpoint(self, endpoint: Endpoint) -> None:
        self._board.put(ENDPOINT, endpoint.name, _told(endpoint.state.value))

    def endpoint_removed(self, name: str) -> None:
        self._board.put(ENDPOINT, name, None)

    def monitor(self, standing: MonitorStanding) -> None:
        """Hear that a monitor waits, is paused or can't tell; what it found is heard from ``monitors``."""
        if standing.state not in {MonitorState.FINE, MonitorState.TURNED}:
            self._board.put(MONITOR, standing.monitor.name, _told(standing.state.value))

    def monitors(self, watched: Iterable[DriftWatch]) -> None:
        """Hear what all monitors have found."""
        for one in watched:
            if one.is_turned is not None:
                turned = BROKEN if one.is_broken else MonitorState.TURNED.value
                self._board.put(MONITOR, one.name, turned if one.is_turned else MonitorState.FINE.value)

    def jobs_over(self) -> list[str]:
        """Return the ids of jobs of which nothing is to be judged any more, once each."""
        now = self._now()
        over = [job_id for job_id, at in self._ended.items() if now - at >= ENDED_SECONDS]
        for job_id in over:
            del self._ended[job_id]
            self._chains.pop(job_id, None)
            self._board.drop(JOB, job_id)
            self._board.drop(NAMED_JOB, job_id)
        return over
