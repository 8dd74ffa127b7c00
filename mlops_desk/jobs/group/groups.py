"""Looks after the groups that have jobs under way: what is behind is ended early, a group that fails is held.

What is held is found again from the records alone, so it holds for the next agent too. What the jobs have reported is
asked of the tracking server now and then, in a hand of its own; while that does not answer nobody is ended.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlops_desk.jobs.book import JobBook, with_attempt
from mlops_desk.jobs.group.early_stop import Behind, find_behind, stop_reason
from mlops_desk.jobs.group.failing import paused_reason, why_stopped
from mlops_desk.jobs.ports import MetricHistories
from mlops_desk.jobs.run import times
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.jobs.reason import Reason

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
