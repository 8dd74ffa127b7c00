"""GPUs that a job holds and does not use: said once, and taken back from a preemptible job while others wait.

Idle is a mean utilisation below one hundredth over the whole span that the setting names, on every GPU of the job:
loading data and writing checkpoints is not idle for so long, a notebook that is left open is.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlops_desk.jobs.ports import Spent
from mlops_desk.jobs.queue.plan import PREEMPTED
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.repository import JobBook
from mlops_desk.kit.base.errors import DeskError, Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.event import Notice

_log = logging.getLogger(__name__)

_IDLE_RATIO = 0.01  # chosen: as for GPU-hours; the smallest training step is above it
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class IdleParts:
    """``minutes`` is the setting, 0 for never; ``take_back`` asks a job to save its work and queue again."""

    minutes: Callable[[], int]
    spent: Spent
    warn: Callable[[Notice], None]
    take_back: Callable[[Job, Reason], None]


class IdleHolders:
    """Looks at the jobs that run. ``look`` is called every minute, by one thread."""

    def __init__(self, book: JobBook, parts: IdleParts) -> None:
        self._book = book
        self._parts = parts
        self._warned: set[str] = set()
        self.idle: Mapping[str, int] = {}
        """Attempts that hold GPUs without use, and for how many minutes at least."""

    def look(self) -> None:
        """Warn of jobs that hold GPUs and do not use them, or take the GPUs back."""
        minutes = self._parts.minutes()
        active = self._book.active()
        waiting = any(job.state is JobState.QUEUED and job.spec.resources.gpus for job in active)
        idle = {job.attempts[-1].id: job for job in active if minutes and self._is_idle(job, minutes * _MINUTE)}
        self._warned &= idle.keys()
        self.idle = dict.fromkeys(idle, minutes)
        for attempt_id, job in idle.items():
            if job.spec.preemptible and waiting:
                self._take_back(job, minutes)
            elif attempt_id not in self._warned:
                self._warned.add(attempt_id)
                self._parts.warn(_notice(job, minutes))

    def _is_idle(self, job: Job, seconds: float) -> bool:
        if job.state is not JobState.RUNNING or not job.gpus or not job.spec.resources.exclusive:
            return False
        attempt, now = job.attempts[-1], time.time()
        ending = job.cancel_requested or attempt.stopped_for is not None
        if ending or attempt.started_at is None or now - attempt.started_at < seconds:
            return False
        try:
            means = [self._parts.spent(gpu, now - seconds, now).utilization_mean for gpu in attempt.gpus]
        except DeskError as error:
            _log.info("Whether job %s uses its GPUs is not known: %s", job.id, error.message)
            return False
        return all(mean is not None and mean < _IDLE_RATIO for mean in means)

    def _take_back(self, job: Job, minutes: int) -> None:
        text = f"Its GPUs did nothing for {minutes} min while other jobs waited for GPUs."
        try:
            self._parts.take_back(job, Reason(PREEMPTED, text, hint="It goes on when there is room again."))
        except DeskError as error:  # tried again in a minute
            _log.warning("The GPUs of job %s can't be taken back now: %s", job.id, error.message)


def _notice(job: Job, minutes: int) -> Notice:
    count = len(job.gpus)
    text = f"Job {plain(job.name)} of {job.user} has held {count} GPU{'s' * (count > 1)} for {minutes} min without use."
    hint = Hint(f"mlops-desk jobs cancel {job.id}", before="If it is not needed any more: ")
    return Notice("warning", "jobs", text, hint, time.time(), about=("job", job.id))
