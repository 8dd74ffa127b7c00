"""What people ask about a group of jobs: how its members stand and which is best, to go on, and to be cancelled."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from mlops_desk.base.errors import DeskError, Hint, NotFound
from mlops_desk.base.text import plain
from mlops_desk.jobs.book import JobBook
from mlops_desk.jobs.group.early_stop import best_of
from mlops_desk.jobs.group.failing import paused_reason, why_stopped
from mlops_desk.jobs.ports import MetricHistories
from mlops_desk.jobs.run import times
from mlops_desk.records.jobs.group import GroupMember, JobGroup
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.jobs.spec import Goal, Sweep

_WAITING = frozenset({JobState.QUEUED, JobState.BLOCKED})


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
            id=first.group or first.id,
            name=first.name,
            submitted_by=first.submitted_by,
            user=first.user,
            members=tuple(_member(job, values.get(job.id)) for job in jobs),
            metric=None if sweep is None else sweep.metric,
            goal=None if sweep is None else sweep.goal,
            best=next((job_id for job_id, value in values.items() if best is not None and value == best), None),
            stopped=_why_stopped(first.group or first.id, jobs),
        )

    def go_on(self, name: str) -> JobGroup:
        """Let what waits of a group start: it was paused, or its first jobs have failed."""
        jobs = self._jobs(name)
        failing = why_stopped(jobs[0].group or jobs[0].id, jobs, times.now()) is not None

        def insist(job: Job) -> Job | None:
            if job.state not in _WAITING:
                return None
            insisted = job.insisted or failing
            return replace(job, insisted=insisted, paused=False, state=JobState.QUEUED, reason=None)

        for job in jobs:
            self._book.change(job.id, insist)
        return self.show(name)

    def pause(self, name: str) -> JobGroup:
        """Let what waits of a group wait on; what runs goes on."""
        for job in self._jobs(name):
            self._book.change(job.id, lambda job: replace(job, paused=True) if job.state in _WAITING else None)
        return self.show(name)

    def cancel(self, name: str) -> JobGroup:
        """Wish the end of all jobs of a group that are not over."""
        for job in self._jobs(name):
            if not job.state.is_final:
                self._cancel(job)
        return self.show(name)

    def _jobs(self, name: str) -> Sequence[Job]:
        job = self._book.find(name)
        if job.group is None:
            hint = Hint(f"mlops-desk jobs show {job.id}", after=" shows it.")
            raise NotFound(f"Job {plain(job.id)} is of no sweep and no array.", hint)
        return self._book.group(job.group)

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


def _why_stopped(group: str, jobs: Sequence[Job]) -> Reason | None:
    """Return why none of a group that waits is started; None: they are, or none waits."""
    if any(job.paused and job.state in _WAITING for job in jobs):
        return paused_reason(group)
    return None if _goes_on(jobs) else why_stopped(group, jobs, times.now())


def _goes_on(jobs: Sequence[Job]) -> bool:
    return all(job.insisted or job.state not in _WAITING for job in jobs)


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
