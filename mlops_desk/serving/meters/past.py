"""What the rest of the house keeps and tells of endpoints: their past, and the GPU memory of containers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.records.history import Point, RecordPoints, forget_points

GpuMemory = Callable[[], Mapping[str, int]]
"""Returns the GPU memory that processes of containers hold, in bytes by the container's name."""
PastErrors = Callable[[str, str], Sequence[Point]]
"""Returns how many errors of an endpoint and a class the history has of the last 24 hours, by Unix time."""


def _no_gpu_memory() -> Mapping[str, int]:
    return {}


def _no_errors(_name: str, _class: str) -> Sequence[Point]:
    return ()


@dataclass(frozen=True, slots=True)
class EndpointPast:
    """``record`` keeps points of a series; the defaults stand where there is no history."""

    record: RecordPoints = forget_points
    gpu_memory: GpuMemory = _no_gpu_memory
    errors: PastErrors = _no_errors
