"""What it means that an attempt ended which the desk itself had asked to end. Pure.

Giving way is no failure, and what ended well in its grace has ended well. Where nobody saw how it ended the answer
stays UNKNOWN, as for any other: such a job is never started again by itself.
"""

from collections.abc import Callable
from dataclasses import replace

from mlops_desk.jobs.run.outcome import AttemptVerdict, Ending, judge
from mlops_desk.jobs.run.preemption import PREEMPTED
from mlops_desk.records.jobs.job import Attempt, JobState
from mlops_desk.records.jobs.reason import Reason

_MADE_UP_CODE = 255  # an engine that was away reports it for whatever ended meanwhile, a success too


def verdict_of(ending: Ending, attempt: Attempt, has_saved: Callable[[], bool]) -> AttemptVerdict:
    """Say how an attempt ended; ``has_saved`` is asked of one that gave way and ended with 0."""
    stopped_for = ending.stopped_for
    if stopped_for is None or stopped_for.class_ != PREEMPTED:
        return judge(ending)
    plainly = judge(replace(ending, stopped_for=None))
    if ending.cancel_requested or attempt.asked is None or _is_lost(ending):
        return plainly
    if ending.outcome is not None and ending.outcome.gpu_proof == "failed":
        return plainly
    code = _code(ending)
    if code == 0 and not has_saved():
        return AttemptVerdict(JobState.SUCCEEDED, 0, None)
    return AttemptVerdict(JobState.CANCELLED, code, stopped_for)


def comes_back(attempt: Attempt) -> Reason | None:
    """Return why the job of an attempt that is over waits again; None: the job is over with it."""
    reason = attempt.reason
    gave_way = attempt.state is JobState.CANCELLED and reason is not None and reason.class_ == PREEMPTED
    return reason if gave_way else None


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
