"""Which GPUs are broken, so that no job is put on them until somebody has mended them. Pure.

What the driver shows says most: a GPU that is lost, one that wants a reset, memory that could not be repaired. An
error (XID) after which the GPU is not to be trusted is only announced, once, so whoever hears of it hands it in.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_desk.base.errors import Hint
from mlops_desk.records.gpu import Gpu, GpuState

_RESTART = "Save what can be saved and restart the machine."
_EXCHANGE = "Take the GPU out of use and have the board exchanged."

HEALTH_METRICS = ("hw.gpu.recovery_action", "hw.gpu.row_remap.failure", "hw.errors.ecc.volatile.uncorrected")
"""What the driver tells of a GPU as a whole, and holds for each of its instances."""

_RESETS = frozenset({1, 3, 4})
"""Of the numbers below those after which a reset of the GPU alone is enough."""
_ACTIONS: Mapping[int, str] = {
    1: "a reset",
    2: "a restart of the machine",
    3: "an end of its peer traffic",
    4: "a reset once what runs on it has ended",
    5: "a recovery of its IMEX domain",
    6: "a reset over the bus",
    7: "a restart of the machine",
}
"""The driver's numbers (hw.gpu.recovery_action), as what it asks for."""


@dataclass(frozen=True, slots=True)
class GpuFault:
    """Why a GPU is not to be trusted, in a few words, and what a person does about it."""

    text: str
    fix: str


def fault_of(gpu: Gpu, announced: Mapping[str, GpuFault]) -> GpuFault | None:
    """Return what is broken; None when nothing is known to be.

    ``announced`` has, by UUID, what the driver said once and has not taken back since.
    """
    return _state_fault(gpu) or _memory_fault(gpu) or announced.get(gpu.uuid)


def reset_of(gpu: Gpu) -> Hint:
    """Return how a person resets a GPU."""
    return Hint(f"sudo nvidia-smi --gpu-reset -i {gpu.index}", before="End what runs on it, then: ")


def _state_fault(gpu: Gpu) -> GpuFault | None:
    if gpu.state is GpuState.LOST:
        return GpuFault("it has fallen off the bus", "Check its seat, power and cooling, then restart the machine.")
    if gpu.state is GpuState.RESET_REQUIRED:
        return GpuFault("the driver requires a reset", reset_of(gpu))
    action = int(_value(gpu, "hw.gpu.recovery_action") or 0)
    if not action:
        return None
    wanted = _ACTIONS.get(action, f"a repair of its number {action}")
    return GpuFault(f"the driver asks for {wanted}", reset_of(gpu) if action in _RESETS else _RESTART)


def _memory_fault(gpu: Gpu) -> GpuFault | None:
    if _value(gpu, "hw.gpu.row_remap.failure"):
        return GpuFault("a damaged memory row could not be replaced", _EXCHANGE)
    uncorrected = _value(gpu, "hw.errors.ecc.volatile.uncorrected")
    if not uncorrected or _value(gpu, "hw.gpu.recovery_action") is not None:
        return None  # a driver that knows says what is to be done, and that is nothing
    errors = "an error" if uncorrected == 1 else f"{uncorrected:.0f} errors"
    return GpuFault(f"{errors} of its memory could not be corrected", reset_of(gpu))


def _value(gpu: Gpu, metric: str) -> float | None:
    reading = gpu.metrics.get(metric)
    return None if reading is None else reading.value
