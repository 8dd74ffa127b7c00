"""A group whose jobs all die at once stops itself: what waits is not started, with the evidence and the way on. Pure.

A wrong path or a missing package fails the first job of a sweep as it will fail the thousandth; started one after the
other they would take GPUs from others all night.
"""

import math
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
GROUP_PAUSED = "group_paused"
"""The class of the reason for which what waits of a group that a person has paused is not started."""
_QUOTED = 400  # chosen: a paragraph
_FAST_SECONDS = 60.0  # chosen: it takes a framework some ten seconds to load, and a training longer to get anywhere
_FEWEST_FAILURES = 3  # chosen: one may have met a bad card, two the same one; three share what is in the job file


def paused_reason(group: str) -> Reason:
    """Return why no more jobs of a group are started that a person has paused."""
    return Reason(GROUP_PAUSED, "Its group was paused.", hint=Hint(f"mlops-desk jobs go-on {group}"))


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
    seconds = max(1, math.ceil(longest))
    text = f"The first {len(failures)} jobs of its group all failed within {seconds} s, so no more are started."
    (class_, count) = Counter(one.class_ for one in failures).most_common(1)[0]
    example = next(one.text for one in failures if one.class_ == class_)
    evidence = f"{count} of {len(failures)}: {plain(example, _QUOTED)}"
    hint = Hint(
        f"mlops-desk jobs go-on {group}",
        before=f"Cancel it (mlops-desk jobs cancel-group {group}) and submit it mended, or let it go on all the same: ",
    )
    return Reason(GROUP_FAILING, text, evidence, hint)


def _failure(job: Job, attempt: Attempt) -> _Failure:
    reason = attempt.reason or job.reason
    lasted = 0.0 if attempt.started_at is None or attempt.ended_at is None else attempt.ended_at - attempt.started_at
    if reason is None:
        return _Failure("failed", "It failed.", lasted)
    return _Failure(reason.class_, " ".join(filter(None, (reason.told, reason.evidence))), lasted)


def _has_lasted(job: Job, moment: times.Now) -> bool:
    """Tell whether a job of the group shows that its file is not wrong in itself."""
    if job.state is JobState.SUCCEEDED or job.insisted:
        return True
    if job.state is not JobState.RUNNING:
        return False
    seconds = times.elapsed(job.attempts[-1], moment)
    return seconds is None or seconds >= _FAST_SECONDS
