"""What a list shows of jobs: each in brief, what ran, and what was lost."""

from dataclasses import dataclass, replace

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.job_activity import LiveUse, Progress, Stuck
from mlops_desk.jobs.records.provenance import Verdict
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.records.owner import Owner


@dataclass(frozen=True, slots=True)
class JobBrief:
    """What a list shows of a job; ``jobs show`` has the rest: what it was asked to do, and each of its attempts.

    ``gpus_asked`` is how many GPUs it wants, ``gpus`` which it has. Its reason comes without the evidence.
    ``verdict`` is of one that repeats another: whether it is made of the same.
    """

    id: str
    name: str
    state: JobState
    image: str
    gpus_asked: int
    submitted_at: float
    submitted_by: int
    user: str
    exit_code: int | None = None
    reason: Reason | None = None
    gpus: tuple[str, ...] = ()
    container: str | None = None
    mlflow_run_id: str | None = None
    attempts: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    cancel_requested: bool = False
    origin: str | None = None
    orphan: bool = False
    priority: int = 0
    group: str | None = None
    preemptible: bool = False
    position: int | None = None
    forecast_start: float | None = None
    time_limit_seconds: float | None = None
    progress: Progress | None = None
    group_index: int | None = None
    stuck: Stuck | None = None
    live: LiveUse | None = None
    verdict: Verdict | None = None


def brief_of(job: Job) -> JobBrief:
    """Return what a list shows of ``job``."""
    again = job.imported or job.repeat
    return JobBrief(
        id=job.id,
        name=job.name,
        state=job.state,
        image=job.spec.image,
        gpus_asked=job.spec.resources.gpus,
        submitted_at=job.submitted_at,
        submitted_by=job.submitted_by,
        user=job.user,
        exit_code=job.exit_code,
        reason=None if job.reason is None else replace(job.reason, evidence=None),
        gpus=job.gpus,
        container=job.container,
        mlflow_run_id=job.mlflow_run_id,
        attempts=len(job.attempts),
        started_at=job.started_at,
        ended_at=job.ended_at,
        cancel_requested=job.cancel_requested,
        origin=job.origin,
        orphan=job.orphan,
        priority=job.priority,
        group=job.group,
        preemptible=job.spec.preemptible,
        position=job.position,
        forecast_start=job.forecast_start,
        time_limit_seconds=job.spec.time_limit_seconds,
        progress=job.progress,
        group_index=job.group_index,
        stuck=job.stuck,
        live=job.live,
        verdict=None if again is None else again.verdict,
    )


@dataclass(frozen=True, slots=True)
class LostJob:
    """A job whose record was lost, and the folder where its logs and results lie.

    ``owner_uid`` is whom the results belong to; None where there are none any more. ``forgotten``: it was put aside,
    and nobody is told of it any more.
    """

    id: str
    folder: str
    owner_uid: int | None = None
    forgotten: bool = False

    @property
    def owner(self) -> Owner:
        return Owner(self.owner_uid)


@dataclass(frozen=True, slots=True)
class JobRun:
    """One attempt of a job: which GPUs (UUID) it had from when to when; ``ended_at`` is None while it has not ended.

    ``state`` is the attempt's. Times are Unix seconds.
    """

    job_id: str
    name: str
    user: str
    state: JobState
    gpus: tuple[str, ...]
    container: str
    started_at: float
    ended_at: float | None = None


def runs_of(job: Job, start: float, end: float) -> list[JobRun]:
    """Return the attempts of ``job`` that ran at some time between two Unix times, oldest first."""
    return [
        JobRun(job.id, job.name, job.user, one.state, one.gpus, one.container, one.started_at, one.ended_at)
        for one in job.attempts
        if one.started_at is not None and one.started_at <= end and (one.ended_at is None or one.ended_at >= start)
    ]
