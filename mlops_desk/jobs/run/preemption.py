"""A running job gives way to another: it is asked to save its work, given its grace, ended, and queued again.

It is asked by TERM, which Lightning, the Hugging Face Trainer and everything grown on Kubernetes or Slurm take as
"save and end"; or by the signal that its job file names as its warning, as it handles that one. A line
``MLD_CHECKPOINT PATH`` in its output then says that its work is saved, and it need not be waited for any longer.

Nothing here waits: each step looks where the attempt stands and does what is due, so another agent goes on in the
middle. That one asks once more, as nobody knows whether the first had got so far.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace

from mlops_desk.base.errors import DeskError
from mlops_desk.jobs.book import JobBook, with_attempt
from mlops_desk.jobs.queue.plan import PREEMPTED
from mlops_desk.jobs.run import times
from mlops_desk.records.jobs.job import Attempt, Job, JobState
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.runtimes.runtime import Runtime

_log = logging.getLogger(__name__)

_SIGNAL = "TERM"
_LAST_SECONDS = 2.0
"""Chosen: its work is saved, or its grace is over; it can still close its files before it is killed."""
_TAIL_LINES = 2000  # chosen: more than a program prints in the second between two looks
_MARKER = re.compile(r"(?:^|[\s:\]])MLD_CHECKPOINT(?:\s|$)")


class Preemption:
    """The preempted attempts of one runtime. One thread at a time works on a job."""

    def __init__(self, book: JobBook, runtime: Runtime) -> None:
        self._book = book
        self._runtime = runtime
        self._before: dict[str, tuple[str, ...] | None] = {}

    def begin(self, job_id: str, reason: Reason, most_seconds: float | None = None) -> None:
        """Write down that a running preemptible job gives way; nothing happens to any other. Raises DeskError.

        It has its own grace, but ``most_seconds`` at most.
        """
        why = replace(reason, class_=PREEMPTED)

        def give_way(job: Job) -> Job | None:
            if job.state is not JobState.RUNNING or not job.spec.preemptible or job.cancel_requested:
                return None
            newest = job.attempts[-1]
            if newest.stopped_for is not None:
                return None
            return with_attempt(job, replace(newest, stopped_for=why, reason=why, grace_seconds=most_seconds))

        self._book.change(job_id, give_way)

    def step(self, job: Job, attempt: Attempt) -> None:
        """Do what is due about an attempt that gives way and still runs. Raises Unavailable: look again."""
        if attempt.asked is None or attempt.id not in self._before:
            self._ask(job, attempt)
        elif self._is_over(job, attempt) or self._has_saved(job, attempt):
            self._runtime.stop(job, attempt, _LAST_SECONDS)

    def saved(self, attempt: Attempt, lines: Sequence[str]) -> bool:
        """Tell whether the last lines of an attempt that is over say that it saved its work after it was asked to.

        Where nobody knows what it had said before, each line counts: work that is done goes on from its last
        checkpoint and ends at once, but half of it must not pass for all.
        """
        before = self._before.pop(attempt.id, None)
        return says_saved(() if before is None else before, lines)

    def _ask(self, job: Job, attempt: Attempt) -> None:
        if attempt.asked is None:
            asked = times.mark_start(times.now(), None)
            self._book.change(job.id, lambda now: with_attempt(now, replace(now.attempts[-1], asked=asked)))
        self._before[attempt.id] = self._tail(job, attempt)
        self._runtime.signal(job, attempt, job.spec.warning.signal if job.spec.warning else _SIGNAL)

    def _is_over(self, job: Job, attempt: Attempt) -> bool:
        since = None if attempt.asked is None else times.passed(attempt.asked, times.now())
        own = self._runtime.grace_seconds(job)
        return since is None or since >= (own if attempt.grace_seconds is None else min(own, attempt.grace_seconds))

    def _has_saved(self, job: Job, attempt: Attempt) -> bool:
        before, now = self._before[attempt.id], self._tail(job, attempt)
        return before is not None and now is not None and says_saved(before, now)

    def _tail(self, job: Job, attempt: Attempt) -> tuple[str, ...] | None:
        try:
            return tuple(self._runtime.logs(job, attempt, tail=_TAIL_LINES))
        except DeskError as error:  # then it has its whole grace
            _log.info("Whether %s has saved its work can't be read: %s", attempt.id, error.message)
            return None


def says_saved(before: Sequence[str], now: Sequence[str]) -> bool:
    """Tell whether a line since ``before``, both being the ends of one growing log, says that work was saved.

    Where the two have nothing in common it is not known which lines are new, and so none says it.
    """
    if before and not _MARKER.search(before[-1]):
        before = before[:-1]  # it may have been written half
    if not before:
        return any(map(_MARKER.search, now))
    for known in range(min(len(before), len(now)), 0, -1):
        if list(now[:known]) == list(before[len(before) - known :]):
            return any(map(_MARKER.search, now[known:]))
    return False
