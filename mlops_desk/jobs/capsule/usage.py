"""What a job has used: its attempts' time on GPUs, and what telemetry saw of those GPUs meanwhile.

A GPU that was shared tells nothing of one job: energy, memory, utilisation and lost time are then not known.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mlops_desk.base.errors import DeskError
from mlops_desk.jobs.ports import Spent
from mlops_desk.records.jobs.job import Attempt, Job
from mlops_desk.records.jobs.usage import GpuSpent, JobUsage
from mlops_desk.runtimes.runtime import Makings

_log = logging.getLogger(__name__)


class HeldGpu(NamedTuple):
    """One GPU held by an attempt, with what it did meanwhile (None: nobody could say)."""

    seconds: float
    spent: GpuSpent | None


def held(attempt: Attempt, now: float) -> float:
    """Return for how many seconds an attempt has run."""
    if attempt.started_at is None:
        return 0.0
    return max(0.0, (attempt.ended_at if attempt.ended_at is not None else now) - attempt.started_at)


def usage_of(job: Job, now: float, spent: Spent | None, takings: Iterable[Makings] = ()) -> JobUsage:
    """Return what a job has used until ``now``; ``takings`` are what its attempts noted of themselves."""
    alone = job.spec.resources.exclusive and job.spec.resources.share_bytes is None
    stretches = [
        HeldGpu(held(attempt, now), _spent(spent, gpu, attempt, now) if alone else None)
        for attempt in job.attempts
        for gpu in attempt.gpus
        if attempt.started_at is not None
    ]
    return total(stretches, list(takings))


def _spent(spent: Spent | None, gpu: str, attempt: Attempt, now: float) -> GpuSpent | None:
    seconds = held(attempt, now)
    if spent is None or attempt.started_at is None or seconds <= 0:
        return None
    try:
        return spent(gpu, attempt.started_at, attempt.started_at + seconds)
    except DeskError as error:
        _log.info("What GPU %s did for %s is not known: %s", gpu, attempt.id, error.message)
        return None


def total(stretches: Sequence[HeldGpu], takings: Sequence[Makings]) -> JobUsage:
    """Add up; one part that is not known makes a sum unknown."""
    spent = [one.spent or GpuSpent() for one in stretches]
    energy = _sum(one.energy_joules for one in spent)
    peaks = [one.memory_peak_bytes for one in spent if one.memory_peak_bytes is not None]
    seconds = sum(one.seconds for one in stretches)
    busy = _sum(
        None if does.utilization_mean is None else does.utilization_mean * one.seconds
        for one, does in zip(stretches, spent, strict=True)
    )
    most = [one.memory_peak_bytes for one in takings if one.memory_peak_bytes is not None]
    return JobUsage(
        gpu_seconds=seconds,
        energy_joules=energy,
        energy_measured=None if energy is None else all(one.energy_measured for one in spent),
        gpu_memory_peak_bytes=max(peaks) if peaks and len(peaks) == len(spent) else None,
        gpu_utilization_mean=None if busy is None or seconds <= 0 else busy / seconds,
        throttled_seconds=_sum(one.throttled_seconds for one in spent),
        cpu_seconds=_sum(one.cpu_seconds for one in takings),
        memory_peak_bytes=max(most) if most else None,
    )


def _sum(parts: Iterable[float | None]) -> float | None:
    """Return a sum; None for one of nothing, or with a part that is not known."""
    found = list(parts)
    known = [part for part in found if part is not None]
    return sum(known) if known and len(known) == len(found) else None
