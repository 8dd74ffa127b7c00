"""Compares what is wanted (the database) with what a runtime runs, and acts on the difference.

Every second one survey of what is ours there is held against its jobs that are not over. What needs doing
is done by hands: one thread for each job that needs something, never two on the same job, so that a
slow pull, a grace or a call that hangs holds up nobody else. Each runtime has a runner of its own, so that
one that does not answer holds up the jobs of no other.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mlops_desk.jobs.ports import DataStaging, GpuEnd, GroupWatch, nothing_seen
from mlops_desk.jobs.queue.rules import QueueRules
from mlops_desk.jobs.queue.usage import Usage
from mlops_desk.jobs.queue.view_builder import IN_QUEUE, UNDER_WAY
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec, Resources
from mlops_desk.jobs.repository import JobBook, with_attempt
from mlops_desk.jobs.run.attempt_end import cancelled_unstarted
from mlops_desk.jobs.run.attempts import Attempts
from mlops_desk.jobs.run.fair_queue import Pool
from mlops_desk.jobs.run.job_workers import Hand, Hands
from mlops_desk.jobs.run.progress import Moving
from mlops_desk.jobs.run.runs import JobRuns
from mlops_desk.jobs.run.scheduler import Serving
from mlops_desk.jobs.runtimes.runtime import Runtime, Sighting, Stray
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.kit.base.loop import Finished, Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.base.timer import Bell

# Attempts of which no record is left, as after a lost or an older state database: taken up again.
# An orphan gets a record made of what its runtime tells of it, so it is shown, its GPUs are leased to it, it is
# watched to its end and can be cancelled like any other job. One that was placed but never started is not started
# now: nobody knows any more what it was to wait for.
_log = logging.getLogger(__name__)

_IN_QUEUE = frozenset({JobState.QUEUED, JobState.BLOCKED})


class OrphanJobs:
    """Looks through surveys of what is ours in a runtime; each thing is looked up once."""

    def __init__(self, book: JobBook, runtime: Runtime) -> None:
        self._book = book
        self._runtime = runtime
        self._known: set[str] = set()

    def take_up(self, listed: Sequence[Sighting]) -> bool:
        """Make a record for each attempt that has none; True when there was one. What can't be done waits."""
        fresh = [seen for seen in listed if seen.id not in self._known]
        self._known &= {seen.id for seen in listed}
        found = False
        for seen in fresh:
            try:
                found = self._take_up(seen) or found
            except DeskError as error:
                _log.warning("The container %s is not taken up yet: %s", plain(seen.handle), error.message)
            else:
                self._known.add(seen.id)
        return found

    def _take_up(self, seen: Sighting) -> bool:
        try:
            job = self._book.get(seen.job_id)
        except NotFound:
            job = None
        if job is not None and (
            job.state not in _IN_QUEUE or any(attempt.id == seen.attempt_id for attempt in job.attempts)
        ):
            return False
        stray = self._runtime.describe(seen)
        if stray is None:
            return False
        if job is None:
            self._book.restore(_orphan(seen.job_id, stray))
        else:  # the record is of a time before this attempt
            attempt = stray.attempt
            self._book.change(
                job.id,
                lambda now: with_attempt(
                    replace(now, runtime=attempt.runtime, attempts=(*now.attempts, attempt)), attempt
                ),
            )
        _log.warning("The container %s has no record; it was taken up as job %s", plain(seen.handle), seen.job_id)
        return True


def _orphan(job_id: str, stray: Stray) -> Job:
    attempt, gpus = stray.attempt, len(stray.attempt.gpus)
    job = Job(
        id=job_id,
        name=f"orphan {stray.name or job_id}",
        state=attempt.state,
        spec=JobSpec(stray.name or job_id, stray.image, resources=Resources(gpus=gpus)),
        submitted_at=attempt.started_at or time.time(),
        submitted_by=stray.uid,
        user=user_name(stray.uid),
        image_id=stray.image_id,
        attempts=(attempt,),
        orphan=True,
        runtime=attempt.runtime,
    )
    return with_attempt(job, attempt)


_TICK_SECONDS = 1.0  # chosen: how late an end is noticed; a look costs one listing of the engine's
_IDLE_SECONDS = 5.0
"""Without a job nothing is waited for but the next sweep: whoever adds one wakes the runner."""
_SWEEP_SECONDS = 30.0
"""Chosen: what it finds (containers without a record) is left over from crashes, and does not hurry."""


class Runner:
    """``hand`` runs a piece of work, in a thread of its own or at once."""

    def __init__(
        self,
        book: JobBook,
        runtime: Runtime,
        runs: JobRuns,
        hand: Hand,
        usage: Usage | None = None,
        rules: Callable[[], QueueRules] = QueueRules,
        groups: GroupWatch | None = None,
        pool: Pool | None = None,
        staging: DataStaging | None = None,
        gpu_end: GpuEnd = nothing_seen,
    ) -> None:
        self._book = book
        self._runtime = runtime
        self._runs = runs
        self._hands = Hands(hand, self._excuse, book.current, self.wake)
        self._attempts = Attempts(book, runtime, runs, gpu_end)
        self.serving = Serving(
            book, runtime, self._attempts, self._hands, usage or Usage(), rules, groups, pool, staging
        )
        self._groups = groups
        self._orphans = OrphanJobs(book, runtime)
        self.moving = Moving(book, runtime)
        self._ticking = threading.Lock()
        self._sweep_due = 0.0
        self._bell = Bell()
        self._is_stopped = False

    def start(self, loop: Loop) -> None:
        """Tick until the loop ends or ``stop``, at once after each ``wake``."""
        loop.repeat(f"jobs-on-{self._runtime.name}", self._pause, self._look, bell=self._bell)

    def _look(self) -> None:
        if self._is_stopped:
            raise Finished
        try:
            self.tick()
        except DeskError as error:
            _log.warning("Jobs wait: %s", error.message)

    def _pause(self) -> float:
        return _TICK_SECONDS if self._active() or self._runs.owing else _IDLE_SECONDS

    def stop(self) -> None:
        """Look no more."""
        self._is_stopped = True

    def wake(self) -> None:
        """Look again now."""
        self._bell.ring()

    def tick(self) -> None:
        """Look once at everything, and set to work whatever needs it."""
        with self._ticking:
            if self._runs.owing:
                self._hands.set_to_work("runs", "settle", lambda _key: self._runs.settle())
            active = self._active()
            if not active and time.monotonic() < self._sweep_due:
                self.serving.leave_line()
                return
            try:
                listed = self._runtime.survey()
            except DeskError as error:
                self._runtime_is_away(active, error)
                return
            if self._orphans.take_up(listed):
                active = self._active()
            # What is left over goes first, before a hand makes anything that looks like it.
            if time.monotonic() >= self._sweep_due:
                self._sweep_due = time.monotonic() + _SWEEP_SECONDS
                self._sweep(listed)
            seen = {sighting.handle: sighting for sighting in listed}
            for job in active:
                if job.state in UNDER_WAY:
                    self._look_after_one(job, seen)
            self.moving.look(active)
            self._compare(active)
            self.serving.serve()

    def _compare(self, active: list[Job]) -> None:
        groups = self._groups
        if groups is not None and groups.is_due(active):
            self._hands.set_to_work("groups", "compare", lambda _key: groups.compare(active))

    def _active(self) -> list[Job]:
        """Return the jobs of this runtime that are not over, oldest first."""
        return [job for job in self._book.active() if job.runtime == self._runtime.name]

    def preempt(self, job_id: str, reason: Reason, most_seconds: float | None = None) -> None:
        """Ask a running preemptible job to save its work, in ``most_seconds``, and to queue again. Raises DeskError."""
        self._attempts.preempt(job_id, reason, most_seconds)
        self.wake()

    def fail(self, job_id: str, attempt_id: str, reason: Reason) -> None:
        """Stop a running attempt that can't go on; its job is tried again if it asks for that. Raises DeskError."""
        self._attempts.fail(job_id, attempt_id, reason)
        self.wake()

    def cancel(self, job_id: str) -> Job:
        """Wish a job's end: at once while it is queued, else through its runtime."""

        def ask(job: Job) -> Job | None:
            if job.state.is_final:
                return None
            if job.state not in IN_QUEUE:
                return replace(job, cancel_requested=True)
            over = replace(job, state=JobState.CANCELLED, cancel_requested=True, reason=cancelled_unstarted(job))
            return replace(over, ended_at=time.time())

        changed = self._book.change(job_id, ask)
        if changed is not None and changed.state.is_final:
            self._runs.owe(changed.mlflow_run_id, JobState.CANCELLED)
        self._hands.forget_pause(job_id)
        self.wake()
        return self._book.get(job_id)

    # -- under way -----------------------------------------------------------------------------

    def _look_after_one(self, job: Job, seen: Mapping[str, Sighting]) -> None:
        try:
            self._look_after(job, seen)
        except DeskError as error:  # a disk that takes no write about one job must not hide the others from us
            _log.warning("What is seen of %s can't be written down: %s", job.id, error.message)

    def _look_after(self, job: Job, seen: Mapping[str, Sighting]) -> None:
        sighting = seen.get(job.attempts[-1].handle)
        if sighting is None or self._attempts.saw(job, sighting):
            self._hands.set_to_work(job.id, "attend", self._attempts.attend)
        if self._attempts.counts_room(job):
            self._hands.set_to_work(f"room-{job.id}", "count", lambda _key: self._attempts.count_room(job.id))

    def _runtime_is_away(self, active: list[Job], error: DeskError) -> None:
        self._attempts.lost_sight()
        self._sweep_due = 0.0
        for job in active:
            running = "The job may go on; its state is not known. " if job.state in UNDER_WAY else ""
            reason = Reason("engine_unavailable", f"{running}{error.message}", hint=error.hint)
            self._book.give_reason(job, reason, None if running else JobState.BLOCKED)

    # -- tidying -------------------------------------------------------------------------------

    def _sweep(self, listed: list[Sighting]) -> None:
        """Remove attempts of ours that no job needs any more; what belongs to no known job is left alone."""
        self._runtime.settle()
        self._runs.keep_tickets(self._book.is_current)
        for sighting in listed:
            try:
                self._tidy_up(sighting)
            except DeskError as error:  # one that can't be removed now must not hold up the jobs
                _log.warning("The container %s is left over for now: %s", plain(sighting.handle), error.message)
                if isinstance(error, Unavailable):
                    return

    def _tidy_up(self, sighting: Sighting) -> None:
        try:
            job = self._book.get(sighting.job_id)
        except NotFound:
            return
        attempt = next((one for one in job.attempts if one.id == sighting.attempt_id), None)
        if attempt is None:
            return
        newest = attempt.id == job.attempts[-1].id
        if attempt.state.is_final or not newest:
            self._attempts.tidy(job, attempt, finished=newest and attempt.started_at is not None)

    def _excuse(self, key: str, reason: Reason, blocked: bool) -> None:
        """Show why work was put off; some hands work on something else than a job."""
        _log.info("%s has to wait: %s", key, reason.text)
        job = self._book.current(key)
        if job is None:
            return
        try:
            self._book.give_reason(job, reason, JobState.BLOCKED if blocked else None)
        except DeskError as error:
            _log.warning("Why %s waits can't be written down: %s", key, error.message)
            self._book.tell(key, reason)
