"""What jobs of one sweep or array have to do with each other: who ends early, when all stop, which is best.

A group whose jobs all die at once stops itself: what waits is not started, with the evidence and the way on. Pure.

A wrong path or a missing package fails the first job of a sweep as it will fail the thousandth; started one after the
other they would take GPUs from others all night.

Which jobs of a sweep are ended early: those behind the median of the others after as many reports. Pure.

The rule is that of Google's Vizier: a job is compared with what the others had reached when they had reported as
often, so that one which began late is not held to what others have reached since.

Looks after the groups that have jobs under way: what is behind is ended early, a group that fails is held.

What is held is found again from the records alone, so it holds for the next agent too. What the jobs have reported is
asked of the tracking server now and then, in a hand of its own; while that does not answer nobody is ended.

What people ask about a group of jobs: how its members stand and which is best, to go on, and to be cancelled.
"""

import math
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mlops_desk.jobs.ports import MetricHistories
from mlops_desk.jobs.records.group import GroupMember, JobGroup
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import Goal, Sweep
from mlops_desk.jobs.repository import JobBook, with_attempt
from mlops_desk.jobs.run import times
from mlops_desk.jobs.run.attempt_end import SWEEP_STOPPED
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused
from mlops_desk.kit.base.text import plain

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


_FEWEST_OTHERS = 3  # chosen: the median of two is no more than the luck of one of them


@dataclass(frozen=True, slots=True)
class Behind:
    """A job that is behind: its best after so many ``reports``, and the ``median`` of the ``others`` by then."""

    reports: int
    best: float
    median: float
    others: int


def best_of(values: Iterable[float], goal: Goal) -> float | None:
    """Return the best value; None where there is none. What is not a number is no value."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return None
    return max(known) if goal is Goal.MAXIMIZE else min(known)


def find_behind(
    histories: Mapping[str, Sequence[float]], running: Iterable[str], goal: Goal, least_reports: int
) -> dict[str, Behind]:
    """Return those of ``running`` that are behind, each with its evidence; ``histories`` are all reports in order."""
    found = {}
    for job_id in running:
        mine = histories.get(job_id, ())
        reports = len(mine)
        if reports < max(1, least_reports):
            continue
        others = [
            _best(values[:reports], goal)
            for other, values in histories.items()
            if other != job_id and len(values) >= reports
        ]
        if len(others) < _FEWEST_OTHERS:
            continue
        best, median = _best(mine, goal), statistics.median(others)
        if best < median if goal is Goal.MAXIMIZE else best > median:
            found[job_id] = Behind(reports, best, median, len(others))
    return found


def stop_reason(sweep: Sweep, behind: Behind) -> Reason:
    """Return why a job that is behind is ended."""
    metric = sweep.metric or "metric"
    worse = "below" if sweep.goal is Goal.MAXIMIZE else "above"
    text = f"The sweep ended it early: its best {metric} is {worse} the median of the others."
    evidence = (
        f"After {behind.reports} reports its best was {behind.best:.6g}; "
        f"the median of {behind.others} others was {behind.median:.6g} by then."
    )
    return Reason(SWEEP_STOPPED, text, evidence)


def _best(values: Sequence[float], goal: Goal) -> float:
    """Return the best value; who has reported nothing but no numbers is behind everybody."""
    found = best_of(values, goal)
    worst = -math.inf if goal is Goal.MAXIMIZE else math.inf
    return worst if found is None else found


_COMPARE_SECONDS = 15.0  # chosen: an epoch lasts longer; it costs a request to the tracking server for each sweep
_WAITING = frozenset({JobState.QUEUED, JobState.BLOCKED})


class Groups:
    """The groups in ``book``; ``histories`` asks for what runs have reported. Safe to use from several threads."""

    def __init__(self, book: JobBook, histories: MetricHistories) -> None:
        self._book = book
        self._histories = histories
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Job]] = {}
        self._due = 0.0

    def held(self, active: Sequence[Job]) -> dict[str, Reason]:
        """Return what waits of groups that were paused or stopped themselves, with the reason. Raises DeskError."""
        members = [job for job in active if job.group is not None and job.state in _WAITING]
        found = {job.id: paused_reason(job.group or job.id) for job in members if job.paused}
        waiting = [job for job in members if not (job.insisted or job.paused)]
        self._forget({job.group for job in active if job.group is not None})
        moment = times.now()
        for group in {job.group for job in waiting if job.group is not None}:
            reason = why_stopped(group, self._members(group, active), moment)
            if reason is not None:
                found.update((job.id, reason) for job in waiting if job.group == group)
        return found

    def is_due(self, active: Iterable[Job]) -> bool:
        """Tell whether it is time to compare the jobs of sweeps that end jobs early."""
        return time.monotonic() >= self._due and any(_compares(job) for job in active)

    def compare(self, active: Sequence[Job]) -> None:
        """End the running jobs that are behind the others of their sweep. Raises DeskError."""
        self._due = time.monotonic() + _COMPARE_SECONDS
        for group in {job.group for job in active if job.group is not None and _compares(job)}:
            self._compare(self._members(group, active))

    def _compare(self, members: Sequence[Job]) -> None:
        running = [job for job in members if _compares(job)]
        sweep = running[0].spec.sweep
        if sweep is None or sweep.metric is None or sweep.stop_below_best is None:
            return
        runs = {job.mlflow_run_id: job.id for job in members if job.mlflow_run_id is not None}
        told = self._histories(tuple(runs), sweep.metric)
        histories = {runs[run]: values for run, values in told.items() if run in runs}
        for job_id, behind in find_behind(
            histories, [job.id for job in running], sweep.goal, sweep.stop_below_best
        ).items():
            self._stop(job_id, behind)

    def _stop(self, job_id: str, behind: Behind) -> None:
        def stop(job: Job) -> Job | None:
            sweep = job.spec.sweep
            if sweep is None or job.state is not JobState.RUNNING or job.attempts[-1].stopped_for is not None:
                return None
            why = stop_reason(sweep, behind)
            return with_attempt(job, replace(job.attempts[-1], reason=why, stopped_for=why))

        self._book.change(job_id, stop)

    def _members(self, group: str, active: Sequence[Job]) -> list[Job]:
        """Return all jobs of a group as they are now, also those that are over."""
        with self._lock:
            known = self._known.get(group)
            if known is None:
                known = self._known[group] = {job.id: job for job in self._book.group(group)}
            now = {job.id: job for job in active if job.group == group}
            for job_id, job in list(known.items()):
                if not job.state.is_final and job_id not in now:
                    known[job_id] = self._book.get(job_id)
            known.update(now)
            return list(known.values())

    def _forget(self, groups: set[str]) -> None:
        with self._lock:
            for gone in self._known.keys() - groups:
                del self._known[gone]


def _compares(job: Job) -> bool:
    sweep = job.spec.sweep
    is_one = sweep is not None and sweep.metric is not None and sweep.stop_below_best is not None
    return is_one and job.state is JobState.RUNNING and job.mlflow_run_id is not None and job.group is not None


_VERBS_WAITING = frozenset({JobState.QUEUED, JobState.BLOCKED})


class GroupVerbs:
    """``cancel`` wishes the end of one job."""

    def __init__(self, book: JobBook, histories: MetricHistories, cancel: Callable[[Job], object]) -> None:
        self._book = book
        self._histories = histories
        self._cancel = cancel

    def show(self, name: str) -> JobGroup:
        """Return the group of a job; its id is that of its first one. Raises NotFound."""
        jobs = self._jobs(name)
        first = jobs[0]
        sweep = first.spec.sweep
        values = self._values(jobs, sweep)
        goal = Goal.MAXIMIZE if sweep is None else sweep.goal
        best = best_of(values.values(), goal)
        return JobGroup(
            id=_id(jobs),
            name=first.name,
            submitted_by=first.submitted_by,
            user=first.user,
            members=tuple(_member(job, values.get(job.id)) for job in jobs),
            metric=None if sweep is None else sweep.metric,
            goal=None if sweep is None else sweep.goal,
            best=next((job_id for job_id, value in values.items() if best is not None and value == best), None),
            stopped=_why_stopped(_id(jobs), jobs),
        )

    def go_on(self, name: str) -> JobGroup:
        """Let what waits of a group start: it was paused, or its first jobs have failed. Raises NotFound, Refused."""
        jobs = self._unended(name)
        failing = why_stopped(_id(jobs), jobs, times.now()) is not None

        def insist(job: Job) -> Job | None:
            if job.state not in _VERBS_WAITING:
                return None
            insisted = job.insisted or failing
            return replace(job, insisted=insisted, paused=False, state=JobState.QUEUED, reason=None)

        for job in jobs:
            self._book.change(job.id, insist)
        return self.show(name)

    def pause(self, name: str) -> JobGroup:
        """Let what waits of a group wait on; what runs goes on. Raises NotFound, Refused where nothing waits."""
        jobs = self._unended(name)
        if not any(job.state in _VERBS_WAITING for job in jobs):
            text = f"None of the jobs of group {_id(jobs)} waits, and what runs is not paused."
            raise Refused(text, Hint(f"mlops-desk jobs cancel-group {_id(jobs)}", after=" ends it."))
        for job in jobs:
            self._book.change(job.id, lambda job: replace(job, paused=True) if job.state in _VERBS_WAITING else None)
        return self.show(name)

    def cancel(self, name: str) -> JobGroup:
        """Wish the end of all jobs of a group that are not over. Raises NotFound, and Refused as of one job."""
        jobs = self._jobs(name)
        if not any(job.state is JobState.CANCELLED for job in jobs):  # asked for again, it is no mistake
            _check_unended(jobs)
        for job in jobs:
            if not job.state.is_final:
                self._cancel(job)
        return self.show(name)

    def _jobs(self, name: str) -> Sequence[Job]:
        job = self._book.find(name)
        if job.group is None:
            hint = Hint(f"mlops-desk jobs show {job.id}", after=" shows it.")
            raise NotFound(f"Job {plain(job.id)} is of no sweep and no array.", hint)
        return self._book.group(job.group)

    def _unended(self, name: str) -> Sequence[Job]:
        jobs = self._jobs(name)
        _check_unended(jobs)
        return jobs

    def _values(self, jobs: Sequence[Job], sweep: Sweep | None) -> dict[str, float]:
        """Return what each job has reached; nothing while the tracking server can't be asked."""
        runs = {job.mlflow_run_id: job.id for job in jobs if job.mlflow_run_id is not None}
        if sweep is None or sweep.metric is None or not runs:
            return {}
        try:
            told = self._histories(tuple(runs), sweep.metric)
        except DeskError:
            return {}
        found = {runs[run]: best_of(values, sweep.goal) for run, values in told.items() if run in runs}
        return {job_id: value for job_id, value in found.items() if value is not None}


def _id(jobs: Sequence[Job]) -> str:
    return jobs[0].group or jobs[0].id


def _check_unended(jobs: Sequence[Job]) -> None:
    if all(job.state.is_final for job in jobs):
        raise Refused(f"Group {_id(jobs)} is over: so are all {len(jobs)} of its jobs.",
                      Hint(f"mlops-desk jobs group {_id(jobs)}"))  # fmt: skip


def _why_stopped(group: str, jobs: Sequence[Job]) -> Reason | None:
    """Return why none of a group that waits is started; None: they are, or none waits."""
    if any(job.paused and job.state in _VERBS_WAITING for job in jobs):
        return paused_reason(group)
    return None if _goes_on(jobs) else why_stopped(group, jobs, times.now())


def _goes_on(jobs: Sequence[Job]) -> bool:
    return all(job.insisted or job.state not in _VERBS_WAITING for job in jobs)


def _member(job: Job, value: float | None) -> GroupMember:
    return GroupMember(
        id=job.id,
        name=job.name,
        index=job.group_index,
        state=job.state,
        params=job.spec.params,
        metric=value,
        reason=None if job.reason is None else replace(job.reason, evidence=None),
        mlflow_run_id=job.mlflow_run_id,
    )
