"""How rules, firings, pipelines and their steps are said: each state with its mark. No Qt here."""

from collections.abc import Iterable

from mlops_desk.automation.records.firing import FiringState, KeptFiring
from mlops_desk.automation.records.pipelines.comparison import Scored
from mlops_desk.automation.records.pipelines.run import PipelineState, PipelineStep, StepName, StepState
from mlops_desk.automation.records.rule_record import KeptRule, ThingStanding
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import ALERT, IDLE, INFO, OK, PAUSED, UNKNOWN, WARNING, Mark

FIRING_MARKS = {
    FiringState.INTENDED: Mark("info", INFO, "under way"),
    FiringState.WAITING: Mark("warning", WARNING, "waiting"),
    FiringState.DONE: Mark("ok", OK, "done"),
    FiringState.FAILED: Mark("alert", ALERT, "failed"),
    FiringState.UNKNOWN: Mark("unknown", UNKNOWN, "unknown"),
}
PIPELINE_MARKS = {
    PipelineState.RUNNING: Mark("info", INFO, "running"),
    PipelineState.PAUSED: Mark("paused", PAUSED, "paused"),
    PipelineState.WAITING_FOR_APPROVAL: Mark("warning", WARNING, "waiting for approval"),
    PipelineState.PROMOTED: Mark("ok", OK, "promoted"),
    PipelineState.NOT_BETTER: Mark("muted", IDLE, "not better"),
    PipelineState.ALREADY_TRAINED: Mark("muted", IDLE, "already trained"),
    PipelineState.REJECTED: Mark("muted", IDLE, "rejected"),
    PipelineState.ROLLED_BACK: Mark("warning", WARNING, "rolled back"),
    PipelineState.CANCELLED: Mark("muted", IDLE, "cancelled"),
    PipelineState.FAILED: Mark("alert", ALERT, "failed"),
    PipelineState.UNKNOWN: Mark("unknown", UNKNOWN, "unknown"),
}
STEP_MARKS = {
    StepState.WAITING: Mark("muted", IDLE, "to come"),
    StepState.RUNNING: Mark("info", INFO, "under way"),
    StepState.DONE: Mark("ok", OK, "done"),
    StepState.SKIPPED: Mark("muted", "–", "left out"),
    StepState.FAILED: Mark("alert", ALERT, "failed"),
    StepState.UNKNOWN: Mark("unknown", UNKNOWN, "unknown"),
    StepState.CANCELLED: Mark("muted", IDLE, "cancelled"),
}
STEP_TITLES = {
    StepName.FREEZE: "Freeze data",
    StepName.VALIDATE: "Validate",
    StepName.AUGMENT: "Made rows",
    StepName.TRAIN: "Train",
    StepName.EVALUATE: "Evaluate",
    StepName.GATE: "Gates",
    StepName.APPROVE: "Approval",
    StepName.REGISTER: "Register",
    StepName.SHADOW: "Shadow",
    StepName.CANARY: "Canary",
    StepName.PROMOTE: "Champion",
}
_WAITS = {
    "quiet": "its quiet hours",
    "cooldown": "its cooldown",
    "budget": "its GPU-hours",
    "underway": "a retraining that is not decided",
}
_HELD = {
    "quiet": "in quiet hours",
    "cooldown": "cooling down",
    "budget": "out of GPU-hours",
    "underway": "retrains already",
}
"""What holds a rule back in a list, where the sentence beside it needs the room."""
_UNREADABLE = Mark("alert", ALERT, "can't be read")
_PAUSED = Mark("paused", PAUSED, "paused")
_FIRING = Mark("info", INFO, "firing")
_ASKS = Mark("warning", WARNING, "waits for a person")
_UNKNOWN = Mark("unknown", UNKNOWN, "unknown")
_LACKS = Mark("warning", WARNING, "lacks something")
_HOLDS = Mark("warning", WARNING, "its condition holds")
_ARMED = Mark("ok", OK, "armed")
_CAME_TO = {
    FiringState.FAILED: Mark("alert", ALERT, "last firing failed"),
    FiringState.UNKNOWN: Mark("unknown", UNKNOWN, "last firing unknown"),
}
"""What of a firing that is over stands in a list: what came to nothing is found by nobody who does not look for it."""


def rule_mark(rule: KeptRule, firings: Iterable[KeptFiring] = ()) -> Mark:
    """Return how a rule stands, by what is gravest or nearest; ``firings`` are its newest ones, newest first."""
    firings = [*firings]
    states = {_doing(firing) for firing in firings}
    last = rule.last_state if not firings else None if firings[0].is_rejected else firings[0].state
    held = next((one.held_by for one in rule.standings if one.held_by is not None), None)
    told = {one.holds for one in rule.standings}
    marks = (
        (rule.trouble is not None, _UNREADABLE),
        (FiringState.INTENDED in states, _FIRING),
        (not rule.enabled, _PAUSED),
        (FiringState.WAITING in states, _ASKS),
        (last in _CAME_TO, _CAME_TO.get(last or FiringState.DONE, _ARMED)),
        (held is not None, Mark("paused", PAUSED, _HELD.get(held or "", "held back"))),
        (True in told, _HOLDS),
        (rule.unseen is not None, _UNKNOWN),
        (bool(rule.missing), _LACKS),
        (told == {None} and rule.lasts, _UNKNOWN),
    )
    return next((mark for is_so, mark in marks if is_so), _ARMED)


def _doing(firing: KeptFiring) -> FiringState:
    """Return how a firing stands; one that waits for a time alone is being done, and nobody has to look."""
    waits = [step for step in firing.steps if step.state is FiringState.WAITING]
    timed = firing.state is FiringState.WAITING and waits and all(step.due_at is not None for step in waits)
    return FiringState.INTENDED if timed else firing.state


ACTIVE, STOPPED, LOOK = "active", "paused", "look"
"""What a list of rules may be narrowed to: what holds or fires, what is paused, what somebody should look at."""


def rule_group(rule: KeptRule, mark: Mark) -> str | None:
    """Return what a rule that stands so is found under beside all others; None for one that just waits."""
    if rule.trouble is not None or mark in {_ASKS, _UNKNOWN, _LACKS, *_CAME_TO.values()}:
        return LOOK
    if not rule.enabled:
        return STOPPED
    holds = any(one.holds is True or one.held_by is not None for one in rule.standings)
    return ACTIVE if holds or mark == _FIRING else None


EVERY, PEOPLE, BUILT_IN, CHANGED = "every", "people", "built_in", "changed"
"""What a list of rules may be narrowed to by where they come from."""


def comes_from(rule: KeptRule, source: str) -> bool:
    """Tell whether a rule comes from there: made by people, built in, or built in and changed by somebody."""
    if source == PEOPLE:
        return not rule.built_in
    if source == BUILT_IN:
        return rule.built_in
    return source == EVERY or (rule.built_in and rule.changed_at is not None)


def why(rule: KeptRule) -> str:
    """Say what there is to say of a rule's state beyond its mark."""
    is_blind = rule.lasts and {one.holds for one in rule.standings} == {None}
    reasons = (
        (rule.trouble is not None, f"It is not judged: {plain(rule.trouble or '', 400)}"),
        (not rule.enabled, "It is not judged until somebody resumes it; it can be fired by hand."),
        (rule.unseen is not None, f"Nobody knows whether what it waits for has come: {plain(rule.unseen or '', 400)}"),
        (bool(rule.missing), f"It lacks something: {plain(' '.join(rule.missing), 1000)}"),
        (is_blind, "Nobody knows whether its condition holds: nothing of what it watches is measured at the moment."),
        (rule.next_at is not None, f"Next at {numbers.day_and_clock(rule.next_at or 0.0)}."),
    )
    return next((text for is_so, text in reasons if is_so), "")


def held_words(held_by: str) -> str:
    """Say what keeps a rule from firing."""
    return _WAITS.get(held_by, plain(held_by, 60))


def standing_words(one: ThingStanding, *, lasts: bool = True) -> str:
    """Say whether a condition holds for a thing, since when, and what holds the rule back.

    One of which nothing ``lasts`` neither holds nor does not: it waits for a moment.
    """
    told = "unknown" if one.holds is None else "holds" if one.holds else "does not hold"
    told = told if lasts else "waits for its moment"
    at = one.since if lasts and one.holds is not None else None
    since = "" if at is None else f" since {numbers.day_and_clock(at)}"
    back = "" if one.held_by is None else f"; waits for {held_words(one.held_by)}"
    return f"{told}{since}{back}"


def scored(one: Scored) -> str:
    """Return a figure with its interval; a dash where it is not defined, and never 0."""
    if one.value is None:
        return numbers.NOTHING
    value = numbers.number(one.value, 4)
    if one.low is None or one.high is None:
        return value
    return f"{value} ({numbers.number(one.low, 4)} – {numbers.number(one.high, 4)})"


def step_mark(step: PipelineStep) -> Mark:
    """Return how a step stands; an approval that is under way waits for somebody."""
    if step.name is StepName.APPROVE and step.state is StepState.RUNNING:
        return _ASKS
    return STEP_MARKS[step.state]


def took(step: PipelineStep) -> str:
    """Return how long a step took; nothing where it has not begun, goes on, or was left out."""
    if step.started_at is None or step.ended_at is None or step.state is StepState.SKIPPED:
        return ""
    return numbers.duration(max(step.ended_at - step.started_at, 0.0))
