"""Telemetry's verbs: what the workstation looks like now, and the last minutes of every curve.

The sampler's thread puts each sample into the ring and announces it; the history follows in its own
time. Leases, container names and the agent's facts come in as plain callables, which must not block.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from mlops_desk.gpus.records.usage import GpuSpent
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.base.time_expressions import parse_moment
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.history.holders import MemoryHolding
from mlops_desk.kit.verbs.declaration import MOST_ON_A_PAGE, check_limit
from mlops_desk.machine.records.event import Sampled
from mlops_desk.machine.records.gpu import AccountedProcess, Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.history import Curves, History, Point, ProcessMemory, SeriesBrief, SeriesName, Window
from mlops_desk.machine.records.host import HostProcesses
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.metric import Metric
from mlops_desk.machine.records.status import PastStatus, Sample, Status
from mlops_desk.machine.telemetry.cost import Cost
from mlops_desk.machine.telemetry.devices import resolve_device
from mlops_desk.machine.telemetry.history.backfill import Backfill
from mlops_desk.machine.telemetry.history.curves import CurveReader
from mlops_desk.machine.telemetry.history.disk import DiskHistory
from mlops_desk.machine.telemetry.history.feature_series import Recorded
from mlops_desk.machine.telemetry.history.gpu_usage import gpu_spent
from mlops_desk.machine.telemetry.history.memory import SPAN_SECONDS, Ring, parts_of, rows_for
from mlops_desk.machine.telemetry.history.recorder import Recorder
from mlops_desk.machine.telemetry.history.window import window_of
from mlops_desk.machine.telemetry.past import PastReader, Runs
from mlops_desk.machine.telemetry.pipe.sampler import Sampler
from mlops_desk.machine.telemetry.processes.watch import ProcessWatch
from mlops_desk.machine.telemetry.verdicts.hidden_memory import Unclaimed
from mlops_desk.machine.telemetry.verdicts.verdict_cache import Verdicts

_log = logging.getLogger(__name__)

_FIRST_SECONDS = 2.5
"""Chosen: the first answer has numbers where the driver is quick, and does not wait where it is not."""
_WINDOW_SECONDS = 60.0  # the span of the verdicts
DEMO_SEED = 8  # chosen: a machine that shows every kind of trouble
SIMULATED_FAULTS = "simulated-faults.json"
"""In the demo's data folder: what goes wrong on purpose (``SimulatedFaults``), and which processes were ended."""

_SHORT_ID = 12  # as Docker itself shortens ids
_LEASES_SECONDS = 1.9
"""How long who holds a GPU is taken to be as it was: not quite two ticks. Whoever asks gets a new answer."""
_NAMES_SECONDS = 0.9
"""How long names of containers hold: a new one is looked up in the background, and shown with the next sample."""

_HOLDING_BYTES = 64 << 20  # chosen: a bare context takes more, a desktop's windows mostly less

_P = TypeVar("_P", GpuProcess, AccountedProcess)
_Accounts = tuple[AccountedProcess, ...] | None

Listener = Callable[[tuple[DeviceEvent, ...], Status, bool], None]
"""Is told of each sample: the events in it, the status, and whether it is a tick."""


@dataclass(frozen=True, slots=True)
class _Named:
    """A GPU's processes with names: ``names`` has the name and the job of each container, until ``due`` (monotonic)."""

    processes: tuple[GpuProcess, ...]
    names: Mapping[str, tuple[str, str | None]]
    named: tuple[GpuProcess, ...]
    due: float


class TelemetryService:
    """Implements ``verbs.telemetry.Telemetry``; also tells the lease ledger which GPUs there are (``gpu_facts``)."""

    def __init__(
        self,
        folder: DataFolder,
        bus: Bus,
        loop: Loop,
        settings: SettingsStore,
        *,
        leases: Callable[[Sample], Mapping[str, LeaseInfo]],
        container_name: Callable[[str], str | None],
        job_name: Callable[[str], str | None] = lambda _id: None,
        agent_info: Callable[[], AgentInfo],
        runs: Runs = lambda _start, _end: (),
        simulated: bool = False,
        collector_arguments: Sequence[str] = (),
        recorded: Iterable[Metric] = (),
    ) -> None:
        self._bus = bus
        self._loop = loop
        self._leases = leases
        self._leases_then: Mapping[str, LeaseInfo] = {}
        self._leases_of: list[tuple[str, GpuState, tuple[GpuProcess, ...]]] = []
        self._leases_due = 0.0
        self._container_name = container_name
        self._job_name = job_name
        self._agent_info = agent_info
        self._simulated = simulated
        self._started = time.monotonic()
        self._cost = Cost()
        self._listeners: list[Listener] = []
        self._verdicts = Verdicts()
        self._unclaimed = Unclaimed()
        self._named_then: dict[str, _Named] = {}
        self._row_at = 0.0
        self._accounts: dict[str, tuple[_Accounts, _Accounts]] = {}
        self._ring = Ring(rows_for(settings.number("telemetry.interval_seconds")))
        self._recorded = Recorded(recorded)
        self.recorded: Callable[[SeriesName, list[Point]], None] = lambda _series, _points: None
        self._history = DiskHistory(
            folder.telemetry_database, self._ring, bus.publish, holdings=self._holdings, recorded=self._recorded
        )
        self._reader = CurveReader(self._ring, self._history, self._recorded)
        self._past = PastReader(self._reader, runs)
        self.recorder = Recorder(self._ring, self._history, self._reader)
        self.backfill = Backfill(self._ring, self._history)
        self._history.at_turn(self.recorder.turn)
        arguments = _simulated(folder.root) if simulated else ()
        self._processes = ProcessWatch(loop, arguments, lambda: self._sampler.sample().gpus, self._names)
        self._sampler = Sampler(
            loop,
            lambda: settings.number("telemetry.interval_seconds"),
            self._take,
            bus.publish,
            [*(_simulated(folder.root) if simulated else ()), *collector_arguments],
        )

    def remember(self, samples: Iterable[Sample]) -> None:
        """Put samples into the history that were taken before the start, oldest first."""
        for sample in samples:
            self._ring.append_parts(sample.sampled_at, parts_of(sample))

    def record(self, series: SeriesName, points: Iterable[Point]) -> None:
        """Keep points of a series, late and again, but none that is no number; waits for no disk. Raises Invalid."""
        told = [*points]
        self._recorded.record(series, [point for point in told if not math.isnan(point[1])])
        self.recorded(series, told)

    def start(self) -> None:
        """Begin to sample and to write history."""
        self._started = time.monotonic()
        self._sampler.start()
        self._history.start(self._loop)

    def stop(self) -> None:
        """End the collector, and write and close the history."""
        self._processes.stop()
        self._sampler.stop()
        self._history.stop()

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with each sample, in the thread that samples: it must not wait. Before ``start``."""
        self._listeners.append(listener)

    def at_turn(self, work: Callable[[], None]) -> None:
        """Have ``work``, which waits for the disk, done after each turn of the history. Before ``start``."""
        self._history.at_turn(work)

    def status(self) -> Status:
        """Return the newest numbers; right after the start, wait a little for the first ones."""
        self._sampler.wait_for_first(max(0.0, self._started + _FIRST_SECONDS - time.monotonic()))
        listed_at, sample = self._sampler.listed_at(), self._sampler.sample()  # in this order: never newer than it is
        return self._status(sample, self._known_leases(sample, listed_at))

    def status_at(self, moment: float) -> PastStatus:
        """Return what was at a time. Raises Invalid for one that is not in the past, Unavailable, TimedOut."""
        if not 0 <= moment <= time.time():
            raise Invalid("That moment is not in the past.", Hint("mlops-desk status", after=" shows what is now."))
        return self._past.at(self.status(), moment)

    def window(self, seconds: float = _WINDOW_SECONDS) -> Window:
        """Return every curve over the last ``seconds`` (at most 15 min); gaps are None.

        With very many curves some rows are left out: for more than a glance there is ``curves``.
        """
        if not 0 < seconds <= SPAN_SECONDS:
            text = f"A window of {seconds:g} s is not between 0 and {SPAN_SECONDS:g} s."
            raise Invalid(
                text,
                Hint("mlops-desk history METRIC --device ID --from -1h", before="Longer spans come from the history: "),
            )
        return window_of(self._ring.window(seconds))

    def history(
        self, metric: str, device: str, start: str | float = "-1h", end: str | float = "now", points: int = 200
    ) -> History:
        """Return one curve in about ``points`` buckets."""
        now = time.time()
        span = parse_moment(start, now), parse_moment(end, now)
        own = self._recorded.metrics.get(metric)
        name = self.device(device) if own is None else SeriesName.of(own.device, device, metric).device
        (curve,) = self._reader.histories([(name, metric)], *span, points)
        if curve is None:
            text = f"Nothing was ever measured of {plain(metric)} of {plain(name)}."
            hint = Hint("mlops-desk status --json", after=" names the metrics of each device.")
            raise NotFound(text, hint if own is None else Hint("mlops-desk series", after=" shows them all."))
        return curve

    def histories(
        self, names: Sequence[tuple[str, str]], start: float, end: float, points: int
    ) -> list[History | None]:
        """Return curves (thing as its history names it, metric) on one axis; None where nothing was ever measured."""
        return self._reader.histories(names, start, end, points)

    def curves(self, curves: list[str], start: float, end: float, buckets: int = 600) -> Curves:
        """Return curves (``DEVICE<tab>METRIC``) on one axis, ready to be drawn."""
        names = [tuple(curve.split("\t")) for curve in curves]
        pairs = [(name[0], name[1]) for name in names if len(name) == 2]
        if len(pairs) < len(names):
            raise Invalid("A curve is not of the form DEVICE, tab, METRIC.")
        return self._reader.curves(pairs, start, end, buckets)

    def series(
        self, kind: str | None = None, key: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> ListPage[SeriesBrief]:
        """List a page of the series that features record, in the order in which they were begun."""
        return self._recorded.page(self._history.points, kind, key, check_limit(limit, MOST_ON_A_PAGE), cursor)

    def spent(self, gpu: str, start: float, end: float) -> GpuSpent:
        """Return what a GPU did over a span of time. Raises Invalid, Unavailable, TimedOut."""
        return gpu_spent(self._reader, gpu, start, end)

    def processes_in(self, start: float, end: float) -> list[ProcessMemory]:
        """Return who held memory of a GPU in a span of time, those who held most first."""
        return self._reader.processes_in(start, end)

    def processes(self, most: int = 40) -> HostProcesses:
        """Return the processes of the whole machine that take most of it. Raises Invalid, TimedOut, Unavailable."""
        return self._processes.look(most)

    def sample(self) -> Sample:
        """Return the newest sample for the lease ledger.

        ``sampled_at`` is when the driver last said who uses its GPUs, and 0 while it does not say.
        """
        listed_at, sample = self._sampler.listed_at(), self._sampler.sample()
        return _for_ledger(sample, listed_at)

    def hurry(self) -> None:
        """Have the GPUs read at once, as when somebody waits for one to be seen free."""
        self._sampler.hurry()

    def cost(self) -> AgentCost:
        """Return what watching costs at the moment."""
        return self._cost.current

    def trouble(self) -> str | None:
        """Say what is wrong with sampling as a whole, or None."""
        return self._sampler.trouble()

    def paused(self) -> str | None:
        """Say why the history is not written at the moment, or None."""
        return f"The history is paused. {self._history.paused}" if self._history.paused else None

    def device(self, given: str) -> str:
        """Return the name that curves go by of a device as people name it. Raises NotFound, Invalid."""
        self._sampler.wait_for_first(max(0.0, self._started + _FIRST_SECONDS - time.monotonic()))
        gpus = {gpu.index: gpu.uuid for gpu in self._sampler.sample().gpus}
        return resolve_device(given, gpus, [*self._ring.devices(), *self._history.devices()])

    def gpu_facts(self) -> tuple[Gpu, ...]:
        """Return every GPU with its state and processes as known now, for the lease ledger."""
        return _for_leases(self._sampler.sample().gpus)

    def _take(self, sample: Sample, is_tick: bool) -> None:
        if is_tick and sample.sampled_at:  # before the first measurement there is nothing to remember
            at = sample.sampled_at if self._sampler.trouble() is None else time.time()
            if at != self._row_at:  # an overdue tick tells the last measurement again, which makes no second row
                self._row_at = at
                self._ring.append_parts(at, parts_of(sample))
            pids = [os.getpid(), *([pid] if (pid := self._sampler.collector_pid()) else [])]
            self._cost.update(time.monotonic(), pids, self._sampler.driver_seconds(), self._sampler.driver_calls())
        status = self._status(sample, self._recent_leases(sample))
        self._bus.publish(Sampled(status))
        if is_tick:
            self._verdicts.look(status, self._ring, time.monotonic(), time.time())
        for listener in self._listeners:
            listener(sample.events, status, is_tick)

    def _holdings(self) -> list[MemoryHolding]:
        """Return who holds much of a GPU's memory right now."""
        return [
            MemoryHolding(gpu.uuid, named.pid, named.start_ticks or 0, named.user, named.command, named.container, size)
            for gpu in self._sampler.sample().gpus
            for process in gpu.processes
            if (size := process.gpu_memory_bytes or 0) >= _HOLDING_BYTES
            for named in (self._named(process),)
        ]

    def _status(self, sample: Sample, leases: Mapping[str, LeaseInfo]) -> Status:
        now = time.monotonic()
        return Status(
            gpus=tuple(
                shown(
                    gpu,
                    leases.get(gpu.uuid),
                    self._named_of(gpu, now),
                    self._accounted(gpu),
                    self._unclaimed.of(gpu, now),
                )
                for gpu in sample.gpus
            ),
            host=sample.host,
            disks=sample.disks,
            networks=sample.networks,
            filesystems=sample.filesystems,
            agent=self._agent(),
            sampled_at=sample.sampled_at or None,
            gpu_note=sample.gpu_note,
            gpu_hint=sample.gpu_hint,
            gpu_command=sample.gpu_command,
            driver_version=sample.driver_version,
            cuda_version=sample.cuda_version,
            diagnoses=self._verdicts.current,
        )

    def _recent_leases(self, sample: Sample) -> Mapping[str, LeaseInfo]:
        """Return the ledger's view of the last seconds, a new one where GPUs or their users are others than then."""
        now, users = time.monotonic(), [(gpu.uuid, gpu.state, gpu.processes) for gpu in sample.gpus]
        if now >= self._leases_due or users != self._leases_of:
            self._leases_due, self._leases_of = now + _LEASES_SECONDS, users
            self._leases_then = self._known_leases(sample, self._sampler.listed_at())
        return self._leases_then

    def _known_leases(self, sample: Sample, listed_at: float | None) -> Mapping[str, LeaseInfo]:
        """Return the ledger's view; where it can't be read, nobody knows who holds a GPU."""
        try:
            return self._leases(_for_ledger(sample, listed_at))
        except DeskError as error:
            _log.info("The leases can't be read: %s", error.message)
            return {gpu.uuid: LeaseInfo("unknown") for gpu in sample.gpus}

    def _accounted(self, gpu: Gpu) -> _Accounts:
        """Name the containers of what the driver accounts for: once, for accounts seldom change."""
        kept = self._accounts.get(gpu.uuid)
        if kept is None or kept[0] is not gpu.accounting:
            named = None if gpu.accounting is None else tuple(self._named(one) for one in gpu.accounting)
            kept = self._accounts[gpu.uuid] = gpu.accounting, named
        return kept[1]

    def _named(self, process: _P) -> _P:
        """Put the container's name where its id was; a name that is not known yet is the short id."""
        return process if process.container is None else replace(process, container=self._name(process.container))

    def _name(self, container: str) -> str:
        name = self._container_name(container)
        return plain(name) if name else container[:_SHORT_ID]

    def _named_of(self, gpu: Gpu, now: float) -> tuple[GpuProcess, ...]:
        """Name containers and jobs of a GPU's processes; the same tuple as long as they and their names are the same.

        There are far fewer containers than processes, so it is those that are asked about again and again.
        """
        kept = self._named_then.get(gpu.uuid)
        if kept is not None and kept.processes is not gpu.processes:
            kept = None
        if kept is not None and now < kept.due:
            return kept.named
        ids = {process.container for process in gpu.processes} if kept is None else kept.names.keys()
        names = {one: self._names(one) for one in ids if one is not None}
        if kept is not None and kept.names == names:
            named = kept.named
        else:
            named = tuple(_with_names(process, names) for process in gpu.processes)
        self._named_then[gpu.uuid] = _Named(gpu.processes, names, named, now + (_NAMES_SECONDS if names else math.inf))
        return named

    def _names(self, container: str) -> tuple[str, str | None]:
        """Return the name of a container, and that of the job in it."""
        job = self._job_name(container)
        return self._name(container), None if job is None else plain(job)

    def _agent(self) -> AgentInfo:
        info = self._agent_info()
        trouble = self._sampler.trouble()
        note = " ".join(text for text in (trouble or self.paused(), info.note) if text) or None
        sampling = "stale" if trouble else "ok"
        return replace(info, cost=self._cost.current, simulated=self._simulated, sampling=sampling, note=note)


def shown(
    gpu: Gpu,
    lease: LeaseInfo | None,
    processes: tuple[GpuProcess, ...],
    accounting: tuple[AccountedProcess, ...] | None,
    held_by_nobody_bytes: int | None,
) -> Gpu:
    """Return a GPU with what the agent adds: ``replace`` written out, for of each GPU at each tick it costs twice."""
    return Gpu(
        uuid=gpu.uuid,
        index=gpu.index,
        name=gpu.name,
        pci_bus_id=gpu.pci_bus_id,
        state=gpu.state,
        lease=lease,
        metrics=gpu.metrics,
        processes=processes,
        throttle_reasons=gpu.throttle_reasons,
        note=gpu.note,
        processes_known=gpu.processes_known,
        facts=gpu.facts,
        links=gpu.links,
        mig=gpu.mig,
        peers=gpu.peers,
        numa_node=gpu.numa_node,
        cpu_affinity=gpu.cpu_affinity,
        accounting=accounting,
        held_by_nobody_bytes=held_by_nobody_bytes,
    )


def _simulated(folder: Path) -> tuple[str, ...]:
    """Return what a collector, or who reads processes, is started with for the demo."""
    return "--simulated", str(DEMO_SEED), "--faults", str(folder / SIMULATED_FAULTS)


def _for_ledger(sample: Sample, listed_at: float | None) -> Sample:
    return replace(sample, gpus=_for_leases(sample.gpus), sampled_at=listed_at or 0.0)


def _for_leases(gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """Return the GPUs; one whose users the driver does not tell may be in use by anyone, so it is not OK."""
    return tuple(
        replace(gpu, state=GpuState.ERROR) if gpu.state is GpuState.OK and not gpu.processes_known else gpu
        for gpu in gpus
    )


def _with_names(process: GpuProcess, names: Mapping[str, tuple[str, str | None]]) -> GpuProcess:
    if process.container is None:
        return process
    container, job = names[process.container]
    return replace(process, container=container, job=job)
