"""What a heat map shows of segments: one row for each value, or one for each column within a value. No Qt here."""

from collections.abc import Iterable, Sequence

from mlops_desk.base.text import plain
from mlops_desk.records.drift import Verdict
from mlops_desk.records.drift.monitors import ColumnScore, JudgedWindow
from mlops_desk.records.drift.segments import Segment, SegmentColumn
from mlops_desk.ui.drift.heat.sheet import HeatRow, HeatSheet
from mlops_desk.ui.drift.words import SEVERITY, measure_title
from mlops_desk.ui.words import numbers

_NAMED = 5  # chosen: one line
NO_VALUE, OTHERS, UNKNOWN = "without a value", "other values", "values new to the reference"
_PLACES = frozenset(f"({one})" for one in (NO_VALUE, OTHERS, UNKNOWN))


def name_of(segment: Segment) -> str:
    """Return what a segment is called: its value, or what stands for rows without one, and for what is rarer.

    What stands for them is in brackets, and a value that looks like it in quotes, so that the two are told apart.
    """
    if segment.is_unknown:
        return f"({UNKNOWN})"
    if segment.is_rest:
        return f"({OTHERS})"
    if segment.value is None:
        return f"({NO_VALUE})"
    value = plain(segment.value, 200)
    return f"«{value}»" if value in _PLACES or not value.strip() else value


def names_of(windows: Iterable[JudgedWindow]) -> list[str]:
    """Return the segments of some windows, those of the newest first."""
    newest_first = sorted(windows, key=lambda one: -one.window_start)
    found = (name_of(one) for window in newest_first if window.segments for one in window.segments.segments)
    return list(dict.fromkeys(found))


def segment_in(window: JudgedWindow, name: str) -> Segment | None:
    """Return a segment of a window; None where the window has none of this name."""
    segments = window.segments.segments if window.segments is not None else ()
    return next((one for one in segments if name_of(one) == name), None)


def sheet_of_segments(windows: Sequence[JudgedWindow]) -> HeatSheet:
    """Return the sheet with a row for each segment, worst first."""
    ordered = _ordered(windows)
    rows = [
        HeatRow(name, tuple(_score(segment_in(one, name)) for one in ordered), _since(ordered, name))
        for name in names_of(ordered)
    ]
    return HeatSheet(ordered, tuple(sorted(rows, key=_badness)))


def sheet_within(windows: Sequence[JudgedWindow], segment: str) -> HeatSheet:
    """Return the sheet with a row for each column, within one segment, worst first."""
    ordered = _ordered(windows)
    found = [segment_in(one, segment) for one in ordered]
    names = dict.fromkeys(column.name for one in reversed(found) if one is not None for column in one.columns)
    by_name = [{column.name: column for column in one.columns} if one is not None else {} for one in found]
    rows = [HeatRow(name, tuple(_column_score(one.get(name)) for one in by_name)) for name in names]
    return HeatSheet(ordered, tuple(sorted(rows, key=_badness)))


def told_of(segment: Segment | None) -> str:
    """Return what a window says of a segment, after its name and its time."""
    if segment is None:
        return ""
    if segment.is_unknown:
        more = f" and {segment.n_values - len(segment.names)} more" if segment.n_values > len(segment.names) else ""
        names = ", ".join(plain(name, 60) for name in segment.names)
        return f"{segment.n_current:,} rows, nothing to hold them against{f': {names}{more}' if names else ''}"
    rows = f"{segment.n_current:,} rows against {segment.n_reference:,}"
    if segment.verdict is Verdict.INSUFFICIENT_DATA:
        return f"{rows}: too few to judge"
    moved = [plain(one.name, 60) for one in segment.columns if one.verdict.is_alarm]
    more = " and more" if len(moved) > _NAMED else ""
    which = f": {', '.join(moved[:_NAMED])}{more}" if moved else ""
    values = f", {numbers.count(segment.n_values, 'value')} together" if segment.is_rest else ""
    turned = f", turned since {numbers.day_and_clock(segment.turned_at)}" if segment.alarm and segment.turned_at else ""
    return f"{rows}{values}{turned}, {len(moved)} of {numbers.count(len(segment.columns), 'column')} drifted{which}"


def told_of_column(column: SegmentColumn | None) -> str:
    """Return what a window says of a column within a segment."""
    if column is None:
        return "not compared in this window"
    by = ", ".join(measure_title(name) for name in column.decided_by)
    said = [column.text or "", f"by {by}" if by else ""]
    return ", ".join(part for part in said if part)


def _ordered(windows: Sequence[JudgedWindow]) -> tuple[JudgedWindow, ...]:
    return tuple(sorted(windows, key=lambda one: (one.window_start, one.window_end)))


def _score(segment: Segment | None) -> ColumnScore | None:
    return None if segment is None else ColumnScore(segment.verdict)


def _column_score(column: SegmentColumn | None) -> ColumnScore | None:
    if column is None:
        return None
    measure = column.decided_by[0] if column.decided_by else None
    return ColumnScore(column.verdict, column.effect, measure, None, column.p_adjusted)


def _since(windows: Sequence[JudgedWindow], name: str) -> float | None:
    """Return the start of the first window of the unbroken run of alarms at the end; None where there is none."""
    since = None
    for window in reversed(windows):
        segment = segment_in(window, name)
        if segment is None or not segment.verdict.is_alarm:
            break
        since = window.window_start
    return since


def _badness(row: HeatRow) -> tuple[int, int, str]:
    """Order rows by the newest verdict, then by how many windows alarmed, then by name."""
    newest = next((score for score in reversed(row.scores) if score is not None), None)
    alarms = sum(one is not None and one.verdict.is_alarm for one in row.scores)
    return -SEVERITY[newest.verdict] if newest is not None else 1, -alarms, row.name
