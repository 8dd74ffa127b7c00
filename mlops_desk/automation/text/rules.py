"""Rules that are kept, how they stand, and what they did, as text."""

from collections.abc import Callable
from typing import Any

from mlops_desk.automation.records.equivalence import alike_words
from mlops_desk.automation.records.fire_result import FiredRule
from mlops_desk.automation.records.firing import FiringState, FiringStep, KeptFiring
from mlops_desk.automation.records.rule_record import KeptRule, ThingStanding
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts, moment, number, table
from mlops_desk.machine.records.metric import Metric

_SHOWN = 20  # chosen: a screen; --json has all
_TEXT = 400  # chosen: five lines of a terminal
_CELL = 80  # chosen: why a rule can't be judged, beside its sentence
_WAITS = {
    "quiet": "its quiet hours",
    "cooldown": "its cooldown",
    "budget": "its budget of GPU-hours",
    "underway": "a retraining that is not decided",
}
_CAME_TO = {
    FiringState.INTENDED: "firing",
    FiringState.WAITING: "fired, and waits to go on",
    FiringState.FAILED: "last firing failed",
    FiringState.UNKNOWN: "last firing unknown",
}


def rule(item: KeptRule) -> str:
    """Tell what a rule says, then how it stands, then what it did."""
    told = {
        "rule": item.name,
        "what": item.sentence or "–",
        "state": state(item),
        **(_of_machine(item) if item.built_in else _of_person(item)),
        "fired last": ago(item.last_fired_at),
    }
    if item.next_at is not None:
        told["next time"] = moment(item.next_at)
    if item.model is not None:
        told["retrains"] = f"{item.model}@{item.alias} by {item.metric}"
    if item.trouble is not None:
        told["trouble"] = item.trouble
    if item.unseen is not None:
        told["can't be seen"] = plain(item.unseen, _TEXT)
    if item.plan.test is not None:
        told["test set"] = plain(item.plan.test, _TEXT)
    parts = [facts(told), *(f"Missing: {plain(one, _TEXT)}" for one in item.missing)]
    if item.alike:
        parts.append(plain(alike_words(item.alike), _TEXT))
    if item.standings:
        rows = [_thing(one, lasts=item.lasts or item.built_in) for one in item.standings[:_SHOWN]]
        parts.append(table(["FOR", "HOLDS", "SINCE", "HELD BACK BY", "FIRED"], rows))
    if item.firings:
        heads = [*FIRINGS]
        parts.append(table(heads, [[FIRINGS[head](one) for head in heads] for one in item.firings]))
    if item.document:
        parts.append(item.document.rstrip())
    return "\n\n".join(parts)


def _of_person(item: KeptRule) -> dict[str, str]:
    return {
        "owner": "–" if item.created_by is None else user_name(item.created_by),
        "made": moment(item.created_at),
    }


def _of_machine(item: KeptRule) -> dict[str, str]:
    told = {"alert": f"{item.title}. {item.help}", "source": source(item)}
    return told if item.changed_at is None else {**told, "changed": moment(item.changed_at)}


def source(item: KeptRule) -> str:
    """Say where a rule comes from: a person, or the program, with who has changed it since."""
    if not item.built_in:
        return "a person's" if item.created_by is None else user_name(item.created_by)
    if item.changed_at is None:
        return "built in"
    return "changed" if item.changed_by is None else f"changed by {user_name(item.changed_by)}"


def _thing(one: ThingStanding, *, lasts: bool) -> list[str]:
    """Return a row; of moments alone (not ``lasts``) there is nothing that holds or not."""
    holds = "–" if not lasts else "unknown" if one.holds is None else "yes" if one.holds else "no"
    why = "–" if one.held_by is None else _WAITS.get(one.held_by, one.held_by)
    since = ago(one.since) if lasts else "–"
    return [one.subject or "–", holds, since, why, str(one.fired)]


def state(item: KeptRule) -> str:
    """Return how a rule stands, in a few words."""
    if item.trouble is not None:
        return "can't be read"
    if not item.enabled:
        return "paused"
    came_to = None if item.last_state is None else _CAME_TO.get(item.last_state)
    return came_to or _holding(item)


def _holding(item: KeptRule) -> str:
    """Say whether the condition of a rule holds, and what holds it back."""
    held = [_WAITS.get(one.held_by, one.held_by) for one in item.standings if one.held_by is not None]
    if held:
        return f"held back by {held[0]}"
    holding = sum(one.holds is True for one in item.standings)
    if holding:
        return "holds" if len(item.standings) == 1 else f"holds for {holding} of {len(item.standings)}"
    if item.unseen is not None:
        return f"unknown: {plain(item.unseen, _CELL)}"
    if item.missing:
        return f"lacks something: {plain(item.missing[0], _CELL)}"
    unknown = (item.lasts or item.built_in) and item.standings and all(one.holds is None for one in item.standings)
    return "unknown" if unknown else "armed"


def firing(item: KeptFiring) -> str:
    """Tell of a firing, and what became of each of its actions."""
    told = {
        "firing": item.id,
        "rule": item.rule,
        **({"for": item.subject} if item.subject else {}),
        "when": moment(item.at),
        "set off": item.trigger,
        "state": item.state.value,
    }
    rows = [[str(number), one.words, one.state.value, became(one)] for number, one in enumerate(item.steps, 1)]
    return f"{facts(told)}\n\n{table(['', 'ACTION', 'STATE', 'WHAT CAME OF IT'], rows)}{_next(item)}"


def became(step: FiringStep) -> str:
    due = "" if step.due_at is None or step.ended_at is not None else f" (at {moment(step.due_at)})"
    return f"{step.text or '–'}{due}"


def _next(item: KeptFiring) -> str:
    hint = next((one.hint for one in item.steps if one.hint is not None), None)
    return "" if hint is None else f"\n\n{hint}"


def fired(item: FiredRule) -> str:
    """Tell of a firing by hand, with the retraining where it began one."""
    if item.champion_version is None:
        return firing(item.firing)
    told = {
        "retraining": f"{item.id} of {item.rule}",
        "state": item.state.replace("_", " "),
        "set off": item.trigger,
        "job": item.job_id or "–",
        "champion": f"version {item.champion_version}: {number(item.champion_value)}",
    }
    return facts(told)


FIRINGS: dict[str, Callable[[KeptFiring], str]] = {
    "ID": lambda item: item.id,
    "RULE": lambda item: item.rule,
    "WHEN": lambda item: ago(item.at),
    "FOR": lambda item: item.subject or "–",
    "SET OFF": lambda item: item.trigger,
    "STATE": lambda item: item.state.value,
}
TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    KeptRule: {
        "NAME": lambda item: item.name,
        "STATE": state,
        "FROM": source,
        "LAST": lambda item: ago(item.last_fired_at),
        "NEXT": lambda item: ago(item.next_at),
        "WHAT": lambda item: item.sentence or item.trouble or "–",
    },
    KeptFiring: FIRINGS,
    Metric: {
        "NAME": lambda item: item.name,
        "OF": lambda item: item.device,
        "UNIT": lambda item: "yes or no" if item.is_fact else "–" if item.unit == "1" else item.unit,
        "CALLED": lambda item: item.title or "–",
        "WHAT": lambda item: item.help,
    },
}
FORMS: dict[type, Callable[[Any], str]] = {KeptRule: rule, KeptFiring: firing, FiredRule: fired}
