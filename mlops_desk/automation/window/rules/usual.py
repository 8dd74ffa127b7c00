"""The usual rules between a form and their document: one condition, one action, and what holds it back. Pure.

The form and the document are the same rule: a document that says more than the form can is left to the document.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

API_VERSION, KIND = "mlops-desk/v1", "Rule"
WHEN = (
    ("metric", "a number passes a limit"),
    ("state", "something is in a state"),
    ("drift", "an endpoint's data drift"),
    ("cron", "a time of a schedule comes"),
    ("newData", "there are new data in a folder"),
    ("push", "a repository gets a commit"),
    ("manual", "somebody fires it"),
)
THEN = (
    ("notify", "tell people"),
    ("alert", "raise an alert"),
    ("retrain", "retrain a model"),
    ("submit", "submit a job of a template"),
    ("rollBack", "roll an endpoint back"),
    ("pause", "pause an endpoint"),
    ("stop", "stop a job"),
    ("ci", "run the pushed pipeline"),
    ("promote", "take a pushed tag as a word"),
)
_LEVELS = ("info", "warning", "alert")
_YES = "true"


@dataclass(frozen=True, slots=True)
class UsualField:
    """A field of the form: its path in the document, its title, what it means, and when it is asked for.

    ``goes_with`` are the conditions or actions that have it (empty: all). ``is_list``: words with commas between.
    ``choices`` are all values that there are; ``lacking`` is what it means that none is chosen, empty where one has to
    be. One that is ``rare`` is asked for where the document has it, and left out of all others.
    """

    path: tuple[str, ...]
    title: str
    help: str
    example: str
    goes_with: tuple[str, ...] = ()
    is_list: bool = False
    choices: tuple[str, ...] = ()
    lacking: str = ""
    rare: bool = False


_WHEN, _THEN = "when", "then"
FIELDS = (
    UsualField(("name",), "Name", "", "warn-hot-gpus"),
    UsualField((_WHEN, "metric"), "Metric", "As the desk measures it", "hw.temperature", ("metric",)),
    UsualField((_WHEN, "device"), "Of each", "Class: gpu, host, disk, endpoint, drift, monitor", "gpu", ("metric",)),
    UsualField((_WHEN, "above"), "At or above", "In the metric's own unit; either this or below", "85", ("metric",)),
    UsualField((_WHEN, "below"), "At or below", "", "0.1", ("metric",)),
    UsualField((_WHEN, "clear"), "Over at", "Where it is back; without it, at the limit", "80", ("metric",)),
    UsualField((_WHEN, "average"), "Its mean", "yes: its mean over the time below counts as well", "",
               ("metric",), choices=(_YES,), lacking="no", rare=True),
    UsualField((_WHEN, "for"), "Mean over", "Needs a mean; without one it has to last so long", "30s", ("metric",),
               rare=True),
    UsualField((_WHEN, "grownOver"), "Grown within", "A counter: what it grew by within so long counts", "1h",
               ("metric",), rare=True),
    UsualField((_WHEN, "state"), "Kind", "", "endpoint", ("state",), choices=("job", "endpoint", "monitor", "gpu")),
    UsualField((_WHEN, "is"), "Is", "States, with commas between", "failed, unhealthy", ("state",), is_list=True),
    UsualField((_WHEN, "of"), "Only of", "One thing; without it, each for itself", "gpu0", ("metric", "state")),
    UsualField((_WHEN, "drift"), "Endpoint", "", "churn-prod", ("drift",)),
    UsualField((_WHEN, "model"), "While it serves", "", "churn", ("drift",)),
    UsualField((_WHEN, "cron"), "Times", "Minute, hour, day, month, weekday", "0 6 * * mon-fri", ("cron",)),
    UsualField((_WHEN, "zone"), "Clocks of", "A time zone; UTC without it", "Europe/Berlin", ("cron",)),
    UsualField((_WHEN, "newData"), "Folder", "", "/srv/data/digits", ("newData",)),
    UsualField((_WHEN, "push"), "Repository", "", "/srv/git/churn.git", ("push",)),
    UsualField((_WHEN, "ref"), "Branch or tag", "", "main", ("push",)),
    UsualField(("for",), "For", "How long it lasts before it counts", "10m", ("metric", "state")),
    UsualField((_THEN, "notify"), "By", "desktop, webhook, email, command", "desktop, email", ("notify",),
               is_list=True),
    UsualField((_THEN, "level"), "Level", "", "warning", ("notify",), choices=_LEVELS, lacking="warning, as usual"),
    UsualField((_THEN, "alert"), "Level", "It ends when the condition does; people acknowledge and silence it",
               "warning", ("alert",), choices=_LEVELS),
    UsualField((_THEN, "retrain"), "Model", "", "churn", ("retrain",)),
    UsualField((_THEN, "alias"), "Alias", "Whose version it is held against; champion without it", "champion",
               ("retrain",)),
    UsualField((_THEN, "metric"), "Better by", "accuracy, f1, roc_auc, rmse, …", "roc_auc", ("retrain",)),
    UsualField((_THEN, "submit"), "Template", "", "train", ("submit",)),
    UsualField((_THEN, "rollBack"), "Endpoint", "", "churn-prod", ("rollBack",)),
    UsualField((_THEN, "pause"), "Endpoint", "", "churn-prod", ("pause",)),
    UsualField((_THEN, "ci"), "Pipeline", "Its file in the repository that was pushed to", "mlops-desk.yaml", ("ci",)),
    UsualField((_THEN, "promote"), "Alias", "It moves by a signed tag promote/MODEL/VERSION, as its policy says",
               "champion", ("promote",)),
    UsualField((_THEN, "stop"), "Job", "Its name; each: the one that it fires for", "each", ("stop",)),
    UsualField((_THEN, "warning"), "Warned before", "So long before its owner is told", "10m", ("stop",)),
    UsualField(("cooldown",), "At most once in", "For each thing", "1h"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class UsualRule:
    """What the form holds: which condition, which action, and the fields that are filled, by path."""

    when: str = "metric"
    then: str = "notify"
    values: Mapping[tuple[str, ...], str] | None = None

    def value(self, field: UsualField) -> str:
        return (self.values or {}).get(field.path, "")


FIRST = UsualRule(
    values={
        (_WHEN, "metric"): "hw.temperature", (_WHEN, "device"): "gpu", (_WHEN, "above"): "85", ("for",): "5m",
        (_THEN, "notify"): "desktop", ("cooldown",): "1h",
    }
)  # fmt: skip
"""What a new rule begins with: one that works on any machine with a GPU, and lacks nothing but a name."""


def asked(field: UsualField, when: str, then: str) -> bool:
    """Tell whether the form has a field for such a rule."""
    head = field.path[0]
    kind = then if head == _THEN else when
    return not field.goes_with or kind in field.goes_with


def document_of(rule: UsualRule) -> dict[str, Any]:
    """Return the document of what the form holds; what is empty is left out, for the agent to ask for."""
    made: dict[str, Any] = {"apiVersion": API_VERSION, "kind": KIND, "name": "", _WHEN: {}}
    action: dict[str, Any] = {}
    if rule.when == "manual":
        made[_WHEN]["manual"] = True
    for field in FIELDS:
        text = rule.value(field).strip()
        if not text or not asked(field, rule.when, rule.then):
            continue
        value: Any = [part.strip() for part in text.split(",") if part.strip()] if field.is_list else written(text)
        if field.choices == (_YES,):
            value = True
        into = made[_WHEN] if field.path[0] == _WHEN else action if field.path[0] == _THEN else made
        into[field.path[-1]] = value
    then = made.pop("cooldown", None)
    made[_THEN] = [action]
    if then is not None:
        made["cooldown"] = then
    return made


def rule_of(document: Any) -> UsualRule | None:
    """Return what the form would hold for a document (texts alone); None where that says more than the form can."""
    if not isinstance(document, dict) or not isinstance(document.get(_WHEN), dict):
        return None
    actions = document.get(_THEN)
    if not (isinstance(actions, list) and len(actions) == 1 and isinstance(actions[0], dict)):
        return None
    when = next((kind for kind, _title in WHEN if kind in document[_WHEN]), None)
    then = next((kind for kind, _title in THEN if kind in actions[0]), None)
    if when is None or then is None:
        return None
    values = {}
    for field in FIELDS:
        table = document[_WHEN] if field.path[0] == _WHEN else actions[0] if field.path[0] == _THEN else document
        found = table.get(field.path[-1])
        if found is not None and asked(field, when, then):
            text = _text(found)
            if text is None or (field.choices and text not in field.choices):
                return None
            values[field.path] = text
    rule = UsualRule(when, then, values)
    return rule if _texts(document_of(rule)) == _texts(document) else None


def written(text: str) -> Any:
    """Return a value as a document writes it: a number as one, so that no quotes stand around it."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and math.isfinite(number):
            return number
    return text


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        return ", ".join(map(str, value)) if all(isinstance(one, str) and "," not in one for one in value) else None
    return str(value) if isinstance(value, str) else None


def _texts(value: Any) -> Any:
    """Return a document with every value as the text that it is read as."""
    if isinstance(value, dict):
        return {key: _texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_texts(one) for one in value]
    return _YES if value is True else str(value)
