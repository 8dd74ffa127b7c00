"""What is told of the queue on demand: each job with its place, why one waits, what would come of submitting one."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol

from mlops_desk.jobs.queue.queue_status import Board
from mlops_desk.jobs.queue.rules import QueueRules
from mlops_desk.jobs.queue.view import Wish
from mlops_desk.jobs.queue.view_builder import IN_QUEUE
from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.queue_position import DryRun, Explanation
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.staging import DataStanding, StagingForecast
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.base.text import plain

_DATA_FIRST = Reason("data_staging", "Its data are copied to the local disk first.")
_WARNED = frozenset({DataStanding.NO_ROOM, DataStanding.UNREADABLE})


def _with_data(wish: Wish, staging: Sequence[StagingForecast]) -> Wish:
    """Return a job that waits for its data too, until they are here as far as that is known."""
    if wish.unready is not None or all(one.standing is DataStanding.THERE for one in staging):
        return wish
    seconds = [one.seconds for one in staging]
    known = [one for one in seconds if one is not None]
    ready_by = time.time() + sum(known) if len(known) == len(seconds) else None
    return replace(wish, unready=_DATA_FIRST, ready_by=ready_by)


def _held(wish: Wish, held_by: Reason) -> Wish:
    """Return a job that waits until somebody mends what keeps it from starting."""
    return replace(wish, unready=wish.unready or held_by, ready_by=None)


class ServedQueue(Protocol):
    """The queue of one runtime."""

    def board(self) -> Board: ...

    def wish(self, job: Job) -> Wish: ...

    def withheld(self, job: Job) -> Reason | None: ...

    def with_image_progress(self, job: Job) -> Job: ...


class QueueAnswers:
    """``queues`` are those of the runtimes by name, ``active`` returns the jobs that are not over."""

    def __init__(
        self, queues: Mapping[str, ServedQueue], active: Callable[[], Sequence[Job]], rules: Callable[[], QueueRules]
    ) -> None:
        self._queues = queues
        self._active = active
        self._rules = rules

    def shown(self, *jobs: Job) -> list[Job]:
        """Return jobs with their places in the queue, and how far the images are that they wait for."""
        boards = self._boards()

        def shown(job: Job) -> Job:
            queue = self._queues.get(job.runtime)
            if queue is None or job.state not in IN_QUEUE:
                return job
            placed = boards(job.runtime).shown(job) if job.state is JobState.QUEUED else job
            return queue.with_image_progress(placed)

        return list(map(shown, jobs))

    def briefs(self, briefs: Iterable[JobBrief], find: Callable[[str], Job | None]) -> tuple[JobBrief, ...]:
        """Return rows of a list with their places; ``find`` returns a job that is not over."""
        boards = self._boards()

        def placed(brief: JobBrief) -> JobBrief:
            job = find(brief.id) if brief.state is JobState.QUEUED else None
            place = boards(job.runtime).place(brief.id) if job is not None and job.runtime in self._queues else None
            if place is None:
                return brief
            return replace(brief, position=place.position, forecast_start=place.forecast_start)

        return tuple(map(placed, briefs))

    def _boards(self) -> Callable[[str], Board]:
        """Return what looks each queue up once, however many jobs of it are asked for."""
        return cache(lambda runtime: self._queues[runtime].board())

    def explain(self, job: Job) -> Explanation:
        """Tell why a job waits, what stands before it, and what would start it sooner."""
        queue = self._queues.get(job.runtime)
        if queue is None:
            text = job.reason.text if job.reason is not None else "Nobody looks after it."
            return Explanation(job.id, job.state.value, text)
        return queue.board().explain(job)

    def preview(self, spec: str, jobs: Sequence[Job], staging: Sequence[StagingForecast] = ()) -> DryRun:
        """Tell what would come of submitting jobs, all on one runtime, of which ``spec`` is the job file.

        ``staging`` is how the data stand that are copied first.
        """
        queue = self._queues[jobs[0].runtime]
        held_by = queue.withheld(jobs[0])
        wishes = [_held(queue.wish(job), held_by) if held_by else _with_data(queue.wish(job), staging) for job in jobs]
        places, sooner = queue.board().preview(wishes)
        warnings = () if self.room_for(jobs[0].submitted_by) >= len(jobs) else (self._full(jobs[0].submitted_by),)
        refused = (one for one in staging if one.standing in _WARNED)
        warnings = (*warnings, *(f"{plain(one.target)}: {one.text} {one.hint or ''}".rstrip() for one in refused))
        return DryRun(spec, len(jobs), places, sooner, warnings, tuple(staging))

    def room_for(self, uid: int) -> float:
        """Return how many jobs a user may add to the queue."""
        most = self._rules().jobs_per_user
        if not most:
            return float("inf")
        return most - sum(job.submitted_by == uid and job.state in IN_QUEUE for job in self._active())

    def admit(self, uid: int, count: int = 1) -> None:
        """Let a user add jobs to the queue. Raises Refused where they have too many there."""
        if self.room_for(uid) < count:
            hint = Hint(
                "mlops-desk settings set queue.jobs_per_user 0", after=" lifts the limit; or wait, or cancel some."
            )
            raise Refused(self._full(uid), hint)

    def _full(self, uid: int) -> str:
        most = self._rules().jobs_per_user
        waiting = sum(job.submitted_by == uid and job.state in IN_QUEUE for job in self._active())
        return f"One person may have {most} jobs in the queue, and {waiting} are waiting."
