"""A run of a repository's pipeline (``mlops-desk.yaml``): of which commit, its stages, and what came of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.jobs.records.provenance import GitIdentity
from mlops_desk.kit.records.owner import Owner

ORIGIN = "ci:"
"""Before RUN/STAGE: the origin of a job that is a stage."""


class CiStageKind(StrEnum):
    """What a stage does: it runs as a job, holds metrics of one to limits, or registers the model of one."""

    JOB = "job"
    GATE = "gate"
    REGISTER = "register"


class CiStageState(StrEnum):
    """``SKIPPED``: it is not for this branch or tag, or what it needs did not pass. ``UNKNOWN``: nobody saw its end."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_over(self) -> bool:
        return self not in {CiStageState.WAITING, CiStageState.RUNNING}


class CiState(StrEnum):
    """Where a run stands. ``QUEUED``: an earlier run of the same branch or tag is not over."""

    QUEUED = "queued"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        return self not in {CiState.QUEUED, CiState.RUNNING}


@dataclass(frozen=True, slots=True)
class CiCheck:
    """One metric held to its limits. ``value`` None: it was not told, so ``passed`` is None and the gate holds."""

    metric: str
    value: float | None
    at_least: float | None = None
    at_most: float | None = None
    passed: bool | None = None


@dataclass(frozen=True, slots=True)
class CiStage:
    """One stage. Times are Unix seconds; ``version`` is the number of the version that it registered."""

    name: str
    kind: CiStageKind
    needs: tuple[str, ...] = ()
    state: CiStageState = CiStageState.WAITING
    job_id: str | None = None
    text: str = ""
    hint: str | None = None
    checks: tuple[CiCheck, ...] = ()
    version: str | None = None
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class CiRun:
    """One run. Times are Unix seconds.

    ``repository`` is the folder or the address that it was asked for, ``ref`` the branch or tag (``ref_kind`` says
    which; None: neither is known). ``dirty``: its code differs from the commit. ``document`` is the pipeline's file as
    it was, ``source_sha256`` the snapshot of the code. ``data`` maps targets in the containers to paths of this
    machine, ``secrets`` names those that the file may ask for: both are said by who runs it, never by the repository.
    ``attended``: somebody waits for it, and it ends when they are gone. ``revision`` counts its changes. Of its code
    ``pointers`` are files of which it has what Git LFS puts in their place, and of ``submodules`` nothing is there.
    """

    id: str
    name: str
    repository: str
    state: CiState
    stages: tuple[CiStage, ...] = ()
    commit: str | None = None
    ref: str | None = None
    ref_kind: str | None = None
    dirty: bool = False
    file: str = ""
    document: str = ""
    source_sha256: str = ""
    git: GitIdentity | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    attended: bool = False
    origin: str | None = None
    text: str = ""
    hint: str | None = None
    created_at: float = 0.0
    created_by: int | None = None
    user: str = ""
    ended_at: float | None = None
    revision: int = 0
    pointers: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by, self.user)

    @property
    def line(self) -> str:
        """What runs of which follow one another: those of one branch or tag of one repository."""
        return f"{self.repository} {self.ref_kind or ''} {self.ref or ''}"

    def stage(self, name: str) -> CiStage:
        """Return one of the stages."""
        return next(one for one in self.stages if one.name == name)


@dataclass(frozen=True, slots=True)
class CiBrief:
    """What a list shows of a run; ``stage`` is the one under way, ``passed`` of ``stages`` have passed."""

    id: str
    name: str
    repository: str
    state: CiState
    ref: str | None
    commit: str | None
    dirty: bool
    stage: str | None
    passed: int
    stages: int
    user: str
    text: str
    created_at: float
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class CiPlan:
    """What a pipeline's file asks for: its stages in an order in which they may run."""

    name: str
    stages: tuple[CiStage, ...]


def ci_brief(run: CiRun) -> CiBrief:
    """Return what a list shows of a run."""
    stage = next((one.name for one in run.stages if one.state is CiStageState.RUNNING), None)
    passed = sum(one.state is CiStageState.PASSED for one in run.stages)
    return CiBrief(
        run.id, run.name, run.repository, run.state, run.ref, run.commit, run.dirty, stage, passed, len(run.stages),
        run.user, run.text, run.created_at, run.ended_at,
    )  # fmt: skip
