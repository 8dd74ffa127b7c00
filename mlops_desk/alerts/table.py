"""The table of what is watched from the start, with sensible thresholds; a person may change each.

DCGM's and GPUd's thresholds are used where they have one. A measure returns None where the number is missing: that
neither fires nor ends an alert.
"""

from dataclasses import replace
from typing import Any

from mlops_desk.alerts.causes import OOM_RULE
from mlops_desk.alerts.drift import DRIFT
from mlops_desk.alerts.jobs import JOBS
from mlops_desk.alerts.links import NVLINKS, PCIE, pcie_share
from mlops_desk.alerts.watched import NAME, Gauge, Watched
from mlops_desk.base.errors import Hint
from mlops_desk.records.alert import AlertRule
from mlops_desk.records.gpu import Gpu, GpuState
from mlops_desk.records.holding import LEAST_BYTES
from mlops_desk.records.host import Filesystem
from mlops_desk.records.metric import MetricState

ASSUMED_GPU_LIMIT = 90.0  # chosen: about where boards that do say begin
ASSUMED_DISK_LIMIT = 75.0
"""°C at which a device is taken to slow down when it does not say."""

ASSUMED_SPARE = 0.10  # chosen: of the spare blocks, for drives that do not say where their own limit lies
_FIVE_MINUTES = 300.0
_HOUR = 3600.0
_DAY = 86_400.0
_MIB = float(1 << 20)
_REPLAYS_PER_LANE = {1: 0.15, 2: 0.30, 3: 0.48, 4: 0.96, 5: 1.92, 6: 3.84}
_READ_ONLY_KINDS = {"squashfs", "iso9660", "udf", "erofs", "cramfs", "fuse.snapfuse"}


def _number(device: Any, metric: str) -> float | None:
    reading = device.metrics.get(metric)
    return None if reading is None else reading.value


def _value(metric: str) -> Gauge:
    def measure(device: Any) -> float | None:
        reading = device.metrics.get(metric)
        return None if reading is None else reading.value

    return Gauge(measure, (metric,))


def _share(part: str, whole: str) -> Gauge:
    def measure(device: Any) -> float | None:
        value, limit = _number(device, part), _number(device, whole)
        return None if value is None or not limit else value / limit

    return Gauge(measure, (part, whole))


def _sum(*metrics: str) -> Gauge:
    def measure(device: Any) -> float | None:
        values = [value for each in metrics if (value := _number(device, each)) is not None]
        return sum(values) if values else None

    return Gauge(measure, metrics)


def _left(metric: str, limits: tuple[str, ...], assumed: float) -> Gauge:
    def measure(device: Any) -> float | None:
        value = _number(device, metric)
        if value is None:
            return None
        for each in limits:
            limit = _number(device, each)
            if limit is not None:
                return limit - value
        return assumed - value

    return Gauge(measure, (metric, *limits))


def _most(*metrics: str) -> Gauge:
    def measure(device: Any) -> float | None:
        most = None
        for each in metrics:
            value = _number(device, each)
            if value is not None and (most is None or value > most):
                most = value
        return most

    return Gauge(measure, metrics)


def gone(gpu: Gpu) -> float | None:
    """Return 1 for a GPU that is lost, 0 for one that is there, None where that is not known."""
    if gpu.state in {GpuState.LOST, GpuState.RESET_REQUIRED}:
        return 1.0
    return 0.0 if gpu.state in {GpuState.OK, GpuState.ASLEEP} else None


def _mute(gpu: Gpu) -> float | None:
    if gpu.state is GpuState.STALE:
        return 1.0
    return 0.0 if gpu.state in {GpuState.OK, GpuState.ASLEEP} else None


def _lease_trouble(gpu: Gpu) -> str | None:
    """Return what is wrong with the lease file of a GPU."""
    return None if gpu.lease is None else gpu.lease.trouble


def _unclaimed(gpu: Gpu) -> float | None:
    """Return the bytes that nobody is seen to hold; 0 where driver and rounding explain them."""
    if gpu.held_by_nobody_bytes is not None:
        return float(gpu.held_by_nobody_bytes)
    return 0.0 if gpu.processes_known else None


def _replays_a_minute(gpu: Gpu) -> float:
    """Return how many replays DCGM allows a minute for this generation and width."""
    generation, width = (_number(gpu, f"hw.gpu.pcie.{name}.limit") for name in ("generation", "width"))
    return _REPLAYS_PER_LANE.get(int(generation or 4), 0.96) * (width or 16.0)


def _full(filesystem: Filesystem) -> float | None:
    if filesystem.kind in _READ_ONLY_KINDS:
        return None
    return _number(filesystem, "system.filesystem.utilization")


def _silent(filesystem: Filesystem) -> float | None:
    """Return 1 for a mount with trouble; one that this user may not look into has answered."""
    denied = any(reading.state is MetricState.NO_PERMISSION for reading in filesystem.metrics.values())
    return 1.0 if filesystem.note and not denied else 0.0


_PACKETS = (
    "system.network.receive.errors", "system.network.transmit.errors", "system.network.receive.drops",
    "system.network.transmit.drops",
)  # fmt: skip


def _packet_errors(network: Any) -> float | None:
    """Return damaged packets a second; drops are left out, for a busy receiver drops without a fault of the link."""
    received, sent, *drops = (_number(network, metric) for metric in _PACKETS)
    if received is None and sent is None:
        return None
    return max(0.0, (received or 0.0) + (sent or 0.0) - sum(each or 0.0 for each in drops))


def _rule(
    name: str,
    title: str,
    where: tuple[str, str, str],
    limits: tuple[float, float, float],
    level: str,
    text: str,
    *,
    above: bool = True,
    averaged: bool = False,
    counted: str = "",
) -> AlertRule:
    threshold, clear_at, for_seconds = limits
    rule = AlertRule(name, title, *where, above, threshold, clear_at, for_seconds, level, help=text)
    return replace(rule, averaged=averaged, counted=counted)


_FLAG = (1.0, 0.0, 0.0)  # fires at 1, ends at 0, at once: an incident needs no time to be believed
_SET_OFF = Gauge(lambda _: 0.0)
_WHICH = Hint("mlops-desk events", after=" tells which, and what to do.")
_EXAMINE = "Take the GPU out of use and have the board examined; results of running jobs may be wrong."
_COOL = "Check air flow, fans, dust and the room's temperature."
_LIMITS = ("hw.temperature.limit.slowdown", "hw.temperature.limit.gpu")
_HEAT = ("hw.gpu.throttle.thermal", "hw.gpu.throttle.hardware_slowdown", "hw.gpu.throttle.power_brake")

_GPU = (
    Watched(
        _rule("gpu_lost", "Lost, or in need of a reset", ("gpu", "hw.gpu.utilization", "1"), (1.0, 0.0, 2.0), "alert",
              "The GPU fell off the bus, or the driver refuses work until it is reset. Where the driver says so (XID "
              "79), that alert stands for it."),
        Gauge(gone, facts=("state",)), "Save what can be saved, and restart the machine if it does not come back.",
        measured=False, logged=False, noticed=True,
    ),
    Watched(
        _rule("gpu_silent", "Does not respond", ("gpu", "hw.gpu.utilization", "1"), (1.0, 0.0, 15.0), "alert",
              "A call to the driver about the GPU does not return."),
        Gauge(_mute, facts=("state",)), Hint("sudo dmesg | grep -i nvrm", after=" says more. No new job should start "
        "on it."),
        measured=False, logged=False, noticed=True,
    ),
    Watched(
        _rule("gpu_xid", "Grave error of the driver (XID)", ("gpu", "hw.gpu.utilization", "1"), _FLAG, "alert",
              "An XID that makes the GPU unusable or its results doubtful, one alert for each number and job. It ends "
              "10 min after the last one; XID 79 when the GPU is back."),
        _SET_OFF, _WHICH, pulse=True, measured=False, logged=False,
    ),
    Watched(
        _rule("gpu_xid_warning", "Error of the driver (XID)", ("gpu", "hw.gpu.utilization", "1"), _FLAG, "warning",
              "An XID that ended a program or may grow worse (31, 94 …), one alert for each number and job. It ends 10 "
              "min after the last one. XID 45 only says that a program was ended, and rings nobody."),
        _SET_OFF, _WHICH, pulse=True, measured=False, logged=False,
    ),
    Watched(
        _rule("gpu_lease", "Its lease file was damaged", ("gpu", "hw.gpu.utilization", "1"), _FLAG, "warning",
              "Lease files tell all users of this machine who holds a GPU."),
        Gauge(lambda gpu: 1.0 if _lease_trouble(gpu) else 0.0, facts=("lease",)),
        "Ask the file's owner, or an administrator, who changed it; it is written anew or ignored after 10 min.",
        measured=False, said=_lease_trouble,
    ),
    Watched(
        _rule("gpu_temperature", "Close to the temperature at which it slows down",
              ("gpu", "hw.temperature", "Cel"), (5.0, 10.0, 30.0), "warning",
              "Degrees that are left to the GPU's own slowdown temperature.", above=False),
        _left("hw.temperature", _LIMITS, ASSUMED_GPU_LIMIT), _COOL,
    ),
    Watched(
        _rule("gpu_memory_temperature", "Memory is hot", ("gpu", "hw.temperature.memory", "Cel"),
              (100.0, 95.0, 60.0), "warning", "Temperature of the GPU's memory."),
        _value("hw.temperature.memory"), _COOL,
    ),
    Watched(
        _rule("gpu_throttling", "Slowed down by heat or power supply", ("gpu", _HEAT[0], "1"),
              (0.10, 0.02, 30.0), "warning", "Share of time in which heat, hardware or power brake hold the clocks.",
              averaged=True),
        _most(*_HEAT), _COOL, logged=False,
    ),
    Watched(
        _rule("gpu_ecc", "Memory error that was not corrected",
              ("gpu", "hw.errors.ecc.volatile.uncorrected", "1"), _FLAG, "alert", "New ones within an hour.",
              counted="errors"),
        _value("hw.errors.ecc.volatile.uncorrected"), _EXAMINE, grown_over=_HOUR,
    ),
    Watched(
        _rule("gpu_ecc_corrected", "Many corrected memory errors",
              ("gpu", "hw.errors.ecc.volatile.corrected", "1"), (1000.0, 100.0, 0.0), "warning",
              "New ones within 5 min. Results are right; a few a day are ordinary, a thousand are a place that fails.",
              counted="errors"),
        _value("hw.errors.ecc.volatile.corrected"),
        "Watch for errors that are not corrected; if it goes on, have the board examined.",
        grown_over=_FIVE_MINUTES,
    ),
    Watched(
        _rule("gpu_row_remap_failure", "Memory row could not be replaced",
              ("gpu", "hw.gpu.row_remap.failure", "1"), _FLAG, "alert", "The board is to be exchanged."),
        _value("hw.gpu.row_remap.failure"), _EXAMINE,
    ),
    Watched(
        _rule("gpu_row_remap_pending", "Memory row waits for a reset to be replaced",
              ("gpu", "hw.gpu.row_remap.pending", "1"), _FLAG, "warning", "A reset of the GPU replaces it."),
        _value("hw.gpu.row_remap.pending"), Hint("sudo nvidia-smi --gpu-reset", before="When its jobs are done: "),
    ),
    Watched(
        _rule("gpu_recovery", "The driver asks for a reset or more", ("gpu", "hw.gpu.recovery_action", "1"), _FLAG,
              "alert", "What the driver asks for to repair the GPU; 0 is nothing."),
        _value("hw.gpu.recovery_action"), "Its page says under Health for what. Let no new job start on it until then.",
    ),
    Watched(
        _rule("gpu_row_remaps", "Memory is worn", ("gpu", "hw.gpu.row_remap.uncorrectable", "1"),
              (512.0, 511.0, 0.0), "alert", "Rows replaced because of uncorrected errors.", counted="rows"),
        _value("hw.gpu.row_remap.uncorrectable"), _EXAMINE,
    ),
    Watched(
        _rule("gpu_retired_pages", "Memory pages were given up", ("gpu", "hw.gpu.retired_pages.double_bit", "1"),
              (15.0, 14.0, 0.0), "warning", "Pages given up; 64 is the end of the board's life.",
              counted="pages"),
        _sum("hw.gpu.retired_pages.single_bit", "hw.gpu.retired_pages.double_bit"), _EXAMINE,
    ),
    Watched(
        _rule("gpu_memory", "GPU memory is nearly full", ("gpu", "hw.gpu.memory.usage", "1"), (0.98, 0.95, 300.0),
              "info", "Share of the GPU's memory in use. Some frameworks take all of it at their start."),
        _share("hw.gpu.memory.usage", "hw.gpu.memory.limit"), "The next allocation may fail: use smaller batches.",
    ),
    Watched(
        _rule("gpu_memory_unclaimed", "Memory is held by nobody", ("gpu", "hw.gpu.memory.usage", "By"),
              (float(LEAST_BYTES), float(LEAST_BYTES) / 2, 60.0), "warning",
              "Memory in use that no process is seen to hold: of a dead process, or of one that is hidden."),
        Gauge(_unclaimed, facts=("held_by_nobody_bytes", "processes_known")),
        Hint("sudo fuser -v /dev/nvidia*", after=" tells who has it open; mlops-desk doctor says what else to look "
             "for."),
    ),
    Watched(
        _rule("gpu_pcie_replays", "PCIe link is unreliable", ("gpu", "hw.gpu.pcie.replays", "1"),
              (1.0, 0.5, 0.0), "warning", "Replays within a minute, of what is tolerable for generation and width.",
              counted="times the tolerable"),
        _value("hw.gpu.pcie.replays"), "Check the board's seat and riser cables.", grown_over=60.0,
        grown_in=_replays_a_minute,
    ),
    Watched(
        _rule("gpu_nvlink_down", "NVLinks are down", ("gpu", "hw.gpu.nvlink.up", "1"), (1.0, 0.0, 30.0), "warning",
              "NVLinks of the GPU that are down, where it or another one of its model had some up.", counted="links"),
        Gauge(lambda _: None, NVLINKS), Hint("mlops-desk status --json", after=" names them. Check bridges and "
        "switches (systemctl status nvidia-fabricmanager); jobs on several GPUs are slow until then."),
    ),
    Watched(
        _rule("gpu_pcie_link", "PCIe link is narrower or slower than it can be",
              ("gpu", "hw.gpu.pcie.width", "1"), (0.25, 0.49, 30.0), "warning",
              "Share of the speed of generation and lanes that GPU and slot can do, while the GPU works.", above=False),
        Gauge(pcie_share, PCIE),
        Hint("nvidia-smi -q -d PCIE", after=" shows both ends.",
             before="Check the board's seat, the riser and the slot's settings in the firmware (lanes, generation); "),
    ),
    Watched(
        _rule("gpu_nvlink_errors", "NVLinks are unreliable", ("gpu", "hw.gpu.nvlink.errors.crc", "1"),
              (100.0, 10.0, 0.0), "warning", "Damaged packets on all links within a minute.",
              counted="packets"),
        _value("hw.gpu.nvlink.errors.crc"), "Check bridges, switches and their seat.", grown_over=60.0,
    ),
)  # fmt: skip

_HOST = (
    Watched(
        _rule(OOM_RULE, "A program was killed for lack of memory", ("host", "system.memory.oom_kills", "1"), _FLAG,
              "warning", "The kernel killed a program because the machine, or the program's container, had no memory "
              "left. One alert for each job, container or program; it ends 10 min after the last one."),
        _SET_OFF, "Give jobs a memory limit (resources: memory), so that one can't take the others down.",
        pulse=True, measured=False, logged=False,
    ),
    Watched(
        _rule("host_memory", "Memory is nearly used up", ("host", "system.memory.usage", "1"), (0.95, 0.92, 30.0),
              "warning", "Share of the machine's memory that is not available to new work."),
        _share("system.memory.usage", "system.memory.limit"),
        "End what is not needed, or give jobs a memory limit; else the kernel kills one of them.",
    ),
    Watched(
        _rule("host_memory_pressure", "Everything waits for memory",
              ("host", "system.pressure.memory.full.avg10", "1"), (0.10, 0.02, 20.0), "alert",
              "Share of time in which all tasks waited for memory.", averaged=True),
        _value("system.pressure.memory.full.avg10"), "End the largest program before the kernel does.",
    ),
    Watched(
        _rule("host_swap", "Swap is nearly full", ("host", "system.paging.usage", "1"), (0.80, 0.60, 60.0), "warning",
              "Share of the swap space in use."),
        _share("system.paging.usage", "system.paging.limit"), "End what is not needed, or add memory.",
    ),
    Watched(
        _rule("host_swapping", "The machine swaps", ("host", "system.paging.in", "By/s"),
              (32 * _MIB, 4 * _MIB, 30.0), "warning", "Bytes read back from swap a second: programs crawl.",
              averaged=True),
        _value("system.paging.in"), "End what is not needed, or give jobs a memory limit.",
    ),
)  # fmt: skip

_DISK = (
    Watched(
        _rule("disk_temperature", "Close to its critical temperature", ("disk", "hw.temperature", "Cel"),
              (5.0, 10.0, 60.0), "warning", "Degrees that are left to the drive's own limit.", above=False),
        _left("hw.temperature", ("hw.temperature.limit",), ASSUMED_DISK_LIMIT), _COOL,
    ),
    Watched(
        _rule("disk_wear", "Nearly worn out", ("disk", "hw.disk.wear", "1"), (0.90, 0.89, 0.0), "warning",
              "Share of the promised life that is used up."),
        _value("hw.disk.wear"), "Plan its replacement; keep backups.",
    ),
    Watched(
        _rule("disk_spare", "No spare blocks left", ("disk", "hw.disk.spare", "1"), (0.0, 0.01, 0.0),
              "alert", "Spare blocks above the drive's own threshold.", above=False),
        _left("hw.disk.spare.threshold", ("hw.disk.spare",), float("nan")), "Copy the data away and replace it.",
    ),
    Watched(
        _rule("disk_media_errors", "Some data could not be read", ("disk", "hw.disk.media_errors", "1"), _FLAG,
              "warning", "New errors within a day.", counted="errors"),
        _value("hw.disk.media_errors"), "Copy the data away and replace it if more come.", grown_over=_DAY,
    ),
    Watched(
        _rule("disk_critical_warning", "Raises a critical warning", ("disk", "hw.disk.critical_warning", "1"),
              _FLAG, "alert", "Bits: 1 spare low, 2 temperature, 4 unreliable, 8 read only, 16 backup failed."),
        _value("hw.disk.critical_warning"),
        Hint(f"sudo smartctl -a /dev/{NAME}", after=" tells more. Copy the data away."),
    ),
)  # fmt: skip

_FILESYSTEM = (
    Watched(
        _rule("filesystem_space", "Nearly full",
              ("filesystem", "system.filesystem.utilization", "1"), (0.95, 0.93, 60.0), "warning",
              "Share of the space that ordinary users may fill."),
        Gauge(_full, ("system.filesystem.utilization",), ("kind",)),
        Hint(f"sudo du -xh --max-depth=2 {NAME} | sort -h | tail"),
    ),
    Watched(
        _rule("filesystem_inodes", "Hardly any room for more files",
              ("filesystem", "system.filesystem.inodes.usage", "1"), (0.95, 0.93, 60.0), "warning",
              "Files and folders, of what there can be."),
        _share("system.filesystem.inodes.usage", "system.filesystem.inodes.limit"),
        "Pack datasets of many small files into shards, or delete caches.",
    ),
    Watched(
        _rule("filesystem_silent", "Does not answer", ("filesystem", "system.filesystem.latency", "1"),
              (1.0, 0.0, 20.0), "warning", "A mount that does not answer blocks every program that touches it."),
        Gauge(_silent, None), "Check the file server and the network to it.",
    ),
)  # fmt: skip

_NETWORK = (
    Watched(
        _rule("network_errors", "Link damages packets",
              ("network", "system.network.receive.errors", "1/s"), (1.0, 0.1, 30.0), "warning",
              "Damaged packets a second, drops left out.", averaged=True,
              counted="packets/s"),
        Gauge(_packet_errors, _PACKETS), "Check cable, transceiver and the other side's port.",
    ),
    Watched(
        _rule("network_link_errors", "InfiniBand link has errors", ("network", "hw.network.link.errors", "1/s"),
              (1.0, 0.1, 30.0), "warning", "Symbol and integrity errors and recoveries a second.", averaged=True,
              counted="errors/s"),
        _value("hw.network.link.errors"), "Check cable, transceiver and the other side's port.",
    ),
    Watched(
        _rule("network_flapping", "Link goes up and down", ("network", "hw.network.link.downs", "1"),
              (3.0, 2.0, 0.0), "warning", "Times the link went down within an hour.", counted="times"),
        _value("hw.network.link.downs"), "Check cable, transceiver and the other side's port.", grown_over=_HOUR,
    ),
)  # fmt: skip

WATCHED: tuple[Watched, ...] = (*_GPU, *_HOST, *_DISK, *_FILESYSTEM, *_NETWORK, *JOBS, *DRIFT)
