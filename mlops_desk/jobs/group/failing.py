"""A group whose jobs all die at once stops itself: what waits is not started, with the evidence and the way on. Pure.

A wrong path or a missing package fails the first job of a sweep as it will fail the thousandth; started one after the
other they would take GPUs from others all night.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.base.errors import Hint
from mlops_desk.base.text import plain
from mlops_desk.jobs.run import times
from mlops_desk.records.jobs.job import Attempt, Job, JobState
from mlops_desk.records.jobs.reason import Reason

GROUP_FAILING = "group_failing"
"""The class of the reason for which the rest of a group is not started."""
_FAST_SECONDS = 60.0  # chosen: it takes a framework some ten seconds to load, and a training longer to get anywhere
_FEWEST_FAILURES = 3  # chosen: one may have met a bad card, two the same one; three share what is in the job file


@dataclass(frozen=True, slots=True)
class _Failure:
    class_: str
    text: str
    seconds: float


def why_stopped(group: str, members: Sequence[Job], moment: times.Now) -> Reason | None:
    """Return why no more jobs of a group are started; None while it is not so that all of them die fast."""
    failures: list[_Failure] = []
    for job in members:
        failed = [_failure(job, attempt) for attempt in job.attempts if attempt.state is JobState.FAILED]
        if _has_lasted(job, moment) or any(one.seconds >= _FAST_SECONDS for one in failed):
            return None
        failures += failed[:1]
    if len(failures) < _FEWEST_FAILURES:
        return None
    longest = max(one.seconds for one in failures)
    text = f"The first {len(failures)} jobs of its group all failed within {longest:.0f} s, so no more are started."
    (class_, count) = Counter(one.class_ for one in failures).most_common(1)[0]
    example = next(one.text for one in failures if one.class_ == class_)
    evidence = f"{count} of {len(failures)} with {plain(class_)}: {example}"
    hint = Hint(
        f"mlops-desk jobs go-on {group}",
        before="Cancel the group and submit it mended (mlops-desk jobs cancel-group), or let it go on all the same: ",
    )
    return Reason(GROUP_FAILING, text, evidence, hint)


def _failure(job: Job, attempt: Attempt) -> _Failure:
    reason = attempt.reason or job.reason
    lasted = 0.0 if attempt.started_at is None or attempt.ended_at is None else attempt.ended_at - attempt.started_at
    return _Failure(reason.class_ if reason else "failed", reason.text if reason else "It failed.", lasted)


def _has_lasted(job: Job, moment: times.Now) -> bool:
    """Tell whether a job of the group shows that its file is not wrong in itself."""
    if job.state is JobState.SUCCEEDED or job.insisted:
        return True
    if job.state is not JobState.RUNNING:
        return False
    seconds = times.elapsed(job.attempts[-1], moment)
    return seconds is None or seconds >= _FAST_SECONDS
