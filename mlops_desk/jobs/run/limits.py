"""A job's time limit: it is warned ahead of it by a signal, if it asks for that, and ended at it.

It is counted for each attempt from its start on, by clocks that nobody sets, and holds over a restart of the agent.
"""

from dataclasses import replace
from enum import StrEnum

from mlops_desk.base.errors import Hint
from mlops_desk.base.text import duration_text
from mlops_desk.jobs.book import JobBook, with_attempt
from mlops_desk.jobs.run import times
from mlops_desk.records.jobs.job import Attempt, Job, JobState
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.jobs.spec import JobSpec
from mlops_desk.runtimes.runtime import Runtime

TIME_LIMIT = "time_limit"
"""The class of the reason for which an attempt ends at its limit."""


class Due(StrEnum):
    """What is due about a running attempt."""

    NOTHING = "nothing"
    WARNING = "warning"
    END = "end"


def what_is_due(spec: JobSpec, attempt: Attempt, moment: times.Now) -> Due:
    """Tell what is due about the time limit of an attempt that runs. Pure."""
    limit, passed = spec.time_limit_seconds, times.elapsed(attempt, moment)
    if limit is None or passed is None or attempt.stopped_for is not None:
        return Due.NOTHING
    if passed >= limit:
        return Due.END
    warning = spec.warning
    if warning is not None and not attempt.warned and passed >= limit - warning.before_seconds:
        return Due.WARNING
    return Due.NOTHING


def too_long(job: Job) -> Reason:
    """Return why a job that has had its time is ended."""
    limit = job.spec.time_limit_seconds or 0.0
    text = f"The job ran for its whole time limit of {duration_text(limit)} and was ended."
    before = "Give it more time, or let it save its work (checkpoint) and go on from there: "
    hint = Hint(f"mlops-desk jobs rerun {job.id} --set timeLimit={2 * limit:.0f}s", before=before)
    return Reason(TIME_LIMIT, text, hint=hint, title="Time limit reached")


class Limits:
    """The time limits of one runtime's jobs. One thread at a time works on a job."""

    def __init__(self, book: JobBook, runtime: Runtime) -> None:
        self._book = book
        self._runtime = runtime

    def heed(self, job: Job, attempt: Attempt) -> None:
        """Warn a running attempt, or write down that its time is over. Raises Unavailable: look again.

        It is warned before that is written down: twice, if the agent dies in between, rather than not at all.
        """
        due = what_is_due(job.spec, attempt, times.now())
        if due is Due.WARNING and job.spec.warning is not None:
            self._runtime.signal(job, attempt, job.spec.warning.signal)
            self._put(job, attempt, replace(attempt, warned=True))
        elif due is Due.END:
            reason = too_long(job)
            self._put(job, attempt, replace(attempt, reason=reason, stopped_for=reason))

    def _put(self, job: Job, old: Attempt, new: Attempt) -> None:
        def put(current: Job) -> Job | None:
            newest = current.attempts[-1]
            same = newest.id == old.id and newest.state is JobState.RUNNING and newest.stopped_for is None
            return with_attempt(current, new) if same else None

        self._book.change(job.id, put)
