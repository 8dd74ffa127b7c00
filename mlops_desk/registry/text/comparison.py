"""Runs and versions side by side, the code of two runs, a curve, and which parameters matter."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import moment, number, table
from mlops_desk.registry.records.comparison import CodeDifference, ComparedValue
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.run_window import Importance

_MOST_COLUMNS = 6  # chosen: of more, a wide terminal shows but the beginning of each
_BEST = "*"


class SideBySide:
    """A comparison of which only what differs is shown, or all."""

    def __init__(self, rows: Sequence[ComparedValue], *, only_differing: bool) -> None:
        self.rows = [row for row in rows if row.differs or not only_differing]
        self.n_same = len(rows) - len(self.rows)


def _side_by_side(item: SideBySide) -> str:
    same = f"{item.n_same} more {'is' if item.n_same == 1 else 'are'} the same: --all shows them."
    if not item.rows:
        return f"Nothing differs. {same}" if item.n_same else "Nothing is known of them that could be compared."
    return f"{compared(item.rows)}\n\n{same}" if item.n_same else compared(item.rows)


def compared(rows: Sequence[ComparedValue]) -> str:
    """Return rows as a table: a column for each of those that are compared, or what is found among many of them."""
    if len(rows[0].values) > _MOST_COLUMNS:
        heads = ["GROUP", "NAME", "HAVE IT", "DIFFERENT", "BEST", "VALUES"]
        return table(heads, [_summary(row) for row in rows])
    heads = ["GROUP", "NAME", *(f"({place})" for place in range(1, len(rows[0].values) + 1))]
    shown = table(heads, [[row.group, row.key, *_cells(row)] for row in rows])
    return f"{shown}\n{_BEST} the best one" if any(row.best is not None for row in rows) else shown


def _cells(row: ComparedValue) -> list[str]:
    return [f"{_value(value)}{f' {_BEST}' if row.best == place else ''}" for place, value in enumerate(row.values)]


def _summary(row: ComparedValue) -> list[str]:
    there = [value for value in row.values if value is not None]
    told = list(dict.fromkeys(map(_value, there)))
    best = "" if row.best is None else f"({row.best + 1}) {_value(row.values[row.best])}"
    return [row.group, row.key, f"{len(there)} of {len(row.values)}", str(len(told)), best, ", ".join(told)]


def _value(value: float | str | None) -> str:
    return "–" if value is None else plain(value, 200) if isinstance(value, str) else number(value, 6)


def _code(item: CodeDifference) -> str:
    if item.problem is not None:
        return plain(item.problem, 1000)
    if not item.diff:
        return "Their code is the same."
    lines = "\n".join(plain(line, 500) for line in item.diff.split("\n"))
    return f"{lines}\n… and more" if item.is_cut else lines


def _curve(item: RunCurve) -> str:
    if not item.values:
        return "No value was logged."
    points = zip(item.steps, item.timestamps, item.values, strict=True)
    rows = [[str(step), moment(at / 1000), number(value)] for step, at, value in points]
    shown = table(["STEP", "WHEN", "VALUE"], rows)
    more = item.n_points - len(item.values)
    return f"{shown}\n\n{len(item.values):,} of {item.n_points:,} points" if more > 0 else shown


TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    RunCurve: {
        "RUN": lambda curve: curve.run_id,
        "METRIC": lambda curve: curve.metric,
        "POINTS": lambda curve: str(curve.n_points),
        "FIRST": lambda curve: number(curve.values[0]) if curve.values else "–",
        "NEWEST": lambda curve: number(curve.values[-1]) if curve.values else "–",
    },
    Importance: {
        "PARAMETER": lambda item: item.name,
        "IMPORTANCE": lambda item: "not known" if item.importance is None else f"{item.importance:.0%}",
        "CORRELATION": lambda item: "–" if item.correlation is None else f"{item.correlation:+.2f}",
        "RUNS": lambda item: str(item.n_runs),
    },
    ComparedValue: {
        "GROUP": lambda row: row.group,
        "NAME": lambda row: row.key,
        "DIFFERS": lambda row: "yes" if row.differs else "",
        "VALUES": lambda row: " | ".join(_cells(row)),
    },
}

FORMS: dict[type, Callable[[Any], str]] = {SideBySide: _side_by_side, CodeDifference: _code, RunCurve: _curve}
