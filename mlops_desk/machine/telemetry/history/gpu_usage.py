"""What one GPU did over a span of time: busy, energy, memory, time lost. From the history, so for whoever used it.

The mean and the most are of what was measured; what was measured for less than half of the span is not told. Energy is
the difference of the GPU's own counter, else its power times the span, which takes the gaps for what is around them.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mlops_desk.gpus.records.usage import GpuSpent
from mlops_desk.machine.records.gpu import SLOWDOWN_METRICS
from mlops_desk.machine.telemetry.history.buckets import Floats
from mlops_desk.machine.telemetry.history.curves import Axis, Name, Reduced

LEAST_KNOWN = 0.5  # chosen: more guessed than measured is a guess
_MOST_POINTS = 2000  # chosen: of a job of a day a bucket has 43 s
_UTILIZATION, _MEMORY, _POWER, _ENERGY = "hw.gpu.utilization", "hw.gpu.memory.usage", "hw.power", "hw.energy"
_MEASURED = (_UTILIZATION, _MEMORY, _POWER, _ENERGY, *SLOWDOWN_METRICS)


class Reads(Protocol):
    """What has curves."""

    def reduce(self, names: Sequence[Name], start: float, end: float, points: int) -> tuple[Axis, list[Reduced]]: ...


def gpu_spent(reader: Reads, gpu: str, start: float, end: float) -> GpuSpent:
    """Return what a GPU (UUID) did between two Unix times. Raises Invalid, Unavailable, TimedOut."""
    seconds = end - start
    points = int(min(_MOST_POINTS, max(1.0, seconds)))
    _, curves = reader.reduce([(gpu, metric) for metric in _MEASURED], start, end, points)
    found = {curve.metric: curve for curve in curves if _is_known(curve.mean)}
    energy, measured = _energy(found, seconds)
    return GpuSpent(
        utilization_mean=float(np.nanmean(found[_UTILIZATION].mean)) if _UTILIZATION in found else None,
        energy_joules=energy,
        energy_measured=measured,
        memory_peak_bytes=int(np.nanmax(found[_MEMORY].high)) if _MEMORY in found else None,
        throttled_seconds=_throttled([found[name].mean for name in SLOWDOWN_METRICS if name in found], seconds),
    )


def _is_known(values: Floats) -> bool:
    return len(values) > 0 and float(np.isfinite(values).mean()) >= LEAST_KNOWN


def _energy(found: dict[str, Reduced], seconds: float) -> tuple[float | None, bool | None]:
    counter = found.get(_ENERGY)
    if counter is not None and np.isfinite(counter.mean).sum() > 1:
        return counted(counter.low, counter.high), True
    if _POWER in found:
        return float(np.nanmean(found[_POWER].mean)) * seconds, False
    return None, None


def counted(low: Floats, high: Floats) -> float:
    """Return by how much a counter rose; one that fell began anew, as when the driver was loaded again."""
    total, before = 0.0, None
    for least, most in zip(low, high, strict=True):
        if not (np.isfinite(least) and np.isfinite(most)):
            continue
        total += float(most - (least if before is None or least < before else before))
        before = most
    return total


def _throttled(shares: list[Floats], seconds: float) -> float | None:
    """Return for how long clocks were held down: several reasons at once count once."""
    if not shares:
        return None
    together = np.fmax.reduce(np.vstack(shares))
    return float(np.nanmean(together)) * seconds
