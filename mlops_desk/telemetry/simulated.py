"""A simulated workstation: 8 GPUs, 4 NVMe drives, 4 network cards, and the jobs of people coming and going.

Everything is a function of the seed and the time, so two runs at the same time show the same. Names say
"simulated". ``SimulatedFaults`` makes GPUs fail on purpose, for tests and for showing what failure looks like.
"""

import hashlib
import json
import math
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.records.status import Disk, Gpu, GpuProcess, GpuState, Host, Network
from mlops_desk.telemetry.metrics import DISK, GPU, HOST, NETWORK, all_missing, measured, missing
from mlops_desk.telemetry.source import Busy, GpuSample, HostSample, Lane

GPU_COUNT = 8
_HOT_GPU = 7
_GIB = float(1 << 30)
_MEMORY = 80 * _GIB
_IDLE_WATTS = 70.0
_LIMIT_WATTS = 700.0


@dataclass(frozen=True, slots=True)
class _Work:
    """A kind of job: who runs it, how hard it drives its GPUs, and for how long of each cycle."""

    user: str
    command: str
    gpus: tuple[int, ...]
    utilization: float
    swing: float
    memory_gib: float
    cycle_seconds: float
    share: float


_WORKS = (
    _Work("maria", "python train.py --model llama-70b --tp 4 --bf16", (0, 1, 2, 3), 0.95, 0.04, 71.0, 1800.0, 0.8),
    _Work(
        "jonas", "python -m vllm.entrypoints.openai.api_server --model mistral", (4,), 0.55, 0.3, 62.0, 86_400.0, 1.0
    ),
    _Work("jonas", "tritonserver --model-repository=/models", (5,), 0.35, 0.25, 24.0, 86_400.0, 1.0),
    _Work("wei", "python finetune.py --lora --epochs 3", (6,), 0.85, 0.1, 38.0, 420.0, 0.6),
    _Work("amara", "python sweep.py --seed 3", (7,), 0.97, 0.02, 55.0, 600.0, 0.9),
    _Work("amara", "jupyter-lab --no-browser", (7,), 0.02, 0.02, 1.5, 86_400.0, 1.0),
)

_NAMES = ("llama-70b", "vllm-mistral", "triton", "finetune-lora", "sweep", "notebook")
_ID_DIGITS = 64


def container_name(container_id: str) -> str | None:
    """Return the name of a simulated container: its id is nothing but the name in hexadecimal digits."""
    try:
        return bytes.fromhex(container_id).rstrip(b"\0").decode("ascii")
    except ValueError:
        return None


class SimulatedFaults:
    """Faults read from a JSON file whenever it changes; no file, no faults.

    ``lost``, ``hang``, ``no_permission``: lists of indices; ``unsupported``: {index: [metric]};
    ``wild``: {index: {metric: impossible value}}; ``count``: how many GPUs there are; ``trouble``: why there is no
    driver.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._faults: Mapping[str, Any] = {}

    def now(self) -> Mapping[str, Any]:
        """Return the faults that hold at this moment."""
        if self._path is None:
            return {}
        try:
            facts = self._path.stat()
            stamp = (facts.st_mtime_ns, facts.st_ino)
            if stamp != self._stamp:
                self._faults = json.loads(self._path.read_bytes())
                self._stamp = stamp
        except FileNotFoundError:
            self._faults, self._stamp = {}, None
        return self._faults


class SimulatedGpus:
    """Eight H100s that nobody owns. ``skip`` and ``only`` as for real ones."""

    def __init__(
        self,
        seed: int,
        faults: SimulatedFaults | None = None,
        skip: frozenset[int] = frozenset(),
        only: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seed = seed
        self._faults = faults or SimulatedFaults(None)
        self._skip = skip
        self._only = only
        self._clock = clock
        self._busy: tuple[int, float] | None = None

    def busy(self) -> Busy | None:
        busy = self._busy
        if busy is None:
            return None
        return Busy(busy[0], self._uuid(busy[0]), "simulated", time.monotonic() - busy[1])

    def read(self) -> GpuSample:
        """Compute every GPU; hangs for as long as a fault says so."""
        faults = self._faults.now()
        at = self._clock()
        if "trouble" in faults:
            return GpuSample(at, (), str(faults["trouble"]), "This is simulated: remove the fault.", certain=False)
        indices = range(int(faults.get("count", GPU_COUNT)))
        wanted = [i for i in indices if i not in self._skip and self._only in (None, i)]
        for index in wanted:
            self._hang(index)
        gpus = tuple(self._gpu(index, at, faults) for index in wanted)
        note = None if wanted or self._skip else "The simulated driver reports no GPU."
        return GpuSample(at, gpus, note, None, "simulated", processes_at=at)

    def _hang(self, index: int) -> None:
        self._busy = (index, time.monotonic())
        while index in self._faults.now().get("hang", ()):
            time.sleep(0.02)
        self._busy = None

    def _gpu(self, index: int, at: float, faults: Mapping[str, Any]) -> Gpu:
        state, lack = _failure(index, faults)
        works = [work for number, work in enumerate(_WORKS) if index in work.gpus and self._runs(number, work, at)]
        reasons: tuple[str, ...] = ()
        if lack is None:
            readings, reasons = self._readings(index, at, works)
            readings |= _wild(index, faults)
        else:
            readings = all_missing(lack)
        return Gpu(
            uuid=self._uuid(index),
            index=index,
            name="NVIDIA H100 80GB HBM3 (simulated)",
            pci_bus_id=f"00000000:{0x19 + 0x11 * index:02X}:00.0",
            state=state,
            metrics=readings,
            processes=self._processes(index, at, works) if lack is None else (),
            throttle_reasons=reasons,
            note="Simulated." if lack is None else "Simulated fault.",
            processes_known=lack is None,
        )

    def _readings(self, index: int, at: float, works: list[_Work]) -> tuple[dict[str, Reading], tuple[str, ...]]:
        wave = self._wave(f"gpu{index}", at, 17.0)
        load = min(1.0, max(0.0, sum(work.utilization + work.swing * wave for work in works)))
        used = sum(work.memory_gib for work in works) * _GIB * (1 + 0.01 * self._wave(f"memory{index}", at, 60.0))
        hot = index == _HOT_GPU and load > 0.5
        watts = _IDLE_WATTS + load * (_LIMIT_WATTS - _IDLE_WATTS) * (0.82 if hot else 0.93) + 6 * wave
        degrees = 31 + 40 * load + (17 if hot else 0) + 2 * self._wave(f"heat{index}", at, 45.0)
        clock = 345e6 if load < 0.01 else (1305e6 if hot else 1980e6)
        values = {
            "hw.gpu.utilization": load,
            "hw.gpu.utilization.memory": load * 0.6,
            "hw.gpu.memory.usage": min(used, _MEMORY),
            "hw.gpu.memory.limit": _MEMORY,
            "hw.power": watts,
            "hw.power.limit": _LIMIT_WATTS,
            "hw.energy": 1e6 + max(0.0, at - 1.7e9) * 300 % 1e9,
            "hw.temperature": degrees,
            "hw.temperature.memory": degrees + 6,
            "hw.gpu.clock.sm": clock,
            "hw.gpu.clock.memory": 2619e6,
            "hw.gpu.performance_state": 0.0,
        }
        readings = {name: measured(GPU, name, value) for name, value in values.items()}
        return {**all_missing(MetricState.NOT_SUPPORTED), **readings}, ("thermal (software)",) if hot else ()

    def _processes(self, index: int, at: float, works: list[_Work]) -> tuple[GpuProcess, ...]:
        listed = []
        for work in works:
            number = _WORKS.index(work)
            turn = int(self._phase(number, work, at) // work.cycle_seconds)
            pid = 4_200_000 + self._number(f"pid{number}.{turn}.{index}", 90_000)
            container = f"{_NAMES[number]}-{turn % 100}".encode().hex().ljust(_ID_DIGITS, "0")
            memory = int(work.memory_gib * _GIB)
            listed.append(GpuProcess(pid, work.user, work.command, memory, container, "compute", 1000 + turn))
        return tuple(sorted(listed, key=lambda process: -(process.gpu_memory_bytes or 0)))

    def _runs(self, number: int, work: _Work, at: float) -> bool:
        return self._phase(number, work, at) % work.cycle_seconds < work.share * work.cycle_seconds

    def _phase(self, number: int, work: _Work, at: float) -> float:
        return at + self._number(f"phase{number}", int(work.cycle_seconds * (1 - work.share)) + 1)

    def _uuid(self, index: int) -> str:
        return f"GPU-{uuid.UUID(bytes=hashlib.md5(f'{self._seed}.{index}'.encode()).digest())}"  # noqa: S324 - a name

    def _number(self, name: str, below: int) -> int:
        return _number(self._seed, name, below)

    def _wave(self, name: str, at: float, period: float) -> float:
        return wave(self._seed, name, at, period)


class SimulatedHost:
    """A 64-core machine with four NVMe drives and four network cards."""

    def __init__(self, seed: int, clock: Callable[[], float] = time.time) -> None:
        self._seed = seed
        self._clock = clock

    def read(self) -> HostSample:
        at = self._clock()
        return HostSample(
            at,
            Host("workstation (simulated)", self._host(at)),
            tuple(self._disk(f"nvme{number}n1", at) for number in range(4)),
            tuple(self._network(f"eth{number}", at) for number in range(4)),
        )

    def lanes(self) -> tuple[Lane, ...]:
        """Return nothing: a simulated device answers at once."""
        return ()

    def _host(self, at: float) -> dict[str, Reading]:
        busy = 0.38 + 0.2 * wave(self._seed, "cpu", at, 40.0)
        stall = max(0.0, 0.04 * wave(self._seed, "io", at, 90.0))
        values = {
            "system.cpu.utilization": busy,
            "system.cpu.utilization.iowait": stall / 2,
            "system.cpu.logical.count": 64.0,
            "system.memory.limit": 512 * _GIB,
            "system.memory.usage": (260 + 40 * wave(self._seed, "memory", at, 300.0)) * _GIB,
            "system.paging.limit": 32 * _GIB,
            "system.paging.usage": 1.2 * _GIB,
        }
        for span, period in (("1m", 60.0), ("5m", 300.0), ("15m", 900.0)):
            values[f"system.cpu.load_average.{span}"] = 64 * (0.4 + 0.15 * wave(self._seed, "load", at, period))
        for resource, share in (("cpu.some", 0.02), ("memory.some", 0.0), ("memory.full", 0.0), ("io.some", stall),
                                ("io.full", stall / 2)):  # fmt: skip
            values[f"system.pressure.{resource}"] = values[f"system.pressure.{resource}.avg10"] = share
        return {name: measured(HOST, name, value) for name, value in values.items()}

    def _disk(self, name: str, at: float) -> Disk:
        read = max(0.0, 1.5e9 * wave(self._seed, f"read.{name}", at, 35.0))
        write = 4e8 * (0.5 + 0.5 * wave(self._seed, f"write.{name}", at, 50.0))
        values = {
            "system.disk.read": read,
            "system.disk.write": write,
            "system.disk.read.operations": read / 131_072,
            "system.disk.write.operations": write / 131_072,
            "system.disk.write.latency": 0.0003 + write / 1e12,
            "system.disk.queue": (read + write) / 4e8,
            "system.disk.limit": 3.84e12,
            "hw.temperature": 41 + (read + write) / 2e8,
        }
        if read > 0:
            values["system.disk.read.latency"] = 0.0001 + read / 1e13
        return Disk(name, "Simulated NVMe 3.84 TB", {key: measured(DISK, key, value) for key, value in values.items()})

    def _network(self, name: str, at: float) -> Network:
        values = {
            "system.network.receive": 1e9 * (0.5 + 0.5 * wave(self._seed, f"receive.{name}", at, 30.0)),
            "system.network.transmit": 6e8 * (0.5 + 0.5 * wave(self._seed, f"transmit.{name}", at, 25.0)),
            "system.network.receive.errors": 0.0,
            "system.network.transmit.errors": 0.0,
            "hw.network.bandwidth.limit": 12.5e9,
        }
        return Network(name, {key: measured(NETWORK, key, value) for key, value in values.items()})


def wave(seed: int, name: str, at: float, period: float) -> float:
    """Return smooth noise between -1 and 1 that changes over about ``period`` seconds."""
    total = 0.0
    for turn, weight in ((1.0, 0.5), (2.7, 0.3), (7.3, 0.2)):
        phase = _number(seed, f"{name}.{turn}", 10_000) / 10_000
        total += weight * math.sin(2 * math.pi * (at * turn / period + phase))
    return total


def _number(seed: int, name: str, below: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}.{name}".encode(), digest_size=8).digest()) % below


def _failure(index: int, faults: Mapping[str, Any]) -> tuple[GpuState, MetricState | None]:
    if index in faults.get("lost", ()):
        return GpuState.LOST, MetricState.LOST
    if index in faults.get("no_permission", ()):
        return GpuState.NO_PERMISSION, MetricState.NO_PERMISSION
    return GpuState.OK, None


def _wild(index: int, faults: Mapping[str, Any]) -> dict[str, Reading]:
    unsupported = faults.get("unsupported", {}).get(str(index), ())
    values = faults.get("wild", {}).get(str(index), {})
    return {
        **{name: missing(GPU, name, MetricState.NOT_SUPPORTED) for name in unsupported},
        **{name: measured(GPU, name, value) for name, value in values.items()},
    }
