"""A rule as it is written down: when, for how long, then what, and what holds it back."""

from dataclasses import dataclass

from mlops_desk.automation.records.actions import RuleAction
from mlops_desk.automation.records.conditions import WhenClause


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A span of each of ``days`` (0 is Monday) in which a rule waits; it begins on them, and may end the day after.

    Minutes are of the day, as clocks of ``zone`` show them.
    """

    from_minute: int
    to_minute: int
    zone: str
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """When ``when`` lasts ``for_seconds``, then ``then``, one after the other.

    It fires at most once in ``cooldown_seconds`` for each thing, and no more when the jobs that it made took
    ``gpu_hours`` within ``budget_seconds``. In ``quiet`` hours it waits.
    """

    name: str
    when: WhenClause
    then: tuple[RuleAction, ...]
    for_seconds: float = 0.0
    cooldown_seconds: float = 0.0
    gpu_hours: float | None = None
    budget_seconds: float = 604_800.0
    quiet: tuple[QuietHours, ...] = ()
