"""Retraining rules: when a model drifts, run its job again and let a person decide on the alias."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.synthetic import Augmentation
from mlops_desk.kit.records.owner import Owner


class RetrainState(StrEnum):
    """Where one retraining stands. ``UNKNOWN``: nobody saw how its job ended, so nothing is proposed."""

    TRAINING = "training"
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    NOT_BETTER = "not_better"
    APPROVED = "approved"
    REJECTED = "rejected"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def is_underway(self) -> bool:
        """Still training, or waiting for a person: the rule does not fire again meanwhile."""
        return self in {RetrainState.TRAINING, RetrainState.WAITING_FOR_APPROVAL}


@dataclass(frozen=True, slots=True)
class Rule:
    """When ``endpoint`` drifts (or by hand): rerun the job behind MODEL@ALIAS, compare one metric, propose the move.

    ``data`` maps a mount target of the original job to the host path that replaces it. ``plan`` says how the two models
    are compared, and by what gates; ``augment`` what rows are made for the training besides.
    """

    name: str
    model: str
    alias: str
    metric: str
    higher_is_better: bool = True
    endpoint: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    cooldown_seconds: float = 86_400.0
    created_by: int | None = None
    created_at: float = 0.0
    last_fired_at: float | None = None
    plan: EvaluationPlan = field(default_factory=EvaluationPlan)
    augment: Augmentation | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by)


@dataclass(frozen=True, slots=True)
class Retraining:
    """One firing of a rule, from the resubmitted job to a person's decision. ``created_by`` made the rule.

    ``stage`` is the step at which one that is approved stands until its alias has moved: register, shadow, canary or
    promote.
    """

    id: str
    rule: str
    state: RetrainState
    trigger: str
    job_id: str | None
    champion_version: str
    champion_value: float | None
    challenger_version: str | None = None
    challenger_value: float | None = None
    created_at: float = 0.0
    decided_by: str | None = None
    decided_at: float | None = None
    text: str | None = None
    created_by: int | None = None
    stage: str | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by)
