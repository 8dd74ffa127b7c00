"""What a rule does when it fires."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.synthetic import Augmentation


@dataclass(frozen=True, slots=True)
class NotifyAction:
    """Tell people: ``ways`` are desktop, webhook, email and command; ``level`` info, warning or alert."""

    ways: tuple[str, ...]
    level: str = "warning"
    text: str | None = None


@dataclass(frozen=True, slots=True)
class AlertAction:
    """Raise an alert, which people acknowledge and silence, and which ends when what the rule is about is over."""

    level: str = "warning"
    text: str | None = None


@dataclass(frozen=True, slots=True)
class SubmitAction:
    """Queue a job of a template of job files, with some of its parameters set."""

    template: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetrainAction:
    """Run the job behind MODEL@ALIAS again, and propose its version where ``metric`` is better.

    ``data`` maps a mount target of that job to the path of this machine that takes its place; ``plan`` says how the
    two models are compared, and by what gates; ``augment`` what rows are made for the training besides.
    """

    model: str
    metric: str
    alias: str = "champion"
    higher_is_better: bool = True
    data: Mapping[str, str] = field(default_factory=dict)
    plan: EvaluationPlan = field(default_factory=EvaluationPlan)
    augment: Augmentation | None = None


@dataclass(frozen=True, slots=True)
class StopJobAction:
    """Stop the job that the rule fires for, or the one named, ``warning_seconds`` after its owner was told."""

    warning_seconds: float
    job: str | None = None


@dataclass(frozen=True, slots=True)
class PauseEndpointAction:
    """Take an endpoint off the gateway until somebody resumes it."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class RollBackAction:
    """Give an endpoint's traffic back to the revision before."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class ApprovalAction:
    """Ask so many people for their word before anything below it is done."""

    text: str
    people: int = 1


@dataclass(frozen=True, slots=True)
class CiAction:
    """Run the pipeline (``file`` in the repository) of each branch or tag that was pushed, at its commit.

    ``data`` maps targets in its containers to paths of this machine.
    """

    file: str
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromoteAction:
    """Take each tag promote/MODEL/VERSION that is pushed as the word that a policy wants for ``alias``."""

    alias: str


RuleAction: TypeAlias = (
    NotifyAction
    | AlertAction
    | SubmitAction
    | RetrainAction
    | StopJobAction
    | PauseEndpointAction
    | RollBackAction
    | ApprovalAction
    | CiAction
    | PromoteAction
)
