"""Where features meet about the machine: samples and who judges them, GPUs and who holds them, and what happened."""

import logging
import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mlops_desk.desk.engines.gpu_toolkit import Toolkit
from mlops_desk.engines.docker.address import choose_address
from mlops_desk.engines.engine import Engine
from mlops_desk.gpus.gpu_hours import JOBS_COUNTED, HoursParts, gpu_hours
from mlops_desk.gpus.gpu_loss import GpuLoss, GpuWitness
from mlops_desk.gpus.gpu_service import FaultMemory, GpuDeskParts
from mlops_desk.gpus.leases.allocation import DriverFacts
from mlops_desk.gpus.leases.container_devices import may_open_gpus
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.leases.shared_mailbox.booking_service import BookingDesk
from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import NotePaper, Papers
from mlops_desk.gpus.ledger_watch import Leasing
from mlops_desk.jobs.records.failure_facts import HostFacts, SeenFacts, Throttled
from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.jobs.records.provenance import Hardware
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.waiter import KeptFor
from mlops_desk.jobs.runtimes.local.leases import LedgerGpus
from mlops_desk.jobs.service import JobsService
from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.alerts.service import AlertsService
from mlops_desk.machine.events.service import EventParts, EventsService
from mlops_desk.machine.records.event import Notice
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.history import Curves
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.metrics.host import HOST
from mlops_desk.machine.telemetry.prometheus.exporter import Exporter
from mlops_desk.machine.telemetry.service import TelemetryService

_log = logging.getLogger(__name__)
_JOBS_COUNTED = 2000  # a sentence about an absence: more than that nobody would read as a number
_JUST_SECONDS = 30.0
"""Chosen: an end is looked at within seconds; a GPU that is lost later, as while no agent ran, was not its reason."""
_MEMORY_SECONDS = 30.0  # chosen: what was free half a minute before a kill tells little of it
_MEMORY_POINTS = 30  # one for each of those seconds, as often as is measured
_BUSY_POINTS = 100  # buckets of the curve behind one mean value; fewer would hide short gaps in it

ContainerWord = Callable[[str], str | None]


def container_lives(engine: Engine, name: str) -> bool:
    """Tell whether a container of that name is there and has not ended. Raises DeskError where it can't be seen."""
    try:
        facts = engine.inspect(name)
    except NotFound:
        return False
    return facts.status in {"created", "running", "paused", "restarting"}


def engine_address(store: SettingsStore) -> str:
    """Name the engine as every other agent names it, so that leases of one engine are known as such."""
    try:
        return choose_address(store.text("engine.host"))
    except DeskError as error:
        _log.warning("The engine's address in the settings is none: %s", error.message)
        return ""


def job_name(state: State, job_id: str) -> str | None:
    """Return what a job is called; None where there is none of that id."""
    job = state.jobs.get(job_id)
    return None if job is None else job.name


class MachineWiring:
    """Joins telemetry with the ledger of GPUs and with the records of jobs.

    ``container_name`` and ``container_job`` name the container of an engine's id, and the job that it belongs to.
    """

    def __init__(
        self,
        telemetry: TelemetryService,
        leasing: Leasing,
        state: State,
        container_name: ContainerWord,
        container_job: ContainerWord,
        faults: FaultMemory,
    ) -> None:
        self._faults = faults
        self._toolkit = Toolkit()
        self.witness = GpuWitness()
        self._telemetry = telemetry
        self._leasing = leasing
        self._state = state
        self._container_name = container_name
        self._container_job = container_job

    def join(self, events: EventsService, alerts: AlertsService, exporter: Exporter) -> None:
        """Hand each sample to who judges it."""

        def judge(heard: tuple[DeviceEvent, ...], status: Status, is_tick: bool) -> None:
            self._faults.take(heard, status.gpus, time.monotonic())
            self.witness.take(heard)
            for event in heard:
                if event.kind == "oom":
                    named = None if event.container is None else self._container_name(event.container)
                    self.witness.note_kill(event, named)
            events.take(heard, status)
            exporter.take(heard, status.gpus, is_tick=is_tick)
            if is_tick:
                alerts.take(status)

        self._telemetry.listen(judge)

    def event_parts(self) -> EventParts:
        """Return what the event log needs."""
        return EventParts(
            self._keep,
            self._recording,
            self.busy_ratio,
            self.jobs_ended,
            self._telemetry.device,
            self._gpus,
            self._container_name,
            self._container_job,
        )

    def gpu_parts(
        self,
        ledger: LeaseLedger,
        bookings: BookingDesk,
        shared: LeaseFolders,
        publish: Callable[[Notice], None],
        seen: Path,
        jobs: Callable[[], JobsService],
    ) -> GpuDeskParts:
        """Return what the verbs about GPUs need; ``jobs`` are made later."""

        def lost(attempt_id: str, reason: Reason) -> None:
            jobs().gpus.lost(attempt_id, reason)

        loss = GpuLoss(ledger.held, may_open_gpus, publish, self.witness, lost)

        def kept() -> Mapping[str, KeptFor]:
            return jobs().gpus.kept()

        hours = HoursParts(
            lambda: self._state.jobs.list(limit=JOBS_COUNTED),
            self._telemetry.processes_in,
            lambda: [gpu.uuid for gpu in self._gpus()],
            self._telemetry.history,
        )
        cards, notes = LedgerGpus(ledger, self.driver_facts).cards, Papers(shared, ".note", NotePaper)
        return GpuDeskParts(cards, bookings, notes, self._faults, publish, seen, partial(gpu_hours, hours), loss, kept)

    def driver_facts(self) -> DriverFacts | None:
        """Return what the driver showed last, or None when that is too old to give GPUs out on."""
        return self._leasing.facts(self._telemetry.sample())

    def hardware(self, gpus: Sequence[str]) -> Hardware:
        """Return what is known of the machine and of some of its GPUs (UUIDs)."""
        status = self._telemetry.status()
        known = {gpu.uuid: gpu for gpu in status.gpus}
        pairs = [(a, b) for a in gpus for b in gpus if a < b and a in known and b in known[a].peers]
        return Hardware(
            driver=status.driver_version,
            versions={
                "kernel": platform.release(),
                **({"cuda": status.cuda_version} if status.cuda_version else {}),
                **(self._toolkit.versions() if gpus else {}),
            },
            gpu_models=tuple(known[uuid].name if uuid in known else "?" for uuid in gpus),
            topology={f"{a} {b}": known[a].peers[b] for a, b in pairs},
        )

    def seen(self, attempt: Attempt, ended_at: float) -> SeenFacts:
        """Return what was seen of an attempt's GPUs and of the machine's memory at its end."""
        parents = {part.uuid: gpu.uuid for gpu in self._gpus() for part in gpu.mig if part.uuid is not None}
        known = self.witness.facts(attempt, ended_at, parents)
        lost = (*known.lost, *(uuid for uuid in self._gone(attempt, ended_at, parents) if uuid not in known.lost))
        gpus = replace(known, lost=lost, throttled=self._throttled(attempt, ended_at))
        left = self._least("system.memory.available", ended_at)
        total = self._least("system.memory.limit", ended_at)
        return SeenFacts(gpus, HostFacts(self.witness.kills(attempt, ended_at), left, total))

    def _gone(self, attempt: Attempt, ended_at: float, parents: Mapping[str, str]) -> tuple[str, ...]:
        """Return the GPUs of an attempt that has just ended which are lost now: a program may end before two looks."""
        if time.time() - ended_at > _JUST_SECONDS:
            return ()
        lost = {gpu.uuid for gpu in self._gpus() if gpu.state is GpuState.LOST}
        return tuple(uuid for uuid in attempt.gpus if parents.get(uuid, uuid) in lost)

    def _least(self, metric: str, ended_at: float) -> int | None:
        """Return the least of a host's metric in the time before an end; None where the history does not tell."""
        try:
            curve = self._telemetry.history(metric, HOST, ended_at - _MEMORY_SECONDS, ended_at, _MEMORY_POINTS)
        except DeskError as error:
            _log.info("What %s was is not known: %s", metric, error.message)
            return None
        known = [value for value in curve.minimum if value is not None]
        return int(min(known)) if known else None

    def _throttled(self, attempt: Attempt, ended_at: float) -> tuple[Throttled, ...]:
        started_at = attempt.started_at
        if started_at is None or ended_at <= started_at:
            return ()
        found = []
        for gpu in attempt.gpus:
            try:
                seconds = self._telemetry.spent(gpu, started_at, ended_at).throttled_seconds
            except DeskError as error:
                _log.info("How long GPU %s was held down is not known: %s", gpu, error.message)
                continue
            if seconds:
                found.append(Throttled(gpu, seconds, ended_at - started_at))
        return tuple(found)

    def drains(self) -> bool:
        """Tell whether a GPU was let go that the driver has not shown free since."""
        return self._leasing.drains(self._telemetry.sample())

    def sampling(self) -> tuple[str, str | None]:
        """Return how sampling is, in a word, and what is wrong with it or with its history."""
        trouble = self._telemetry.trouble()
        return ("stale" if trouble else "ok"), trouble or self._telemetry.paused()

    def busy_ratio(self, start: float, end: float) -> Mapping[str, float]:
        """Return the mean utilisation of each GPU over a span; one whose history does not tell is left out."""
        ratios = {}
        for gpu in self._gpus():
            try:
                curve = self._telemetry.history("hw.gpu.utilization", gpu.uuid, start, end, _BUSY_POINTS)
            except DeskError as error:
                _log.info("How busy GPU %s was is not known: %s", gpu.uuid, error.message)
                continue
            known = [value for value in curve.mean if value is not None]
            if known:
                ratios[gpu.uuid] = sum(known) / len(known)
        return ratios

    def jobs_ended(self, since: float) -> Mapping[str, int]:
        """Count the jobs that ended since a time, by outcome."""
        final = tuple(state.value for state in JobState if state.is_final)
        jobs = self._state.jobs.list(states=final, limit=_JOBS_COUNTED)
        return Counter(job.state.value for job in jobs if (job.ended_at or 0.0) >= since)

    def _gpus(self) -> Sequence[Gpu]:
        return self._telemetry.status().gpus

    def _keep(self, incident_id: str, at: float) -> None:
        self._telemetry.recorder.keep(incident_id, at)

    def _recording(self, incident_id: str, device: str | None) -> Curves:
        return self._telemetry.recorder.read(incident_id, device)
