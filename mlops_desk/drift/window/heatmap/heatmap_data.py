"""What a heat map shows: the columns of a monitor, worst first, each with its score in every window. No Qt here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.drift.records.monitors import ColumnScore, JudgedWindow
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window.words import SEVERITY

_FULL = 2.0  # chosen: twice its limit is as hot as it gets, so that the limit itself is the middle of the scale
_BY_VERDICT = {Verdict.OK: 0.1, Verdict.WARNING: 0.5, Verdict.DRIFT: 0.75, Verdict.CRITICAL: 1.0}
"""Chosen: where a cell stands that has a verdict and no score, as when nothing usable arrived."""


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One column; ``scores`` has one place for each window, None where the window does not have the column.

    ``since`` is the Unix time from which it has drifted without a break, None where it does not now.
    """

    name: str
    scores: tuple[ColumnScore | None, ...]
    since: float | None = None


@dataclass(frozen=True, slots=True)
class HeatSheet:
    """Windows from the oldest to the newest, and the columns, worst first."""

    windows: tuple[JudgedWindow, ...] = ()
    rows: tuple[HeatRow, ...] = ()

    def place_of(self, column: str) -> int | None:
        """Return the row of a column."""
        return next((place for place, row in enumerate(self.rows) if row.name == column), None)


def sheet_of(windows: Sequence[JudgedWindow], since: Mapping[str, float], importance: Mapping[str, float]) -> HeatSheet:
    """Return the sheet of some windows. Of columns that are equally bad the more important one stands above."""
    ordered = tuple(sorted(windows, key=lambda one: (one.window_start, one.window_end)))
    names = dict.fromkeys(name for one in reversed(ordered) for name in one.columns)
    rows = [HeatRow(name, tuple(one.columns.get(name) for one in ordered), since.get(name)) for name in names]
    weights = {name: weight for name, weight in importance.items() if math.isfinite(weight)}
    rows.sort(key=lambda row: _badness(row, weights.get(row.name, 0.0)))
    return HeatSheet(ordered, tuple(rows))


def _badness(row: HeatRow, weight: float) -> tuple[bool, int, float, float, str]:
    """Order rows: what drifts now, then by the newest verdict, by importance, by heat, by name."""
    newest = next((score for score in reversed(row.scores) if score is not None), None)
    severity = SEVERITY[newest.verdict] if newest is not None else SEVERITY[Verdict.NOT_COMPARED]
    return row.since is None, -severity, -weight, -(heat_of(newest) or 0.0), row.name


def heat_of(score: ColumnScore | None) -> float | None:
    """Return where a score stands on the scale of heat, 0 to 1 with its limit in the middle; None: it has no place."""
    if score is None or score.verdict in {Verdict.INSUFFICIENT_DATA, Verdict.NOT_COMPARED}:
        return None
    if score.verdict is Verdict.CRITICAL:
        return _BY_VERDICT[Verdict.CRITICAL]
    value, limit = score.score, score.limit
    if value is None or limit is None or not math.isfinite(value) or not limit > 0:
        return _BY_VERDICT[score.verdict]
    over = max(value / limit, 0.0)
    # Below the limit by the square: what is far from it is calm, and noise there draws nobody's eye.
    return over * over / _FULL if over < 1.0 else min(over / _FULL, 1.0)
