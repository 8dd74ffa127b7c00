"""The simulated host: 64 cores on two sockets, 1 TiB of memory, and what the jobs on the GPUs ask of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.machine.records.host import Core, Disk, Filesystem, Host, Network, Sensor
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.host.network import readings
from mlops_desk.machine.telemetry.metrics.host import CORE, DISK, FILESYSTEM, HOST, NETWORK, SENSOR
from mlops_desk.machine.telemetry.metrics.table import ReadingMaker
from mlops_desk.machine.telemetry.simulation.events import LOOK_BACK_SECONDS, oom_count, oom_kills
from mlops_desk.machine.telemetry.simulation.workloads import GIB, WorkRun, booted_at, number, positive, running, wave
from mlops_desk.machine.telemetry.source import HostSample, SourceLane

# The simulated network: two Ethernet ports, one more without a cable, and one InfiniBand port.
_SPEEDS = {"eth0": 12.5e9, "eth1": 12.5e9, "eth2": 1.25e9, "mlx5_0:1": 50e9}
_UNPLUGGED = "eth2"
_FABRIC = "mlx5_0:1"
_PACKET_BYTES = {"mlx5_0:1": 4096.0}


class Cards:
    """Makes the network interfaces."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._kept = {name: ReadingMaker(NETWORK) for name in _SPEEDS}

    def read(self, at: float, runs: list[WorkRun]) -> tuple[Network, ...]:
        """Return the interfaces at ``at``, when these runs go on."""
        phases = {run.work.name: run.phase(at).kind for run in runs}
        return tuple(self._card(name, at, phases) for name in _SPEEDS)

    def _traffic(self, name: str, at: float, phases: dict[str, str]) -> tuple[float, float]:
        noise = positive(self._seed, f"receive.{name}", at, 30.0), positive(self._seed, f"transmit.{name}", at, 25.0)
        if name == _UNPLUGGED:
            return 0.0, 0.0
        if name == _FABRIC:
            busy = 1.1e10 if phases.get("llama-70b") == "train" else 1e6
            return busy * (0.8 + 0.2 * noise[0]), busy * (0.8 + 0.2 * noise[1])
        reading = 1.4e9 if name == "eth1" and phases.get("sweep") == "train" else 6e7
        return reading * noise[0] + 2e5, 4e7 * noise[1] + 1e5

    def _card(self, name: str, at: float, phases: dict[str, str]) -> Network:
        receive, transmit = self._traffic(name, at, phases)
        packet = _PACKET_BYTES.get(name, 1400.0)
        up = name != _UNPLUGGED
        values = {
            "system.network.receive": receive,
            "system.network.transmit": transmit,
            "system.network.receive.packets": receive / packet,
            "system.network.transmit.packets": transmit / packet,
            "system.network.receive.errors": 0.0,
            "system.network.transmit.errors": 0.0,
            "system.network.receive.drops": 0.0,
            "system.network.transmit.drops": 0.0,
            "hw.network.up": float(up),
            "hw.network.link.downs": 1.0 if up else 0.0,
        }
        if up:
            values["hw.network.bandwidth.limit"] = _SPEEDS[name]
        if name == _FABRIC:
            values["system.network.transmit.wait"] = round(transmit / 2e6)
            values["hw.network.link.errors"] = 0.0
            del values["system.network.receive.drops"]
        kind = "infiniband" if name == _FABRIC else "ethernet"
        index = list(_SPEEDS).index(name)
        return Network(
            name, readings(self._kept[name], values), kind, "up" if up else "down", self._facts(name), index // 2
        )

    def _facts(self, name: str) -> dict[str, str]:
        if name == _FABRIC:
            return {
                "Card": "MT4129",
                "Firmware": "28.39.1002",
                "Driver": "mlx5_core",
                "Link layer": "InfiniBand",
                "Rate": "400 Gb/sec (4X NDR)",
                "Physical state": "LinkUp",
                "PCI address": "0000:5e:00.0",
            }
        tail = number(self._seed, name, 1 << 24)
        address = ":".join(f"{tail >> shift & 0xFF:02x}" for shift in (16, 8, 0))
        return {"Driver": "mlx5_core", "Address": f"0a:51:d0:{address}", "MTU": "9000", "PCI address": "0000:5f:00.0"}


# The simulated drives and filesystems: checkpoints are read and written, and a loader waits for one drive.
# One drive is nearly worn out, one filesystem nearly full, and the network mount is slow while a loader starves and
# does not answer at all for a minute in each hour.
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


CORES = 64  # made up: two sockets of 32
_NODES = 2  # one for each socket
_MEMORY = 1024 * GIB
_SWAP = 32 * GIB
_CORES_OF = {"llama-70b": range(24), "vllm-mistral": range(32, 36), "triton": range(36, 40),
             "finetune-lora": range(40, 52), "sweep": range(52, 60), "evaluate": range(60, 62)}  # fmt: skip
_CORE_LOAD = {"load": 0.75, "train": 0.55, "starved": 0.3, "save": 0.35, "serve": 0.25}
_HOST_GIB = {"llama-70b": 180.0, "vllm-mistral": 40.0, "triton": 24.0, "finetune-lora": 60.0, "sweep": 48.0,
             "evaluate": 30.0}  # fmt: skip
FACTS = {
    "Machine": "Simulated workstation",
    "Distribution": "Debian GNU/Linux 13 (simulated)",
    "Kernel": "Linux 6.12.0",
    "Architecture": "x86_64",
    "Processor": "64-core processor (simulated)",
    "Sockets": "2",
    "Cores": "64",
    "Logical processors": "64",
    "Frequency governor": "performance",
    "NUMA node 0": "processors 0-31",
    "NUMA node 1": "processors 32-63",
}


class SimulatedHost:
    """A 64-core machine with four NVMe drives, four network cards and seven filesystems."""

    def __init__(self, seed: int, clock: Callable[[], float] = time.time) -> None:
        self._seed = seed
        self._clock = clock
        self._kept = ReadingMaker(HOST)
        self._cores = [ReadingMaker(CORE) for _ in range(CORES)]
        self._sensors: dict[str, ReadingMaker] = {}
        self._storage = Storage(seed)
        self._cards = Cards(seed)
        self._told: float | None = None

    def read(self) -> HostSample:
        at = self._clock()
        runs = running(self._seed, at)
        starving = any(run.phase(at).kind == "starved" for run in runs)
        cores = [self._core(number, at, runs) for number in range(CORES)]
        readings = self._readings(at, runs, cores, starving=starving)
        host = Host(
            "workstation (simulated)",
            {name: self._kept.measured(name, value) for name, value in readings.items()},
            FACTS,
            tuple(Core(f"cpu{number}", self._core_readings(number, busy)) for number, busy in enumerate(cores)),
            self._thermometers(at, cores),
            booted_at(at),
        )
        disks, filesystems = self._storage.read(at, runs)
        since = self._told if self._told is not None else at - LOOK_BACK_SECONDS
        self._told = max(at, since)
        return HostSample(at, host, disks, self._cards.read(at, runs), filesystems, oom_kills(self._seed, since, at))

    def lanes(self) -> tuple[SourceLane, ...]:
        """Return nothing: a simulated device answers at once."""
        return ()

    def _core(self, number: int, at: float, runs: list[WorkRun]) -> tuple[float, float]:
        """Return how much a core works, and how much it idles while a disk is waited for."""
        busy, waiting = 0.02, 0.0
        for run in runs:
            if number in _CORES_OF.get(run.work.name, ()):
                kind = run.phase(at).kind
                busy += _CORE_LOAD[kind]
                waiting = {"starved": 0.55, "load": 0.15, "save": 0.1}.get(kind, waiting)
        noise = wave(self._seed, f"cpu{number}", at, 12.0)
        busy = min(1.0, max(0.0, busy * (1 + 0.25 * noise)))
        return round(busy, 2), round(min(1.0 - busy, max(0.0, waiting * (1 + 0.2 * noise))), 2)

    def _core_readings(self, number: int, core: tuple[float, float]) -> dict[str, Reading]:
        kept, (busy, waiting) = self._cores[number], core
        values = {
            "system.cpu.utilization": busy,
            "system.cpu.utilization.iowait": waiting,
            "system.cpu.frequency": _clock(busy),
        }
        return {name: kept.measured(name, value) for name, value in values.items()}

    def _readings(
        self, at: float, runs: list[WorkRun], cores: list[tuple[float, float]], *, starving: bool
    ) -> dict[str, float]:
        busy = sum(core[0] for core in cores) / CORES
        return {
            "system.cpu.utilization": busy,
            "system.cpu.utilization.user": 0.86 * busy,
            "system.cpu.utilization.system": 0.14 * busy,
            "system.cpu.utilization.iowait": sum(core[1] for core in cores) / CORES,
            "system.cpu.frequency": sum(_clock(core[0]) for core in cores) / CORES,
            "system.cpu.logical.count": float(CORES),
            "system.cpu.context_switches": 4e4 + 9e5 * busy,
            "system.cpu.interrupts": 2e4 + 4e5 * busy,
            "system.processes.created": 3.0 + 2 * positive(self._seed, "forks", at, 25.0),
            "system.processes.running": float(round(CORES * busy)),
            "system.processes.blocked": float(round(11 + 3 * wave(self._seed, "blocked", at, 9.0)))
            if starving
            else 0.0,
            "system.uptime": at - booted_at(at),
            **self._memory(at, runs),
            **self._waits(at, busy, starving=starving),
        }

    def _memory(self, at: float, runs: list[WorkRun]) -> dict[str, float]:
        own = {run.work.name: _HOST_GIB[run.work.name] * GIB for run in runs}
        used = 38 * GIB + sum(own.values()) + 4 * GIB * wave(self._seed, "memory", at, 300.0)
        near = 0.4 * (used - own.get("llama-70b", 0.0)) + own.get("llama-70b", 0.0)
        saving = any(run.phase(at).kind == "save" for run in runs)
        return {
            "system.memory.limit": _MEMORY,
            "system.memory.usage": used,
            "system.memory.available": _MEMORY - used,
            "system.memory.cached": 320 * GIB + 30 * GIB * wave(self._seed, "cached", at, 900.0),
            "system.memory.dirty": (9 * GIB if saving else 0.2 * GIB) * (1 + 0.3 * wave(self._seed, "dirty", at, 20.0)),
            "system.memory.writeback": 0.5 * GIB if saving else 0.0,
            "system.memory.shared": 46 * GIB,
            "system.memory.locked": 3 * GIB,
            "system.memory.slab": 11 * GIB,
            "system.memory.oom_kills": float(oom_count(self._seed, at)),
            "system.memory.node0.limit": _MEMORY / _NODES,
            "system.memory.node1.limit": _MEMORY / _NODES,
            "system.memory.node0.usage": near,
            "system.memory.node1.usage": used - near,
            "system.paging.limit": _SWAP,
            "system.paging.usage": 1.2 * GIB,
            "system.paging.in": 0.0,
            "system.paging.out": 0.0,
            "system.paging.faults.major": 2 * positive(self._seed, "faults", at, 60.0),
        }

    def _waits(self, at: float, busy: float, *, starving: bool) -> dict[str, float]:
        """Return load averages, and pressure: tasks wait for the disks while a loader starves."""
        stalled = 0.42 + 0.1 * wave(self._seed, "stall", at, 15.0) if starving else 0.01
        values = {f"system.cpu.load_average.{span}": CORES * (busy + (0.15 if starving else 0.0))
                  for span in ("1m", "5m", "15m")}  # fmt: skip
        for resource, share in (
            ("cpu.some", 0.02 + 0.05 * busy),
            ("memory.some", 0.0),
            ("memory.full", 0.0),
            ("io.some", stalled),
            ("io.full", 0.45 * stalled),
        ):
            values[f"system.pressure.{resource}"] = values[f"system.pressure.{resource}.avg10"] = share
        return values

    def _thermometers(self, at: float, cores: list[tuple[float, float]]) -> tuple[Sensor, ...]:
        half = CORES // _NODES
        places = {
            **{f"coretemp Package id {node}": 38 + 45 * sum(c[0] for c in cores[node * half : (node + 1) * half]) / half
               for node in range(_NODES)},
            "board inlet": 24.0 + wave(self._seed, "inlet", at, 600.0),
            "board outlet": 41.0 + 2 * wave(self._seed, "outlet", at, 300.0),
        }  # fmt: skip
        return tuple(self._sensor(name, degrees) for name, degrees in places.items())

    def _sensor(self, name: str, degrees: float) -> Sensor:
        kept = self._sensors.setdefault(name, ReadingMaker(SENSOR))
        readings = {"hw.temperature": kept.measured("hw.temperature", round(degrees))}
        if name.startswith("coretemp"):
            readings["hw.temperature.limit"] = kept.measured("hw.temperature.limit", 100.0)
        return Sensor(name, readings)


def _clock(busy: float) -> float:
    return 2.0e9 + 1e8 * round(17 * busy)
