"""The simulated GPUs' NVLinks to a switch, their MIG instances, and the paths from one GPU to another."""

from collections.abc import Callable

from mlops_desk.records.gpu import MigInstance, NvLink
from mlops_desk.records.metric import Reading
from mlops_desk.telemetry.metrics.table import LINK, MIG, ReadingMaker
from mlops_desk.telemetry.simulated.board_facts import LINKS
from mlops_desk.telemetry.simulated.noise import positive
from mlops_desk.telemetry.simulated.works import GIB, WorkRun, load

_LINK_BYTES = 25e9  # NVLink 4: 25 GB/s each way
_BAD_GPU, _BAD_LINK = 1, 7  # made up: one link has errors
_SLICES = {1: ("3g.40gb", 40.0, 3 / 7), 2: ("4g.40gb", 40.0, 4 / 7)}


class SimulatedLinks:
    """Makes the links of one GPU."""

    def __init__(self, seed: int, index: int) -> None:
        self._seed = seed
        self._index = index
        self._kept = [ReadingMaker(LINK) for _ in range(LINKS)]

    def read(self, at: float, transmit: float, receive: float) -> tuple[NvLink, ...]:
        """Return the links when they carry this much together, in bytes a second."""
        return tuple(
            NvLink(number, "up", "4.0", f"switch {number % 4}", self._metrics(number, at, transmit, receive))
            for number in range(LINKS)
        )

    def _metrics(self, number: int, at: float, transmit: float, receive: float) -> dict[str, Reading]:
        uneven = 0.97 + 0.06 * positive(self._seed, f"link{self._index}.{number}", at, 20.0)
        bad = (self._index, number) == (_BAD_GPU, _BAD_LINK)
        values = {
            "hw.gpu.nvlink.transmit": transmit / LINKS * uneven,
            "hw.gpu.nvlink.receive": receive / LINKS * uneven,
            "hw.gpu.nvlink.bandwidth.limit": _LINK_BYTES,
            "hw.gpu.nvlink.errors.crc": 41.0 if bad else 0.0,
            "hw.gpu.nvlink.errors.replay": 3.0 if bad else 0.0,
            "hw.gpu.nvlink.errors.recovery": 0.0,
        }
        return {name: self._kept[number].measured(name, value) for name, value in values.items()}


class Slices:
    """Makes the MIG instances of one GPU."""

    def __init__(self, seed: int, index: int, uuid: Callable[[str], str]) -> None:
        self._seed = seed
        self._index = index
        self._uuids = {instance: uuid(f"mig.{index}.{instance}") for instance in _SLICES}
        self._kept = {instance: ReadingMaker(MIG) for instance in _SLICES}

    def read(self, at: float, runs: list[WorkRun]) -> tuple[MigInstance, ...]:
        """Return the instances with what their runs do."""
        return tuple(self._slice(instance, at, runs) for instance in _SLICES)

    def _slice(self, instance: int, at: float, runs: list[WorkRun]) -> MigInstance:
        profile, size, share = _SLICES[instance]
        own = [run for run in runs if run.work.instance == instance]
        busy = sum(load(self._seed, run, self._index, at) for run in own) / share
        used = min(sum(run.memory_bytes(at) for run in own), size * GIB)
        active = {
            "graphics": 1.0,
            "sm": max((run.work.activity for run in own), default=0.0),
            "occupancy": 0.3,
            "tensor": max((run.work.tensor for run in own), default=0.0),
            "dram": max((run.work.dram for run in own), default=0.0),
            "fp64": 0.0,
            "fp32": 0.15,
            "fp16": 0.03,
            "integer": 0.1,
        }
        values = {
            "hw.gpu.memory.usage": used,
            "hw.gpu.memory.limit": size * GIB,
            "hw.gpu.memory.free": size * GIB - used,
            **{f"hw.gpu.activity.{name}": min(1.0, max(0.0, busy * part)) for name, part in active.items()},
        }
        kept = self._kept[instance]
        readings = {name: kept.measured(name, value) for name, value in values.items()}
        uuid = self._uuids[instance]
        return MigInstance(uuid, f"MIG-{uuid.removeprefix('GPU-')}", profile, instance, 0, readings)


def peers(index: int, count: int, uuid: Callable[[int], str]) -> dict[str, str]:
    """Return how each other GPU is reached: over all NVLinks, by way of the switches."""
    return {uuid(other): f"NV{LINKS}" for other in range(count) if other != index}
