"""One column within each segment of a window, the worst first. No Qt here."""

from dataclasses import dataclass

from mlops_desk.records.drift import Verdict
from mlops_desk.records.drift.monitors import JudgedWindow
from mlops_desk.records.drift.segments import SegmentColumn
from mlops_desk.ui.drift.segments.sheets import name_of, told_of_column
from mlops_desk.ui.drift.telling import known
from mlops_desk.ui.drift.words import SEVERITY
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.words import marks, numbers


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A column within a segment; ``column`` is None where the segment has too few rows, or does not have it."""

    name: str
    verdict: Verdict
    n_rows: int
    column: SegmentColumn | None = None


def rows_of(window: JudgedWindow, column: str) -> dict[str, SegmentRow]:
    """Return a column in each segment of a window; nothing where windows are judged as a whole."""
    segments = window.segments.segments if window.segments is not None else ()
    found = {}
    for one in segments:
        inside = next((each for each in one.columns if each.name == column), None)
        lacks = Verdict.NOT_COMPARED if one.columns else one.verdict
        name = name_of(one)
        found[name] = SegmentRow(name, inside.verdict if inside is not None else lacks, one.n_current, inside)
    return found


def _verdict(row: SegmentRow) -> Cell:
    mark = marks.VERDICT_MARKS[row.verdict]
    return Cell(mark.text, SEVERITY[row.verdict], mark.token, told_of_column(row.column))


def _effect(row: SegmentRow) -> Cell:
    effect = known(row.column.effect) if row.column is not None else None
    return Cell(numbers.number(effect), effect if effect is not None else float("-inf"))


def _p_value(row: SegmentRow) -> Cell:
    found = known(row.column.p_adjusted) if row.column is not None else None
    return Cell(numbers.number(found, 2), found if found is not None else float("inf"))


COLUMNS: tuple[Column[SegmentRow], ...] = (
    Column("segment", "Segment", lambda row: Cell(row.name, tip=row.name), stretch=True, whole=True),
    Column("verdict", "Verdict", _verdict),
    Column("effect", "Size", _effect, right=True),
    Column("p", "p", _p_value, right=True, spare=True),
    Column("rows", "Rows", lambda row: Cell(f"{row.n_rows:,}", row.n_rows), right=True, spare=True),
)
