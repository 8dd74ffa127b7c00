"""A run of a retraining pipeline, from frozen data to a promoted version: where it stands, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.automation.records.pipelines.comparison import ModelComparison
from mlops_desk.automation.records.pipelines.decision import DecisionWord
from mlops_desk.automation.records.pipelines.evidence import StepEvidence
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.synthetic import Augmentation
from mlops_desk.kit.records.owner import Owner


class StepName(StrEnum):
    """The steps, in their order."""

    FREEZE = "freeze"
    VALIDATE = "validate"
    AUGMENT = "augment"
    TRAIN = "train"
    EVALUATE = "evaluate"
    GATE = "gate"
    APPROVE = "approve"
    REGISTER = "register"
    SHADOW = "shadow"
    CANARY = "canary"
    PROMOTE = "promote"


class StepState(StrEnum):
    """``SKIPPED``: there was nothing to do, and its evidence says why. ``UNKNOWN``: nobody saw how it ended."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether the next step may begin."""
        return self in {StepState.DONE, StepState.SKIPPED}


class PipelineState(StrEnum):
    """Where a run stands.

    ``ALREADY_TRAINED``: the same data with the same recipe were trained before, against the same champion.
    ``NOT_BETTER``: the challenger is not, or a gate held it up. ``UNKNOWN``: nobody saw how its training ended.
    """

    RUNNING = "running"
    PAUSED = "paused"
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    PROMOTED = "promoted"
    NOT_BETTER = "not_better"
    ALREADY_TRAINED = "already_trained"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """Whether nothing goes on by itself, and nobody is waited for; some can be tried again."""
        return self not in {PipelineState.RUNNING, PipelineState.PAUSED, PipelineState.WAITING_FOR_APPROVAL}


@dataclass(frozen=True, slots=True)
class PipelineStep:
    """One step; times are Unix seconds."""

    name: StepName
    state: StepState = StepState.WAITING
    started_at: float | None = None
    ended_at: float | None = None
    evidence: StepEvidence = StepEvidence()  # noqa: RUF009 - it is frozen


def _unbegun() -> tuple[PipelineStep, ...]:
    return tuple(PipelineStep(name) for name in StepName)


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One run. Its id is that of the rule's retraining.

    ``data`` maps a mount target of the champion's job to the path that takes its place. ``recipe_sha256`` is of what
    the champion's job was made of but its data, ``manifest_sha256`` of the data. ``revision`` counts the changes of
    this record: who worked on an older one drops its result. ``tries`` counts trainings. ``paused_in`` is the state
    in which it was paused. ``created_by`` made the rule. ``augment``: rows are made for the training besides. ``said``
    are people's words to its challenger, with why. ``chain`` is that of its jobs (``Job.chain``).
    """

    id: str
    rule: str
    state: PipelineState
    steps: tuple[PipelineStep, ...] = field(default_factory=_unbegun)
    comparison: ModelComparison | None = None
    model: str = ""
    alias: str = ""
    metric: str = ""
    higher_is_better: bool = True
    endpoint: str | None = None
    plan: EvaluationPlan = EvaluationPlan()  # noqa: RUF009 - it is frozen
    augment: Augmentation | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    trigger: str = ""
    champion_version: str = ""
    champion_run: str | None = None
    champion_job: str | None = None
    challenger_version: str | None = None
    job_id: str | None = None
    recipe_sha256: str | None = None
    manifest_sha256: str | None = None
    text: str | None = None
    hint: str | None = None
    created_at: float = 0.0
    created_by: int | None = None
    ended_at: float | None = None
    decided_by: str | None = None
    decided_at: float | None = None
    paused_in: PipelineState | None = None
    tries: int = 1
    chain: int = 0
    revision: int = 0
    said: tuple[DecisionWord, ...] = ()

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by)

    def step(self, name: StepName) -> PipelineStep:
        """Return one of the steps; one that there was not yet when the run was begun is skipped."""
        return next((one for one in self.steps if one.name is name), PipelineStep(name, StepState.SKIPPED))


@dataclass(frozen=True, slots=True)
class PipelineBrief:
    """What a list shows of a run; ``step`` is the one under way or to come, None where all are over."""

    id: str
    rule: str
    state: PipelineState
    step: StepName | None
    model: str
    champion_version: str
    challenger_version: str | None
    comparison: ModelComparison | None
    text: str | None
    created_at: float
    ended_at: float | None = None


def pipeline_brief(run: PipelineRun) -> PipelineBrief:
    """Return what a list shows of a run."""
    step = next((one.name for one in run.steps if not one.state.is_over), None)
    return PipelineBrief(
        run.id, run.rule, run.state, step, run.model, run.champion_version, run.challenger_version, run.comparison,
        run.text, run.created_at, run.ended_at,
    )  # fmt: skip
