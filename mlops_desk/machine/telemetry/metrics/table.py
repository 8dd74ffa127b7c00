"""The one table of all metrics: name, unit, kind, help, device class, resolution and what a sensor can possibly say.

Names follow the OpenTelemetry hardware and system conventions where they have one. ``measured`` is the
only way a number becomes a reading: what lies outside its metric's limits (255 °C, 2^64-1 bytes,
900 % utilisation: all seen in the wild) is an error, never a value.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlops_desk.machine.records.metric import Metric, MetricState, Reading
from mlops_desk.machine.telemetry.metrics.gpu import DEVICE_TABLE, GPU, GPU_TABLE, LINK, MIG
from mlops_desk.machine.telemetry.metrics.host import (
    CORE,
    DISK,
    FILESYSTEM,
    HOST,
    HOST_METRICS,
    NETWORK,
    NUMA_NODES,
    SENSOR,
)

# What people call a metric, as sentences say it: *utilization of each GPU is at or below 5 %*.
# Every metric of the machine has one, and no two of a class share it: a rule's sentence is all that most people read
# of it. What features record has its title in its own declaration, and so do the measures of alerts.
_HELD = "share of time slowed down"

_GPU = {
    "hw.gpu.utilization": "utilization",
    "hw.gpu.utilization.memory": "utilization of the memory controller",
    "hw.gpu.utilization.encoder": "utilization of the video encoder",
    "hw.gpu.utilization.decoder": "utilization of the video decoder",
    "hw.gpu.utilization.jpeg": "utilization of the JPEG engine",
    "hw.gpu.utilization.ofa": "utilization of the optical flow accelerator",
    "hw.gpu.memory.usage": "memory in use",
    "hw.gpu.memory.limit": "size of the memory",
    "hw.gpu.memory.free": "free memory",
    "hw.gpu.memory.reserved": "memory kept by driver and firmware",
    "hw.gpu.memory.bar1.usage": "memory mapped over PCIe (BAR1)",
    "hw.gpu.memory.bar1.limit": "memory that can be mapped over PCIe (BAR1)",
    "hw.power": "power drawn",
    "hw.power.instant": "power drawn at the moment",
    "hw.power.limit": "power limit in force",
    "hw.power.limit.requested": "power limit that was asked for",
    "hw.power.limit.default": "power limit as built",
    "hw.power.limit.min": "lowest power limit that can be set",
    "hw.power.limit.max": "highest power limit that can be set",
    "hw.energy": "energy used since the driver was loaded",
    "hw.temperature": "temperature",
    "hw.temperature.memory": "memory temperature",
    "hw.temperature.limit.gpu": "highest temperature at full clocks",
    "hw.temperature.limit.memory": "highest memory temperature at full clocks",
    "hw.temperature.limit.slowdown": "slowdown temperature",
    "hw.temperature.limit.shutdown": "shutdown temperature",
    "hw.fan.speed_ratio": "fan speed",
    "hw.gpu.clock.sm": "clock of the multiprocessors",
    "hw.gpu.clock.memory": "memory clock",
    "hw.gpu.clock.graphics": "graphics clock",
    "hw.gpu.clock.video": "video clock",
    "hw.gpu.clock.sm.limit": "highest clock of the multiprocessors",
    "hw.gpu.clock.memory.limit": "highest memory clock",
    "hw.gpu.clock.graphics.limit": "highest graphics clock",
    "hw.gpu.clock.video.limit": "highest video clock",
    "hw.gpu.performance_state": "performance state (P0 is the fastest)",
    "hw.gpu.throttle.power_cap": f"{_HELD} to stay below the power limit",
    "hw.gpu.throttle.thermal": f"{_HELD} by heat",
    "hw.gpu.throttle.thermal_software": f"{_HELD} by the driver because of heat",
    "hw.gpu.throttle.thermal_hardware": f"{_HELD} by the hardware because of heat",
    "hw.gpu.throttle.power_brake": f"{_HELD} by the power supply's brake",
    "hw.gpu.throttle.hardware_slowdown": f"{_HELD} by the hardware",
    "hw.gpu.throttle.sync_boost": f"{_HELD} to keep step with other GPUs",
    "hw.gpu.throttle.board_limit": f"{_HELD} by a limit of the board",
    "hw.gpu.throttle.low_utilization": f"{_HELD} for lack of work",
    "hw.gpu.throttle.reliability": f"{_HELD} to stay reliable",
    "hw.gpu.throttle.application_clocks": "share of time below the application clocks",
    "hw.gpu.throttle.base_clocks": "share of time below the base clocks",
    "hw.errors.ecc.volatile.uncorrected": "number of uncorrected memory errors",
    "hw.errors.ecc.volatile.corrected": "number of corrected memory errors",
    "hw.errors.ecc.aggregate.uncorrected": "number of uncorrected memory errors in all its life",
    "hw.errors.ecc.aggregate.corrected": "number of corrected memory errors in all its life",
    "hw.gpu.retired_pages.single_bit": "number of memory pages given up after corrected errors",
    "hw.gpu.retired_pages.double_bit": "number of memory pages given up after uncorrected errors",
    "hw.gpu.retired_pages.pending": "memory page that is given up at the next start",
    "hw.gpu.row_remap.correctable": "number of memory rows replaced after corrected errors",
    "hw.gpu.row_remap.uncorrectable": "number of memory rows replaced after uncorrected errors",
    "hw.gpu.row_remap.pending": "memory row that waits for a reset to be replaced",
    "hw.gpu.row_remap.failure": "failure to replace a memory row",
    "hw.gpu.recovery_action": "repair that the driver asks for (its number)",
    "hw.gpu.pcie.generation": "PCIe generation at the moment",
    "hw.gpu.pcie.generation.limit": "highest PCIe generation",
    "hw.gpu.pcie.width": "number of PCIe lanes in use",
    "hw.gpu.pcie.width.limit": "number of PCIe lanes",
    "hw.gpu.pcie.replays": "number of PCIe replays",
    "hw.gpu.pcie.errors.correctable": "number of corrected PCIe errors",
    "hw.gpu.pcie.errors.non_fatal": "number of PCIe errors that lost something",
    "hw.gpu.pcie.errors.fatal": "number of PCIe errors that broke the link",
    "hw.gpu.io.transmit": "data sent over PCIe",
    "hw.gpu.io.receive": "data received over PCIe",
    "hw.gpu.nvlink.up": "number of NVLinks up",
    "hw.gpu.nvlink.limit": "number of NVLinks",
    "hw.gpu.nvlink.transmit": "data sent over NVLink",
    "hw.gpu.nvlink.receive": "data received over NVLink",
    "hw.gpu.nvlink.errors.crc": "number of damaged NVLink packets",
    "hw.gpu.nvlink.errors.replay": "number of NVLink replays",
    "hw.gpu.nvlink.errors.recovery": "number of times an NVLink was trained again",
    "hw.gpu.activity.decoder": "share of time in which the video decoders work",
    "hw.gpu.activity.jpeg": "share of time in which the JPEG engines work",
    "hw.gpu.activity.ofa": "share of time in which the optical flow accelerators work",
}
_ACTIVITY = {
    "hw.gpu.activity.graphics": "share of time with graphics or compute",
    "hw.gpu.activity.sm": "share of multiprocessors at work",
    "hw.gpu.activity.occupancy": "occupancy of the multiprocessors",
    "hw.gpu.activity.tensor": "share of time in which the tensor cores work",
    "hw.gpu.activity.dram": "share of memory bandwidth in use",
    "hw.gpu.activity.fp64": "share of time in which the FP64 units work",
    "hw.gpu.activity.fp32": "share of time in which the FP32 units work",
    "hw.gpu.activity.fp16": "share of time in which the FP16 units work",
    "hw.gpu.activity.integer": "share of time in which the integer units work",
}
_MIG = {
    "hw.gpu.memory.usage": "memory in use",
    "hw.gpu.memory.limit": "size of the memory",
    "hw.gpu.memory.free": "free memory",
}
_LINK = {
    "hw.gpu.nvlink.transmit": "data sent",
    "hw.gpu.nvlink.receive": "data received",
    "hw.gpu.nvlink.bandwidth.limit": "speed in one direction",
    "hw.gpu.nvlink.errors.crc": "number of damaged packets",
    "hw.gpu.nvlink.errors.replay": "number of replays",
    "hw.gpu.nvlink.errors.recovery": "number of times it was trained again",
}

_HOST = {
    "system.cpu.utilization": "processor utilization",
    "system.cpu.utilization.iowait": "share of processor time idle while a task waits for a disk",
    "system.cpu.utilization.steal": "share of processor time taken by other virtual machines",
    "system.cpu.utilization.user": "processor utilization by programs",
    "system.cpu.utilization.system": "processor utilization by the kernel",
    "system.cpu.frequency": "mean processor clock",
    "system.cpu.load_average.1m": "load average over 1 min",
    "system.cpu.load_average.5m": "load average over 5 min",
    "system.cpu.load_average.15m": "load average over 15 min",
    "system.cpu.logical.count": "number of logical processors",
    "system.cpu.context_switches": "rate of context switches",
    "system.cpu.interrupts": "rate of interrupts",
    "system.processes.created": "rate of new processes and threads",
    "system.processes.running": "number of tasks that run or wait for a processor",
    "system.processes.blocked": "number of tasks that wait for a disk",
    "system.memory.usage": "memory in use",
    "system.memory.limit": "size of the memory",
    "system.memory.available": "memory available to new work",
    "system.memory.cached": "memory that holds files",
    "system.memory.dirty": "memory that waits to be written to a disk",
    "system.memory.writeback": "memory that is being written to a disk",
    "system.memory.shared": "shared memory",
    "system.memory.locked": "memory that may not be swapped out",
    "system.memory.slab": "memory of the kernel's own tables",
    "system.memory.huge_pages.usage": "huge pages in use",
    "system.memory.huge_pages.limit": "memory reserved as huge pages",
    "system.memory.oom_kills": "number of programs killed for lack of memory",
    "system.paging.usage": "swap space in use",
    "system.paging.limit": "size of the swap space",
    "system.paging.in": "data read back from swap",
    "system.paging.out": "data written to swap",
    "system.paging.faults.major": "rate of page faults served from a disk",
    "system.uptime": "time since the start",
}
_CORE = {
    "system.cpu.utilization": "utilization",
    "system.cpu.utilization.iowait": "share of time idle while a task waits for a disk",
    "system.cpu.utilization.steal": "share of time taken by other virtual machines",
    "system.cpu.frequency": "clock",
}
_SENSOR = {"hw.temperature": "temperature", "hw.temperature.limit": "critical temperature"}
_DISK = {
    "system.disk.read": "data read",
    "system.disk.write": "data written",
    "system.disk.read.operations": "rate of reads",
    "system.disk.write.operations": "rate of writes",
    "system.disk.read.latency": "mean time of a read",
    "system.disk.write.latency": "mean time of a write",
    "system.disk.queue": "mean number of requests waiting or in work",
    "system.disk.inflight": "number of requests in work at the moment",
    "system.disk.busy": "share of time at work",
    "system.disk.limit": "size",
    "hw.temperature": "temperature",
    "hw.temperature.limit": "critical temperature",
    "hw.disk.wear": "share of the promised life used up",
    "hw.disk.spare": "share of spare blocks",
    "hw.disk.spare.threshold": "share of spare blocks at which the drive warns",
    "hw.disk.media_errors": "number of data errors",
    "hw.disk.critical_warning": "critical warning (its bits)",
    "hw.disk.power_on": "time switched on",
    "hw.disk.unsafe_shutdowns": "number of unsafe shutdowns",
    "hw.disk.data.read": "data read in all its life",
    "hw.disk.data.written": "data written in all its life",
}
_FILESYSTEM = {
    "system.filesystem.usage": "space in use",
    "system.filesystem.limit": "size",
    "system.filesystem.available": "free space",
    "system.filesystem.utilization": "share of space in use (read-only ones too)",
    "system.filesystem.inodes.usage": "number of files and folders",
    "system.filesystem.inodes.limit": "number of possible files and folders",
    "system.filesystem.latency": "time to answer",
}
_NETWORK = {
    "system.network.receive": "data received",
    "system.network.transmit": "data sent",
    "system.network.receive.packets": "packets received",
    "system.network.transmit.packets": "packets sent",
    "system.network.receive.errors": "packets received with an error or dropped",
    "system.network.transmit.errors": "packets not sent or dropped",
    "system.network.receive.drops": "packets received and dropped",
    "system.network.transmit.drops": "packets dropped before they were sent",
    "system.network.transmit.wait": "ticks in which data waited for the other side",
    "hw.network.bandwidth.limit": "speed of the link",
    "hw.network.bandwidth.utilization": "share of the link's speed in use",
    "hw.network.up": "link that is up (1 or 0)",
    "hw.network.link.downs": "number of times the link went down",
    "hw.network.link.errors": "link errors",
}


def _nodes() -> Iterator[tuple[str, str]]:
    for node in range(NUMA_NODES):
        yield f"system.memory.node{node}.usage", f"memory in use on node {node}"
        yield f"system.memory.node{node}.limit", f"size of the memory on node {node}"


def _pressure() -> Iterator[tuple[str, str]]:
    waits = {"cpu": "a processor", "memory": "memory", "io": "a disk"}
    tasks = {"some": "something waits", "full": "everything waits"}
    for of, who in (("cpu", "some"), ("memory", "some"), ("memory", "full"), ("io", "some"), ("io", "full")):
        name, title = f"system.pressure.{of}.{who}", f"share of time in which {tasks[who]} for {waits[of]}"
        yield name, f"{title} at the moment"
        yield f"{name}.avg10", title


_CLASSES: Mapping[str, Mapping[str, str]] = {
    GPU: {**_GPU, **_ACTIVITY},
    MIG: {**_MIG, **_ACTIVITY},
    LINK: _LINK,
    HOST: {**_HOST, **dict(_nodes()), **dict(_pressure())},
    CORE: _CORE,
    SENSOR: _SENSOR,
    DISK: _DISK,
    FILESYSTEM: _FILESYSTEM,
    NETWORK: _NETWORK,
}
TITLES: Mapping[tuple[str, str], str] = {
    (device, name): title for device, titles in _CLASSES.items() for name, title in titles.items()
}


__all__ = [
    "CORE",
    "DISK",
    "FILESYSTEM",
    "GPU",
    "GPU_METRICS",
    "HOST",
    "LINK",
    "METRICS",
    "MIG",
    "NETWORK",
    "SENSOR",
    "TABLE",
    "Metric",
    "all_missing",
    "measured",
    "missing",
]

METRICS: tuple[Metric, ...] = tuple(
    replace(metric, title=TITLES[metric.device, metric.name]) for metric in (*DEVICE_TABLE, *HOST_METRICS)
)
TABLE: Mapping[tuple[str, str], Metric] = {(metric.device, metric.name): metric for metric in METRICS}
GPU_METRICS: tuple[str, ...] = tuple(metric.name for metric in GPU_TABLE)


def measured(device: str, name: str, value: float) -> Reading:
    """Return ``value`` as a reading of this metric, or an error when no sensor can mean it."""
    metric = TABLE[device, name]
    if not (math.isfinite(value) and metric.low <= value <= metric.high):
        return Reading(None, metric.unit, MetricState.ERROR)
    return Reading(float(value), metric.unit)


def missing(device: str, name: str, state: MetricState) -> Reading:
    """Return a reading without a value, for the reason ``state``."""
    return Reading(None, TABLE[device, name].unit, state)


def all_missing(state: MetricState, readings: Mapping[str, Reading] | None = None) -> dict[str, Reading]:
    """Return every GPU metric (or those of ``readings``) without a value."""
    if readings is None:
        return {name: missing(GPU, name, state) for name in GPU_METRICS}
    return {name: Reading(None, reading.unit, state) for name, reading in readings.items()}


class ReadingMaker:
    """Makes the readings of one device of the class ``device``."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._known: dict[str, Reading] = {}

    def measured(self, name: str, value: float) -> Reading:
        """Return ``value`` as a reading, the same object while the value stays the same."""
        known = self._known.get(name)
        if known is None or known.value != value:
            known = self._known[name] = measured(self._device, name, value)
        return known

    def missing(self, name: str, state: MetricState) -> Reading:
        """Return a reading without a value."""
        known = self._known.get(name)
        if known is None or known.state is not state:
            known = self._known[name] = missing(self._device, name, state)
        return known
