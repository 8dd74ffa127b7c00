"""What stands in a comparison: which rows, in which words, which value is the best, what changed. No Qt here."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue

BEST = numbers.OK
NO_NUMBER = "NaN"
DIGITS = 6  # significant ones: as a metric is compared
TITLES = {
    ComparedGroup.METRICS: "Metrics",
    ComparedGroup.PARAMS: "Parameters",
    ComparedGroup.TAGS: "Tags",
    ComparedGroup.DATA: "Data",
    ComparedGroup.ENVIRONMENT: "Environment",
    ComparedGroup.SIGNATURE: "Signature",
    ComparedGroup.CODE: "Code",
}
_ORDER = {group: place for place, group in enumerate(ComparedGroup)}

Row = ComparedGroup | ComparedValue
"""A heading, or what stands under one."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One of those that are compared: its key, what it is called, and the slot of its colour."""

    key: str
    title: str
    slot: int = 0
    about: str = ""


def wanted(values: Iterable[ComparedValue], *, differing: bool, text: str = "") -> list[ComparedValue]:
    """Return the values that are to be seen, group by group; ``text``: each of its words is in the key or a value."""
    words = text.lower().split()
    kept = [one for one in values if (one.differs or not differing) and (not words or _has(one, words))]
    return sorted(kept, key=lambda one: _ORDER[one.group])


def _has(value: ComparedValue, words: Sequence[str]) -> bool:
    said = " ".join([value.key, *(str(one) for one in value.values if one is not None)]).lower()
    return all(word in said for word in words)


def with_headings(values: Sequence[ComparedValue]) -> list[Row]:
    """Return the values with the heading of each group before its first."""
    rows: list[Row] = []
    for place, value in enumerate(values):
        if place == 0 or values[place - 1].group is not value.group:
            rows.append(value.group)
        rows.append(value)
    return rows


def cell(value: ComparedValue, place: int, baseline: int | None = None) -> Cell:
    """Return one value as it is shown: the best one marked, what is missing told from what is empty."""
    one = value.values[place]
    if one is None:
        return Cell(numbers.NOTHING, None, "muted", "Has none")
    words = worded(one)
    if isinstance(one, str):
        return Cell(words or "(empty)", None, None if words else "muted", one)
    tip = repr(one)
    token = None if math.isfinite(one) else "warning"
    if value.best == place:
        words, token, tip = f"{BEST} {words}", "ok", f"{tip}, the best of them"
    difference = change(value, place, baseline)
    if difference is None:
        return Cell(words, None, token, tip)
    said, is_better = difference
    tone = token or {True: "ok", False: "alert", None: None}[is_better]
    return Cell(f"{words}  {said}", None, tone, f"{tip}, changed by {said}")


def change(value: ComparedValue, place: int, baseline: int | None) -> tuple[str, bool | None] | None:
    """Return how a number differs from that of the baseline, and whether to the better (None: nobody knows)."""
    if baseline is None or place == baseline:
        return None
    one, base = value.values[place], value.values[baseline]
    if not isinstance(one, float | int) or not isinstance(base, float | int):
        return None
    by = one - base
    if not math.isfinite(by) or by == 0:
        return None
    higher = _higher_is_better(value)
    arrow = "▲" if by > 0 else "▼"
    return f"{arrow} {abs(by):.3g}", None if higher is None else (by > 0) is higher


def _higher_is_better(value: ComparedValue) -> bool | None:
    """Return the direction of a metric, which its best value gives away."""
    if value.best is None:
        return None
    best = value.values[value.best]
    others = [one for one in value.values if isinstance(one, float | int) and math.isfinite(one) and one != best]
    if not isinstance(best, float | int) or not others:
        return None
    return best > others[0]


def worded(value: float | str) -> str:
    """Return a value in words, as short as it can be told from its like."""
    if isinstance(value, str):
        return plain(value)
    if math.isnan(value):
        return NO_NUMBER
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{DIGITS}g}"


def table(things: Sequence[Compared], rows: Sequence[ComparedValue], *, transposed: bool) -> list[list[str]]:
    """Return what is shown as rows of text, as it is copied: with all digits, and nothing but values."""
    if transposed:
        head = ["", *(row.key for row in rows)]
        return [head, *([one.title, *(_exact(row.values[at]) for row in rows)] for at, one in enumerate(things))]
    head = ["group", "key", *(one.title for one in things)]
    return [head, *([row.group.value, row.key, *map(_exact, row.values)] for row in rows)]


def _exact(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else NO_NUMBER if math.isnan(value) else repr(value)
