"""Jobs in words, the same on every page: when one starts or ends, how far it is, where it stands. No Qt here."""

import time
from collections.abc import Iterable

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.job_activity import LiveUse, Progress
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import numbers

WAITING = frozenset({JobState.QUEUED, JobState.BLOCKED})
ON = frozenset({JobState.STARTING, JobState.RUNNING})
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
SOON_SECONDS = 60.0  # chosen: a clock without seconds tells no nearer time


def moment(at: float, now: float | None = None) -> str:
    """Return a time to the minute: the clock today, with the date on other days."""
    today = time.localtime(agent_clock.now() if now is None else now)
    local = time.localtime(at)
    if local[:3] == today[:3]:
        return time.strftime("%H:%M", local)
    return time.strftime("%d %b %H:%M" if local[0] == today[0] else "%d %b %Y", local)


def about(at: float, now: float | None = None) -> str:
    """Return a time that is expected: ``~16:40``, or that it is now."""
    current = agent_clock.now() if now is None else now
    return "now" if at <= current + SOON_SECONDS else f"~{moment(at, current)}"


def title(job: JobBrief) -> str:
    """Return what a job is called; one of a sweep or an array with its place there: ``tune [3]``."""
    return plain(job.name) if job.group_index is None else f"{plain(job.name)} [{job.group_index}]"


def ordinal(number: int) -> str:
    """Return ``1st``, ``2nd``, ``11th``."""
    if number % 100 in {11, 12, 13}:
        return f"{number:,}th"
    return f"{number:,}{_ENDINGS.get(number % 10, 'th')}"


def expected_end(job: JobBrief, now: float) -> float | None:
    """Return when a job that runs should end: by what it says of itself, else by its time limit; None: nobody knows."""
    if job.started_at is None or job.state not in ON:
        return None
    limit = None if job.time_limit_seconds is None else job.started_at + job.time_limit_seconds
    progress = job.progress
    if progress is not None and progress.left_seconds is not None:
        told = max(progress.seen_at + progress.left_seconds, now)
        return told if limit is None else min(told, limit)
    return limit


def progress_words(progress: Progress) -> str:
    """Return how far a job says it is: ``epoch 3/10 · 42 % · 12 min left``."""
    parts = [progress.text]
    if progress.ratio is not None:
        parts.append(numbers.percent(progress.ratio))
    if progress.left_seconds is not None:
        parts.append(f"{numbers.duration(progress.left_seconds)} left")
    return " · ".join(part for part in parts if part)


def live_words(live: LiveUse) -> str:
    """Return what a job takes now: ``3.2 CPUs · 12 of 32 GiB memory · 8 processes``; what is not known is left out."""
    limit, memory = live.memory_limit_bytes, ""
    if live.memory_bytes is not None:
        used = numbers.size(live.memory_bytes) if limit is None else numbers.size_of(live.memory_bytes, limit)
        memory = f"{used} memory"
    parts = [
        f"{live.cpus:.1f} CPUs" if live.cpus is not None else "",
        memory,
        numbers.count(live.processes, "process", "processes") if live.processes is not None else "",
    ]
    return " · ".join(part for part in parts if part)


def queue_title(jobs: Iterable[JobBrief], *, then: bool = False) -> str:
    """Return the queue in a line: ``Queue: 2 running, 3 waiting · next ~16:40``; ``then``: beside past numbers."""
    known = list(jobs)
    running = sum(job.state in ON for job in known)
    waiting = [job for job in known if job.state in WAITING]
    starts = [job.forecast_start for job in waiting if job.forecast_start is not None]
    upcoming = f" · next {about(min(starts))}" if starts else ""
    return f"Queue{' now' if then else ''}: {running} running, {len(waiting)} waiting{upcoming}"


def aside(job: JobBrief) -> str:
    """Return when a job starts, is over, or was: what stands at the end of its line."""
    if job.state in WAITING and job.forecast_start is not None:
        return f"starts {about(job.forecast_start)}"
    return numbers.ago(job.ended_at or job.started_at or job.submitted_at)
