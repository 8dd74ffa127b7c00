"""How an attempt's end is told, and what comes after it: its job is over, or goes back into the queue.

The verdict is written before anything is tidied, and what can't be tidied now is tidied later; so nothing that an
agent does not live to finish is done twice.
"""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mlops_desk.jobs.failure_causes.judge import words_for
from mlops_desk.jobs.ports import GpuEnd, nothing_seen
from mlops_desk.jobs.queue.plan import PREEMPTED
from mlops_desk.jobs.records.failure_facts import SeenFacts
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.repository import JobBook, with_attempt
from mlops_desk.jobs.run import times
from mlops_desk.jobs.run.outcome import AttemptVerdict, Ending, judge
from mlops_desk.jobs.run.runs import JobRuns
from mlops_desk.jobs.runtimes.runtime import Runtime, Sighting
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.failures import pause_after
from mlops_desk.kit.base.text import duration_text, plain

# A job's time limit: it is warned ahead of it by a signal, if it asks for that, and ended at it.
#
# It is counted for each attempt from its start on, by clocks that nobody sets, and holds over a restart of the agent.

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


# What it means that an attempt ended which the desk itself had asked to end, and whether its job comes back. Pure.
#
# Giving way is no failure, and what ended well in its grace has ended well. Where nobody saw how it ended the answer
# stays UNKNOWN, as for any other: such a job is never started again by itself.

# Another attempt after a failure, if the job asks for it: so many for each class of failure, after growing pauses.
# Only what is known to have failed is tried again: never what ended unseen, was cancelled, or was not shown its own
# GPUs, which the next attempt would not be shown either. Pure.
RETRYING = "retrying"
"""The class of the reason that a job shows until its next attempt."""
_NEVER = frozenset({"gpu_proof_failed"})
_PAUSES_SECONDS = (10.0, 40.0, 160.0, 600.0)
"""Chosen: a share or server that was away is back within minutes; what fails for good should not hold its GPUs."""


@dataclass(frozen=True, slots=True)
class Retry:
    """When another attempt may start at the earliest (Unix seconds; None: now), and what is shown until then."""

    not_before: float | None
    reason: Reason


def retry_after(job: Job, final: Attempt, now: float) -> Retry | None:
    """Return the attempt that follows ``final``, the job's newest, which is over; None: there is none."""
    failure = final.reason
    if final.state is not JobState.FAILED or failure is None or failure.class_ in _NEVER:
        return None
    word = next((word for word in words_for(failure.class_) if word in job.spec.retries), None)
    if word is None:
        return None
    allowed = job.spec.retries[word]
    earlier = (one for one in job.attempts if one.id != final.id and one.state is JobState.FAILED)
    failed = 1 + sum(one.reason is not None and word in words_for(one.reason.class_) for one in earlier)
    if failed > allowed:
        return None
    pause = pause_after(failed - 1, _PAUSES_SECONDS)
    text = f"Attempt {failed + 1} of {allowed + 1} after {plain(failure.class_)}, in {duration_text(pause)}."
    return Retry(now + pause, Reason(RETRYING, text, evidence=failure.text))


SWEEP_STOPPED = "sweep_stopped"
"""The class of the reason for which a job is ended early that is behind the others of its sweep: no failure."""
_SIGNALLED = 128  # a shell tells an end by a signal as 128 and its number (POSIX, 2.8.2)
_MADE_UP_CODE = 255  # an engine that was away reports it for whatever ended meanwhile, a success too


def verdict_of(ending: Ending, job: Job, attempt: Attempt, has_saved: Callable[[], bool]) -> AttemptVerdict:
    """Say how an attempt ended; ``has_saved`` is asked of one that gave way and ended with 0."""
    stopped_for = ending.stopped_for
    if stopped_for is not None and stopped_for.class_ == PREEMPTED:
        return _gave_way(ending, attempt, has_saved)
    if stopped_for is not None and stopped_for.class_ == SWEEP_STOPPED:
        verdict = judge(replace(ending, stopped_for=None) if ending.cancel_requested else ending)
        return replace(verdict, state=JobState.CANCELLED) if verdict.reason == stopped_for else verdict
    if stopped_for is None and attempt.warned and not ending.cancel_requested:
        return _warned(ending, job)
    return judge(ending)


def comes_back(job: Job, final: Attempt, now: float) -> Retry | None:
    """Return why, and from when on, a job waits again whose attempt is over; None: the job is over with it."""
    reason = final.reason
    if final.state is JobState.CANCELLED and reason is not None and reason.class_ == PREEMPTED:
        return Retry(None, reason)
    return retry_after(job, final, now)


def cancelled_unstarted(job: Job) -> Reason:
    """Say that a job was cancelled while no attempt of it ran: before its first, or after one that had ended."""
    ran = [attempt for attempt in job.attempts if attempt.started_at is not None]
    if not ran:
        return Reason("cancelled", "The job was cancelled before it started.")
    last = ran[-1]
    text = f"The job was cancelled before it started again; attempt {last.number} had ended."
    return Reason("cancelled", text, None if last.reason is None else last.reason.text)


def _gave_way(ending: Ending, attempt: Attempt, has_saved: Callable[[], bool]) -> AttemptVerdict:
    plainly = judge(replace(ending, stopped_for=None))
    if ending.cancel_requested or attempt.asked is None or _is_lost(ending):
        return plainly
    if ending.outcome is not None and ending.outcome.gpu_proof == "failed":
        return plainly
    code = _code(ending)
    if code == 0 and not has_saved():
        return AttemptVerdict(JobState.SUCCEEDED, 0, None)
    return AttemptVerdict(JobState.CANCELLED, code, ending.stopped_for)


def _warned(ending: Ending, job: Job) -> AttemptVerdict:
    """Say how one ended that was told that its time limit is near: to save and to end in time is what that is for."""
    outcome, warning = ending.outcome, job.spec.warning
    if outcome is None or warning is None:
        return judge(ending)
    if outcome.exit_code == 0:
        return judge(replace(ending, outcome=replace(outcome, signal=None)))
    by_signal = outcome.exit_code == _SIGNALLED + signal.Signals[f"SIG{warning.signal}"]
    if outcome.signal is None and not by_signal:
        return judge(ending)
    evidence = f"It was sent {plain(warning.signal)} ahead of the limit and ended with exit code {outcome.exit_code}."
    return AttemptVerdict(JobState.FAILED, outcome.exit_code, replace(too_long(job), evidence=evidence))


def _is_lost(ending: Ending) -> bool:
    """Tell whether nobody knows how it ended: the wrapper left no word, and the engine's is made up or missing."""
    if ending.outcome is not None:
        return False
    code = None if ending.seen is None else ending.seen.exit_code
    return code is None or code == _MADE_UP_CODE or (code == 0 and not ending.watched)


def _code(ending: Ending) -> int | None:
    if ending.outcome is not None:
        return ending.outcome.exit_code
    return None if ending.seen is None else ending.seen.exit_code


HasSaved = Callable[[Attempt, Sequence[str]], bool]
"""Whether an attempt that gave way says in its last lines that it saved its work."""


class Endings:
    """Ends the attempts of one runtime. ``gpu_end`` tells what was seen of their GPUs."""

    def __init__(
        self, book: JobBook, runtime: Runtime, runs: JobRuns, has_saved: HasSaved, gpu_end: GpuEnd = nothing_seen
    ) -> None:
        self._gpu_end = gpu_end
        self._book = book
        self._runtime = runtime
        self._runs = runs
        self._has_saved = has_saved
        self._lock = threading.Lock()
        self._watched: set[str] = set()

    def watch(self, attempt: Attempt) -> bool:
        """Note that this agent has an eye on an attempt from now on; True when it had none before."""
        with self._lock:
            first = attempt.id not in self._watched
            self._watched.add(attempt.id)
        return first

    def lost_sight(self) -> None:
        """Note that the runtime does not answer: an end from now on was not watched."""
        with self._lock:
            self._watched.clear()

    def finish(self, job: Job, attempt: Attempt, seen: Sighting | None) -> None:
        """Tell how an attempt ended that is over, or gone (None). Raises Unavailable: look again."""
        left = self._runtime.aftermath(job, attempt, seen)
        job = self._book.get(job.id)
        newest = job.attempts[-1]
        outcome = left.outcome
        watched = outcome is None and seen is not None and self._was_watched(attempt, seen)
        asked, tail = job.cancel_requested, left.log_tail
        started_at, ended_at = times.span(newest, outcome, seen, times.now())
        went_well = outcome is not None and outcome.exit_code == 0
        facts = SeenFacts() if went_well else self._gpu_end(newest, ended_at)
        peak = None if job.live is None else job.live.memory_peak_bytes
        ending = Ending(
            outcome,
            seen,
            watched,
            asked,
            tail,
            attempt.gpus,
            newest.stopped_for,
            job.spec,
            facts,
            memory_peak_bytes=peak,
        )
        verdict = verdict_of(ending, job, newest, lambda: self._has_saved(newest, left.log_tail))
        proof = newest.proof or (self._runtime.proof(job, newest) if newest.gpus else None)
        self.conclude(job, replace(newest, started_at=started_at, proof=proof), verdict, ended_at)

    def _was_watched(self, attempt: Attempt, seen: Sighting) -> bool:
        """Tell whether this agent, or the runtime without a break, saw the end. Raises Unavailable."""
        if seen.exit_code is None:
            return False
        with self._lock:
            if attempt.id in self._watched:
                return True
        return self._runtime.saw_end(attempt, seen)

    def conclude(self, job: Job, attempt: Attempt, verdict: AttemptVerdict, ended_at: float | None = None) -> None:
        """Write the verdict, then tidy up. What can't be tidied now is left to ``tidy``."""
        ended = time.time() if ended_at is None else ended_at
        final = replace(
            attempt, state=verdict.state, exit_code=verdict.exit_code, reason=verdict.reason, ended_at=ended
        )
        if not self._came_back(job, final):
            self._runs.owe(self._book.get(job.id).mlflow_run_id, verdict.state)
            self._book.change(job.id, lambda current: with_attempt(current, final))
        with self._lock:
            self._watched.discard(attempt.id)
        self.tidy(job, final, finished=attempt.started_at is not None)

    def _came_back(self, job: Job, final: Attempt) -> bool:
        """Queue a job again whose attempt is over and whose work is not, unless its user has cancelled it."""
        again = comes_back(job, final, time.time())
        if again is None:
            return False

        def requeue(current: Job) -> Job | None:
            if current.cancel_requested:
                return None
            return replace(queued_again(current, final, again.reason), not_before=again.not_before)

        return self._book.change(job.id, requeue) is not None

    def tidy(self, job: Job, attempt: Attempt, *, finished: bool) -> None:
        """Remove what an attempt that is over has left, its secrets, and what was reserved. Raises DeskError."""
        try:
            self._runs.keep_tickets(lambda other: other != attempt.id)
            self._runtime.clear(job, attempt, finished=finished)
        finally:
            self._runtime.release(attempt)


def queued_again(job: Job, attempt: Attempt, reason: Reason | None) -> Job:
    """Return a job whose newest attempt is over at the place in the queue that its submit gave it."""
    return replace(
        with_attempt(job, attempt),
        state=JobState.QUEUED,
        gpus=(),
        container=None,
        handle=None,
        exit_code=None,
        reason=reason,
        started_at=None,
        ended_at=None,
    )
