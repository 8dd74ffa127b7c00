"""One attempt of a job, from the lease to the verdict.

The steps are ordered so that the agent may die between any two of them: the lease is taken, the
attempt written, the container created under the attempt's name, the wish to start it written, the
container started. Whoever comes next looks at record and engine and goes on at the right step; a
container that was asked to start is never created a second time.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.engines.engine import ContainerFacts, Engine
from mlops_desk.jobs.book import JobBook, with_attempt
from mlops_desk.jobs.ports import GpuLeases, RunTicket
from mlops_desk.jobs.queue import WAITING_FOR_GPUS
from mlops_desk.jobs.run import times
from mlops_desk.jobs.run.container import container_name
from mlops_desk.jobs.run.held_gpus import HeldGpus
from mlops_desk.jobs.run.images import Images
from mlops_desk.jobs.run.launch import GoneBeforeStart, Launch, NotStarted
from mlops_desk.jobs.run.outcome import AttemptVerdict, Ending, judge
from mlops_desk.jobs.run.quota import OutQuota, too_much
from mlops_desk.jobs.run.remains import Remains
from mlops_desk.jobs.run.runs import JobRuns
from mlops_desk.jobs.run.vanished import Sight
from mlops_desk.records.job import Attempt, Job, JobState, Reason


class Postponed(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The job stays in the queue for now; ``reason`` is shown there."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings that hold at the moment they are asked for."""

    stop_grace_seconds: Callable[[], int]
    keep_containers: Callable[[], bool]
    check_mounts: Callable[[Job], None]
    out_limit_bytes: Callable[[], int]


class Attempts:
    """Starts, watches and ends attempts. One thread at a time works on a job; several may work on different ones."""

    def __init__(
        self,
        book: JobBook,
        engine: Engine,
        images: Images,
        leases: GpuLeases,
        runs: JobRuns,
        root: Path,
        instance: str,
        policy: Policy,
    ) -> None:
        self._book = book
        self._engine = engine
        self._gpus = HeldGpus(leases)
        self._runs = runs
        self._instance = instance
        self._policy = policy
        self._sight = Sight()
        self._lock = threading.Lock()
        self._watched: set[str] = set()
        self._remains = Remains(engine, root, policy.keep_containers)
        self._launch = Launch(
            engine, images, instance, self._remains.folder, policy.check_mounts, policy.stop_grace_seconds
        )
        self._quota = OutQuota()

    # -- beginning -----------------------------------------------------------------------------

    def begin(self, job_id: str) -> None:
        """Take a queued job out of the queue. Raises Postponed when something that it needs is not to be had."""
        job = self._book.get(job_id)
        if job.state is not JobState.QUEUED or job.image_id is None:
            return
        number = len(job.attempts) + 1
        name = container_name(self._instance, job.id, number)
        limit = self._policy.out_limit_bytes()
        attempt = Attempt(number, f"{job.id}-a{number}", name, JobState.STARTING, out_limit_bytes=limit)
        ticket = self._ticket(job, attempt)
        attempt = replace(attempt, gpus=self._lease(job, attempt))

        def claim(current: Job) -> Job | None:
            if current.state is not JobState.QUEUED:
                return None
            return with_attempt(replace(current, attempts=(*current.attempts, attempt)), attempt)

        try:
            claimed = self._book.change(job.id, claim)
        except DeskError:
            self._gpus.release(attempt)
            raise
        if claimed is None:  # cancelled meanwhile
            self._gpus.release(attempt)
            return
        self._bring_up(claimed, attempt, ticket)

    def _ticket(self, job: Job, attempt: Attempt) -> RunTicket | None:
        if job.spec.mlflow is None:
            return None
        try:
            ticket = self._runs.prepare(job, attempt.id)
        except DeskError as error:
            text = f"Waits for the tracking server: {error.message}"
            raise Postponed(Reason("registry_unavailable", text, hint=error.hint)) from error
        self._book.change(
            job.id, lambda current: None if current.state.is_final else replace(current, mlflow_run_id=ticket.run_id)
        )
        if self._book.get(job.id).state.is_final:
            self._runs.owe(ticket.run_id, JobState.CANCELLED)
        return ticket

    def _lease(self, job: Job, attempt: Attempt) -> tuple[str, ...]:
        answer = self._gpus.lease(job, attempt)
        if isinstance(answer, str):
            raise Postponed(Reason(WAITING_FOR_GPUS, answer))
        return answer

    def release_leftovers(self) -> None:
        """Give back the GPUs of attempts that are over; what can't be given back now is tried again."""
        self._gpus.release_leftovers()

    # -- going on ------------------------------------------------------------------------------

    def attend(self, job_id: str) -> None:
        """Do what an attempt that is under way needs now. Raises Unavailable: unknown, look again later."""
        job = self._book.get(job_id)
        if job.state is JobState.STARTING:
            self._bring_up(job, job.attempts[-1], None)
        elif job.state is JobState.RUNNING:
            self._watch(job, job.attempts[-1])

    def _bring_up(self, job: Job, attempt: Attempt, ticket: RunTicket | None) -> None:
        facts = self._look(attempt)
        if facts is None and attempt.started_at is not None:
            self._finish(job, attempt, None)
            return
        try:
            if facts is None or facts.status == "created":
                if self._book.get(job.id).cancel_requested:
                    self._conclude(job, attempt, _cancelled_before_start())
                    return
                if not self._gpus.still_held(job, attempt):
                    self._give_up(job, attempt)
                    return
                facts = self._start(job, attempt, facts, ticket)
            if self._launch.is_held(job, attempt):
                if self._book.get(job.id).cancel_requested:
                    self._conclude(job, _never_run(attempt), _cancelled_before_start())
                    return
                self._launch.let_go(job, attempt)
        except NotStarted as never:
            self._conclude(job, _never_run(attempt), AttemptVerdict(JobState.FAILED, None, never.reason))
            return
        self._mark_running(job, attempt, facts)

    def _start(
        self, job: Job, attempt: Attempt, facts: ContainerFacts | None, ticket: RunTicket | None
    ) -> ContainerFacts:
        try:
            facts = self._launch.start(
                job,
                attempt,
                facts,
                lambda: ticket or self._ticket(job, attempt),
                lambda: self._note_start(job, attempt),
            )
        except GoneBeforeStart:
            if attempt.started_at is None:  # nobody has asked before, so it has never run and can be made again
                self._book.change(job.id, lambda current: with_attempt(current, attempt))
            raise
        with self._lock:
            self._watched.add(attempt.id)
        return facts

    def _note_start(self, job: Job, attempt: Attempt) -> None:
        """Write down that it is about to be asked to start; one that was asked before keeps its first time."""
        if attempt.started_at is None:
            moment = times.now()
            mark = times.mark_start(moment, self._engine.incarnation())
            begun = replace(attempt, started_at=moment.wall, mark=mark)
            self._book.change(job.id, lambda current: with_attempt(current, begun))

    def _mark_running(self, job: Job, attempt: Attempt, facts: ContainerFacts) -> None:
        self._gpus.bind(job, attempt, facts.pid)

        def mark(current: Job) -> Job:
            newest = current.attempts[-1]
            started_at = newest.started_at or facts.started_at or time.time()
            return with_attempt(current, replace(newest, state=JobState.RUNNING, started_at=started_at))

        self._book.change(job.id, mark)

    def _give_up(self, job: Job, attempt: Attempt) -> None:
        """Its GPUs went to somebody else before it started, so the job goes back to its place in the queue."""
        self._engine.remove(attempt.container)
        self._gpus.release(attempt)
        text = "The agent ended before this attempt was started, and its GPUs are taken by now."
        given_up = replace(attempt, state=JobState.CANCELLED, reason=Reason("not_started", text))

        def requeue(current: Job) -> Job:
            job = with_attempt(current, given_up)
            return replace(job, state=JobState.QUEUED, gpus=(), container=None, reason=None, started_at=None)

        self._book.change(job.id, requeue)

    # -- watching ------------------------------------------------------------------------------

    def saw(self, job: Job, facts: ContainerFacts) -> bool:
        """Note that a job's container was seen; True when there is something to do about it."""
        attempt = job.attempts[-1]
        ending = job.cancel_requested or attempt.stopped_for is not None
        if facts.status not in {"running", "paused"} or job.state is not JobState.RUNNING or ending:
            return True
        with self._lock:
            first = attempt.id not in self._watched
            self._watched.add(attempt.id)
        moved = times.moved_start(attempt, times.now())
        if moved is not None:  # the clock was set: what is shown of the job goes on at its own pace
            self._book.change(
                job.id, lambda current: with_attempt(current, replace(current.attempts[-1], started_at=moved))
            )
        elif job.reason is not None:
            self._book.change(job.id, lambda current: replace(current, reason=None))
        return first or self._sight.gone(facts)

    def counts_room(self, job: Job) -> bool:
        """Tell whether it is time to look at what a running job has written to its folder."""
        attempt = job.attempts[-1]
        if job.state is not JobState.RUNNING or attempt.stopped_for is not None or attempt.out_limit_bytes is None:
            return False
        return self._quota.is_due(attempt.id)

    def count_room(self, job_id: str) -> None:
        """Look at how much a running job has written to its folder; one that wrote more than it may is stopped.

        It may write what it was started with, and more once more is allowed: a lower limit is for later jobs.
        """
        job = self._book.get(job_id)
        attempt = job.attempts[-1]
        if attempt.out_limit_bytes is None:
            return
        limit_bytes = max(attempt.out_limit_bytes, self._policy.out_limit_bytes())
        folder = self._remains.folder(job, attempt).out
        used = self._quota.used(attempt.id, folder)
        if used is None or used <= limit_bytes:
            return
        reason = too_much(used, limit_bytes, folder)

        def stop(current: Job) -> Job | None:
            newest = current.attempts[-1]
            if newest.id != attempt.id or newest.state is not JobState.RUNNING or newest.stopped_for is not None:
                return None
            return with_attempt(current, replace(newest, reason=reason, stopped_for=reason))

        self._book.change(job_id, stop)

    def lost_sight(self) -> None:
        """Note that the engine does not answer: an end from now on was not watched."""
        with self._lock:
            self._watched.clear()

    def _watch(self, job: Job, attempt: Attempt) -> None:
        facts = self._look(attempt)
        if facts is not None and facts.status in {"running", "paused", "restarting"}:
            if self._sight.gone(facts):
                with self._lock:
                    self._watched.discard(attempt.id)
                self._finish(job, attempt, replace(facts, status="dead", exit_code=None))
                return
            self._gpus.bind(job, attempt, facts.pid)
            if not (job.cancel_requested or attempt.stopped_for):
                return
            self._engine.stop(attempt.container, self._policy.stop_grace_seconds())
            facts = self._look(attempt)
        if facts is None or facts.status in {"exited", "dead"}:
            self._finish(job, attempt, facts)

    def _look(self, attempt: Attempt) -> ContainerFacts | None:
        try:
            return self._engine.inspect(attempt.container)
        except NotFound:
            return None

    # -- ending --------------------------------------------------------------------------------

    def _finish(self, job: Job, attempt: Attempt, facts: ContainerFacts | None) -> None:
        tail = self._remains.keep_log(job, attempt, gone=facts is None)
        job = self._book.get(job.id)
        outcome = self._remains.folder(job, attempt).outcome()
        watched = outcome is None and facts is not None and self._was_watched(attempt, facts)
        stopped_for = job.attempts[-1].stopped_for
        verdict = judge(Ending(outcome, facts, watched, job.cancel_requested, tail, attempt.gpus, stopped_for))
        started_at, ended_at = times.span(job.attempts[-1], outcome, facts, times.now())
        self._conclude(job, replace(job.attempts[-1], started_at=started_at), verdict, ended_at)
        if facts is not None:
            self._sight.forget(facts.id)

    def _was_watched(self, attempt: Attempt, facts: ContainerFacts) -> bool:
        """Tell whether this agent, or the engine without a break, saw the end. Raises Unavailable."""
        with self._lock:
            if attempt.id in self._watched:
                return True
        if facts.exit_code is None:
            return False
        mark = attempt.mark
        if mark is not None and mark.engine is not None and mark.engine == self._engine.incarnation():
            return True
        return self._engine.seen_end(facts.id) == facts.exit_code

    def _conclude(self, job: Job, attempt: Attempt, verdict: AttemptVerdict, ended_at: float | None = None) -> None:
        """Write the verdict, then tidy up. What can't be tidied now is left to ``tidy``."""
        ended = time.time() if ended_at is None else ended_at
        final = replace(
            attempt, state=verdict.state, exit_code=verdict.exit_code, reason=verdict.reason, ended_at=ended
        )
        self._runs.owe(self._book.get(job.id).mlflow_run_id, verdict.state)
        self._book.change(job.id, lambda current: with_attempt(current, final))
        with self._lock:
            self._watched.discard(attempt.id)
        self._quota.forget(attempt.id)
        self.tidy(job, final, finished=attempt.started_at is not None)

    def tidy(self, job: Job, attempt: Attempt, *, finished: bool) -> None:
        """Remove what an attempt that is over has left on the engine, its secrets, and its leases. Raises DeskError."""
        try:
            self._runs.keep_tickets(lambda other: other != attempt.id)
            self._remains.clear(job, attempt, finished=finished)
        finally:
            self._gpus.release(attempt)


def _never_run(attempt: Attempt) -> Attempt:
    """Nothing is kept of an attempt whose command has not run, though it may have been asked to start."""
    return replace(attempt, started_at=None, mark=None)


def _cancelled_before_start() -> AttemptVerdict:
    return AttemptVerdict(JobState.CANCELLED, None, Reason("cancelled", "The job was cancelled before it started."))
