"""The one table of all metrics: name, unit, kind, help, device class, resolution and what a sensor can possibly say.

Names follow the OpenTelemetry hardware and system conventions where they have one. ``measured`` is the
only way a number becomes a reading: what lies outside its metric's limits (255 °C, 2^64-1 bytes,
900 % utilisation: all seen in the wild) is an error, never a value.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_desk.records.metric import MetricState, Reading

GPU = "gpu"
HOST = "host"
DISK = "disk"
NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Metric:
    """A declaration. ``kind`` is gauge, rate or counter; history is stored in steps of ``resolution``."""

    name: str
    device: str
    unit: str
    kind: str
    resolution: float
    low: float
    high: float
    help: str


_TIB = 1 << 40
_PIB = 1 << 50
_RATIO = (0.001, 0.0, 1.0)
_BYTES = (float(1 << 20), 0.0, float(_PIB))
_WATTS = (0.5, 0.0, 5000.0)
_DEGREES = (0.5, -40.0, 150.0)
_HERTZ = (1e6, 0.0, 2e10)
_PER_SECOND = (1.0, 0.0, 1e9)
_BYTES_PER_SECOND = (1024.0, 0.0, float(_TIB))
_SECONDS = (1e-5, 0.0, 3600.0)


def _pressure() -> tuple[Metric, ...]:
    table = []
    for resource, who in (("cpu", "some"), ("memory", "some"), ("memory", "full"), ("io", "some"), ("io", "full")):
        name = f"system.pressure.{resource}.{who}"
        tasks = "at least one task" if who == "some" else "all tasks"
        text = f"Share of time in which {tasks} waited for {resource}"
        table.append(Metric(name, HOST, "1", "gauge", *_RATIO, f"{text}, since the last sample."))
        table.append(Metric(f"{name}.avg10", HOST, "1", "gauge", *_RATIO, f"{text}, the kernel's 10 s average."))
    return tuple(table)


METRICS: tuple[Metric, ...] = (
    Metric("hw.gpu.utilization", GPU, "1", "gauge", *_RATIO, "Share of time in which a kernel was running."),
    Metric("hw.gpu.utilization.memory", GPU, "1", "gauge", *_RATIO,
           "Share of time in which the memory controller was busy."),
    Metric("hw.gpu.memory.usage", GPU, "By", "gauge", *_BYTES, "Memory in use, without what the driver reserves."),
    Metric("hw.gpu.memory.limit", GPU, "By", "gauge", *_BYTES, "Memory of the GPU."),
    Metric("hw.power", GPU, "W", "gauge", *_WATTS,
           "Power drawn by the board: averaged over 1 s on Ampere and newer, instant before."),
    Metric("hw.power.limit", GPU, "W", "gauge", *_WATTS, "Power at which the driver slows the GPU down."),
    Metric("hw.energy", GPU, "J", "counter", 1.0, 0.0, 1e12, "Energy used since the driver was loaded."),
    Metric("hw.temperature", GPU, "Cel", "gauge", *_DEGREES, "Temperature of the GPU core."),
    Metric("hw.temperature.memory", GPU, "Cel", "gauge", *_DEGREES, "Temperature of the GPU's memory."),
    Metric("hw.fan.speed_ratio", GPU, "1", "gauge", *_RATIO, "Fan speed the driver asks for, of its maximum."),
    Metric("hw.gpu.clock.sm", GPU, "Hz", "gauge", *_HERTZ, "Clock of the streaming multiprocessors."),
    Metric("hw.gpu.clock.memory", GPU, "Hz", "gauge", *_HERTZ, "Clock of the memory."),
    Metric("hw.gpu.performance_state", GPU, "1", "gauge", 1.0, 0.0, 15.0, "P-state: 0 is the fastest, 15 the slowest."),
    Metric("system.cpu.utilization", HOST, "1", "gauge", *_RATIO, "Share of all processors that is working."),
    Metric("system.cpu.utilization.iowait", HOST, "1", "gauge", *_RATIO,
           "Share of all processors that is idle while a task waits for a disk."),
    Metric("system.cpu.load_average.1m", HOST, "1", "gauge", 0.01, 0.0, 1e6, "Tasks that run or wait, over 1 min."),
    Metric("system.cpu.load_average.5m", HOST, "1", "gauge", 0.01, 0.0, 1e6, "Tasks that run or wait, over 5 min."),
    Metric("system.cpu.load_average.15m", HOST, "1", "gauge", 0.01, 0.0, 1e6, "Tasks that run or wait, over 15 min."),
    Metric("system.cpu.logical.count", HOST, "1", "gauge", 1.0, 1.0, 1e5, "Logical processors that are online."),
    Metric("system.memory.usage", HOST, "By", "gauge", *_BYTES, "Memory that is not available to new work."),
    Metric("system.memory.limit", HOST, "By", "gauge", *_BYTES, "Memory of the machine."),
    Metric("system.paging.usage", HOST, "By", "gauge", *_BYTES, "Swap space in use."),
    Metric("system.paging.limit", HOST, "By", "gauge", *_BYTES, "Swap space of the machine."),
    *_pressure(),
    Metric("system.disk.read", DISK, "By/s", "rate", *_BYTES_PER_SECOND, "Bytes read a second."),
    Metric("system.disk.write", DISK, "By/s", "rate", *_BYTES_PER_SECOND, "Bytes written a second."),
    Metric("system.disk.read.operations", DISK, "1/s", "rate", *_PER_SECOND, "Reads completed a second."),
    Metric("system.disk.write.operations", DISK, "1/s", "rate", *_PER_SECOND, "Writes completed a second."),
    Metric("system.disk.read.latency", DISK, "s", "gauge", *_SECONDS,
           "Mean time of the reads completed since the last sample; absent when there was none."),
    Metric("system.disk.write.latency", DISK, "s", "gauge", *_SECONDS,
           "Mean time of the writes completed since the last sample; absent when there was none."),
    Metric("system.disk.queue", DISK, "1", "gauge", 0.1, 0.0, 1e6, "Requests waiting or in work, on average."),
    Metric("system.disk.limit", DISK, "By", "gauge", *_BYTES, "Size of the device."),
    Metric("hw.temperature", DISK, "Cel", "gauge", *_DEGREES, "Temperature of the device."),
    Metric("system.network.receive", NETWORK, "By/s", "rate", *_BYTES_PER_SECOND, "Bytes received a second."),
    Metric("system.network.transmit", NETWORK, "By/s", "rate", *_BYTES_PER_SECOND, "Bytes sent a second."),
    Metric("system.network.receive.errors", NETWORK, "1/s", "rate", *_PER_SECOND,
           "Packets received with an error or dropped, a second."),
    Metric("system.network.transmit.errors", NETWORK, "1/s", "rate", *_PER_SECOND,
           "Packets not sent because of an error or dropped, a second."),
    Metric("hw.network.bandwidth.limit", NETWORK, "By/s", "gauge", *_BYTES_PER_SECOND, "Speed of the link."),
)  # fmt: skip

TABLE: Mapping[tuple[str, str], Metric] = {(metric.device, metric.name): metric for metric in METRICS}
GPU_METRICS: tuple[str, ...] = tuple(metric.name for metric in METRICS if metric.device == GPU)


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
