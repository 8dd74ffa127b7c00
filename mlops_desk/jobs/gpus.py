"""What the rest of the house asks of jobs about GPUs, and tells them of those."""

from collections.abc import Mapping
from dataclasses import replace

from mlops_desk.jobs.failure_causes.judge import words_for
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.waiter import KeptFor
from mlops_desk.jobs.repository import JobBook, with_attempt
from mlops_desk.jobs.run.fair_queue import Pool
from mlops_desk.jobs.run.runner import Runner


class JobGpus:
    """``runners`` and ``pools`` are those of the runtimes, by name."""

    def __init__(self, book: JobBook, runners: Mapping[str, Runner], pools: Mapping[str, Pool]) -> None:
        self._book = book
        self._runners = runners
        self._pools = pools

    def kept(self) -> Mapping[str, KeptFor]:
        """Return, by the GPU, for whom each is kept while somebody stands in the line of all agents."""
        for name, pool in self._pools.items():
            if pool.line is not None and pool.line.waiters(()):
                return self._runners[name].serving.board().plan.kept
        return {}

    def lost(self, attempt_id: str, reason: Reason) -> None:
        """Hear that a running attempt has lost a GPU: its job shows it while it goes on.

        It is stopped if its job wants to be tried again after that.
        """
        job_id = attempt_id.rpartition("-a")[0]
        job = self._book.current(job_id)
        if job is None:
            return

        def show(current: Job) -> Job | None:
            newest = current.attempts[-1] if current.attempts else None
            if newest is None or newest.id != attempt_id or newest.state is not JobState.RUNNING:
                return None
            return with_attempt(current, replace(newest, reason=reason))

        self._book.change(job_id, show)
        if not set(words_for(reason.class_)).isdisjoint(job.spec.retries):
            self._runners[job.runtime].fail(job_id, attempt_id, reason)
