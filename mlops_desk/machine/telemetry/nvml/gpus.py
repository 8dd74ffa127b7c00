"""NVIDIA GPUs as a source: each GPU is read by itself, so that one that is lost, shut or broken stays listed.

A GPU in which a thread is stuck is left alone by the one that took over (``relay``); its last answers hold for
as long as any do. The library is opened with growing pauses until it opens, and anew whenever the driver went away or
GPUs came or went on the bus (a new generation of handles). A sleeping GPU is never asked anything, and when
all sleep the library is shut. What the driver reports by itself is heard in another thread.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlops_desk.kit.base.failures import pause_after
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.gpu import Gpu, GpuState, NvLink
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.host.processes import Processes
from mlops_desk.machine.telemetry.metrics import table
from mlops_desk.machine.telemetry.nvml.errors import DriverTrouble, explain, no_gpu
from mlops_desk.machine.telemetry.nvml.events import EventListener
from mlops_desk.machine.telemetry.nvml.links import ends_of, peers_of, read_ancestors
from mlops_desk.machine.telemetry.nvml.nvml_library import ErrorKind, Identity, Nvml, NvmlDevice, NvmlError
from mlops_desk.machine.telemetry.nvml.pci import Pci, address
from mlops_desk.machine.telemetry.nvml.reader import GpuReader
from mlops_desk.machine.telemetry.pipe.merge import without_values
from mlops_desk.machine.telemetry.pipe.supervision import STALE_SECONDS
from mlops_desk.machine.telemetry.source import Busy, GpuSample, Relay

_OPEN_PAUSES = (1.0, 2.0, 4.0)  # chosen: a driver that is loaded shows within seconds
_BUS_SECONDS = 4.0  # chosen: a GPU that comes or goes shows within seconds, and a look reads some files
_SETTLE_SECONDS = 3.0
"""So long after a driver was bound or unbound all is opened once more: it is told before the driver is ready."""
_LOST_SECONDS = 1.0  # chosen: each call to a lost GPU may take long
_TOPOLOGY_SECONDS = 600.0  # chosen: it changes with the board alone

_GPU_STATES = {
    ErrorKind.NO_PERMISSION: GpuState.NO_PERMISSION,
    ErrorKind.LOST: GpuState.LOST,
    ErrorKind.RESET_REQUIRED: GpuState.RESET_REQUIRED,
}
_TOTAL = "hw.gpu.memory.limit"
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
_UNBOUND = "It was unbound from the NVIDIA driver, and is back as soon as it is bound to it again."


@dataclass(slots=True)
class _Slot:
    """What is known of one index in this generation."""

    index: int
    reader: GpuReader | None = None
    identity: Identity | None = None
    failed: NvmlError | None = None
    ask_again: float = 0.0
    numa_node: int | None = None
    local_cpus: str | None = None
    asleep: bool = False
    answered: Gpu | None = None


class NvmlGpus:
    """Reads all GPUs but those whose index is in ``skip``; with ``only``, that one alone."""

    def __init__(
        self,
        nvml: Nvml,
        pci: Pci,
        processes: Processes,
        skip: frozenset[int] = frozenset(),
        only: int | None = None,
        events: EventListener | None = None,
    ) -> None:
        self._nvml = nvml
        self._pci = pci
        self._processes = processes
        self._skip = skip
        self._only = only
        self._events = events
        self.relay = Relay()
        self._told = (0.0, 0)
        self._hurried = False
        self._slots: list[_Slot] | None = None
        self._known: dict[str, Identity] = {}
        self._trouble: DriverTrouble | None = None
        self._open_again = 0.0
        self._failures = 0
        self._bus: tuple[str, ...] = ()
        self._devices: frozenset[str] = frozenset()
        self._look_at_bus = 0.0
        self._bound: frozenset[str] | None = None
        self._open_anew: float | None = None
        self._driver_version: str | None = None
        self._cuda_version: str | None = None
        self._ancestors: dict[frozenset[str], str] = {}
        self._look_at_topology = 0.0
        self._names: dict[str, str] = {}
        self._totals: dict[str, Reading] = {}
        self._links: dict[str, tuple[NvLink, ...]] = {}
        self._ends: dict[str, dict[str, int]] = {}
        self._peers: dict[str, dict[str, str]] = {}

    def busy(self) -> Busy | None:
        return self._nvml.busy()

    def hurry(self) -> None:
        self._hurried = True

    def read(self) -> GpuSample:
        """Read every GPU once. Raises Finished in a thread that was relieved."""
        self.relay.begin()
        now = time.monotonic()
        self._hurry_readers()
        self._follow_bus(now)
        self._follow_drivers(now)
        if self._slots is None and now >= self._open_again and not self._all_asleep():
            self._open(now)
        try:
            gpus = [self._visit(slot, now) for slot in self._slots or ()]
            self._connect(gpus, now)
        except NvmlError as error:  # the driver went away: everything is opened afresh
            self._fail(error, now)
            gpus = []
        self.relay.check()
        gpus += self._absent(gpus)
        self._listen()
        trouble, (seconds, calls) = self._trouble, self._spent()
        readers = [slot.reader for slot in self._slots or () if slot.reader is not None]
        listed = [reader.listed_at for reader in readers if reader.processes is not None]
        return GpuSample(
            at=time.time(),
            gpus=tuple(sorted(gpus, key=lambda gpu: gpu.index)),
            note=trouble.note if trouble else None,
            hint=trouble.hint if trouble else None,
            driver_version=self._driver_version,
            cuda_version=self._cuda_version,
            driver_seconds=seconds,
            driver_calls=calls,
            fresh_process=trouble.fresh_process if trouble else False,
            processes_at=min(listed, default=time.time()),
            certain=self._slots is not None or (trouble is not None and trouble.certain),
        )

    def _hurry_readers(self) -> None:
        if self._hurried:
            self._hurried = False
            for slot in self._slots or ():
                if slot.reader is not None:
                    slot.reader.hurry()

    def _spent(self) -> tuple[float, int]:
        """Return the seconds in the driver and the calls that no sample has told yet, whichever thread's they were."""
        told, self._told = self._told, (self._nvml.seconds, self._nvml.calls)
        return self._told[0] - told[0], self._told[1] - told[1]

    def _listen(self) -> None:
        """Have events heard of the GPUs that are awake and well."""
        if self._events is not None:
            awake = {
                slot.identity.uuid: slot.reader.device.handle
                for slot in self._slots or ()
                if slot.reader is not None and slot.identity is not None and not slot.asleep
            }
            self._events.follow(awake)

    def _follow_bus(self, now: float) -> None:
        """Start a new generation when GPUs or their drivers came or went; shut the library when all are asleep."""
        if now < self._look_at_bus:
            return
        self._look_at_bus = now + _BUS_SECONDS
        devices = self._pci.devices()
        bus = self._bus if devices == self._devices else self._pci.nvidia_gpus()
        self._devices = devices
        bound = self._pci.bound()
        changed = bus != self._bus or bound != self._bound
        self._bus, self._bound = bus, bound
        if self._slots is not None and (changed or self._all_asleep()):
            self._shut()
        if changed:
            self._open_again = 0.0

    def _follow_drivers(self, now: float) -> None:
        """Open everything afresh when drivers were bound to GPUs or unbound: only then does the library list others.

        An unbinding waits for all who hold the GPU open, so it is let go at once.
        """
        rebound = self._events is not None and self._events.rebound()
        if not rebound and (self._open_anew is None or now < self._open_anew):
            return
        self._open_anew = now + _SETTLE_SECONDS if rebound else None
        if self._slots is not None:
            self._shut()
        self._open_again = 0.0

    def _all_asleep(self) -> bool:
        return bool(self._bus) and all(self._pci.is_asleep(bus_id) for bus_id in self._bus)

    def _open(self, now: float) -> None:
        try:
            self._nvml.open()
            if self._events is not None:
                self._events.watch()
            self._driver_version = plain(self._nvml.driver_version())
            self._cuda_version = self._ask_cuda_version()
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
        self._ancestors, self._look_at_topology = {}, now + _LOST_SECONDS / 2

    def _ask_cuda_version(self) -> str | None:
        try:
            return self._nvml.cuda_version()
        except NvmlError as error:
            if error.kind is ErrorKind.CLOSED:
                raise
            return None

    def _fail(self, error: NvmlError, now: float) -> None:
        self._trouble = explain(error, self._pci)
        self._shut()
        self._pause(now)

    def _pause(self, now: float) -> None:
        self._open_again = now + pause_after(self._failures, _OPEN_PAUSES)
        self._failures += 1

    def _shut(self) -> None:
        if self._events is not None:
            self._events.rest()
        if self.relay.leaves_alone:  # a library is not shut under a call; this process is about to be replaced
            self._slots = None
            return
        for slot in self._slots or ():
            if slot.reader is not None:
                slot.reader.close()
        self._slots = None
        try:
            self._nvml.close()
        except NvmlError:
            return  # it was not open, or the driver is gone: there is nothing left to shut

    def _visit(self, slot: _Slot, now: float) -> Gpu:
        """Read one GPU, unless a thread is stuck in it. Raises NvmlError, Finished."""
        stuck_seconds = self.relay.stuck_seconds(slot.index)
        if stuck_seconds is not None:
            return self._unanswered(slot, stuck_seconds)
        with self.relay.inside(slot.index):
            slot.answered = self._read_slot(slot, now)
        return slot.answered

    def _unanswered(self, slot: _Slot, seconds: float) -> Gpu:
        """Return a GPU that has not answered for ``seconds`` as it was, or without values once that is too old."""
        note = f"The driver has not answered for this GPU for {seconds:.0f} s."
        if slot.answered is None:
            return _without_values(slot.identity or self._known_at(slot.index), GpuState.STALE, note)
        return slot.answered if seconds < STALE_SECONDS else without_values(slot.answered, GpuState.STALE, note)

    def _read_slot(self, slot: _Slot, now: float) -> Gpu:
        """Read one GPU. Raises NvmlError only when the whole driver is gone."""
        slot.asleep = slot.identity is not None and self._is_asleep(slot.identity)
        if slot.identity is not None and slot.asleep:
            return self._asleep(slot.identity)
        try:
            if slot.reader is None and now >= slot.ask_again:
                self._meet(slot)
            if slot.reader is not None and slot.identity is not None:
                return self._ask(slot, slot.reader, slot.identity, now)
        except NvmlError as error:
            if error.kind is ErrorKind.CLOSED:
                raise
            self._part(slot)
            slot.failed, slot.ask_again = error, now + _LOST_SECONDS
        identity = slot.identity or self._known_at(slot.index)
        state = _GPU_STATES.get(slot.failed.kind, GpuState.ERROR) if slot.failed else GpuState.ERROR
        return _without_values(identity, state, None if state in _NOTES else f"It can't be read: {slot.failed}.")

    def _is_asleep(self, identity: Identity) -> bool:
        """Ask the kernel, unless it does not list the device: when it begins to, a new generation begins too."""
        bus_id = identity.bus_id
        return bus_id is not None and address(bus_id) in self._devices and self._pci.is_asleep(bus_id)

    def _meet(self, slot: _Slot) -> None:
        known = slot.identity.uuid if slot.identity else None
        device = NvmlDevice.at(self._nvml, slot.index, known)
        identity = device.identity()
        slot.identity = replace(identity, name=plain(identity.name))
        slot.reader, slot.failed = GpuReader(device, self._processes), None
        slot.numa_node = self._pci.numa_node(identity.bus_id)
        slot.local_cpus = self._pci.local_cpus(identity.bus_id)
        self._known[identity.uuid] = slot.identity
        self._names = {address(one.bus_id): one.uuid for one in self._known.values() if one.bus_id is not None}
        for other in self._slots or ():
            if other.reader is not None:
                other.reader.renamed()

    def _part(self, slot: _Slot) -> None:
        """Forget everything the GPU answered."""
        if slot.reader is not None:
            slot.reader.close()
            slot.reader = None

    def _ask(self, slot: _Slot, reader: GpuReader, identity: Identity, now: float) -> Gpu:
        states = reader.read(now, alone=not self.relay.leaves_alone)
        state = GpuState.RESET_REQUIRED if reader.needs_reset else overall(states)
        if state in {GpuState.NO_PERMISSION, GpuState.ERROR}:
            self._part(slot)
            return _without_values(
                identity, state, None if state in _NOTES else "It answers every question with an error."
            )
        total = reader.readings.get(_TOTAL)
        if total is not None and total.value is not None:
            self._totals[identity.uuid] = total
        note = _NOTES.get(state)
        return Gpu(
            uuid=identity.uuid,
            index=identity.index,
            name=identity.name,
            pci_bus_id=identity.bus_id,
            state=state,
            metrics=dict(reader.readings),
            processes=reader.processes or (),
            throttle_reasons=reader.reasons,
            note=note.format(index=identity.index) if note else reader.budget.note(),
            processes_known=reader.processes is not None,
            facts=reader.facts,
            links=reader.links(self._names),
            mig=reader.mig,
            numa_node=slot.numa_node,
            peers=self._peers.get(identity.uuid, {}),
            cpu_affinity=slot.local_cpus or reader.affinity,
            accounting=reader.accounting,
        )

    def _connect(self, gpus: list[Gpu], now: float) -> None:
        """Find out how each GPU reaches the others, for the next pass. Raises NvmlError when the driver is gone."""
        if now >= self._look_at_topology and self._slots is not None:
            self._look_at_topology = now + _TOPOLOGY_SECONDS
            awake = [slot.reader.device for slot in self._slots if slot.reader is not None and not slot.asleep]
            self._ancestors |= self._unless_lost(lambda: read_ancestors(awake))
            self._links, self._ends = {}, {}
        links = {gpu.uuid: gpu.links for gpu in gpus}
        same = len(links) == len(self._links) and all(self._links.get(uuid) is its for uuid, its in links.items())
        if same:
            return
        self._links = links
        ends = {uuid: ends_of(its) for uuid, its in links.items()}
        if ends != self._ends:
            self._ends = ends
            self._peers = {uuid: peers_of(uuid, ends, self._ancestors) for uuid in ends}

    def _unless_lost(self, work: Callable[[], dict[frozenset[str], str]]) -> dict[frozenset[str], str]:
        try:
            return work()
        except NvmlError as error:
            if error.kind is ErrorKind.CLOSED:
                raise
            return {}

    def _known_at(self, index: int) -> Identity:
        for identity in self._known.values():
            if identity.index == index:
                return identity
        return Identity(index, f"unidentified-{index}", "NVIDIA GPU", None)

    def _absent(self, gpus: list[Gpu]) -> list[Gpu]:
        """Return the GPUs that were seen before and are not in ``gpus``: asleep, lost, or behind a closed driver."""
        seen = {gpu.uuid for gpu in gpus}
        absent = []
        for identity in self._known.values():
            if identity.uuid in seen:
                continue
            if self._pci.is_asleep(identity.bus_id):
                absent.append(self._asleep(identity))
                continue
            state = GpuState.LOST if self._slots is not None else GpuState.ERROR
            note = _UNBOUND if self._is_unbound(identity) else None
            absent.append(_without_values(identity, state, note if state in _NOTES else "The driver is not available."))
        return absent

    def _asleep(self, identity: Identity) -> Gpu:
        """Return a sleeping GPU: without values but for how much memory it has, which is no measurement."""
        gpu, total = _without_values(identity, GpuState.ASLEEP), self._totals.get(identity.uuid)
        return gpu if total is None else replace(gpu, metrics={**gpu.metrics, _TOTAL: total})

    def _is_unbound(self, identity: Identity) -> bool:
        """Say whether the GPU is on the bus and NVIDIA's driver, which is there, does not have it."""
        place = address(identity.bus_id) if identity.bus_id is not None else ""
        return self._bound is not None and place in self._devices and place not in self._bound


def overall(states: set[MetricState]) -> GpuState:
    """Say what the readings of one pass together mean: a GPU that answers anything is fine."""
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
        metrics=table.all_missing(_AS_METRIC.get(state, MetricState.ERROR)),
        note=note or _NOTES.get(state, "").format(index=identity.index) or None,
    )
