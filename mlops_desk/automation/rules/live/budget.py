"""How many GPU-hours the jobs of a rule took within its span. Pure.

A GPU that a job holds counts for as long as it holds it, busy or not; one that still runs counts until now.
"""

from collections.abc import Iterable

from mlops_desk.jobs.records.brief import runs_of
from mlops_desk.jobs.records.job import Job

_HOUR = 3600.0  # seconds


def gpu_hours(jobs: Iterable[Job], start: float, end: float) -> float:
    """Return the GPU-hours that jobs held between two Unix times."""
    total = 0.0
    for job in jobs:
        for run in runs_of(job, start, end):
            until = end if run.ended_at is None else min(run.ended_at, end)
            total += max(0.0, until - max(run.started_at, start)) * len(run.gpus)
    return total / _HOUR
