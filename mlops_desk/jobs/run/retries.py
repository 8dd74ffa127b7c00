"""Another attempt after a failure, if the job asks for it: so many for each class of failure, after growing pauses.

Only what is known to have failed is tried again: never what ended unseen, was cancelled, or was not shown its own
GPUs, which the next attempt would not be shown either. Pure.
"""

from dataclasses import dataclass

from mlops_desk.base.failures.pauses import pause_after
from mlops_desk.base.text import duration_text, plain
from mlops_desk.jobs.causes.judge import words_for
from mlops_desk.records.jobs.job import Attempt, Job, JobState
from mlops_desk.records.jobs.reason import Reason

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
