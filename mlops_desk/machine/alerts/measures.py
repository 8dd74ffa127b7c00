"""What is judged where that is no single metric: shares, sums, what is left to a limit, what is so, what happened.

Each is declared as metrics are, with a name by which people's rules ask for it too. DCGM's and GPUd's ways of reckoning
are used where they have one. A measure is None where the number is missing: that neither fires nor ends anything.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from mlops_desk.machine.alerts.alert_rule import Gauge, told
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.host import Filesystem
from mlops_desk.machine.records.metric import BYTES, COUNT, FLAG, RATIO, Metric, MetricState

# What of a GPU's links is missing: NVLinks that are down, PCIe speed that it does not get under load. Pure.

UNDER_LOAD = 0.10
"""From this utilisation on a link that is slow is not saving power. A GPU that starves behind it does little more."""

_RATES = {1: 0.25, 2: 0.5, 3: 0.985, 4: 1.969, 5: 3.938, 6: 7.563}
"""GB/s of a lane by PCIe generation, after its coding."""


NVLINKS = ("hw.gpu.nvlink.up", "hw.gpu.nvlink.limit")
PCIE = (
    "hw.gpu.utilization", "hw.gpu.pcie.generation", "hw.gpu.pcie.width", "hw.gpu.pcie.generation.limit",
    "hw.gpu.pcie.width.limit",
)  # fmt: skip


class NvLinks:
    """Remembers which GPUs have had NVLinks: one whose links all are down may have no bridge.

    Only a GPU that had some, or of whose model another one has, is missing them.
    """

    def __init__(self) -> None:
        self._linked: set[str] = set()

    def see(self, gpus: Iterable[Gpu]) -> bool:
        """Take note of who has links; tell whether somebody new has."""
        new = [gpu for gpu in gpus if gpu.uuid not in self._linked and _value(gpu, NVLINKS[0])]
        for gpu in new:
            self._linked |= {gpu.uuid, gpu.name}
        return bool(new)

    def down(self, gpu: Gpu) -> float | None:
        """Return how many links are down; None where that is not known, or nobody knows whether there should be any."""
        up, limit = (_value(gpu, metric) for metric in NVLINKS)
        if up is None or not limit:
            return None
        return max(0.0, limit - up) if up or {gpu.uuid, gpu.name} & self._linked else None


def pcie_share(gpu: Gpu) -> float | None:
    """Return which share of its PCIe link's possible speed a GPU gets (0-1); None while it has nothing to do."""
    use = gpu.metrics.get(PCIE[0])
    if use is None or use.value is None or use.value < UNDER_LOAD:
        return None
    return _share(*[None if each is None else each.value for each in map(gpu.metrics.get, PCIE[1:])])


@lru_cache(256)
def _share(
    generation: float | None, width: float | None, best_generation: float | None, best_width: float | None
) -> float | None:
    """Return the share; a few dozen combinations are all there are."""
    now, most = _speed(generation, width), _speed(best_generation, best_width)
    return None if now is None or not most else min(1.0, now / most)


def _speed(generation: float | None, width: float | None) -> float | None:
    rate = _RATES.get(int(generation)) if generation is not None else None
    return None if rate is None or not width else rate * width


def _value(gpu: Gpu, metric: str) -> float | None:
    reading = gpu.metrics.get(metric)
    return None if reading is None else reading.value


ASSUMED_GPU_LIMIT = 90.0  # chosen: about where boards that do say begin
ASSUMED_DISK_LIMIT = 75.0
"""°C at which a device is taken to slow down when it does not say."""

HEAT = ("hw.gpu.throttle.thermal", "hw.gpu.throttle.hardware_slowdown", "hw.gpu.throttle.power_brake")
_LIMITS = ("hw.temperature.limit.slowdown", "hw.temperature.limit.gpu")
_REPLAYS_PER_LANE = {1: 0.15, 2: 0.30, 3: 0.48, 4: 0.96, 5: 1.92, 6: 3.84}
_READ_ONLY_KINDS = {"squashfs", "iso9660", "udf", "erofs", "cramfs", "fuse.snapfuse"}
_DEGREES_LEFT = (0.5, -150.0, 150.0)  # as far as two temperatures that sensors tell lie apart
_SHARE_LEFT = (0.001, -1.0, 1.0)  # as far as two shares lie apart
_TIMES = (0.001, 0.0, 1e9)  # chosen: a share of what is tolerable, which may be a multiple of it
_PACKETS_A_SECOND = (0.001, 0.0, 1e9)  # chosen: one damaged packet in minutes is one too many
_PACKETS = (
    "system.network.receive.errors", "system.network.transmit.errors", "system.network.receive.drops",
    "system.network.transmit.drops",
)  # fmt: skip


def number(device: Any, metric: str) -> float | None:
    """Return what a device reads; None where that is missing."""
    reading = device.metrics.get(metric)
    return None if reading is None else reading.value


def raw(metric: str) -> Gauge:
    """Return a metric as a measure: it goes by its own name."""

    def measure(device: Any) -> float | None:
        reading = device.metrics.get(metric)
        return None if reading is None else reading.value

    return Gauge(measure, (metric,))


def share(declared: Metric, part: str, whole: str) -> Gauge:
    """Return one metric by another."""

    def measure(device: Any) -> float | None:
        value, limit = number(device, part), number(device, whole)
        return None if value is None or not limit else value / limit

    return Gauge(measure, (part, whole), declared=declared)


def added(declared: Metric, *metrics: str) -> Gauge:
    """Return the sum of those metrics that are known."""

    def measure(device: Any) -> float | None:
        values = [value for each in metrics if (value := number(device, each)) is not None]
        return sum(values) if values else None

    return Gauge(measure, metrics, declared=declared)


def left(declared: Metric, metric: str, limits: tuple[str, ...], assumed: float) -> Gauge:
    """Return what is left to the first of the limits that is known, else to one that is assumed."""

    def measure(device: Any) -> float | None:
        value = number(device, metric)
        if value is None:
            return None
        for each in limits:
            limit = number(device, each)
            if limit is not None:
                return limit - value
        return assumed - value

    return Gauge(measure, (metric, *limits), declared=declared)


def most(declared: Metric, *metrics: str) -> Gauge:
    """Return the greatest of those metrics that are known."""

    def measure(device: Any) -> float | None:
        greatest = None
        for each in metrics:
            value = number(device, each)
            if value is not None and (greatest is None or value > greatest):
                greatest = value
        return greatest

    return Gauge(measure, metrics, declared=declared)


def pulse(device: str, name: str, text: str) -> Gauge:
    """Return a measure that is 1 for a while after an incident; who hears of incidents says when."""
    return Gauge(lambda _: 0.0, declared=told(device, name, "1", "pulse", FLAG, text))


def gone(gpu: Gpu) -> float | None:
    """Return 1 for a GPU that is lost, 0 for one that is there, None where that is not known."""
    if gpu.state in {GpuState.LOST, GpuState.RESET_REQUIRED}:
        return 1.0
    return 0.0 if gpu.state in {GpuState.OK, GpuState.ASLEEP} else None


def _mute(gpu: Gpu) -> float | None:
    if gpu.state is GpuState.STALE:
        return 1.0
    return 0.0 if gpu.state in {GpuState.OK, GpuState.ASLEEP} else None


def lease_trouble(gpu: Gpu) -> str | None:
    """Return what is wrong with the lease file of a GPU."""
    return None if gpu.lease is None else gpu.lease.trouble


def _unclaimed(gpu: Gpu) -> float | None:
    """Return the bytes that nobody is seen to hold; 0 where driver and rounding explain them."""
    if gpu.held_by_nobody_bytes is not None:
        return float(gpu.held_by_nobody_bytes)
    return 0.0 if gpu.processes_known else None


def replays_a_minute(gpu: Gpu) -> float:
    """Return how many replays DCGM allows a minute for this generation and width."""
    generation, width = (number(gpu, f"hw.gpu.pcie.{name}.limit") for name in ("generation", "width"))
    return _REPLAYS_PER_LANE.get(int(generation or 4), 0.96) * (width or 16.0)


def _full(filesystem: Filesystem) -> float | None:
    if filesystem.kind in _READ_ONLY_KINDS:
        return None
    return number(filesystem, "system.filesystem.utilization")


def _silent(filesystem: Filesystem) -> float | None:
    """Return 1 for a mount with trouble; one that this user may not look into has answered."""
    denied = any(reading.state is MetricState.NO_PERMISSION for reading in filesystem.metrics.values())
    return 1.0 if filesystem.note and not denied else 0.0


def _packet_errors(network: Any) -> float | None:
    """Return damaged packets a second; drops are left out, for a busy receiver drops without a fault of the link."""
    received, sent, *drops = (number(network, metric) for metric in _PACKETS)
    if received is None and sent is None:
        return None
    return max(0.0, (received or 0.0) + (sent or 0.0) - sum(each or 0.0 for each in drops))


GPU_LOST = Gauge(gone, facts=("state",), declared=told("gpu", "lost", "1", "flag", FLAG, "is lost or needs a reset"))
GPU_SILENT = Gauge(_mute, facts=("state",), declared=told("gpu", "silent", "1", "flag", FLAG, "does not respond"))
GPU_XID = pulse("gpu", "xid", "has had a grave error of the driver (XID)")
GPU_XID_WARNING = pulse("gpu", "xid_warning", "has had an error of the driver (XID)")
GPU_LEASE = Gauge(
    lambda gpu: 1.0 if lease_trouble(gpu) else 0.0,
    facts=("lease",),
    declared=told("gpu", "lease_damaged", "1", "flag", FLAG, "has a damaged lease file"),
)
GPU_TEMPERATURE_LEFT = left(
    told("gpu", "temperature_left", "Cel", "gauge", _DEGREES_LEFT, "degrees to its own slowdown temperature",
         "room to the slowdown temperature"),
    "hw.temperature", _LIMITS, ASSUMED_GPU_LIMIT,
)  # fmt: skip
GPU_THROTTLED = most(
    told(
        "gpu",
        "throttled",
        "1",
        "gauge",
        RATIO,
        "share of time in which heat or power supply hold its clocks",
        "share of time slowed down by heat or power supply",
    ),
    *HEAT,
)
GPU_RETIRED_PAGES = added(
    told("gpu", "retired_pages", "1", "gauge", COUNT, "pages of its memory that were given up",
         "number of memory pages given up"),
    "hw.gpu.retired_pages.single_bit", "hw.gpu.retired_pages.double_bit",
)  # fmt: skip
GPU_MEMORY_SHARE = share(
    told("gpu", "memory_share", "1", "gauge", RATIO, "share of its memory in use", "share of memory in use"),
    "hw.gpu.memory.usage", "hw.gpu.memory.limit",
)  # fmt: skip
GPU_MEMORY_UNCLAIMED = Gauge(
    _unclaimed,
    facts=("held_by_nobody_bytes", "processes_known"),
    declared=told(
        "gpu",
        "memory_unclaimed",
        "By",
        "gauge",
        BYTES,
        "memory in use that nobody is seen to hold",
        "memory held by nobody",
    ),
)
GPU_PCIE_REPLAYS = Gauge(
    raw("hw.gpu.pcie.replays").of,
    ("hw.gpu.pcie.replays",),
    declared=told("gpu", "pcie_replays", "1", "gauge", _TIMES,
                  "replays within a minute, of what its generation and width tolerate",
                  "PCIe replays in a minute, as a multiple of what is tolerable,"),
)  # fmt: skip
GPU_NVLINKS_DOWN = Gauge(
    lambda _: None,
    NVLINKS,
    declared=told("gpu", "nvlinks_down", "1", "gauge", COUNT, "NVLinks that are down", "number of NVLinks down"),
)
GPU_PCIE_SHARE = Gauge(
    pcie_share,
    PCIE,
    declared=told(
        "gpu",
        "pcie_share",
        "1",
        "gauge",
        RATIO,
        "share of its PCIe link's speed that it gets at work",
        "share of the PCIe link's speed at work",
    ),
)
HOST_OOM = pulse("host", "oom", "has had a program killed for lack of memory")
HOST_MEMORY_SHARE = share(
    told("host", "memory_share", "1", "gauge", RATIO, "share of the memory that is not available to new work",
         "share of memory in use"),
    "system.memory.usage", "system.memory.limit",
)  # fmt: skip
HOST_SWAP_SHARE = share(
    told("host", "swap_share", "1", "gauge", RATIO, "share of the swap space in use", "share of swap space in use"),
    "system.paging.usage", "system.paging.limit",
)  # fmt: skip
DISK_TEMPERATURE_LEFT = left(
    told("disk", "temperature_left", "Cel", "gauge", _DEGREES_LEFT, "degrees to the drive's own limit",
         "room to the drive's own temperature limit"),
    "hw.temperature", ("hw.temperature.limit",), ASSUMED_DISK_LIMIT,
)  # fmt: skip
DISK_SPARE_LEFT = left(
    told("disk", "spare_left", "1", "gauge", _SHARE_LEFT, "spare blocks above the drive's own threshold",
         "share of spare blocks above the drive's own threshold"),
    "hw.disk.spare.threshold", ("hw.disk.spare",), float("nan"),
)  # fmt: skip
FILESYSTEM_SHARE = Gauge(
    _full,
    ("system.filesystem.utilization",),
    ("kind",),
    told(
        "filesystem",
        "share",
        "1",
        "gauge",
        RATIO,
        "share of the space in use, where anything can be written",
        "share of space in use",
    ),
)
FILESYSTEM_INODES_SHARE = share(
    told("filesystem", "inodes_share", "1", "gauge", RATIO, "files and folders, of what there can be",
         "share of possible files in use"),
    "system.filesystem.inodes.usage", "system.filesystem.inodes.limit",
)  # fmt: skip
FILESYSTEM_SILENT = Gauge(
    _silent, None, declared=told("filesystem", "silent", "1", "flag", FLAG, "does not answer")
)  # fmt: skip
NETWORK_DAMAGED = Gauge(
    _packet_errors,
    _PACKETS,
    declared=told(
        "network",
        "damaged",
        "1/s",
        "gauge",
        _PACKETS_A_SECOND,
        "damaged packets a second, without drops",
        "damaged packets",
    ),
)
