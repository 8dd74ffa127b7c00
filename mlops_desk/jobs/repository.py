"""The jobs as the state database holds them, with those that are not over also in memory.

Every change is a read, a new record and a write under one lock, and is announced in the order of the
writes. The database is written first: what was announced is durable.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

from mlops_desk.jobs.records.brief import JobBrief, brief_of
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.staging import StagingProgress
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.records import StoredRecords

_ACTIVE = (JobState.QUEUED, JobState.BLOCKED, JobState.STARTING, JobState.RUNNING)
_IN_QUEUE = frozenset({JobState.QUEUED, JobState.BLOCKED})

Change = Callable[[Job], Job | None]


class JobBook:
    """``announce`` hears of every change, in order and under the book's lock: it must only pass it on.

    ``moved`` hears likewise of what is seen of a running job, which is not written down.
    """

    def __init__(
        self,
        table: StoredRecords[Job],
        announce: Callable[[Job], None],
        moved: Callable[[Job], None] = lambda _job: None,
    ) -> None:
        self._table = table
        self._announce = announce
        self._moved = moved
        self._lock = threading.RLock()
        self._active = {job.id: job for job in table.list(states=_ACTIVE, newest_first=False)}
        self._latest = max((job.submitted_at for job in table.list(limit=1)), default=0.0)

    def active(self) -> list[Job]:
        """Return the jobs that are not over, oldest first."""
        with self._lock:
            return sorted(self._active.values(), key=lambda job: (job.submitted_at, job.id))

    def add(self, job: Job) -> Job:
        """Add a new job at the end of the queue, whatever the clock has done since the last one."""
        return self.add_all([job])[0]

    def add_all(self, jobs: Sequence[Job]) -> list[Job]:
        """Add new jobs at the end of the queue, in their order, all of them or none."""
        with self._lock:
            at = [max(job.submitted_at, self._latest + 1e-6 * number) for number, job in enumerate(jobs, start=1)]
            added = [replace(job, submitted_at=moment) for job, moment in zip(jobs, accumulate(at, max), strict=True)]
            self._table.put_all(added)
            for job in added:
                self._keep(job)
            self._latest = added[-1].submitted_at
            return added

    def restore(self, job: Job) -> None:
        """Make the record of a job that has none any more; it keeps its time."""
        with self._lock:
            self._put(job)

    def get(self, job_id: str) -> Job:
        """Return a job. Raises NotFound."""
        with self._lock:
            job = self._active.get(job_id) or self._table.get(job_id)
        if job is None:
            raise NotFound(
                f"There is no job {plain(job_id)!r}.", Hint("mlops-desk jobs list", after=" shows them all.")
            )
        return job

    def current(self, job_id: str) -> Job | None:
        """Return a job that is not over; None for everything else."""
        with self._lock:
            return self._active.get(job_id)

    def known(self, job_id: str) -> Job | None:
        """Return a job; None where there is none any more."""
        try:
            return self.get(job_id)
        except NotFound:
            return None

    def find(self, prefix: str) -> Job:
        """Return the one job whose id begins with ``prefix``. Raises NotFound, or Invalid when several do."""
        if not prefix:
            raise Invalid("No job is named.", "Name it by its id, the beginning of it, or its container.")
        matches = self._table.find(prefix, LOOKED_FOR) or self._of_container(prefix)
        return self.get(
            the_one(prefix, matches, noun="job", hint=Hint("mlops-desk jobs list", after=" shows them all.")).id
        )

    def _of_container(self, name: str) -> list[Job]:
        """Return the job whose container has a name: where it runs, that is what people see of it."""
        return [job for job in self.active() if job.container == name]

    def is_current(self, attempt_id: str) -> bool:
        """Tell whether an attempt is under way, or about to begin: its token is made before it is written down."""
        job_id, _, number = attempt_id.rpartition("-a")
        try:
            job = self.get(job_id)
        except NotFound:
            return False
        attempt = next((one for one in job.attempts if one.id == attempt_id), None)
        if attempt is not None:
            return not attempt.state.is_final
        return not job.state.is_final and number == str(len(job.attempts) + 1)

    def of_run(self, run_id: str) -> Job | None:
        """Return the newest job that logged to a run, or None."""
        return self._table.newest_with("mlflow_run_id", run_id)

    def newest_named(self, name: str) -> Job | None:
        """Return the newest job of a name, or None."""
        return self._table.newest_with("name", name)

    def group(self, group: str) -> list[Job]:
        """Return the jobs of an array or a sweep in their order; of what is none, none."""
        found = self._table.all_with("group", group)
        with self._lock:
            jobs = [self._active.get(job.id, job) for job in found]
        return sorted(jobs, key=lambda job: job.group_index or 0)

    def newest(self, states: tuple[str, ...] | None = None, limit: int | None = None) -> list[Job]:
        """Return jobs from the database, newest first, each with what is told of it now."""
        found = self._table.list(states=states, limit=limit)
        with self._lock:
            return [self._active.get(job.id, job) for job in found]

    def page(
        self, limit: int, cursor: str | None, states: tuple[str, ...] | None, since: float | None
    ) -> ListPage[JobBrief]:
        """Return a page of the jobs, newest first, each with what is told of it now."""
        page = self._table.page(limit, cursor, states=states, since=since)
        with self._lock:
            return ListPage(tuple(brief_of(self._active.get(job.id, job)) for job in page.items), page.next)

    def change(self, job_id: str, change: Change) -> Job | None:
        """Replace a job by what ``change`` makes of it; None, from it or from here, means that nothing changed."""
        with self._lock:
            old = self.get(job_id)
            new = change(old)
            if new is None or new == old:
                return None
            self._put(new)
            return new

    def give_reason(self, job: Job, reason: Reason | None, state: JobState | None = None) -> None:
        """Write down why a job waits, and its state in the queue, if it is given and the job is still there."""

        def put(current: Job) -> Job | None:
            if current.state.is_final or (state is not None and current.state not in _IN_QUEUE):
                return None
            return replace(current, reason=reason, state=state or current.state)

        if job.reason != reason or (state is not None and job.state is not state):
            self.change(job.id, put)

    def fail(self, job: Job, reason: Reason) -> None:
        """End a job of the queue that can never start."""

        def end(current: Job) -> Job | None:
            if current.state not in _IN_QUEUE:
                return None
            return replace(current, state=JobState.FAILED, reason=reason, ended_at=time.time())

        self.change(job.id, end)

    def tell(self, job_id: str, reason: Reason, staging: StagingProgress | None = None) -> None:
        """Show why a job waits without writing it down: it changes often, or the disk is full.

        ``staging`` is how far the copy of its data is; of a job that waits no more nothing is shown.
        """
        with self._lock:
            job = self._active.get(job_id)
            if job is None or (staging is not None and job.state not in _IN_QUEUE):
                return
            told = replace(job, reason=reason, staging=staging)
            if told != job:
                self._active[job_id] = told
                self._announce(told)

    def move(self, job_id: str, change: Callable[[Job], Job]) -> None:
        """Tell what is seen of a running job: how far it is, what it takes, that it is stuck. Nothing is written."""
        with self._lock:
            job = self._active.get(job_id)
            if job is None or job.state is not JobState.RUNNING:
                return
            moved = change(job)
            if moved != job:
                self._active[job_id] = moved
                self._moved(moved)

    def _put(self, job: Job) -> None:
        bare = replace(job, progress=None, stuck=None, live=None, staging=None)
        self._table.put(bare)
        waiting = replace(bare, staging=job.staging) if job.state in _IN_QUEUE else bare
        self._keep(replace(job, staging=None) if job.state is JobState.RUNNING else waiting)

    def _keep(self, job: Job) -> None:
        """Hold in memory what was written, if it is not over, and announce it."""
        if job.state.is_final:
            self._active.pop(job.id, None)
        else:
            self._active[job.id] = job
        self._announce(job)


def with_attempt(job: Job, attempt: Attempt) -> Job:
    """Return ``job`` with its newest attempt replaced by ``attempt`` and what the job shows of it."""
    return replace(
        job,
        attempts=(*job.attempts[:-1], attempt),
        state=attempt.state,
        gpus=attempt.gpus,
        container=attempt.container,
        handle=attempt.handle,
        exit_code=attempt.exit_code,
        reason=attempt.reason,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
    )
