"""Which answers a person is offered as labels: those that were given before, and those of the model. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.records.serving.label import LabelTask

MOST = 9  # one for each digit but 0
_LONGEST = 60  # characters: a class, and no sentence of a language model
_DEFAULT = "label"


def column_of(columns: Iterable[str]) -> str:
    """Return the column that labels came by until now; a name of its own where there are none."""
    return next(iter(columns), _DEFAULT)


def answers(tasks: Iterable[LabelTask], given: Iterable[str] = ()) -> list[str]:
    """Return what can be said by one key: what was given here before, and what the model answered; sorted, at most 9.

    Numbers with a part behind the point are measurements and no classes.
    """
    found = dict.fromkeys(given)
    for task in tasks:
        for value in task.outputs.values():
            text = said(value)
            if text is not None:
                found.setdefault(text)
    return sorted(found, key=_order)[:MOST]


def said(value: Any) -> str | None:
    """Return a value as a label says it; None for what is no class."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable():
        return value
    return None


def shown(values: Mapping[str, Any], most: int) -> list[tuple[str, str]]:
    """Return names and values of a row as plain text, at most so many of them."""
    return [(plain(str(name), 60), plain(_written(value), 200)) for name, value in [*values.items()][:most]]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "–" if value is None else str(value)


def _order(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text
