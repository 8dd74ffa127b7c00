"""The table of what is watched from the start, with sensible thresholds; a person may change each.

DCGM's and GPUd's thresholds are used where they have one. A measure returns None where the number is missing: that
neither fires nor ends an alert.
"""

from dataclasses import replace

from mlops_desk.kit.base.errors import Hint
from mlops_desk.machine.alerts import measures
from mlops_desk.machine.alerts.alert_rule import NAME, Watched
from mlops_desk.machine.alerts.causes import OOM_RULE
from mlops_desk.machine.alerts.drift import DRIFT
from mlops_desk.machine.alerts.jobs import JOBS
from mlops_desk.machine.alerts.measures import raw
from mlops_desk.machine.records.alert import AlertRule
from mlops_desk.machine.records.hidden_memory import LEAST_BYTES

_FIVE_MINUTES = 300.0
_HOUR = 3600.0
_DAY = 86_400.0
_MIB = float(1 << 20)


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
_WHICH = Hint("mlops-desk events", after=" tells which, and what to do.")
_EXAMINE = "Take the GPU out of use and have the board examined; results of running jobs may be wrong."
_COOL = "Check air flow, fans, dust and the room's temperature."

_GPU = (
    Watched(
        _rule("gpu_lost", "Lost, or in need of a reset", ("gpu", "hw.gpu.utilization", "1"), (1.0, 0.0, 2.0), "alert",
              "The GPU fell off the bus, or the driver refuses work until it is reset. Where the driver says so (XID "
              "79), that alert stands for it."),
        measures.GPU_LOST, "Save what can be saved, and restart the machine if it does not come back.",
        measured=False, logged=False, noticed=True,
    ),
    Watched(
        _rule("gpu_silent", "Does not respond", ("gpu", "hw.gpu.utilization", "1"), (1.0, 0.0, 15.0), "alert",
              "A call to the driver about the GPU does not return."),
        measures.GPU_SILENT, Hint("sudo dmesg | grep -i nvrm", after=" says more. No new job should start "
        "on it."),
        measured=False, logged=False, noticed=True,
    ),
    Watched(
        _rule("gpu_xid", "Grave error of the driver (XID)", ("gpu", "hw.gpu.utilization", "1"), _FLAG, "alert",
              "An XID that makes the GPU unusable or its results doubtful, one alert for each number and job. It ends "
              "10 min after the last one; XID 79 when the GPU is back."),
        measures.GPU_XID, _WHICH, pulse=True, measured=False, logged=False,
    ),
    Watched(
        _rule("gpu_xid_warning", "Error of the driver (XID)", ("gpu", "hw.gpu.utilization", "1"), _FLAG, "warning",
              "An XID that ended a program or may grow worse (31, 94 …), one alert for each number and job. It ends 10 "
              "min after the last one. XID 45 only says that a program was ended, and rings nobody."),
        measures.GPU_XID_WARNING, _WHICH, pulse=True, measured=False, logged=False,
    ),
    Watched(
        _rule("gpu_lease", "Its lease file was damaged", ("gpu", "hw.gpu.utilization", "1"), _FLAG, "warning",
              "Lease files tell all users of this machine who holds a GPU."),
        measures.GPU_LEASE,
        "Ask the file's owner, or an administrator, who changed it; it is written anew or ignored after 10 min.",
        measured=False, said=measures.lease_trouble,
    ),
    Watched(
        _rule("gpu_temperature", "Close to the temperature at which it slows down",
              ("gpu", "hw.temperature", "Cel"), (5.0, 10.0, 30.0), "warning",
              "Degrees that are left to the GPU's own slowdown temperature.", above=False),
        measures.GPU_TEMPERATURE_LEFT, _COOL,
    ),
    Watched(
        _rule("gpu_memory_temperature", "Memory is hot", ("gpu", "hw.temperature.memory", "Cel"),
              (100.0, 95.0, 60.0), "warning", "Temperature of the GPU's memory."),
        raw("hw.temperature.memory"), _COOL,
    ),
    Watched(
        _rule("gpu_throttling", "Slowed down by heat or power supply", ("gpu", measures.HEAT[0], "1"),
              (0.10, 0.02, 30.0), "warning", "Share of time in which heat, hardware or power brake hold the clocks.",
              averaged=True),
        measures.GPU_THROTTLED, _COOL, logged=False,
    ),
    Watched(
        _rule("gpu_ecc", "Memory error that was not corrected",
              ("gpu", "hw.errors.ecc.volatile.uncorrected", "1"), _FLAG, "alert", "New ones within an hour.",
              counted="errors"),
        raw("hw.errors.ecc.volatile.uncorrected"), _EXAMINE, grown_over=_HOUR,
    ),
    Watched(
        _rule("gpu_ecc_corrected", "Many corrected memory errors",
              ("gpu", "hw.errors.ecc.volatile.corrected", "1"), (1000.0, 100.0, 0.0), "warning",
              "New ones within 5 min. Results are right; a few a day are ordinary, a thousand are a place that fails.",
              counted="errors"),
        raw("hw.errors.ecc.volatile.corrected"),
        "Watch for errors that are not corrected; if it goes on, have the board examined.",
        grown_over=_FIVE_MINUTES,
    ),
    Watched(
        _rule("gpu_row_remap_failure", "Memory row could not be replaced",
              ("gpu", "hw.gpu.row_remap.failure", "1"), _FLAG, "alert", "The board is to be exchanged."),
        raw("hw.gpu.row_remap.failure"), _EXAMINE,
    ),
    Watched(
        _rule("gpu_row_remap_pending", "Memory row waits for a reset to be replaced",
              ("gpu", "hw.gpu.row_remap.pending", "1"), _FLAG, "warning", "A reset of the GPU replaces it."),
        raw("hw.gpu.row_remap.pending"), Hint("sudo nvidia-smi --gpu-reset", before="When its jobs are done: "),
    ),
    Watched(
        _rule("gpu_recovery", "The driver asks for a reset or more", ("gpu", "hw.gpu.recovery_action", "1"), _FLAG,
              "alert", "What the driver asks for to repair the GPU; 0 is nothing."),
        raw("hw.gpu.recovery_action"), "Its page says under Health for what. Let no new job start on it until then.",
    ),
    Watched(
        _rule("gpu_row_remaps", "Memory is worn", ("gpu", "hw.gpu.row_remap.uncorrectable", "1"),
              (512.0, 511.0, 0.0), "alert", "Rows replaced because of uncorrected errors.", counted="rows"),
        raw("hw.gpu.row_remap.uncorrectable"), _EXAMINE,
    ),
    Watched(
        _rule("gpu_retired_pages", "Memory pages were given up", ("gpu", "hw.gpu.retired_pages.double_bit", "1"),
              (15.0, 14.0, 0.0), "warning", "Pages given up; 64 is the end of the board's life.",
              counted="pages"),
        measures.GPU_RETIRED_PAGES, _EXAMINE,
    ),
    Watched(
        _rule("gpu_memory", "GPU memory is nearly full", ("gpu", "hw.gpu.memory.usage", "1"), (0.98, 0.95, 300.0),
              "info", "Share of the GPU's memory in use. Some frameworks take all of it at their start."),
        measures.GPU_MEMORY_SHARE, "The next allocation may fail: use smaller batches.",
    ),
    Watched(
        _rule("gpu_memory_unclaimed", "Memory is held by nobody", ("gpu", "hw.gpu.memory.usage", "By"),
              (float(LEAST_BYTES), float(LEAST_BYTES) / 2, 60.0), "warning",
              "Memory in use that no process is seen to hold: of a dead process, or of one that is hidden."),
        measures.GPU_MEMORY_UNCLAIMED,
        Hint("sudo fuser -v /dev/nvidia*", after=" tells who has it open; mlops-desk doctor says what else to look "
             "for."),
    ),
    Watched(
        _rule("gpu_pcie_replays", "PCIe link is unreliable", ("gpu", "hw.gpu.pcie.replays", "1"),
              (1.0, 0.5, 0.0), "warning", "Replays within a minute, of what is tolerable for generation and width.",
              counted="times the tolerable"),
        measures.GPU_PCIE_REPLAYS, "Check the board's seat and riser cables.", grown_over=60.0,
        grown_in=measures.replays_a_minute,
    ),
    Watched(
        _rule("gpu_nvlink_down", "NVLinks are down", ("gpu", "hw.gpu.nvlink.up", "1"), (1.0, 0.0, 30.0), "warning",
              "NVLinks of the GPU that are down, where it or another one of its model had some up.", counted="links"),
        measures.GPU_NVLINKS_DOWN, Hint("mlops-desk status --json", after=" names them. Check bridges and "
        "switches (systemctl status nvidia-fabricmanager); jobs on several GPUs are slow until then."),
    ),
    Watched(
        _rule("gpu_pcie_link", "PCIe link is narrower or slower than it can be",
              ("gpu", "hw.gpu.pcie.width", "1"), (0.25, 0.49, 30.0), "warning",
              "Share of the speed of generation and lanes that GPU and slot can do, while the GPU works.", above=False),
        measures.GPU_PCIE_SHARE,
        Hint("nvidia-smi -q -d PCIE", after=" shows both ends.",
             before="Check the board's seat, the riser and the slot's settings in the firmware (lanes, generation); "),
    ),
    Watched(
        _rule("gpu_nvlink_errors", "NVLinks are unreliable", ("gpu", "hw.gpu.nvlink.errors.crc", "1"),
              (100.0, 10.0, 0.0), "warning", "Damaged packets on all links within a minute.",
              counted="packets"),
        raw("hw.gpu.nvlink.errors.crc"), "Check bridges, switches and their seat.", grown_over=60.0,
    ),
)  # fmt: skip

_HOST = (
    Watched(
        _rule(OOM_RULE, "A program was killed for lack of memory", ("host", "system.memory.oom_kills", "1"), _FLAG,
              "warning", "The kernel killed a program because the machine, or the program's container, had no memory "
              "left. One alert for each job, container or program; it ends 10 min after the last one."),
        measures.HOST_OOM, "Give jobs a memory limit (resources: memory), so that one can't take the others down.",
        pulse=True, measured=False, logged=False,
    ),
    Watched(
        _rule("host_memory", "Memory is nearly used up", ("host", "system.memory.usage", "1"), (0.95, 0.92, 30.0),
              "warning", "Share of the machine's memory that is not available to new work."),
        measures.HOST_MEMORY_SHARE,
        "End what is not needed, or give jobs a memory limit; else the kernel kills one of them.",
    ),
    Watched(
        _rule("host_memory_pressure", "Everything waits for memory",
              ("host", "system.pressure.memory.full.avg10", "1"), (0.10, 0.02, 20.0), "alert",
              "Share of time in which all tasks waited for memory.", averaged=True),
        raw("system.pressure.memory.full.avg10"), "End the largest program before the kernel does.",
    ),
    Watched(
        _rule("host_swap", "Swap is nearly full", ("host", "system.paging.usage", "1"), (0.80, 0.60, 60.0), "warning",
              "Share of the swap space in use."),
        measures.HOST_SWAP_SHARE, "End what is not needed, or add memory.",
    ),
    Watched(
        _rule("host_swapping", "The machine swaps", ("host", "system.paging.in", "By/s"),
              (32 * _MIB, 4 * _MIB, 30.0), "warning", "Bytes read back from swap a second: programs crawl.",
              averaged=True),
        raw("system.paging.in"), "End what is not needed, or give jobs a memory limit.",
    ),
)  # fmt: skip

_DISK = (
    Watched(
        _rule("disk_temperature", "Close to its critical temperature", ("disk", "hw.temperature", "Cel"),
              (5.0, 10.0, 60.0), "warning", "Degrees that are left to the drive's own limit.", above=False),
        measures.DISK_TEMPERATURE_LEFT, _COOL,
    ),
    Watched(
        _rule("disk_wear", "Nearly worn out", ("disk", "hw.disk.wear", "1"), (0.90, 0.89, 0.0), "warning",
              "Share of the promised life that is used up."),
        raw("hw.disk.wear"), "Plan its replacement; keep backups.",
    ),
    Watched(
        _rule("disk_spare", "No spare blocks left", ("disk", "hw.disk.spare", "1"), (0.0, 0.01, 0.0),
              "alert", "Spare blocks above the drive's own threshold.", above=False),
        measures.DISK_SPARE_LEFT, "Copy the data away and replace it.",
    ),
    Watched(
        _rule("disk_media_errors", "Some data could not be read", ("disk", "hw.disk.media_errors", "1"), _FLAG,
              "warning", "New errors within a day.", counted="errors"),
        raw("hw.disk.media_errors"), "Copy the data away and replace it if more come.", grown_over=_DAY,
    ),
    Watched(
        _rule("disk_critical_warning", "Raises a critical warning", ("disk", "hw.disk.critical_warning", "1"),
              _FLAG, "alert", "Bits: 1 spare low, 2 temperature, 4 unreliable, 8 read only, 16 backup failed."),
        raw("hw.disk.critical_warning"),
        Hint(f"sudo smartctl -a /dev/{NAME}", after=" tells more. Copy the data away."),
    ),
)  # fmt: skip

_FILESYSTEM = (
    Watched(
        _rule("filesystem_space", "Nearly full",
              ("filesystem", "system.filesystem.utilization", "1"), (0.95, 0.93, 60.0), "warning",
              "Share of the space that ordinary users may fill."),
        measures.FILESYSTEM_SHARE,
        Hint(f"sudo du -xh --max-depth=2 {NAME} | sort -h | tail"),
    ),
    Watched(
        _rule("filesystem_inodes", "Hardly any room for more files",
              ("filesystem", "system.filesystem.inodes.usage", "1"), (0.95, 0.93, 60.0), "warning",
              "Files and folders, of what there can be."),
        measures.FILESYSTEM_INODES_SHARE,
        "Pack datasets of many small files into shards, or delete caches.",
    ),
    Watched(
        _rule("filesystem_silent", "Does not answer", ("filesystem", "system.filesystem.latency", "1"),
              (1.0, 0.0, 20.0), "warning", "A mount that does not answer blocks every program that touches it."),
        measures.FILESYSTEM_SILENT, "Check the file server and the network to it.",
    ),
)  # fmt: skip

_NETWORK = (
    Watched(
        _rule("network_errors", "Link damages packets",
              ("network", "system.network.receive.errors", "1/s"), (1.0, 0.1, 30.0), "warning",
              "Damaged packets a second, drops left out.", averaged=True,
              counted="packets/s"),
        measures.NETWORK_DAMAGED, "Check cable, transceiver and the other side's port.",
    ),
    Watched(
        _rule("network_link_errors", "InfiniBand link has errors", ("network", "hw.network.link.errors", "1/s"),
              (1.0, 0.1, 30.0), "warning", "Symbol and integrity errors and recoveries a second.", averaged=True,
              counted="errors/s"),
        raw("hw.network.link.errors"), "Check cable, transceiver and the other side's port.",
    ),
    Watched(
        _rule("network_flapping", "Link goes up and down", ("network", "hw.network.link.downs", "1"),
              (3.0, 2.0, 0.0), "warning", "Times the link went down within an hour.", counted="times"),
        raw("hw.network.link.downs"), "Check cable, transceiver and the other side's port.", grown_over=_HOUR,
    ),
)  # fmt: skip

WATCHED: tuple[Watched, ...] = (*_GPU, *_HOST, *_DISK, *_FILESYSTEM, *_NETWORK, *JOBS, *DRIFT)
DERIVED = tuple(declared for watched in WATCHED if (declared := watched.measure.declared) is not None)
"""The measures that are no metrics of devices, each by a name of its own."""
