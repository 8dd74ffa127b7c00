"""The answer of ``rules fire``: what the rule did, and the retraining where it began one."""

from dataclasses import dataclass

from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.retraining_rule import Retraining


@dataclass(frozen=True, slots=True)
class FiredRule:
    """``id``, ``state`` and all up to ``created_by`` are the retraining's where there is one, else the firing's.

    Programs that fired retraining rules before there were others find there what they did.
    """

    id: str
    rule: str
    state: str
    trigger: str
    firing: KeptFiring
    job_id: str | None = None
    champion_version: str | None = None
    champion_value: float | None = None
    challenger_version: str | None = None
    challenger_value: float | None = None
    created_at: float = 0.0
    decided_by: str | None = None
    decided_at: float | None = None
    text: str | None = None
    created_by: int | None = None

    @classmethod
    def of(cls, firing: KeptFiring, again: Retraining | None) -> "FiredRule":
        """Return what a firing did."""
        if again is None:
            text = next((step.text for step in firing.steps if step.text), None)
            return cls(
                firing.id, firing.rule, firing.state.value, firing.trigger, firing, created_at=firing.at, text=text,
                created_by=firing.created_by,
            )  # fmt: skip
        return cls(
            id=again.id,
            rule=again.rule,
            state=again.state.value,
            trigger=again.trigger,
            firing=firing,
            job_id=again.job_id,
            champion_version=again.champion_version,
            champion_value=again.champion_value,
            challenger_version=again.challenger_version,
            challenger_value=again.challenger_value,
            created_at=again.created_at,
            decided_by=again.decided_by,
            decided_at=again.decided_at,
            text=again.text,
            created_by=again.created_by,
        )
