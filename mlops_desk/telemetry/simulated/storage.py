"""The simulated drives and filesystems: checkpoints are read and written, and a loader waits for one drive.

One drive is nearly worn out, one filesystem nearly full, and the network mount is slow while a loader starves and
does not answer at all for a minute in each hour.
"""

import time
from dataclasses import dataclass

from mlops_desk.records.host import Disk, Filesystem
from mlops_desk.records.metric import MetricState
from mlops_desk.telemetry.metrics.table import DISK, FILESYSTEM, ReadingMaker
from mlops_desk.telemetry.simulated.noise import number, positive, wave
from mlops_desk.telemetry.simulated.works import GIB, WorkRun, booted_at

DISKS = ("nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1")
LOADER_DISK = "nvme2n1"
REMOTE = "/mnt/datasets"
_SIZE = 3.84e12  # a drive of 3.84 TB
_HOUR = 3600.0
_SILENT_SECONDS = 60.0  # made up: long enough to be told
_WEAR = {"nvme0n1": 0.07, "nvme1n1": 0.22, "nvme2n1": 0.35, "nvme3n1": 0.91}
_LIFETIME_BYTES = 7e15  # what such drives are promised for: one write of the whole a day for five years


@dataclass(frozen=True, slots=True)
class _Mount:
    point: str
    device: str
    kind: str
    size: float
    used: float
    inodes: float
    grows: float = 0.0


_MOUNTS = (
    _Mount("/", "/dev/nvme0n1p2", "ext4", 0.47e12, 0.31, 3e7),
    _Mount("/boot/efi", "/dev/nvme0n1p1", "vfat", 0.5e9, 0.06, 0.0),
    _Mount("/home", "/dev/nvme0n1p3", "ext4", 3.2e12, 0.58, 2e8),
    _Mount("/data", "/dev/nvme1n1", "xfs", 3.8e12, 0.962, 3.7e8, 0.004),
    _Mount("/scratch", "/dev/nvme2n1", "xfs", 3.8e12, 0.44, 3.7e8),
    _Mount("/models", "/dev/nvme3n1", "xfs", 3.8e12, 0.71, 3.7e8),
    _Mount("/dev/shm", "tmpfs", "tmpfs", 512 * GIB, 0.09, 1.3e8),  # noqa: S108 - the name of a mount
    _Mount(REMOTE, "nas:/export/datasets", "nfs4", 96e12, 0.53, 0.0),
)


class Storage:
    """Makes drives and filesystems."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._disks = {name: ReadingMaker(DISK) for name in DISKS}
        self._mounts = {mount.point: ReadingMaker(FILESYSTEM) for mount in _MOUNTS}

    def read(self, at: float, runs: list[WorkRun]) -> tuple[tuple[Disk, ...], tuple[Filesystem, ...]]:
        """Return everything at ``at``, when these runs go on."""
        phases = {run.work.name: run.phase(at).kind for run in runs}
        disks = tuple(self._disk(name, at, phases) for name in DISKS)
        starving = "starved" in phases.values()
        return disks, tuple(self._filesystem(mount, at, starving=starving) for mount in _MOUNTS)

    def _demand(self, name: str, at: float, phases: dict[str, str]) -> tuple[float, float, bool]:
        """Return bytes read and written a second, and whether the drive is overrun by small reads."""
        noise = positive(self._seed, f"io.{name}", at, 20.0)
        read, write = 2e6 * noise, 1.5e7 * positive(self._seed, f"write.{name}", at, 50.0)
        llama, tune = phases.get("llama-70b"), phases.get("finetune-lora")
        if name == "nvme3n1" and llama in ("load", "save"):
            read, write = (
                (5.2e9 * (0.8 + 0.2 * noise), write) if llama == "load" else (read, 2.6e9 * (0.7 + 0.3 * noise))
            )
        if name == "nvme1n1" and llama == "train":
            read += 6e8 * noise
        if name == LOADER_DISK and tune in ("train", "load"):
            read += 9e8 * (0.6 + 0.4 * noise)
        starved = name == LOADER_DISK and tune == "starved"
        return (1.7e8 * (0.7 + 0.3 * noise), write, True) if starved else (read, write, False)

    def _disk(self, name: str, at: float, phases: dict[str, str]) -> Disk:
        read, write, overrun = self._demand(name, at, phases)
        size = 4096 if overrun else 131_072
        reads, writes = read / size, write / 131_072
        read_latency = 0.0031 + 0.001 * wave(self._seed, "latency", at, 8.0) if overrun else 0.00009 + read / 6e13
        write_latency = 0.00004 + write / 1e13
        queue = reads * read_latency + writes * write_latency  # by Little's law
        values = {
            "system.disk.read": read,
            "system.disk.write": write,
            "system.disk.read.operations": reads,
            "system.disk.write.operations": writes,
            "system.disk.read.latency": read_latency,
            "system.disk.write.latency": write_latency,
            "system.disk.queue": queue,
            "system.disk.inflight": float(round(queue)),
            "system.disk.busy": min(1.0, queue),
            "system.disk.limit": _SIZE,
            "hw.temperature": round(38 + min(24.0, (read + write) / 2.5e8 + (9 if overrun else 0))),
            "hw.temperature.limit": 85.0,
            **self._health(name, at),
        }
        kept = self._disks[name]
        index = DISKS.index(name)
        facts = {
            "Kind": "solid state",
            "Firmware": "SIM10",
            "Serial": f"SIM{number(self._seed, name, 10**8):08d}",
            "Scheduler": "[none] mq-deadline",
            "PCI address": f"0000:{0x41 + index:02x}:00.0",
        }
        readings = {metric: kept.measured(metric, value) for metric, value in values.items()}
        return Disk(name, "Simulated NVMe 3.84 TB", readings, facts, None, index // 2)

    def _health(self, name: str, at: float) -> dict[str, float]:
        """Return what the drive says of itself; it is asked every five minutes."""
        since = (at - booted_at(at)) // 300 * 300
        written = _WEAR[name] * _LIFETIME_BYTES
        return {
            "hw.disk.wear": _WEAR[name],
            "hw.disk.spare": 0.88 if name == "nvme3n1" else 1.0,
            "hw.disk.spare.threshold": 0.1,
            "hw.disk.media_errors": 3.0 if name == "nvme3n1" else 0.0,
            "hw.disk.critical_warning": 0.0,
            "hw.disk.power_on": 8000 * _HOUR + since // _HOUR * _HOUR,
            "hw.disk.unsafe_shutdowns": 4.0,
            "hw.disk.data.read": 2.4 * written + 4e7 * since,
            "hw.disk.data.written": written + 2e7 * since,
        }

    def _filesystem(self, mount: _Mount, at: float, *, starving: bool) -> Filesystem:
        kept = self._mounts[mount.point]
        looked = at - at % 15
        used = mount.size * (mount.used + mount.grows * positive(self._seed, f"full.{mount.point}", looked, 7200.0))
        values = {
            "system.filesystem.usage": used,
            "system.filesystem.limit": mount.size,
            "system.filesystem.available": mount.size - used,
            "system.filesystem.utilization": used / mount.size,
        }
        if mount.inodes:
            values["system.filesystem.inodes.usage"] = round(0.04 * mount.inodes)
            values["system.filesystem.inodes.limit"] = mount.inodes
        if mount.point == REMOTE:
            values["system.filesystem.latency"] = (0.19 if starving else 0.004) * (
                1 + 0.3 * wave(self._seed, "nas", looked, 90.0)
            )
        since = self._silent_since(at) if mount.point == REMOTE else None
        if since is None:
            readings = {name: kept.measured(name, value) for name, value in values.items()}
            return Filesystem(mount.point, mount.device, mount.kind, readings)
        note = f"not responding since {time.strftime('%H:%M:%S', time.localtime(since))}"
        withdrawn = {name: kept.missing(name, MetricState.STALE) for name in values}
        return Filesystem(mount.point, mount.device, mount.kind, withdrawn, note, since)

    def _silent_since(self, at: float) -> float | None:
        """Return since when the network mount does not answer."""
        since = (at - number(self._seed, "silence", int(_HOUR))) % _HOUR
        return at - since if since < _SILENT_SECONDS else None
