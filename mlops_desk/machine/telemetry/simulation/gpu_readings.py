"""One simulated H100 board: every number of the table from what its jobs do at a moment.

Heat and energy follow from the load's integral, so that the temperature lags, and the counter fits the power. GPU 7
is short of air and throttles; on GPU 2 somebody left the clocks locked low, and the others of its job wait for it;
GPU 5 is cut into two MIG instances, so it has no utilisation of its own.
"""

from dataclasses import dataclass

from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.metrics.gpu import GPU
from mlops_desk.machine.telemetry.metrics.table import GPU_METRICS, ReadingMaker
from mlops_desk.machine.telemetry.simulation.events import CONTAINED_GPU, contained_errors
from mlops_desk.machine.telemetry.simulation.workloads import (
    GIB,
    STRAGGLER_GPU,
    WORKS,
    Work,
    WorkRun,
    booted_at,
    busy_seconds,
    load,
    positive,
    running,
    wave,
)

# What seldom or never changes about a simulated H100 board: sizes, limits, settings, and errors that do not happen.

MEMORY_BYTES = 80 * GIB
RESERVED_BYTES = 0.6 * GIB
IDLE_WATTS = 70.0  # about what an H100 SXM draws that does nothing
LIMIT_WATTS = 700.0  # an H100 SXM's
FULL_CLOCK = 1980e6  # an H100 SXM's boost clock
LINKS = 18  # an H100 SXM's

STEADY = {
    "hw.gpu.memory.limit": MEMORY_BYTES,
    "hw.gpu.memory.reserved": RESERVED_BYTES,
    "hw.gpu.memory.bar1.usage": 3 * GIB / 1024,
    "hw.gpu.memory.bar1.limit": 128 * GIB,
    "hw.power.limit": LIMIT_WATTS,
    "hw.power.limit.requested": LIMIT_WATTS,
    "hw.power.limit.default": LIMIT_WATTS,
    "hw.power.limit.min": 200.0,
    "hw.power.limit.max": LIMIT_WATTS,
    "hw.temperature.limit.gpu": 87.0,
    "hw.temperature.limit.memory": 95.0,
    "hw.temperature.limit.slowdown": 89.0,
    "hw.temperature.limit.shutdown": 92.0,
    "hw.gpu.clock.memory": 2619e6,
    "hw.gpu.clock.sm.limit": FULL_CLOCK,
    "hw.gpu.clock.memory.limit": 2619e6,
    "hw.gpu.clock.graphics.limit": FULL_CLOCK,
    "hw.gpu.clock.video.limit": 1545e6,
    "hw.gpu.performance_state": 0.0,
    "hw.errors.ecc.volatile.corrected": 0.0,
    "hw.errors.ecc.aggregate.corrected": 3.0,
    "hw.gpu.row_remap.correctable": 0.0,
    "hw.gpu.row_remap.failure": 0.0,
    "hw.gpu.recovery_action": 0.0,
    "hw.gpu.pcie.generation": 5.0,
    "hw.gpu.pcie.generation.limit": 5.0,
    "hw.gpu.pcie.width": 16.0,
    "hw.gpu.pcie.width.limit": 16.0,
    "hw.gpu.pcie.errors.correctable": 0.0,
    "hw.gpu.pcie.errors.non_fatal": 0.0,
    "hw.gpu.pcie.errors.fatal": 0.0,
    "hw.gpu.nvlink.up": float(LINKS),
    "hw.gpu.nvlink.limit": float(LINKS),
    "hw.gpu.utilization.encoder": 0.0,
    "hw.gpu.utilization.jpeg": 0.0,
    "hw.gpu.utilization.ofa": 0.0,
    "hw.gpu.activity.jpeg": 0.0,
    "hw.gpu.activity.ofa": 0.0,
    "hw.gpu.throttle.thermal_hardware": 0.0,
    "hw.gpu.throttle.power_brake": 0.0,
    "hw.gpu.throttle.hardware_slowdown": 0.0,
    "hw.gpu.throttle.sync_boost": 0.0,
    "hw.gpu.throttle.board_limit": 0.0,
    "hw.gpu.throttle.reliability": 0.0,
    "hw.gpu.throttle.base_clocks": 0.0,
}

FACTS = {
    "Architecture": "Hopper",
    "CUDA capability": "9.0",
    "VBIOS": "96.00.74.00.01 (simulated)",
    "Persistence mode": "on",
    "Compute mode": "default",
    "ECC mode": "on",
    "MIG mode": "off",
    "Accounting mode": "on",
}

HOT_GPU = 7  # made up: the one that runs against its limit
MIG_GPU = 5  # made up: the one that is split

_CONTEXT_BYTES = 0.45 * GIB
_HEAT_SECONDS = 60.0  # made up: a cooler follows the load within a minute
_HOT_DEGREES = 78.0  # made up: below the H100's slowdown temperature
_LOCKED_CLOCK, _THROTTLED_CLOCK, _IDLE_CLOCK = 1410e6, 1305e6, 345e6  # made up, within what an H100 can do
_WATTS_OF = {HOT_GPU: 0.88, STRAGGLER_GPU: 0.7}
_LINKED_GPUS = (0, 1, 2, 3)  # made up: those of the job on several GPUs
_NVLINK_BYTES = 180e9  # made up: a good part of an H100's 450 GB/s each way
_OF_NO_INSTANCE = frozenset(name for name in GPU_METRICS if name.startswith("hw.gpu.utilization"))


@dataclass(frozen=True, slots=True)
class Doing:
    """What the runs on a GPU add up to: shares of time and of the units, bytes of memory, watts above idle."""

    load: float
    activity: float
    tensor: float
    dram: float
    memory: float
    watts: float


def doing(seed: int, index: int, runs: list[WorkRun], at: float) -> Doing:
    """Return what the runs do on this GPU at ``at``."""
    loads = [(run.work, load(seed, run, index, at)) for run in runs]
    return Doing(
        min(1.0, max(0.0, sum(busy for _, busy in loads))),
        sum(busy * work.activity for work, busy in loads),
        sum(busy * work.tensor for work, busy in loads),
        sum(busy * work.dram for work, busy in loads),
        min(sum(run.memory_bytes(at) + _CONTEXT_BYTES for run in runs), MEMORY_BYTES - RESERVED_BYTES),
        sum(busy * full_watts(index, work) for work, busy in loads),
    )


def full_watts(index: int, work: Work) -> float:
    """Return what a work draws above idle on this GPU at full load."""
    return (LIMIT_WATTS - IDLE_WATTS) * work.watts * _WATTS_OF.get(index, 1.0)


def joules(seed: int, index: int, at: float) -> float:
    """Return the energy that this GPU's works used above idle since the machine was started."""
    return sum(full_watts(index, w) * busy_seconds(seed, w, index, at) for w in WORKS if index in w.gpus)


class SimulatedBoard:
    """Makes the readings of one GPU; what stays the same stays the same object."""

    def __init__(self, seed: int, index: int) -> None:
        self._seed = seed
        self._index = index
        self._kept = ReadingMaker(GPU)

    def readings(self, at: float, runs: list[WorkRun]) -> tuple[dict[str, Reading], tuple[str, ...]]:
        """Return every metric of the table, and why the GPU is held back."""
        now = doing(self._seed, self._index, runs, at)
        heat = self._heat(at, now)
        hot = self._index == HOT_GPU and now.load > 0.5 and heat["hw.temperature"] > _HOT_DEGREES
        values = {
            **STEADY,
            **heat,
            **self._activity(at, now),
            **self._clocks(at, now, hot=hot),
            **self._errors(at),
            **self._traffic(at, now),
            "hw.gpu.memory.usage": now.memory,
            "hw.gpu.memory.free": MEMORY_BYTES - RESERVED_BYTES - now.memory,
        }
        return {name: self._reading(name, values) for name in GPU_METRICS}, ("thermal (software)",) if hot else ()

    def carried(self, at: float) -> tuple[float, float]:
        """Return what all NVLinks send and receive at ``at``, in bytes a second."""
        values = self._traffic(at, doing(self._seed, self._index, running(self._seed, at, self._index), at))
        return values["hw.gpu.nvlink.transmit"], values["hw.gpu.nvlink.receive"]

    def _reading(self, name: str, values: dict[str, float]) -> Reading:
        if name not in values or (self._index == MIG_GPU and name in _OF_NO_INSTANCE):
            return self._kept.missing(name, MetricState.NOT_SUPPORTED)
        return self._kept.measured(name, values[name])

    def _activity(self, at: float, now: Doing) -> dict[str, float]:
        jitter = 1 + 0.03 * wave(self._seed, f"sm{self._index}", at, 9.0)
        return {
            "hw.gpu.utilization": round(now.load, 2),
            "hw.gpu.utilization.memory": round(0.9 * now.dram, 2),
            "hw.gpu.utilization.decoder": 0.0,
            "hw.gpu.activity.graphics": 0.99 * now.load,
            "hw.gpu.activity.sm": min(1.0, now.activity * jitter),
            "hw.gpu.activity.occupancy": min(1.0, 0.42 * now.activity * jitter),
            "hw.gpu.activity.tensor": min(1.0, now.tensor * jitter),
            "hw.gpu.activity.dram": min(1.0, now.dram * jitter),
            "hw.gpu.activity.fp64": 0.0,
            "hw.gpu.activity.fp32": 0.18 * now.activity,
            "hw.gpu.activity.fp16": 0.04 * now.activity,
            "hw.gpu.activity.integer": 0.11 * now.activity,
            "hw.gpu.activity.decoder": 0.0,
        }

    def _heat(self, at: float, now: Doing) -> dict[str, float]:
        """Return power, energy, and the temperatures, which follow the power of the last minute."""
        start = booted_at(at)
        since = max(start, at - _HEAT_SECONDS)
        used = joules(self._seed, self._index, at)
        mean = (used - joules(self._seed, self._index, since)) / max(1.0, at - since)
        air = 29 + 0.8 * (self._index % 4) + 0.6 * wave(self._seed, f"air{self._index}", at, 240.0)
        degrees = air + (68.0 if self._index == HOT_GPU else 41.0) * mean / (LIMIT_WATTS - IDLE_WATTS)
        trembling = (2 + 22 * now.load) * wave(self._seed, f"watt{self._index}", at, 3.0)
        return {
            "hw.power": IDLE_WATTS + now.watts,
            "hw.power.instant": IDLE_WATTS + now.watts + trembling,
            "hw.energy": IDLE_WATTS * (at - start) + used,
            "hw.temperature": round(degrees),
            "hw.temperature.memory": round(degrees + 5 + 4 * now.dram),
        }

    def _clocks(self, at: float, now: Doing, *, hot: bool) -> dict[str, float]:
        """Return clocks and the share of time lost, by cause."""
        lost = 0.25 + 0.12 * wave(self._seed, "throttle", at, 40.0) if hot else 0.0
        busy_clock = _LOCKED_CLOCK if self._index == STRAGGLER_GPU else FULL_CLOCK
        if hot:
            busy_clock = 15e6 * round((FULL_CLOCK - (FULL_CLOCK - _THROTTLED_CLOCK) * 2 * lost) / 15e6)
        clock = _IDLE_CLOCK if now.load < 0.01 else busy_clock
        locked = self._index == STRAGGLER_GPU and now.load >= 0.01
        return {
            "hw.gpu.clock.sm": clock,
            "hw.gpu.clock.graphics": clock,
            "hw.gpu.clock.video": 15e6 * round(0.78 * clock / 15e6),
            "hw.gpu.throttle.thermal": lost,
            "hw.gpu.throttle.thermal_software": lost,
            "hw.gpu.throttle.power_cap": max(0.0, (now.watts - 575) / 2000),
            "hw.gpu.throttle.low_utilization": 1.0 if now.load < 0.01 else 0.0,
            "hw.gpu.throttle.application_clocks": round(now.load, 2) if locked else lost,
        }

    def _errors(self, at: float) -> dict[str, float]:
        """Return memory errors: those that were contained wait for their rows to be replaced at the next reset."""
        contained = contained_errors(self._seed, at) if self._index == CONTAINED_GPU else 0
        return {
            "hw.errors.ecc.volatile.uncorrected": contained,
            "hw.errors.ecc.aggregate.uncorrected": contained + (2 if self._index == CONTAINED_GPU else 0),
            "hw.gpu.row_remap.uncorrectable": 2 if self._index == CONTAINED_GPU else 0,
            "hw.gpu.row_remap.pending": float(contained > 0),
        }

    def _traffic(self, at: float, now: Doing) -> dict[str, float]:
        linked = _NVLINK_BYTES * now.load if self._index in _LINKED_GPUS else 0.0
        uneven = positive(self._seed, f"nvlink{self._index}", at, 11.0)
        return {
            "hw.gpu.io.receive": 2.2e9 * now.load * (0.8 + 0.2 * positive(self._seed, f"rx{self._index}", at, 13.0)),
            "hw.gpu.io.transmit": 3e8 * now.load,
            "hw.gpu.pcie.replays": 12.0 if self._index == 3 else 0.0,
            "hw.gpu.nvlink.transmit": linked * (0.95 + 0.05 * uneven),
            "hw.gpu.nvlink.receive": linked * (1.0 - 0.05 * uneven),
            "hw.gpu.nvlink.errors.crc": 41.0 if self._index == 1 else 0.0,
            "hw.gpu.nvlink.errors.replay": 3.0 if self._index == 1 else 0.0,
            "hw.gpu.nvlink.errors.recovery": 0.0,
        }
