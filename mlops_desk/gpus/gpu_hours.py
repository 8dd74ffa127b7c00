"""GPU-hours by user, job, project or week: what attempts and outside processes held, beside how busy the GPUs were.

A stretch counts as active where kernels ran for at least one hundredth of it. A stretch is five minutes, so that a
training that loads data or writes a checkpoint for a minute stays active, and an open notebook does not.
"""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from mlops_desk.gpus.leases.allocation import DISPLAY_COMMANDS
from mlops_desk.gpus.records.usage import GpuHours
from mlops_desk.jobs.records.brief import runs_of
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.history import History, ProcessMemory

_log = logging.getLogger(__name__)

ACTIVE_RATIO = 0.01  # chosen: a desktop's drawing stays below, the smallest training step does not
_STRETCH_SECONDS = 300.0  # chosen: longer than a checkpoint takes to be written
_MOST_STRETCHES = 4000  # chosen: two weeks of five minutes; longer spans are told in longer stretches
_HOUR = 3600.0
_ROUNDING_SECONDS = 1e-3  # of times as floating numbers: below it nothing is left
KINDS = ("user", "job", "project", "week")
NOBODY = ""
JOBS_COUNTED = 5000  # chosen: a busy quarter of a small team; reading so many takes half a second


@dataclass(frozen=True, slots=True)
class HeldTime:
    """Somebody had a GPU for a while. Times are Unix seconds."""

    gpu: str
    user: str
    start: float
    end: float
    job: str = ""
    project: str = ""
    outside: bool = False

    def name(self, by: str) -> str:
        return {"user": self.user, "job": self.job, "project": self.project}[by]


@dataclass(slots=True)
class _HourTally:
    active: float = 0.0
    idle_held: float = 0.0
    idle: float = 0.0
    unknown: float = 0.0

    def add(self, kind: str, seconds: float) -> None:
        setattr(self, kind, getattr(self, kind) + seconds)


@dataclass(frozen=True, slots=True)
class BusyCurve:
    """How busy a GPU was, in stretches of ``step`` seconds from ``start``; None: nobody measured."""

    start: float
    step: float
    ratios: Sequence[float | None] = field(default_factory=tuple)


def tallied(holdings: Iterable[HeldTime], busy: Mapping[str, BusyCurve], by: str) -> tuple[GpuHours, ...]:
    """Add up, the most held first and nobody's last. Pure.

    Where several held a GPU at once, its time is shared among them; jobs count before processes that nobody leased for.
    """
    tallies: defaultdict[str, _HourTally] = defaultdict(_HourTally)
    of_gpu: defaultdict[str, list[HeldTime]] = defaultdict(list)
    for one in holdings:
        of_gpu[one.gpu].append(one)
    for gpu, measured in busy.items():
        for number, ratio in enumerate(measured.ratios):
            start = measured.start + number * measured.step
            _stretch(of_gpu[gpu], start, measured.step, ratio, by, tallies)
    rows = [
        GpuHours(name, *(seconds / _HOUR for seconds in (one.active, one.idle_held, one.idle, one.unknown)))
        for name, one in tallies.items()
    ]
    if by == "week":
        return tuple(sorted(rows, key=lambda row: row.name))
    return tuple(sorted(rows, key=lambda row: (row.name == NOBODY, -_held_hours(row), row.name)))


def _held_hours(row: GpuHours) -> float:
    return row.active + row.idle_held + row.unknown


def _stretch(
    holdings: Sequence[HeldTime], start: float, step: float, ratio: float | None, by: str, to: Mapping[str, _HourTally]
) -> None:
    parts = [(one, min(one.end, start + step) - max(one.start, start)) for one in holdings]
    there = [(one, seconds) for one, seconds in parts if seconds > 0]
    jobs = [(one, seconds) for one, seconds in there if not one.outside]
    counted = jobs or there
    total = sum(seconds for _, seconds in counted)
    shrunk = min(1.0, step / total) if total else 0.0
    kind = "unknown" if ratio is None else "active" if ratio >= ACTIVE_RATIO else "idle_held"
    week = week_of(start)
    for one, seconds in counted:
        to[week if by == "week" else one.name(by)].add(kind, seconds * shrunk)
    if ratio is not None and (rest := step - total * shrunk) > _ROUNDING_SECONDS:
        to[week if by == "week" else NOBODY].add("idle", rest)


def week_of(at: float) -> str:
    """Return the week of a time as calendars number it: ``2026-W48``."""
    return time.strftime("%G-W%V", time.localtime(at))


def job_holdings(jobs: Iterable[Job], start: float, end: float) -> list[HeldTime]:
    """Return what attempts held in a span; one that has not ended holds until its end."""
    return [
        HeldTime(
            gpu, run.user, max(start, run.started_at), min(end, end if run.ended_at is None else run.ended_at),
            f"{job.id} {plain(job.name)}", "" if job.spec.mlflow is None else job.spec.mlflow.experiment,
        )
        for job in jobs
        for run in runs_of(job, start, end)
        for gpu in run.gpus
    ]  # fmt: skip


def process_holdings(processes: Iterable[ProcessMemory], start: float, end: float) -> list[HeldTime]:
    """Return what processes held that are no display server; those of jobs are counted as the jobs'."""
    return [
        HeldTime(
            one.gpu, one.user or "?", max(start, one.first_at), min(end, one.last_at),
            plain(one.command or "?"), outside=True,
        )
        for one in processes
        if PurePath((one.command or "?").split(" ", 1)[0]).name not in DISPLAY_COMMANDS
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class HoursParts:
    """Where it comes from: the jobs on record, the processes on GPUs, the GPUs there are, and curves of them."""

    jobs: Callable[[], Iterable[Job]]
    processes: Callable[[float, float], Iterable[ProcessMemory]]
    gpus: Callable[[], Sequence[str]]
    history: Callable[[str, str, float, float, int], History]


def gpu_hours(parts: HoursParts, by: str, since: float, until: float) -> tuple[GpuHours, ...]:
    """Return the hours of a span. Raises Invalid, Unavailable, TimedOut."""
    if by not in KINDS:
        raise Invalid(f"{plain(by)!r} is nothing to tell GPU-hours by.", f"There are: {', '.join(KINDS)}.")
    until = min(until, time.time())
    if not since < until:
        raise Invalid("The span of time ends before it begins.", "Give --since a time before --until.")
    points = math.ceil(min(_MOST_STRETCHES, max(1.0, (until - since) / _STRETCH_SECONDS)))
    busy = {gpu: _busy(parts, gpu, since, until, points) for gpu in parts.gpus()}
    held = job_holdings(parts.jobs(), since, until) + process_holdings(parts.processes(since, until), since, until)
    return tallied(held, busy, by)


def _busy(parts: HoursParts, gpu: str, since: float, until: float, points: int) -> BusyCurve:
    try:
        curve = parts.history("hw.gpu.utilization", gpu, since, until, points)
    except DeskError as error:
        _log.info("How busy GPU %s was is not known: %s", gpu, error.message)
        return BusyCurve(since, (until - since) / points, [None] * points)
    return BusyCurve(curve.times[0] if curve.times else since, curve.step_seconds, curve.mean)
