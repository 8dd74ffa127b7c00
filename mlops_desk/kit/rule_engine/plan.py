"""A rule made ready to be judged many times: its parts in order, each with the fact that it looks at. Pure.

A fact is a number or a state of a thing, named by a class (``gpu/hw.temperature``, ``state/job``) and the thing.

Conditions over what may be unknown: true, false or None, by Kleene's strong logic. Pure.

*And* is false as soon as one part is, whatever the others are; *or* is true as soon as one part is. Everything else
that rests on an unknown part is unknown itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mlops_desk.automation.records.conditions import (
    Both,
    DriftClause,
    Either,
    Leaf,
    MetricClause,
    ScheduleClause,
    StateClause,
    WhenClause,
    device_class,
    leaves,
)
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.kit.base.hysteresis import Condition

Truth: TypeAlias = bool | None
Judge: TypeAlias = Callable[[Sequence[Truth]], Truth]


def every(parts: Iterable[Truth]) -> Truth:
    """Return whether all parts hold."""
    found: Truth = True
    for part in parts:
        if part is False:
            return False
        if part is None:
            found = None
    return found


def some(parts: Iterable[Truth]) -> Truth:
    """Return whether a part holds."""
    found: Truth = False
    for part in parts:
        if part is True:
            return True
        if part is None:
            found = None
    return found


def judge_of(when: WhenClause) -> Judge:
    """Return what tells of the truths of a condition's leaves, in their order, whether it holds."""
    return _judge(when, 0)


def _judge(clause: WhenClause, first: int) -> Judge:
    if not isinstance(clause, (Both, Either)):
        return lambda truths: truths[first]
    judges = []
    for part in clause.parts:
        judges.append(_judge(part, first))
        first += len(leaves(part))
    join = every if isinstance(clause, Both) else some
    return lambda truths: join([judge(truths) for judge in judges])


Value: TypeAlias = float | str | None
"""A number, the word of a state, or None: nobody knows."""
BUDGET_FACT = "rule/gpu_hours"
"""The GPU-hours that the jobs of a rule took within its span: a fact of the rule's name."""
UNDERWAY_FACT = "rule/underway"
"""1 while what a rule set off is not over, a retraining that waits for a person too: likewise a fact of its name."""
UNDERWAY = "underway"
"""What holds a rule back then."""
NAMED_JOB = "state/job/named"
"""How a job stands by id or name, for rules that name one. Those for each job go by ids, or they fire twice."""
_IS_SO = 1.0  # what is true, as the number that a condition judges


@dataclass(frozen=True, slots=True)
class PlanPart:
    """A leaf: what it looks at (None: a moment), of which thing (None: the rule's subject), and when it holds."""

    leaf: Leaf
    fact: str | None
    of: str | None
    condition: Condition | None
    states: frozenset[str]
    grown_over: float | None = None

    def waits_for(self, why: str) -> bool:
        """Tell whether its moment waits while ``why`` holds the rule back; who does not hears of the next one.

        A time of a schedule waits for the end of quiet hours, of a cooldown, for budget. It does not wait for what was
        set off before: a person may decide on that days later, and nobody wants the training of a night at noon. New
        data do: they are there still.
        """
        if isinstance(self.leaf, ScheduleClause):
            return why != UNDERWAY
        return not isinstance(self.leaf, DriftClause)

    def number(self, value: Value) -> float | None:
        """Return a fact as the number that the condition judges; None where nobody knows."""
        if isinstance(value, str):
            return float(value in self.states)
        return None if value is None or value != value else value  # noqa: PLR0124 - what is not a number is not itself


@dataclass(frozen=True, slots=True, eq=False)
class RulePlan:
    """A rule with its parts. ``device`` is the class whose things have it each for themselves, None: it has one."""

    spec: RuleSpec
    parts: tuple[PlanPart, ...]
    whole: Condition
    judge: Judge
    device: str | None

    @property
    def has_moments(self) -> bool:
        return any(part.condition is None for part in self.parts)

    @property
    def averages(self) -> bool:
        """Whether it is about a mean over time."""
        return any(part.condition is not None and part.condition.averaged for part in self.parts)

    @property
    def counts(self) -> bool:
        """Whether it is about a counter's growth."""
        return any(part.grown_over is not None for part in self.parts)


def plan_of(spec: RuleSpec) -> RulePlan:
    """Return a rule made ready."""
    found = leaves(spec.when)
    classes = [kind for leaf in found if (kind := device_class(leaf)) is not None]
    whole = Condition(True, _IS_SO, 0.0, spec.for_seconds)
    return RulePlan(spec, tuple(map(_part, found)), whole, judge_of(spec.when), classes[0] if classes else None)


def _part(leaf: Leaf) -> PlanPart:
    if isinstance(leaf, MetricClause):
        condition = Condition(leaf.above, leaf.threshold, leaf.clear, leaf.for_seconds, leaf.averaged)
        fact = f"{leaf.device}/{leaf.metric}"
        return PlanPart(leaf, fact, leaf.of, condition, frozenset(), leaf.grown_over)
    if isinstance(leaf, StateClause):
        condition = Condition(True, _IS_SO, 0.0, leaf.for_seconds)
        fact = NAMED_JOB if leaf.kind == "job" and leaf.of is not None else f"state/{leaf.kind}"
        return PlanPart(leaf, fact, leaf.of, condition, frozenset(leaf.states))
    return PlanPart(leaf, None, None, None, frozenset())
