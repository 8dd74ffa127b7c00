"""The instances a GPU is split into: found again every few seconds, because layouts change while programs run.

Their ids are used again, so an instance is known by a fingerprint of the GPU, profile, placement, ids and its own UUID.
"""

import hashlib
from dataclasses import dataclass, field

import pynvml

from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.gpu import MigInstance
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.metrics import table
from mlops_desk.machine.telemetry.nvml.fields import Gap, Value
from mlops_desk.machine.telemetry.nvml.gpm import ACTIVITIES_OF_INSTANCE, OF_INSTANCE, GpmReader
from mlops_desk.machine.telemetry.nvml.nvml_library import UNABLE_SECONDS, CallError, ErrorKind, NvmlDevice, NvmlError

_MOST = 16  # chosen: twice the 7 that GPUs can be split into
_MEMORY = ("hw.gpu.memory.usage", "hw.gpu.memory.limit", "hw.gpu.memory.free")
_STATES = {
    ErrorKind.NOT_SUPPORTED: MetricState.NOT_SUPPORTED,
    ErrorKind.NOT_IN_DRIVER: MetricState.NOT_SUPPORTED_BY_DRIVER,
    ErrorKind.NO_PERMISSION: MetricState.NO_PERMISSION,
}


_Which = tuple[str, int, int]
"""Profile and ids of an instance: drivers give the UUID of one that is gone to another in its place."""


@dataclass(slots=True)
class _Instance:
    device: NvmlDevice
    fingerprint: str
    profile: str
    instance: int
    compute: int
    gpm: GpmReader
    ask_activity: float = 0.0
    readings: dict[str, Reading] = field(default_factory=dict)

    @property
    def which(self) -> _Which:
        return self.profile, self.instance, self.compute


class MigReader:
    """Reads the instances of one GPU."""

    def __init__(self, device: NvmlDevice) -> None:
        self._device = device
        self._instances: dict[str, _Instance] = {}
        self.enabled = False

    def find(self) -> None:
        """Look which instances there are now. Raises NvmlError."""
        self.enabled = bool(self._device.ask(pynvml.nvmlDeviceGetMigMode)[0])
        found: dict[str, _Instance] = {}
        for number in range(self._count() if self.enabled else 0):
            try:
                handle = self._device.ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, number)
                device = NvmlDevice(self._device.nvml, self._device.index, handle, self._device.uuid)
                uuid, which = str(device.ask(pynvml.nvmlDeviceGetUUID)), _which(device)
                known = self._instances.get(uuid)
                if known is not None and known.which == which:
                    known.device = device
                    found[uuid] = known
                else:
                    found[uuid] = self._meet(device, uuid, which)
            except CallError:
                continue
        for uuid, instance in self._instances.items():
            if found.get(uuid) is not instance:
                instance.gpm.close()
        self._instances = found

    def read(self, now: float) -> None:
        """Read every instance. Raises NvmlError when GPU or driver is gone."""
        for instance in self._instances.values():
            _read_memory(instance)
            _read_activity(instance, now)

    def instances(self) -> tuple[MigInstance, ...]:
        return tuple(
            MigInstance(one.fingerprint, uuid, one.profile, one.instance, one.compute, dict(one.readings))
            for uuid, one in self._instances.items()
        )

    def close(self) -> None:
        """Give back what belongs to the library."""
        for instance in self._instances.values():
            instance.gpm.close()

    def _count(self) -> int:
        return min(int(self._device.ask(pynvml.nvmlDeviceGetMaxMigDeviceCount)), _MOST)

    def _meet(self, device: NvmlDevice, uuid: str, which: _Which) -> _Instance:
        profile, instance, compute = which
        parts = (self._device.uuid, profile, self._placement(instance), instance, compute, uuid)
        fingerprint = hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
        gpm = GpmReader(self._device, OF_INSTANCE, instance)
        return _Instance(device, fingerprint, profile, instance, compute, gpm)

    def _placement(self, instance: int) -> tuple[int, int] | None:
        try:
            handle = self._device.ask(pynvml.nvmlDeviceGetGpuInstanceById, instance)
            info = self._device.nvml.call(self._device.index, self._device.uuid, pynvml.nvmlGpuInstanceGetInfo, handle)
        except CallError:
            return None  # it takes a right that an ordinary user may lack
        return info.placement.start, info.placement.size


def _which(device: NvmlDevice) -> _Which:
    profile = plain(str(device.ask(pynvml.nvmlDeviceGetName)).rpartition("MIG ")[2], 40)
    instance = int(device.ask(pynvml.nvmlDeviceGetGpuInstanceId))
    return profile, instance, int(device.ask(pynvml.nvmlDeviceGetComputeInstanceId))


def _read_memory(instance: _Instance) -> None:
    values: tuple[Value, ...]
    try:
        memory = instance.device.memory()
        values = (memory.used, memory.total, memory.free)
    except CallError as error:
        values = (error, error, error)
    instance.readings.update(zip(_MEMORY, map(_reading, _MEMORY, values), strict=True))


def _read_activity(instance: _Instance, now: float) -> None:
    if now < instance.ask_activity:
        return
    found: dict[str, Value]
    try:
        found = instance.gpm.read(now)
    except CallError as error:
        instance.ask_activity = now + UNABLE_SECONDS
        found = dict.fromkeys(ACTIVITIES_OF_INSTANCE, error)
    instance.readings.update({name: _reading(name, value) for name, value in found.items()})


def _reading(name: str, value: Value) -> Reading:
    if isinstance(value, Gap):
        return table.missing(table.MIG, name, MetricState.STALE)
    if isinstance(value, NvmlError):
        return table.missing(table.MIG, name, _STATES.get(value.kind, MetricState.ERROR))
    return table.measured(table.MIG, name, value)
