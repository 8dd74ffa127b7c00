"""One attempt of a job, from what is reserved for it to the verdict, in whatever runtime.

The steps are ordered so that the agent may die between any two of them: what it needs is reserved, the attempt
written with its handle, the attempt placed, the wish to start it written, the attempt started. Whoever comes next
looks at record and runtime and goes on at the right step; one that was asked to start is never made a second time.
"""

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import replace

from mlops_desk.jobs.ports import GpuEnd, nothing_seen
from mlops_desk.jobs.queue.plan import PREEMPTED, WAITING_FOR_GPUS
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.parameter_substitution import filled
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.repository import JobBook, with_attempt
from mlops_desk.jobs.run import times
from mlops_desk.jobs.run.attempt_end import Due, Endings, Limits, cancelled_unstarted, queued_again, what_is_due
from mlops_desk.jobs.run.job_workers import Postponed
from mlops_desk.jobs.run.outcome import AttemptVerdict
from mlops_desk.jobs.run.runs import JobRuns
from mlops_desk.jobs.runtimes.runtime import (
    Displaced,
    GoneBeforeStart,
    NotStarted,
    Obstructed,
    Phase,
    RunTicket,
    Runtime,
    Sighting,
)
from mlops_desk.kit.base.errors import DeskError

# A running job gives way to another: it is asked to save its work, given its grace, ended, and queued again.
# It is asked by TERM, which Lightning, the Hugging Face Trainer and everything grown on Kubernetes or Slurm take as
# "save and end"; or by the signal that its job file names as its warning, as it handles that one. A line
# ``MLD_CHECKPOINT PATH`` in its output then says that its work is saved, and it need not be waited for any longer.
# Nothing here waits: each step looks where the attempt stands and does what is due, so another agent goes on in the
# middle. That one asks once more, as nobody knows whether the first had got so far.
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


class Attempts:
    """Starts, watches and ends the attempts of one runtime.

    One thread at a time works on a job; several may work on different ones.
    """

    def __init__(self, book: JobBook, runtime: Runtime, runs: JobRuns, gpu_end: GpuEnd = nothing_seen) -> None:
        self._book = book
        self._runtime = runtime
        self._runs = runs
        self._preemption = Preemption(book, runtime)
        self._limits = Limits(book, runtime)
        self._endings = Endings(book, runtime, runs, self._preemption.saved, gpu_end)

    # -- beginning -----------------------------------------------------------------------------

    def begin(self, job_id: str, gpus: tuple[str, ...] = (), lent_by: tuple[str, ...] = ()) -> None:
        """Take a queued job out of the queue, on the GPUs that the scheduler chose for it, some ``lent_by`` endpoints.

        Raises Postponed when something that it needs is not to be had.
        """
        job = self._book.get(job_id)
        if job.state is not JobState.QUEUED or job.image_id is None:
            return
        attempt = self._runtime.draft(job)
        ticket = self._ticket(job, attempt)
        attempt = replace(attempt, gpus=self._reserve(job, attempt, gpus), lent_by=lent_by)

        def claim(current: Job) -> Job | None:
            if current.state is not JobState.QUEUED:
                return None
            return with_attempt(replace(current, attempts=(*current.attempts, attempt)), attempt)

        try:
            claimed = self._book.change(job.id, claim)
        except DeskError:
            self._runtime.release(attempt)
            raise
        if claimed is None:  # cancelled meanwhile
            self._runtime.release(attempt)
            return
        self._bring_up(claimed, attempt, ticket)

    def _ticket(self, job: Job, attempt: Attempt) -> RunTicket | None:
        if job.spec.mlflow is None or job.spec.mlflow.server is not None:  # on their own server it makes its own
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

    def _reserve(self, job: Job, attempt: Attempt, gpus: tuple[str, ...]) -> tuple[str, ...]:
        answer = self._runtime.reserve(job, attempt, gpus)
        if isinstance(answer, str):
            raise Postponed(Reason(WAITING_FOR_GPUS, answer), keeps_place=True)
        return answer

    # -- going on ------------------------------------------------------------------------------

    def attend(self, job_id: str) -> None:
        """Do what an attempt that is under way needs now. Raises Unavailable: unknown, look again later."""
        job = self._book.get(job_id)
        if job.state is JobState.STARTING:
            self._bring_up(job, job.attempts[-1], None)
        elif job.state is JobState.RUNNING:
            self._watch(job, job.attempts[-1])

    def _bring_up(self, job: Job, attempt: Attempt, ticket: RunTicket | None) -> None:
        seen = self._runtime.look(job, attempt)
        if seen is None and attempt.started_at is not None:
            self._endings.finish(job, attempt, None)
            return
        if seen is None or seen.phase is Phase.WAITING:
            if self._book.get(job.id).cancel_requested:
                self._endings.conclude(job, _never_run(attempt), _cancelled_before_start(job))
                return
            try:
                seen = self._place(job, attempt, ticket)
            except Displaced as displaced:
                self._give_up(job, attempt, displaced.reason)
                return
            except Obstructed as obstructed:
                self._block(job, attempt, obstructed.reason)
                return
            except NotStarted as never:
                self._endings.conclude(job, _never_run(attempt), AttemptVerdict(JobState.FAILED, None, never.reason))
                return
        if seen.phase is not Phase.WAITING:
            self._mark_running(job, seen)

    def _place(self, job: Job, attempt: Attempt, ticket: RunTicket | None) -> Sighting:
        asked = False

        def about_to_start(watcher: str | None) -> None:
            nonlocal asked
            self._note_start(job, attempt, watcher)
            asked = True

        try:
            asked_for = replace(job, spec=filled(job.spec))
            seen = self._runtime.place(asked_for, attempt, lambda: ticket or self._ticket(job, attempt), about_to_start)
        except GoneBeforeStart:
            if attempt.started_at is None:  # nobody has asked before, so it has never run and can be made again
                self._book.change(job.id, lambda current: with_attempt(current, attempt))
            raise
        if asked:
            self._endings.watch(attempt)
        return seen

    def _note_start(self, job: Job, attempt: Attempt, watcher: str | None) -> None:
        """Write down that it is about to be asked to start; one that was asked before keeps its first time."""
        if attempt.started_at is None:
            moment = times.now()
            begun = replace(attempt, started_at=moment.wall, mark=times.mark_start(moment, watcher))
            self._book.change(job.id, lambda current: with_attempt(current, begun))

    def _mark_running(self, job: Job, seen: Sighting) -> None:
        def mark(current: Job) -> Job:
            newest = current.attempts[-1]
            started_at = newest.started_at or seen.started_at or time.time()
            running = replace(newest, state=JobState.RUNNING, started_at=started_at, ports=dict(seen.ports))
            return with_attempt(current, running)

        self._book.change(job.id, mark)

    def _give_up(self, job: Job, attempt: Attempt, reason: Reason) -> None:
        """Send a job back to its place in the queue: what was reserved for it went elsewhere before it started."""
        self._runtime.release(attempt)
        given_up = replace(attempt, state=JobState.CANCELLED, reason=reason)
        self._book.change(job.id, lambda current: queued_again(current, given_up, None))

    def _block(self, job: Job, attempt: Attempt, reason: Reason) -> None:
        """Let a job wait until what is in its way was mended; of the attempt, which never ran, nothing is kept."""
        if self._book.get(job.id).cancel_requested:
            self._endings.conclude(job, _never_run(attempt), _cancelled_before_start(job))
            return

        def forget(current: Job) -> Job:
            blocked = replace(current, attempts=current.attempts[:-1], state=JobState.BLOCKED, reason=reason)
            return replace(blocked, gpus=(), container=None, handle=None, started_at=None)

        self._book.change(job.id, forget)
        self._endings.tidy(job, attempt, finished=False)
        raise Postponed(reason, blocked=True)

    # -- watching ------------------------------------------------------------------------------

    def saw(self, job: Job, seen: Sighting) -> bool:
        """Note that a job's attempt was seen; True when there is something to do about it."""
        attempt = job.attempts[-1]
        ending = job.cancel_requested or attempt.stopped_for is not None
        if seen.phase is not Phase.RUNNING or job.state is not JobState.RUNNING or ending:
            return True
        first = self._endings.watch(attempt)
        if what_is_due(job.spec, attempt, times.now()) is not Due.NOTHING:
            return True
        moved = times.moved_start(attempt, times.now())
        if moved is not None:  # the clock was set: what is shown of the job goes on at its own pace
            self._book.change(
                job.id, lambda current: with_attempt(current, replace(current.attempts[-1], started_at=moved))
            )
        elif job.reason != attempt.reason:  # its runtime answers again; what the attempt itself has lost stays lost
            self._book.change(job.id, lambda current: replace(current, reason=current.attempts[-1].reason))
        elif attempt.gpus and attempt.proof is None:
            self._note_proof(job, attempt)
        return first

    def _note_proof(self, job: Job, attempt: Attempt) -> None:
        """Write down how its GPUs were proven, once its wrapper has told."""
        proof = self._runtime.proof(job, attempt)
        if proof is not None:
            self._book.change(job.id, lambda current: with_attempt(current, replace(current.attempts[-1], proof=proof)))

    def counts_room(self, job: Job) -> bool:
        """Tell whether it is time to look whether a running job takes more than it may."""
        attempt = job.attempts[-1]
        if job.state is not JobState.RUNNING or attempt.stopped_for is not None:
            return False
        return self._runtime.overrun_due(attempt)

    def count_room(self, job_id: str) -> None:
        """Look whether a running job takes more than it may; one that does is stopped."""
        job = self._book.get(job_id)
        attempt = job.attempts[-1]
        reason = self._runtime.overrun(job, attempt)
        if reason is not None:
            self.fail(job.id, attempt.id, reason)

    def fail(self, job_id: str, attempt_id: str, reason: Reason) -> None:
        """Have a running attempt stopped that can't go on, for what ``reason`` says; it counts as failed by that."""

        def stop(current: Job) -> Job | None:
            newest = current.attempts[-1]
            if newest.id != attempt_id or newest.state is not JobState.RUNNING or newest.stopped_for is not None:
                return None
            return with_attempt(current, replace(newest, reason=reason, stopped_for=reason))

        self._book.change(job_id, stop)

    def lost_sight(self) -> None:
        """Note that the runtime does not answer: an end from now on was not watched."""
        self._endings.lost_sight()

    def tidy(self, job: Job, attempt: Attempt, *, finished: bool) -> None:
        """Remove what an attempt that is over has left, its secrets, and what was reserved. Raises DeskError."""
        self._endings.tidy(job, attempt, finished=finished)

    def preempt(self, job_id: str, reason: Reason, most_seconds: float | None = None) -> None:
        """Ask a running preemptible job to save its work and end, for what ``reason`` says; then it is queued again.

        It has its own grace for that, ``most_seconds`` at most. It keeps its place by the time of its submit, and this
        is no failure. Nothing happens to a job that is not running, not preemptible, or ending already. Raises
        DeskError.
        """
        self._preemption.begin(job_id, reason, most_seconds)

    def _end(self, job: Job, attempt: Attempt) -> None:
        why = attempt.stopped_for
        if why is not None and why.class_ == PREEMPTED and not job.cancel_requested:
            self._preemption.step(job, attempt)
        else:
            self._runtime.stop(job, attempt)

    def _watch(self, job: Job, attempt: Attempt) -> None:
        seen = self._runtime.look(job, attempt)
        if seen is not None and seen.phase is Phase.RUNNING:
            self._limits.heed(job, attempt)
            job = self._book.get(job.id)
            attempt = job.attempts[-1]
            if not (job.cancel_requested or attempt.stopped_for):
                return
            self._end(job, attempt)
            seen = self._runtime.look(job, attempt)
        if seen is None or seen.phase is Phase.ENDED:
            self._endings.finish(job, attempt, seen)


def _never_run(attempt: Attempt) -> Attempt:
    """Nothing is kept of an attempt whose command has not run, though it may have been asked to start."""
    return replace(attempt, started_at=None, mark=None)


def _cancelled_before_start(job: Job) -> AttemptVerdict:
    """Judge a newest attempt whose command has not run."""
    return AttemptVerdict(JobState.CANCELLED, None, cancelled_unstarted(replace(job, attempts=job.attempts[:-1])))
