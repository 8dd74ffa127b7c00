"""One GPU in one generation of handles: asks what is due, keeps what still holds, and says what the answers amount to.

A reading that did not change is the same object as before. What a GPU once said it can't do is asked again
after a while: nothing is switched off for ever. After an error that all answers share, everything is asked afresh.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import cache

from mlops_desk.machine.records.gpu import AccountedProcess, GpuProcess, MigInstance, NvLink
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.host.processes import Processes, ProcessFacts
from mlops_desk.machine.telemetry.host.workloads import HostUse
from mlops_desk.machine.telemetry.metrics import table
from mlops_desk.machine.telemetry.nvml.facts import read_affinity, read_facts
from mlops_desk.machine.telemetry.nvml.fields import EVERY_TICK, GAP, SELDOM, FieldReader, Gap, Value
from mlops_desk.machine.telemetry.nvml.gpm import ACTIVITIES, NVLINKS, TRAFFIC, GpmReader
from mlops_desk.machine.telemetry.nvml.links import LinkReader
from mlops_desk.machine.telemetry.nvml.mig import MigReader
from mlops_desk.machine.telemetry.nvml.nvml_library import (
    UNABLE,
    UNABLE_SECONDS,
    CallError,
    ErrorKind,
    NvmlDevice,
    NvmlError,
)
from mlops_desk.machine.telemetry.nvml.probes import (
    OFTEN_SECONDS,
    PROBES,
    RARELY_SECONDS,
    SELDOM_SECONDS,
    AccountingReader,
    Probe,
)
from mlops_desk.machine.telemetry.nvml.processes import ProcessLister, RawProcess
from mlops_desk.machine.telemetry.nvml.query_budget import Budget, QuestionLane

_PROCESS_SECONDS = 2.0  # chosen: a program that starts shows at once to a person
_PROCESS_STRETCH = 4
"""Every 8 s at the rarest: by a list that is 10 s old no GPU is given out (gpus/ledger_watch.py), and where there is
more to do than processors each call seems slow."""
_REASONS_SECONDS = 10.0  # chosen: asking makes some GPUs stutter, and nobody waits for a reason
_HEAT = ("hw.gpu.throttle.thermal_software", "hw.gpu.throttle.thermal_hardware")
_SLOWDOWN = ("hw.gpu.throttle.thermal_hardware", "hw.gpu.throttle.power_brake")
_LIMITING = tuple(
    f"hw.gpu.throttle.{cause}"
    for cause in ("power_cap", "thermal", "thermal_software", "thermal_hardware", "power_brake", "sync_boost",
                  "board_limit", "reliability")
)  # fmt: skip
_EVERY_TICK = tuple(field.name for field in EVERY_TICK)
_SELDOM = tuple(field.name for field in SELDOM)
_METRIC_STATES = {
    ErrorKind.NOT_SUPPORTED: MetricState.NOT_SUPPORTED,
    ErrorKind.NOT_IN_DRIVER: MetricState.NOT_SUPPORTED_BY_DRIVER,
    ErrorKind.NO_PERMISSION: MetricState.NO_PERMISSION,
    ErrorKind.LOST: MetricState.LOST,
}
_MOST_DESCRIBED = 1024  # chosen: more than a GPU's processes; then all are described anew
_APART_SECONDS = 3.5
"""So far apart the slow question after the traffic is put to one GPU and the next: never to several in one tick."""
_LATER_SECONDS = 0.5
"""What is only looked at by people is first asked after the first numbers are out."""


_Described = tuple[RawProcess, ProcessFacts, HostUse, GpuProcess]


class GpuReader:
    """Reads one GPU. ``read`` raises NvmlError only when GPU or driver is gone."""

    def __init__(self, device: NvmlDevice, processes: Processes) -> None:
        self.device = device
        self.readings: dict[str, Reading] = {}
        self.reasons: tuple[str, ...] = ()
        self.processes: tuple[GpuProcess, ...] | None = None
        self.listed_at = 0.0
        self.facts: dict[str, str] = {}
        self.affinity: str | None = None
        self.mig: tuple[MigInstance, ...] = ()
        self.accounting: tuple[AccountedProcess, ...] | None = None
        self.needs_reset = False
        self._lookup = processes
        self._described: dict[int, _Described] = {}
        self._values: dict[str, float] = {}
        self._states: set[MetricState] = set()
        self._fields = FieldReader(device, EVERY_TICK)
        self._seldom = FieldReader(device, SELDOM)
        self._gpm = GpmReader(device)
        self._lister = ProcessLister(device)
        self._links = LinkReader(device)
        self._instances = MigReader(device)
        self._accounts = AccountingReader(device, processes)
        self._has_average_power = True
        self._lacks_gpm = self._samples_traffic = False
        self._reasons_due = 0.0
        self._listing = QuestionLane("processes", _PROCESS_SECONDS, most_stretch=_PROCESS_STRETCH)
        self._lanes = [*self._probe_lanes(), *self._other_lanes()]
        self._often = [each for each in self._lanes if not each[0].seconds]
        self._seldom_asked = [each for each in self._lanes if each[0].seconds]
        self._look_at_seldom = 0.0
        self.budget = Budget([lane for lane, _ in self._lanes])

    def read(self, now: float, *, alone: bool = True) -> set[MetricState]:
        """Ask what is due at monotonic time ``now``; return the states of all readings that are fresh.

        While a call to another GPU is under way (not ``alone``), what it takes is not held against this one: the
        library may make its callers wait for one another.
        """
        self._states = set()
        self.needs_reset = False
        caller = self.device.nvml.caller
        began = spent = caller.seconds
        for lane, work in self._due(now):
            try:
                pause = work(now)
            finally:
                before, spent = spent, caller.seconds
                if alone:
                    lane.spend(spent - before)
            lane.ask_again(now, pause)
        if alone:
            self.budget.count(now, spent - began)
        return self._states

    def _due(self, now: float) -> Iterator[tuple[QuestionLane, Callable[[float], float | None]]]:
        for lane, work in self._often:
            if now >= lane.due:
                yield lane, work
        if now >= self._look_at_seldom:
            for lane, work in self._seldom_asked:
                if now >= lane.due:
                    yield lane, work
            self._look_at_seldom = min(lane.due for lane, _ in self._seldom_asked)

    def hurry(self) -> None:
        """Ask who uses the GPU in the next pass; not where asking has cost so much that it is asked less often."""
        if self._listing.stretch == 1:
            self._listing.due = self._look_at_seldom = 0.0

    def links(self, names: dict[str, str]) -> tuple[NvLink, ...]:
        """Return the NVLinks; ``names`` gives the UUID of the GPU at a bus id."""
        return self._links.links(names)

    def renamed(self) -> None:
        """Name the links' ends anew."""
        self._links.renamed()

    def close(self) -> None:
        """Give back what belongs to the library."""
        self._gpm.close()
        self._instances.close()

    def _probe_lanes(self) -> list[tuple[QuestionLane, Callable[[float], float | None]]]:
        return [(QuestionLane(probe.title, probe.seconds), self._asking(probe)) for probe in PROBES]

    def _asking(self, probe: Probe) -> Callable[[float], float | None]:
        return lambda _now: self._ask(probe)

    def _other_lanes(self) -> list[tuple[QuestionLane, Callable[[float], float | None]]]:
        later = time.monotonic() + _LATER_SECONDS
        return [
            (QuestionLane("power, energy and throttling", 0.0), self._read_fields),
            (QuestionLane("activity", 0.0), self._read_activity),
            (QuestionLane("the causes of throttling", 0.0), self._read_reasons),
            (self._listing, self._list_processes),
            (QuestionLane("errors and limits", SELDOM_SECONDS), self._read_seldom),
            (QuestionLane("the state of NVLinks", SELDOM_SECONDS, later), self._read_links),
            (QuestionLane("traffic on NVLinks", OFTEN_SECONDS, later), self._read_flows),
            (QuestionLane("the list of MIG instances", OFTEN_SECONDS), self._find_instances),
            (QuestionLane("MIG instances", 0.0), self._read_instances),
            (QuestionLane("what seldom changes", RARELY_SECONDS, later), self._read_facts),
            (QuestionLane("accounting", SELDOM_SECONDS, later), self._read_accounts),
            (
                QuestionLane("traffic on PCIe", SELDOM_SECONDS, later + self.device.index % 8 * _APART_SECONDS),
                self._read_traffic,
            ),
        ]

    def _ask(self, probe: Probe) -> float | None:
        """Ask one question; return how long the answer holds, when that is not as usual."""
        try:
            values: Mapping[str, Value] = probe.ask(self.device)
        except CallError as error:
            values = dict.fromkeys(probe.names, error)
        return self._pause_after(values.values(), probe.seconds) if self._put_all(values) else probe.seconds

    def _read_fields(self, now: float) -> float | None:
        found = self._batch(self._fields, _EVERY_TICK, now)
        failed = self._put_all(found)
        if "hw.power" in found:
            self._has_average_power = not isinstance(found["hw.power"], NvmlError)
        if not self._has_average_power:
            self._ask_power()
        if any(name in found for name in _SLOWDOWN):
            self._add_slowdown(found)
        if any(name in found for name in _HEAT):
            self._weigh_heat(found)
        return self._pause_after(found.values(), 0.0) if failed else 0.0

    def _add_slowdown(self, found: Mapping[str, Value]) -> None:
        """Add up what the hardware did; a part that is not new in ``found`` is what it was."""
        parts = [found.get(name, self._values.get(name, GAP)) for name in _SLOWDOWN]
        self._put("hw.gpu.throttle.hardware_slowdown", _sum(parts))

    def _weigh_heat(self, found: Mapping[str, Value]) -> None:
        """Take the larger of both causes for the time that heat cost: the driver's own counter adds them up."""
        shares = [found.get(name, self._values.get(name, GAP)) for name in _HEAT]
        known = [share for share in shares if isinstance(share, float)]
        if len(known) == len(shares):
            self._put("hw.gpu.throttle.thermal", max(known))

    def _ask_power(self) -> None:
        """Ask for the power by a call of its own, where the driver has no average: of older GPUs, or of its own."""
        try:
            self._put("hw.power", self.device.power() / 1000)
        except CallError as error:
            self._put("hw.power", error)

    def _read_seldom(self, now: float) -> float | None:
        found = self._batch(self._seldom, _SELDOM, now)
        self._put_all(found)
        return self._pause_after(found.values(), SELDOM_SECONDS)

    def _batch(self, reader: FieldReader, names: tuple[str, ...], now: float) -> dict[str, Value]:
        try:
            found = reader.read(now)
        except CallError as error:
            return dict.fromkeys(names, error)
        self._states.add(MetricState.OK)
        return found

    def _read_activity(self, now: float) -> float | None:
        try:
            found = self._gpm.read(now)
        except CallError as error:
            self._lacks_gpm = error.kind in UNABLE
            self._put_all(dict.fromkeys(ACTIVITIES if self._samples_traffic else (*ACTIVITIES, *TRAFFIC), error))
            return UNABLE_SECONDS if error.kind in UNABLE else None
        self._lacks_gpm = self._samples_traffic = False
        self._put_all({name: value for name, value in found.items() if name not in NVLINKS or isinstance(value, float)})
        return None

    def _read_traffic(self, _now: float) -> float | None:
        """Sample what goes over PCIe where GPM does not measure it; the driver looks for 20 ms each way."""
        if not self._lacks_gpm:
            return None
        values: Mapping[str, Value]
        try:
            values = dict(zip(TRAFFIC, self.device.pcie_traffic(), strict=True))
        except CallError as error:
            values = dict.fromkeys(TRAFFIC, error)
        self._samples_traffic = not any(isinstance(value, NvmlError) for value in values.values())
        self._put_all(values)
        return self._pause_after(values.values(), SELDOM_SECONDS)

    def _read_reasons(self, now: float) -> float | None:
        """Ask why the clocks are low: when the counters say that they were held down, and else only now and then.

        The question itself makes some GPUs stutter.
        """
        counted = [self.readings[name] for name in _LIMITING if name in self.readings]
        quiet = bool(counted) and all(reading.value == 0.0 for reading in counted if reading.value is not None)
        known = any(reading.value is not None for reading in counted)
        if known and quiet and not self.reasons and now < self._reasons_due:
            return None
        try:
            self.reasons = self.device.throttle_reasons()
        except CallError:
            self.reasons = ()
        self._reasons_due = now + _REASONS_SECONDS
        return None

    def _list_processes(self, _now: float) -> float | None:
        """List who uses the GPU, largest first; not known when the driver does not say."""
        self.listed_at = time.time()
        try:
            raw = self._lister.read()
        except CallError:
            self.processes = None
            return None
        facts = self._lookup.facts_of([one.pid for one in raw])
        listed = [*map(self._describe, raw, facts)]
        processes = tuple(sorted(listed, key=lambda process: -(process.gpu_memory_bytes or 0)))
        if processes != self.processes:
            self.processes = processes
        return None

    def _describe(self, raw: RawProcess, facts: ProcessFacts) -> GpuProcess:
        """Return a process with what is known of it; the same object while that stays the same."""
        use = self._lookup.use(raw.pid, facts)
        known = self._described.get(raw.pid)
        if known is not None and known[1] is facts and known[2] is use and known[0] == raw:
            return known[3]
        process = described(raw, facts, use)
        if len(self._described) > _MOST_DESCRIBED:
            self._described.clear()
        self._described[raw.pid] = raw, facts, use, process
        return process

    def _read_flows(self, now: float) -> float | None:
        return self._quietly(lambda: self._links.read_flows(now))

    def _read_links(self, now: float) -> float | None:
        limit = self.readings.get("hw.gpu.nvlink.limit")
        self._links.find(int(limit.value or 0) if limit is not None else 0)
        pause = self._quietly(lambda: self._links.read_health(now))
        up = self._links.up
        if up is not None and limit is not None and limit.value:
            self._put("hw.gpu.nvlink.up", float(up))
        elif limit is not None:
            self._copy_state("hw.gpu.nvlink.up", limit)
        return pause

    def _find_instances(self, _now: float) -> float | None:
        was_split = self._instances.enabled
        pause = self._quietly(self._instances.find)
        if self._instances.enabled is not was_split:  # other questions have answers now
            for lane, _ in self._lanes:
                lane.due = 0.0
            self._look_at_seldom = 0.0
        if not self._instances.enabled:
            self.mig = ()
        return pause

    def _read_instances(self, now: float) -> float | None:
        """Read the instances that there are just now: a layout may have changed since the last tick.

        An instance is shown with its values or not at all, and who uses it is asked for anew.
        """
        if not self._instances.enabled:
            return None
        self._quietly(self._instances.find)
        self._instances.read(now)
        known, self.mig = [one.fingerprint for one in self.mig], self._instances.instances()
        if known and known != [one.fingerprint for one in self.mig]:
            self._list_processes(now)
        return None

    def _read_facts(self, _now: float) -> float | None:
        self.facts = read_facts(self.device)
        with suppress(CallError):
            self.affinity = read_affinity(self.device)
        return None

    def _read_accounts(self, _now: float) -> float | None:
        running = {process.pid for process in self.processes or ()}
        try:
            self.accounting = self._accounts.read(running)
        except CallError as error:
            self.accounting = None
            return UNABLE_SECONDS if error.kind in UNABLE else None
        return None

    def _quietly(self, work: Callable[[], None]) -> float | None:
        """Do what is no metric of the GPU; what it can't answer is asked again after a while."""
        try:
            work()
        except CallError as error:
            return UNABLE_SECONDS if error.kind in UNABLE else None
        return None

    def _pause_after(self, values: Collection[Value], seconds: float) -> float | None:
        errors = [value for value in values if isinstance(value, NvmlError)]
        if not errors:
            return seconds
        self.needs_reset |= any(error.kind is ErrorKind.RESET_REQUIRED for error in errors)
        if len(errors) == len(values) and all(error.kind in UNABLE for error in errors):
            return UNABLE_SECONDS
        return seconds

    def _put_all(self, values: Mapping[str, Value]) -> bool:
        """Keep what was answered; say whether an error is among it."""
        failed = False
        for name, value in values.items():
            failed |= self._put(name, value)
        return failed

    def _put(self, name: str, value: Value) -> bool:
        """Keep an answer; say whether it is an error."""
        if isinstance(value, (NvmlError, Gap)):
            state = MetricState.STALE if isinstance(value, Gap) else _METRIC_STATES.get(value.kind, MetricState.ERROR)
            self._values.pop(name, None)
            self.readings[name] = _missing(name, state)
            self._states.add(state)
            return isinstance(value, NvmlError)
        if self._values.get(name) != value or name not in self.readings:
            self._values[name] = value
            reading = self.readings[name] = table.measured(table.GPU, name, value)
            self._states.add(reading.state)
        else:
            self._states.add(self.readings[name].state)
        return False

    def _copy_state(self, name: str, of: Reading) -> None:
        self.readings[name] = of if of.value is not None else _missing(name, of.state)


def described(raw: RawProcess, facts: ProcessFacts, use: HostUse) -> GpuProcess:
    """Put together what driver and kernel say of a process."""
    shares = raw.shares
    return GpuProcess(
        raw.pid,
        facts.user,
        facts.command,
        raw.memory_bytes,
        facts.container,
        raw.kind,
        facts.start_ticks,
        shares.sm,
        facts.started_at,
        raw.instance,
        raw.draws,
        shares.memory,
        shares.encoder,
        shares.decoder,
        use.cpu_ratio,
        use.memory_bytes,
        use.parent,
        use.zombie,
        use.load,
    )


@cache
def _missing(name: str, state: MetricState) -> Reading:
    return table.missing(table.GPU, name, state)


def _sum(values: list[Value]) -> Value:
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) == len(values):
        return min(1.0, sum(numbers))
    return next((value for value in values if isinstance(value, NvmlError)), GAP)
