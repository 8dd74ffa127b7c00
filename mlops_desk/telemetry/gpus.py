"""NVIDIA GPUs as a source: each GPU is read by itself, so that one that is lost, shut or broken stays listed.

The library is opened with growing pauses until it opens, and anew whenever the driver went away or
GPUs came or went on the bus (a new generation of handles). A sleeping GPU is never asked anything.
What a GPU once said it can't do is asked again after a while: nothing is switched off for ever.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mlops_desk.base.text import plain
from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.records.status import Gpu, GpuProcess, GpuState
from mlops_desk.telemetry import metrics
from mlops_desk.telemetry.nvml import Identity, Kind, Nvml, NvmlDevice, NvmlError, Trouble, explain, no_gpu
from mlops_desk.telemetry.pci import Pci
from mlops_desk.telemetry.processes import Processes
from mlops_desk.telemetry.source import Busy, GpuSample

_OPEN_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
_BUS_SECONDS = 10.0
_LOST_SECONDS = 1.0
_UNSUPPORTED_SECONDS = 60.0
_PROCESS_SECONDS = 2.0
_POWER_LIMIT_SECONDS = 10.0

_METRIC_STATES = {
    Kind.NOT_SUPPORTED: MetricState.NOT_SUPPORTED,
    Kind.NOT_IN_DRIVER: MetricState.NOT_SUPPORTED_BY_DRIVER,
    Kind.NO_PERMISSION: MetricState.NO_PERMISSION,
    Kind.LOST: MetricState.LOST,
}
_GPU_STATES = {
    Kind.NO_PERMISSION: GpuState.NO_PERMISSION,
    Kind.LOST: GpuState.LOST,
    Kind.RESET_REQUIRED: GpuState.RESET_REQUIRED,
}
_AS_METRIC = {
    GpuState.ASLEEP: MetricState.ASLEEP,
    GpuState.LOST: MetricState.LOST,
    GpuState.NO_PERMISSION: MetricState.NO_PERMISSION,
    GpuState.STALE: MetricState.STALE,
}
_NOTES = {
    GpuState.ASLEEP: "Asleep to save power; it is not woken to be measured.",
    GpuState.LOST: "The GPU no longer answers on the bus. If it does not come back, restart the machine.",
    GpuState.RESET_REQUIRED: "The GPU needs a reset: end what runs on it, then sudo nvidia-smi --gpu-reset -i {index}.",
    GpuState.NO_PERMISSION: "This user may not read the GPU. See who may: ls -l /dev/nvidia{index}.",
}

Values = dict[str, float | NvmlError]


def _fan(device: NvmlDevice) -> Values:
    percent = device.fan()
    return {"hw.fan.speed_ratio": min(percent, 100) / 100 if percent <= 120 else percent / 100}


def _utilization(device: NvmlDevice) -> Values:
    gpu, memory = device.utilization()
    return {"hw.gpu.utilization": gpu / 100, "hw.gpu.utilization.memory": memory / 100}


def _memory(device: NvmlDevice) -> Values:
    used, total = device.memory()
    return {"hw.gpu.memory.usage": used, "hw.gpu.memory.limit": total}


def _fields(device: NvmlDevice) -> Values:
    degrees, energy = device.memory_temperature_and_energy()
    joules = energy if isinstance(energy, NvmlError) else energy / 1000
    return {"hw.temperature.memory": degrees, "hw.energy": joules}


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to a GPU: which metrics it answers, how, and how often it is worth asking."""

    names: tuple[str, ...]
    ask: Callable[[NvmlDevice], Values]
    seconds: float = 0.0


_PROBES = (
    Probe(("hw.gpu.utilization", "hw.gpu.utilization.memory"), _utilization),
    Probe(("hw.gpu.memory.usage", "hw.gpu.memory.limit"), _memory),
    Probe(("hw.power",), lambda device: {"hw.power": device.power() / 1000}),
    Probe(("hw.power.limit",), lambda device: {"hw.power.limit": device.power_limit() / 1000}, _POWER_LIMIT_SECONDS),
    Probe(("hw.temperature.memory", "hw.energy"), _fields),
    Probe(("hw.temperature",), lambda device: {"hw.temperature": device.temperature()}),
    Probe(("hw.fan.speed_ratio",), _fan),
    Probe(("hw.gpu.clock.sm",), lambda device: {"hw.gpu.clock.sm": device.clock_sm() * 1e6}),
    Probe(("hw.gpu.clock.memory",), lambda device: {"hw.gpu.clock.memory": device.clock_memory() * 1e6}),
    Probe(("hw.gpu.performance_state",), lambda device: {"hw.gpu.performance_state": device.performance_state()}),
)


@dataclass(slots=True)
class _Slot:
    """What is known of one index in this generation."""

    index: int
    device: NvmlDevice | None = None
    identity: Identity | None = None
    failed: NvmlError | None = None
    ask_again: float = 0.0
    answers: dict[int, tuple[float, dict[str, Reading]]] = field(default_factory=dict)
    list_again: float = 0.0
    listed_at: float = 0.0
    processes: tuple[GpuProcess, ...] | None = None


class NvmlGpus:
    """Reads all GPUs but those whose index is in ``skip``; with ``only``, that one alone."""

    def __init__(
        self,
        nvml: Nvml,
        pci: Pci,
        processes: Processes,
        skip: frozenset[int] = frozenset(),
        only: int | None = None,
    ) -> None:
        self._nvml = nvml
        self._pci = pci
        self._processes = processes
        self._skip = skip
        self._only = only
        self._slots: list[_Slot] | None = None
        self._known: dict[str, Identity] = {}
        self._trouble: Trouble | None = None
        self._open_again = 0.0
        self._failures = 0
        self._bus: tuple[str, ...] = ()
        self._look_at_bus = 0.0
        self._driver_version: str | None = None

    def busy(self) -> Busy | None:
        return self._nvml.busy()

    def read(self) -> GpuSample:
        """Read every GPU once."""
        before = self._nvml.seconds
        now = time.monotonic()
        self._follow_bus(now)
        if self._slots is None and now >= self._open_again and not self._all_asleep():
            self._open(now)
        try:
            gpus = [self._read_slot(slot, now) for slot in self._slots or ()]
        except NvmlError as error:  # the driver went away: everything is opened afresh
            self._fail(error, now)
            gpus = []
        gpus += self._absent(gpus)
        trouble = self._trouble
        listed = [slot.listed_at for slot in self._slots or () if slot.processes is not None]
        return GpuSample(
            at=time.time(),
            gpus=tuple(sorted(gpus, key=lambda gpu: gpu.index)),
            note=trouble.note if trouble else None,
            hint=trouble.hint if trouble else None,
            driver_version=self._driver_version,
            driver_seconds=self._nvml.seconds - before,
            fresh_process=trouble.fresh_process if trouble else False,
            processes_at=min(listed, default=time.time()),
            certain=self._slots is not None or (trouble is not None and trouble.certain),
        )

    def _follow_bus(self, now: float) -> None:
        """Start a new generation when GPUs came or went; shut the library when all that is left sleeps."""
        if now < self._look_at_bus:
            return
        self._look_at_bus = now + _BUS_SECONDS
        bus = self._pci.nvidia_gpus()
        changed, self._bus = bus != self._bus, bus
        if self._slots is not None and (changed or self._all_asleep()):
            self._shut()
        if changed:
            self._open_again = 0.0

    def _all_asleep(self) -> bool:
        return bool(self._bus) and all(self._pci.is_asleep(bus_id) for bus_id in self._bus)

    def _open(self, now: float) -> None:
        try:
            self._nvml.open()
            self._driver_version = plain(self._nvml.driver_version())
            count = self._nvml.count()
        except NvmlError as error:
            self._fail(error, now)
            return
        if count == 0:
            self._trouble = no_gpu(self._pci)
            self._shut()
            self._pause(now)
            return
        wanted = range(count) if self._only is None else (self._only,)
        self._slots = [_Slot(index) for index in wanted if index not in self._skip]
        self._trouble = None
        self._failures = 0

    def _fail(self, error: NvmlError, now: float) -> None:
        self._trouble = explain(error, self._pci)
        self._shut()
        self._pause(now)

    def _pause(self, now: float) -> None:
        self._open_again = now + _OPEN_PAUSES[min(self._failures, len(_OPEN_PAUSES) - 1)]
        self._failures += 1

    def _shut(self) -> None:
        self._slots = None
        try:
            self._nvml.close()
        except NvmlError:
            return  # it was not open, or the driver is gone: there is nothing left to shut

    def _read_slot(self, slot: _Slot, now: float) -> Gpu:
        """Read one GPU. Raises NvmlError only when the whole driver is gone."""
        if slot.identity is not None and self._pci.is_asleep(slot.identity.bus_id):
            return _without_values(slot.identity, GpuState.ASLEEP)
        try:
            if slot.device is None and now >= slot.ask_again:
                self._meet(slot)
            if slot.device is not None and slot.identity is not None:
                return self._ask(slot, slot.device, slot.identity, now)
        except NvmlError as error:
            if error.kind is Kind.CLOSED:
                raise
            slot.device, slot.failed, slot.ask_again = None, error, now + _LOST_SECONDS
            slot.answers.clear()
            slot.list_again, slot.processes = 0.0, None
        identity = slot.identity or self._known_at(slot.index)
        state = _GPU_STATES.get(slot.failed.kind, GpuState.ERROR) if slot.failed else GpuState.ERROR
        return _without_values(identity, state, None if state in _NOTES else f"It can't be read: {slot.failed}.")

    def _meet(self, slot: _Slot) -> None:
        known = slot.identity.uuid if slot.identity else None
        device = self._nvml.device(slot.index, known)
        identity = device.identity()
        slot.identity = replace(identity, name=plain(identity.name))
        slot.device, slot.failed = device, None
        self._known[identity.uuid] = slot.identity

    def _ask(self, slot: _Slot, device: NvmlDevice, identity: Identity, now: float) -> Gpu:
        readings: dict[str, Reading] = {}
        fresh: dict[str, Reading] = {}
        state = GpuState.OK
        for number, probe in enumerate(_PROBES):
            due, answer = slot.answers.get(number, (0.0, {}))
            if now >= due:
                answer, pause, needs_reset = _answer(probe, device)
                slot.answers[number] = (now + pause, answer)
                fresh.update(answer)
                state = GpuState.RESET_REQUIRED if needs_reset else state
            readings.update(answer)
        reasons = _reasons(device)
        if now >= slot.list_again:
            slot.list_again, slot.listed_at = now + _PROCESS_SECONDS - 0.1, time.time()
            slot.processes = self._list_processes(device)
        if state is GpuState.OK:
            state = overall(fresh)
        if state in {GpuState.NO_PERMISSION, GpuState.ERROR}:
            slot.answers.clear()
            return _without_values(
                identity, state, None if state in _NOTES else "It answers every question with an error."
            )
        note = _NOTES.get(state)
        return Gpu(
            uuid=identity.uuid,
            index=identity.index,
            name=identity.name,
            pci_bus_id=identity.bus_id,
            state=state,
            metrics=readings,
            processes=slot.processes or (),
            throttle_reasons=reasons,
            note=note.format(index=identity.index) if note else None,
            processes_known=slot.processes is not None,
        )

    def _list_processes(self, device: NvmlDevice) -> tuple[GpuProcess, ...] | None:
        """Return who uses the GPU, largest first; None when the driver does not say."""
        try:
            raw = device.processes()
        except NvmlError as error:
            if error.kind in {Kind.LOST, Kind.CLOSED}:
                raise
            return None
        listed = []
        for process in raw:
            facts = self._processes.facts(process.pid)
            listed.append(
                GpuProcess(
                    process.pid,
                    facts.user,
                    facts.command,
                    process.memory_bytes,
                    facts.container,
                    process.kind,
                    facts.start_ticks,
                )
            )
        return tuple(sorted(listed, key=lambda process: -(process.gpu_memory_bytes or 0)))

    def _known_at(self, index: int) -> Identity:
        for identity in self._known.values():
            if identity.index == index:
                return identity
        return Identity(index, f"unidentified-{index}", "NVIDIA GPU", None)

    def _absent(self, gpus: list[Gpu]) -> list[Gpu]:
        """Return the GPUs that were seen before and are not in ``gpus``: asleep, lost, or behind a closed driver."""
        seen = {gpu.uuid for gpu in gpus}
        listed = {gpu.index for gpu in gpus}
        absent = []
        for identity in self._known.values():
            if identity.uuid in seen or (self._slots is not None and identity.index in listed):
                continue
            if self._pci.is_asleep(identity.bus_id):
                state = GpuState.ASLEEP
            else:
                state = GpuState.LOST if self._slots is not None else GpuState.ERROR
            absent.append(_without_values(identity, state, None if state in _NOTES else "The driver is not available."))
        return absent


def _reasons(device: NvmlDevice) -> tuple[str, ...]:
    try:
        return device.throttle_reasons()
    except NvmlError as error:
        if error.kind in {Kind.LOST, Kind.CLOSED}:
            raise
        return ()


def _answer(probe: Probe, device: NvmlDevice) -> tuple[dict[str, Reading], float, bool]:
    """Ask one probe: its readings, how long they hold, and whether the GPU wants a reset."""
    try:
        values = probe.ask(device)
    except NvmlError as error:
        if error.kind in {Kind.LOST, Kind.CLOSED}:
            raise
        values = dict.fromkeys(probe.names, error)
    readings = {name: _reading(name, value) for name, value in values.items()}
    errors = [value for value in values.values() if isinstance(value, NvmlError)]
    settled = {Kind.NOT_SUPPORTED, Kind.NOT_IN_DRIVER}
    unsupported = len(errors) == len(values) and all(error.kind in settled for error in errors)
    needs_reset = any(error.kind is Kind.RESET_REQUIRED for error in errors)
    return readings, _UNSUPPORTED_SECONDS if unsupported else (0.0 if errors else probe.seconds), needs_reset


def _reading(name: str, value: float | NvmlError) -> Reading:
    if isinstance(value, NvmlError):
        return metrics.missing(metrics.GPU, name, _METRIC_STATES.get(value.kind, MetricState.ERROR))
    return metrics.measured(metrics.GPU, name, value)


def overall(readings: dict[str, Reading]) -> GpuState:
    """Say what the readings of one pass together mean: a GPU that answers anything is fine."""
    states = {reading.state for reading in readings.values()}
    if MetricState.OK in states or not states:
        return GpuState.OK
    return GpuState.NO_PERMISSION if MetricState.NO_PERMISSION in states else GpuState.ERROR


def _without_values(identity: Identity, state: GpuState, note: str | None = None) -> Gpu:
    return Gpu(
        uuid=identity.uuid,
        index=identity.index,
        name=identity.name,
        pci_bus_id=identity.bus_id,
        state=state,
        metrics=metrics.all_missing(_AS_METRIC.get(state, MetricState.ERROR)),
        note=note or _NOTES.get(state, "").format(index=identity.index) or None,
    )
