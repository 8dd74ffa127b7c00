"""Who is looked at by the clock: jobs that hold GPUs without use, and jobs that are stuck. Built for the service."""

from collections.abc import Callable, Mapping

from mlops_desk.base.loop import Loop
from mlops_desk.jobs.book import JobBook
from mlops_desk.jobs.capsule.completing import Outside
from mlops_desk.jobs.capsule.idling import IdleHolders, IdleParts
from mlops_desk.jobs.run.runner import Runner
from mlops_desk.jobs.stuck.looking import StuckJobs, StuckParts
from mlops_desk.records.event import Notice
from mlops_desk.records.jobs.job import Job

_IDLE_LOOK_SECONDS = 60.0  # chosen: what is idle for half an hour is not in a hurry
_STUCK_LOOK_SECONDS = 60.0  # chosen: what lasts for a quarter of an hour is seen within a few per cent of it


class RunningWatch:
    """``runner_of`` is who looks after a job, ``publish`` tells everybody; ``metrics`` are the newest of a run."""

    def __init__(
        self,
        book: JobBook,
        outside: Outside,
        runner_of: Callable[[Job], Runner],
        publish: Callable[[Notice], None],
        metrics: Callable[[str], Mapping[str, float]] | None,
    ) -> None:
        self._idle: IdleHolders | None = None
        self._stuck: StuckJobs | None = None
        if outside.spent is not None and outside.idle_minutes is not None:
            parts = IdleParts(
                outside.idle_minutes, outside.spent, publish, lambda job, why: runner_of(job).preempt(job.id, why)
            )
            self._idle = IdleHolders(book, parts)
        if outside.stuck_minutes is not None:
            self._stuck = StuckJobs(
                book,
                StuckParts(
                    outside.stuck_minutes,
                    lambda job: runner_of(job).moving.followed(job.attempts[-1].id),
                    outside.spent,
                    metrics,
                    lambda: {} if self._idle is None else self._idle.idle,
                    outside.watched,
                ),
            )

    def start(self, loop: Loop) -> None:
        """Look by the clock: that nothing happens is announced by nobody."""
        if self._idle is not None:
            loop.repeat("jobs-idle", _IDLE_LOOK_SECONDS, self._idle.look, at_once=False)
        if self._stuck is not None:
            loop.repeat("jobs-stuck", _STUCK_LOOK_SECONDS, self._stuck.look, at_once=False)
