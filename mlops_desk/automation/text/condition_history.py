"""How what rules watch went, as a line of blocks for each rule: a day in 24 of them, a dot where nothing is known."""

from collections.abc import Callable
from typing import Any

from mlops_desk.automation.records.condition_history import ConditionCurve, RuleCourse
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import number

_BLOCKS = "▁▂▃▄▅▆▇█"
_GAP = "·"
_WIDE = 24  # an hour of a day each
_THING = 40  # chosen: a UUID, and most names
_TEXT = 200  # chosen: a line or two


def line(curve: ConditionCurve) -> str:
    """Return values as blocks between the least and the most of them; each block has those nearest to the threshold."""
    known = [value for value in curve.values if value is not None]
    low, high = min(known), max(known)
    count, worst = len(curve.values), max if curve.above else min
    wide = min(_WIDE, count)
    found = []
    for place in range(wide):
        piece = curve.values[place * count // wide : (place + 1) * count // wide]
        told = [value for value in piece if value is not None]
        share = (worst(told) - low) / (high - low) if told and high > low else 0.0
        found.append(_BLOCKS[round(share * (len(_BLOCKS) - 1))] if told else _GAP)
    return "".join(found)


def _of_curve(item: RuleCourse, told: Callable[[ConditionCurve], str]) -> str:
    return "–" if item.curve is None else told(item.curve)


def _said(item: RuleCourse) -> str:
    if item.curve is None:
        return plain(f"no curve: {item.untold}", _TEXT)
    return plain(item.curve.condition, _TEXT)


def _limit(curve: ConditionCurve) -> str:
    return f"{'≥' if curve.above else '≤'} {number(curve.threshold)}"


TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    RuleCourse: {
        "RULE": lambda item: item.rule,
        "OF": lambda item: _of_curve(item, lambda curve: plain(curve.thing, _THING)),
        "COURSE": lambda item: _of_curve(item, line),
        "LAST": lambda item: _of_curve(item, lambda curve: number(curve.last)),
        "FIRES AT": lambda item: _of_curve(item, _limit),
        "UNIT": lambda item: _of_curve(item, lambda curve: "–" if curve.unit == "1" else curve.unit),
        "WHAT": _said,
    },
}
"""Rules' curves as text; the points themselves are in --json."""
