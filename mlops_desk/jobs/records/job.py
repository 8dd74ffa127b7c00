"""Training jobs: what was asked for, what became of it, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.gpus.records.usage import JobUsage
from mlops_desk.jobs.records.job_activity import LiveUse, Progress, Stuck
from mlops_desk.jobs.records.provenance import Capsule, ImportedFrom, Repeat
from mlops_desk.jobs.records.queue_position import WaitingFor
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.records.staging import StagingProgress
from mlops_desk.kit.records.owner import Owner

# How far the image is that a job waits for.


@dataclass(frozen=True, slots=True)
class ImageProgress:
    """The pull or build under way for a job, as of now; None is not known, or not yet.

    ``kind`` is pull or build, ``state`` waiting or running, ``task_id`` what the verbs about images call it. A build is
    at ``step`` of ``steps``, which is the instruction ``doing``; ``line`` is the last that it wrote.
    """

    task_id: str
    kind: str
    state: str
    layers_done: int = 0
    layers_count: int = 0
    done_bytes: int | None = None
    total_bytes: int | None = None
    bytes_per_second: float | None = None
    eta_seconds: float | None = None
    step: int | None = None
    steps: int | None = None
    doing: str = ""
    line: str = ""


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
class StartMark:
    """Where a start stands on what nobody can set: seconds since a boot, and the engine's process (None: not known)."""

    boot_id: str
    uptime_seconds: float
    engine: str | None = None


@dataclass(frozen=True, slots=True)
class KeptFolder:
    """A folder of the container (``target``) whose content stays, and where it lies on this machine (``path``).

    ``checkpoint``: it is the same one for all attempts of the job.
    """

    target: str
    path: str
    checkpoint: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of a job. Written before its container is created; the container's name carries its id.

    ``mark`` is where its start stands on clocks that nobody sets. ``stopped_for`` is why the desk itself stops it.
    ``out_limit_bytes`` is what it was told that it may write to /mlops-desk/out; None: nobody told it a limit.
    ``runtime`` names what runs it, ``handle`` is what that calls it, and what it is found by: where it is a container,
    the container's name. ``proof`` says how it was proven that its GPUs are the leased ones: uuid, minor, or none.
    ``asked`` is when it was asked to save its work and end, so that another job gets its place; ``warned``: it was
    told that its time limit is near. ``lent_by`` names the endpoints whose GPUs it has, which may ask for them back;
    ``grace_seconds`` is what it then has to save its work, where that is less than its own. ``kept`` are the folders
    whose content stays. ``ports`` are the container's own ports, with the numbers by which they are reached on this
    machine's own address.
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
    proof: str | None = None
    asked: StartMark | None = None
    warned: bool = False
    kept: tuple[KeptFolder, ...] = ()
    ports: Mapping[int, int] = field(default_factory=dict)
    lent_by: tuple[str, ...] = ()
    grace_seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.handle:
            object.__setattr__(self, "handle", self.container)


@dataclass(frozen=True, slots=True)
class Job:
    """A job and all that is known of it. Times are Unix seconds.

    ``orphan``: its record was lost and made anew from its container, so what was asked for is known in part only.
    ``runtime`` names what runs it, ``handle`` is what that calls its newest attempt. ``group`` is the id of the sweep
    or array that it was submitted with, ``group_index`` its place there. ``not_before`` is when it may start at the
    earliest. ``repeat`` says of which job it is the same once more, ``imported`` of which one of another machine.
    ``position`` (1 is next), ``forecast_start`` and ``waiting_for`` are the scheduler's, as of now, and not stored.
    ``insisted``: it starts although its group stopped itself. ``paused``: a person has asked that it is not started.
    ``progress``, ``stuck`` and ``live`` are those of its newest attempt while it runs, ``staging`` is how far the copy
    of its data is before, ``fetching`` how far the image is that it waits for; none of them is stored. ``inputs`` are
    folders that earlier jobs have kept and that it reads. ``chain`` is by how many rules in a row it came about, each
    set off by a job of the one before; 0: by none.
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
    priority: int = 0
    group: str | None = None
    group_index: int | None = None
    not_before: float | None = None
    capsule: Capsule | None = None
    usage: JobUsage | None = None
    progress: Progress | None = None
    position: int | None = None
    forecast_start: float | None = None
    waiting_for: tuple[WaitingFor, ...] = ()
    owner_name: str = field(default="", metadata={"json": "owner"})
    insisted: bool = False
    repeat: Repeat | None = None
    fetching: ImageProgress | None = None
    paused: bool = False
    stuck: Stuck | None = None
    live: LiveUse | None = None
    imported: ImportedFrom | None = None
    staging: StagingProgress | None = None
    inputs: tuple[KeptFolder, ...] = ()
    chain: int = 0

    def __post_init__(self) -> None:
        if self.handle is None:
            object.__setattr__(self, "handle", self.container)
        if not self.owner_name:
            object.__setattr__(self, "owner_name", self.user)

    @property
    def owner(self) -> Owner:
        return Owner(self.submitted_by, self.user)
