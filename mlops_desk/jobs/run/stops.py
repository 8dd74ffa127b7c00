"""What it means that an attempt ended which the desk itself had asked to end, and whether its job comes back. Pure.

Giving way is no failure, and what ended well in its grace has ended well. Where nobody saw how it ended the answer
stays UNKNOWN, as for any other: such a job is never started again by itself.
"""

import signal
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.base.text import plain
from mlops_desk.jobs.queue.plan import PREEMPTED
from mlops_desk.jobs.run.limits import too_long
from mlops_desk.jobs.run.outcome import AttemptVerdict, Ending, judge
from mlops_desk.jobs.run.retries import Retry, retry_after
from mlops_desk.records.jobs.job import Attempt, Job, JobState
from mlops_desk.records.jobs.reason import Reason

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
