"""Profiles of a version's data as text: where each is kept, of what it was made, and its columns."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.drift.records.profiles import ProfiledColumn, ReferenceProfile
from mlops_desk.kit.base.text import percent, plain
from mlops_desk.kit.text.cells import moment, number, table

_NAMED = 10  # chosen: two lines of a terminal; --json has all
_NAME = 60  # chosen: names of columns come from files
_NOTE = 400  # chosen: five lines of a terminal
_CLOCK = 250e9  # seconds: the clock on the wall shows years of up to four digits

_PROFILES: dict[str, Callable[[Any], str]] = {
    "VERSION": lambda one: one.model,
    "KEPT": lambda one: one.path or "by this desk alone",
    "DATA SET": lambda one: one.dataset or "–",
    "ROWS": lambda one: "–" if one.n_rows is None else f"{one.n_rows:,}",
    "BYTES": lambda one: "–" if one.size_bytes is None else f"{one.size_bytes:,}",
    "MONITORS": lambda one: ", ".join(one.monitors) or "none here",
}


def columns(items: Sequence[ReferenceProfile]) -> str:
    """Tell of the columns of each, and what is wrong with it."""
    return "\n\n".join(told for one in items if (told := _columns(one)))


def _columns(one: ReferenceProfile) -> str:
    lines = [] if one.problem is None else [plain(one.problem, _NOTE)]
    if one.columns:
        heads = ["COLUMN", "KIND", "ROLE", "MISSING", "LEAST", "MEDIAN", "MOST", "MOST FREQUENT"]
        lines.append(table(heads, [_row(column) for column in one.columns]))
    if one.left_out:
        names = [f"{plain(name, _NAME)} ({plain(why)})" for name, why in one.left_out.items()]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"Left out: {', '.join(names[:_NAMED])}{more}.")
    return "\n".join(lines)


def _row(column: ProfiledColumn) -> list[str]:
    ends = [_value(column, value) for value in (column.least, column.median, column.most)]
    labels = ", ".join(f"{plain(label, _NAME)} {percent(share)}" for label, share in column.labels.items())
    missing = "–" if column.missing_ratio is None else percent(column.missing_ratio)
    return [plain(column.name, _NAME), column.kind, column.role, missing, *ends, labels or "–"]


def _value(column: ProfiledColumn, value: float | None) -> str:
    is_moment = column.kind == "time" and value is not None and abs(value) < _CLOCK
    return moment(value) if is_moment and value is not None else number(value)


TABLES: dict[type, dict[str, Callable[[Any], str]]] = {ReferenceProfile: _PROFILES}
MORE: dict[type, Callable[[Any], str]] = {ReferenceProfile: columns}
