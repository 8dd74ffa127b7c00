"""What is wrong with the values of a column, then and now: shares with their intervals, and how sure the change is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_desk.drift.records.report import ColumnDrift, Quality
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.drift.window.column.histogram_data import wilson
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.words import marks, numbers

_TITLES = {
    "missing": "Missing",
    "infinite": "Infinite",
    "wrong_type": "Of a wrong type",
    "out_of_range": "Out of range",
    "unseen": "Never seen before",
    "future": "In the future",
}


@dataclass(frozen=True, slots=True)
class QualityRow:
    """One share on both sides (0-1, None: not known), of how many rows, and the test of its change."""

    name: str
    then: float | None
    now: float | None
    n_then: int
    n_now: int
    change: Measure | None = None


def rows_of(column: ColumnDrift) -> dict[str, QualityRow]:
    """Return the shares that at least one side knows."""
    then, now = column.quality.get("reference"), column.quality.get("current")
    found = {}
    for name in _TITLES:
        before, after = _ratio(then, name), _ratio(now, name)
        if before is not None or after is not None:
            rows = tuple(side.n_rows if side is not None else 0 for side in (then, now))
            found[name] = QualityRow(name, before, after, rows[0], rows[1], _change(column.signals, name))
    return found


def _change(signals: Mapping[str, Measure], name: str) -> Measure | None:
    return signals.get(name)


def _ratio(side: Quality | None, name: str) -> float | None:
    ratio: float | None = getattr(side, f"{name}_ratio", None)
    return ratio if ratio is not None and math.isfinite(ratio) else None


def interval_told(ratio: float | None, n: int) -> str:
    """Return a share with its 95 % interval: ``2.1 % (1.3 – 3.2 %)``."""
    if ratio is None:
        return numbers.NOTHING
    ends = wilson(ratio, n)
    if ends is None:
        return numbers.percent(ratio, 1)
    low, high = (100 * end for end in ends)
    return f"{numbers.percent(ratio, 1)} ({low:.1f} – {high:.1f}{numbers.THIN}%)"


def _p_cell(row: QualityRow) -> Cell:
    change = row.change
    shown = None if change is None else change.p_adjusted if change.p_adjusted is not None else change.p_value
    known = shown is not None and math.isfinite(shown)
    return Cell(numbers.number(shown, 2) if known else numbers.NOTHING, shown if known else 2.0)


def _now_cell(row: QualityRow) -> Cell:
    tip = f"{plain(_TITLES[row.name])}: share of {row.n_now:,} rows, with its 95 % interval (Wilson)"
    alarms = row.change is not None and bool(row.change.alert)
    return Cell(interval_told(row.now, row.n_now), -1.0 if row.now is None else row.now,
                marks.VERDICT_MARKS[Verdict.DRIFT].token if alarms else None, tip)  # fmt: skip


def _name_cell(row: QualityRow) -> Cell:
    alarms = row.change is not None and bool(row.change.alert)
    return Cell(f"{numbers.ALERT} {_TITLES[row.name]}" if alarms else _TITLES[row.name])


COLUMNS: tuple[Column[QualityRow], ...] = (
    Column("name", "Share that is", _name_cell, stretch=True, whole=True),
    Column("then", "Then", lambda row: Cell(numbers.percent(row.then, 1), row.then if row.then is not None else -1.0),
           right=True),
    Column("now", "Now (95 % interval)", _now_cell, right=True),
    Column("p", "p", _p_cell, right=True),
)  # fmt: skip
