"""What a monitor's columns mean to its model, as text."""

from mlops_desk.base.text import plain
from mlops_desk.cli.cells import moment, number
from mlops_desk.records.drift.importance_words import how, interval
from mlops_desk.records.drift.monitors import Monitor

_NAMED = 8  # chosen: two lines of a terminal; --json has all
_NAME = 60  # chosen: names of columns come from files
_TEXT = 1000  # chosen: a paragraph


def importance(one: Monitor) -> dict[str, str]:
    """Return the weights of a monitor's columns, the largest first, and how they were found; nothing without any."""
    if not one.importance:
        return {}
    order = sorted(one.importance.items(), key=lambda item: (-item[1], item[0]))
    found = one.computed
    if found is None:
        shown = [f"{plain(name, _NAME)} {number(weight)}" for name, weight in order[:_NAMED]]
        return {"importance": f"{', '.join(shown)}{_more(len(order))}; as somebody gave it"}
    shown = [
        f"{plain(name, _NAME)} {weight:.0%} [{interval(found.columns[name])}]"
        for name, weight in order[:_NAMED]
        if name in found.columns
    ]
    told = f"{how(found, one.model)} Computed {moment(found.at)}."
    return {"importance": f"{', '.join(shown)}{_more(len(order))}", "found by": plain(told, _TEXT)}


def _more(n: int) -> str:
    return f" and {n - _NAMED} more" if n > _NAMED else ""
