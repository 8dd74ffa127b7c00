"""The steps of a rollout: where it begins, when it goes on, where it ends. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from mlops_desk.base.errors import Invalid
from mlops_desk.records.serving.rollout import SHADOW_PERCENT, STEPS_PERCENT, Rollout, RolloutGuard
from mlops_desk.serving.rollout.guard import Answered, Finding, fault_of

WHOLE_PERCENT = 100.0  # shares are in percent, as people say them


class Turn(Enum):
    """What is to be done with a rollout now."""

    STAY = "stay"
    GO_ON = "go on"
    PROMOTE = "promote"
    GO_BACK = "go back"


@dataclass(frozen=True, slots=True)
class RolloutDecision:
    """What is to be done, and what the canary failed in if it is to go back."""

    turn: Turn
    finding: Finding | None = None


def begin(
    revision: int, percent: float, guard: RolloutGuard, now: float, *, steps: Sequence[float] = STEPS_PERCENT
) -> Rollout:
    """Return a rollout that begins with ``percent`` of the requests and has the larger ones of ``steps`` to come.

    ``now`` is Unix seconds. Raises Invalid.
    """
    if not SHADOW_PERCENT <= percent < WHOLE_PERCENT:
        raise Invalid(f"A canary can't have {percent:g} % of the requests.", "Take between 1 and 99.")
    return Rollout(revision, percent, tuple(step for step in sorted(steps) if step > percent), guard, now)


def decide(
    rollout: Rollout, canary: Answered, live: Answered, held_seconds: float, *, is_led: bool = False
) -> RolloutDecision:
    """Return what is to be done, by what both revisions answered since the step began, so long ago.

    Nothing sends a shadow back: its answers reach nobody, and a person wants to look at them. One that is led by a
    retraining (``is_led``) is looked at by nobody, and would be given requests next: it goes back like a canary.
    """
    finding = fault_of(rollout.guard, canary, live)
    if finding is not None and (is_led or rollout.percent > SHADOW_PERCENT):
        return RolloutDecision(Turn.GO_BACK, finding)
    is_baked = held_seconds >= rollout.guard.bake_seconds and canary.requests >= rollout.guard.requests
    if rollout.is_held or rollout.percent == SHADOW_PERCENT or not is_baked:
        return RolloutDecision(Turn.STAY, finding)
    return RolloutDecision(Turn.PROMOTE if next_percent(rollout) >= WHOLE_PERCENT else Turn.GO_ON)


def next_percent(rollout: Rollout) -> float:
    """Return the share of requests of the next step, in percent; the whole where no step is left."""
    return rollout.steps[0] if rollout.steps else WHOLE_PERCENT


def gone_on(rollout: Rollout, now: float) -> Rollout:
    """Return a rollout one step further, for which what was answered counts afresh."""
    return replace(
        rollout, percent=next_percent(rollout), steps=rollout.steps[1:], since=now, is_held=False, waits_for=None
    )
