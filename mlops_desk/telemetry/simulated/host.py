"""The simulated host: 64 cores on two sockets, 1 TiB of memory, and what the jobs on the GPUs ask of them."""

import time
from collections.abc import Callable

from mlops_desk.records.host import Core, Host, Sensor
from mlops_desk.records.metric import Reading
from mlops_desk.telemetry.metrics.table import CORE, HOST, SENSOR, ReadingMaker
from mlops_desk.telemetry.simulated.cards import Cards
from mlops_desk.telemetry.simulated.events import LOOK_BACK_SECONDS, oom_count, oom_kills
from mlops_desk.telemetry.simulated.noise import positive, wave
from mlops_desk.telemetry.simulated.storage import Storage
from mlops_desk.telemetry.simulated.works import GIB, WorkRun, booted_at, running
from mlops_desk.telemetry.source import HostSample, SourceLane

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
