"""Training jobs: what was asked for, what became of it, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mlops_desk.base.errors import keep_command
from mlops_desk.records.owner import Owner

LOCAL_RUNTIME = "local"
"""The runtime of this machine's own engine, which records without a runtime's name are of."""


class JobState(StrEnum):
    """Where a job stands. ``UNKNOWN`` is an honest answer: nobody saw how it ended."""

    QUEUED = "queued"
    BLOCKED = "blocked"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job may use. ``None`` means the engine's default; GPU memory is checked when GPUs are chosen."""

    gpus: int = 0
    gpu_memory_bytes: int | None = None
    cpus: float | None = None
    memory_bytes: int | None = None
    shm_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host inside the container; ``mode`` is ``ro`` or ``rw``; paths are absolute."""

    source: str
    target: str
    mode: str = "ro"


@dataclass(frozen=True, slots=True)
class MlflowSpec:
    """Where the job's run is recorded: the experiment's name on the desk's own tracking server."""

    experiment: str


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What to run, as frozen at submit."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    mounts: tuple[Mount, ...] = ()
    mlflow: MlflowSpec | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something did not succeed. ``class_`` is a stable word (``class`` in JSON), evidence is quoted.

    ``command`` is the command in the hint that can be run as it is.
    """

    class_: str = field(metadata={"json": "class"})
    text: str
    evidence: str | None = None
    hint: str | None = None
    command: str | None = None

    def __post_init__(self) -> None:
        keep_command(self)


@dataclass(frozen=True, slots=True)
class StartMark:
    """Where a start stands on what nobody can set: seconds since a boot, and the engine's process (None: not known)."""

    boot_id: str
    uptime_seconds: float
    engine: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of a job. Written before its container is created; the container's name carries its id.

    ``mark`` is where its start stands on clocks that nobody sets. ``stopped_for`` is why the desk itself stops it.
    ``out_limit_bytes`` is what it was told that it may write to /mlops-desk/out; None: nobody told it a limit.
    ``runtime`` names what runs it, ``handle`` is what that calls it, and what it is found by: where it is a container,
    the container's name.
    """

    number: int
    id: str
    container: str
    state: JobState
    gpus: tuple[str, ...] = ()
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    reason: Reason | None = None
    mark: StartMark | None = None
    stopped_for: Reason | None = None
    out_limit_bytes: int | None = None
    runtime: str = LOCAL_RUNTIME
    handle: str = ""

    def __post_init__(self) -> None:
        if not self.handle:
            object.__setattr__(self, "handle", self.container)


@dataclass(frozen=True, slots=True)
class Job:
    """A job and all that is known of it. Times are Unix seconds.

    ``orphan``: its record was lost and made anew from its container, so what was asked for is known in part only.
    ``runtime`` names what runs it, ``handle`` is what that calls its newest attempt.
    """

    id: str
    name: str
    state: JobState
    spec: JobSpec
    submitted_at: float
    submitted_by: int
    user: str
    image_id: str | None = None
    exit_code: int | None = None
    reason: Reason | None = None
    gpus: tuple[str, ...] = ()
    container: str | None = None
    mlflow_run_id: str | None = None
    attempts: tuple[Attempt, ...] = ()
    started_at: float | None = None
    ended_at: float | None = None
    cancel_requested: bool = False
    origin: str | None = None
    orphan: bool = False
    runtime: str = LOCAL_RUNTIME
    handle: str | None = None

    def __post_init__(self) -> None:
        if self.handle is None:
            object.__setattr__(self, "handle", self.container)

    @property
    def owner(self) -> Owner:
        return Owner(self.submitted_by, self.user)


@dataclass(frozen=True, slots=True)
class JobBrief:
    """What a list shows of a job; ``jobs show`` has the rest: what it was asked to do, and each of its attempts.

    ``gpus_asked`` is how many GPUs it wants, ``gpus`` which it has. Its reason comes without the evidence.
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


def brief_of(job: Job) -> JobBrief:
    """Return what a list shows of ``job``."""
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
