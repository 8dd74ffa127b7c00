"""What a job waits for of other jobs, and whether that can still come.

``after`` is satisfied by any end of a job, ``after_success`` by its success alone. A job whose record is gone ended at
some time; whether well, nobody knows.
"""

from collections.abc import Callable, Mapping

from mlops_desk.jobs.queue.plan import DEPENDENCY_FAILED
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Hint

StateOf = Callable[[str], JobState | None]
"""The state of a job by its id; None where there is no such job any more."""


def unmet(job: Job, state_of: StateOf) -> tuple[str, ...]:
    """Return the jobs that are not over and that ``job`` waits for."""
    needed = dict.fromkeys((*job.spec.after, *job.spec.after_success))
    return tuple(one for one in needed if (state := state_of(one)) is not None and not state.is_final)


def hopeless(job: Job, state_of: StateOf) -> Reason | None:
    """Say why a job can't start any more; None where it can."""
    for needed in job.spec.after_success:
        state = state_of(needed)
        if state is None or (state.is_final and state is not JobState.SUCCEEDED):
            how = "is not known any more" if state is None else f"ended: {state.value}"
            text = f"Job {needed}, whose success it needs, {how}."
            hint = Hint(f"mlops-desk jobs cancel {job.id}", after=", and submit it again after one that succeeds.")
            return Reason(DEPENDENCY_FAILED, text, hint=hint)
    return None


def circles(jobs: Mapping[str, Job]) -> frozenset[str]:
    """Return the jobs, of those that are not over, that wait for themselves."""
    found: set[str] = set()
    done: set[str] = set()
    for first in jobs:
        _walk(first, jobs, done, found)
    return frozenset(found)


def _walk(first: str, jobs: Mapping[str, Job], done: set[str], found: set[str]) -> None:
    """Go along what is waited for, in depth, and note each circle that is met."""
    path = {first: iter(_needed(first, jobs))}
    while path:
        name, rest = next(reversed(path.items()))
        following = next(rest, None)
        if following is None:
            del path[name]
            done.add(name)
        elif following in path:
            names = list(path)
            found.update(names[names.index(following) :])
        elif following not in done and following in jobs:
            path[following] = iter(_needed(following, jobs))


def _needed(name: str, jobs: Mapping[str, Job]) -> tuple[str, ...]:
    job = jobs.get(name)
    return () if job is None else (*job.spec.after, *job.spec.after_success)


def circle(job: Job) -> Reason:
    """Say that a job waits for itself."""
    text = "It waits for jobs that wait for it."
    return Reason(DEPENDENCY_FAILED, text, hint=Hint(f"mlops-desk jobs cancel {job.id}", before="Cancel one: "))
