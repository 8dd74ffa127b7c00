"""Who gets each GPU next, and when. No Qt here.

A forecast is the scheduler's as to when; on which GPUs a waiting job will be is only guessed: those that are free then.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops_desk.base.text import plain
from mlops_desk.records.gpu import Gpu
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import JobState
from mlops_desk.ui.words import gpus
from mlops_desk.ui.words import jobs as words

MOST_EXPECTED = 200  # chosen: more forecasts than there is room for anywhere
SLACK_SECONDS = 90.0  # chosen: a forecast and the end before it are reckoned a moment apart
_NAME_LIMIT = 40  # chosen: a name on a tile


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A job that is expected on a GPU, Unix seconds; ``end`` None: it names no time limit."""

    job: JobBrief
    start: float
    end: float | None


def upcoming(free_at: Mapping[str, float], jobs: Iterable[JobBrief], now: float) -> dict[str, list[Upcoming]]:
    """Put the waiting jobs whose start is forecast where there is room then, in the order of the queue.

    ``free_at`` tells when each GPU is free; infinity: nobody knows.
    """
    free_from = dict(free_at)
    found: dict[str, list[Upcoming]] = {uuid: [] for uuid in free_at}
    waiting = [job for job in jobs if job.state is JobState.QUEUED and job.forecast_start is not None]
    waiting.sort(key=lambda job: (job.forecast_start or 0.0, job.position or 0))
    for job in waiting[:MOST_EXPECTED]:
        start = max(job.forecast_start or now, now)
        free = [uuid for uuid, at in free_from.items() if at <= start + SLACK_SECONDS]
        if not 0 < job.gpus_asked <= len(free):
            continue
        end = None if job.time_limit_seconds is None else start + job.time_limit_seconds
        # The one that was free last: a longer gap elsewhere may fit one that is to come.
        for uuid in sorted(free, key=lambda uuid: -free_from[uuid])[: job.gpus_asked]:
            found[uuid].append(Upcoming(job, start, end))
            free_from[uuid] = math.inf if end is None else end
    return found


def next_on(known: Iterable[Gpu], jobs: Mapping[str, JobBrief], now: float) -> dict[str, Upcoming]:
    """Return who is expected next on each GPU, by what is told of the jobs that have them."""
    ends: dict[str, float] = {}
    for job in jobs.values():
        if job.state in words.ON:
            end = words.expected_end(job, now)
            for uuid in job.gpus:
                ends[uuid] = max(ends.get(uuid, now), math.inf if end is None else end)
    free_at = {gpu.uuid: ends.get(gpu.uuid, now if gpus.gpu_mark(gpu).word == "free" else math.inf) for gpu in known}
    return {uuid: expected[0] for uuid, expected in upcoming(free_at, jobs.values(), now).items() if expected}


def next_words(one: Upcoming, now: float) -> str:
    """Return it as a tile says it: ``next: llm-ft ~14:20``."""
    return f"next: {plain(one.job.name, _NAME_LIMIT)} {words.about(one.start, now)}"
