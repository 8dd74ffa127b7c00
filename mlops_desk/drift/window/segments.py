"""Drift within segments: the rows that share a value of one column, window by window.

What a heat map shows of segments: one row for each value, or one for each column within a value. No Qt here.

Windows by segment: which values drift, and within one of them which columns.

The map shows all segments, or the columns of the one that is chosen; Enter goes from the first to the second, and from
there into the column.
"""

from collections.abc import Iterable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.drift.records.monitors import ColumnScore, JudgedWindow
from mlops_desk.drift.records.segments import Segment, SegmentColumn
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window import cell_text
from mlops_desk.drift.window.heatmap.heatmap_data import HeatRow, HeatSheet
from mlops_desk.drift.window.heatmap.map import HeatMap
from mlops_desk.drift.window.heatmap.view import HeatLegend
from mlops_desk.drift.window.words import SEVERITY, measure_title
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.words import numbers

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


_ALL = "All segments"


class SegmentsView(QWidget):
    """``opened`` carries a column to look into, and the place of the window.

    It is for windows that were judged by segment: ``has_any`` tells whether there are some.
    """

    opened = Signal(str, int)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._windows: Sequence[JudgedWindow] = ()
        self.segment = ChoiceBox("Segment")
        self.by = Label(tone="muted")
        self.map = HeatMap()
        self.legend = HeatLegend()
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._arrange()
        self.segment.currentIndexChanged.connect(lambda _index: self._show())
        self.map.opened.connect(self._open)
        self.map.chosen.connect(lambda _row, _window: self._say())
        self.map.brushed.connect(context.axis.show)
        self.map.hovered.connect(self._read)
        for signal in (context.axis.changed, context.axis.advanced):
            signal.connect(lambda: self.map.show_span(context.axis.span()))
        context.axis.cursor_moved.connect(self._hear_cursor)

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        head.addWidget(self.segment)
        head.addWidget(self.by, 1)
        head.addWidget(self.legend)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addLayout(head)
        column.addWidget(self.map, 1)
        column.addWidget(self.says)

    @property
    def has_any(self) -> bool:
        """Whether a window was judged by segment."""
        return any(one.segments is not None for one in self._windows)

    def show_windows(self, windows: Sequence[JudgedWindow], column: str | None) -> None:
        """Show other windows, or the same ones and newer; the segment that is looked at stays while it is there.

        ``column`` is the one by which the next windows are judged apart.
        """
        self._windows = windows
        names = names_of(windows)
        if not self.has_any:
            told = f"The next window is judged for each value of {plain(column)}, too." if column else ""
            self.by.show_text(told)
            self._offer([])
            self._show()
            return
        newest = next(one.segments for one in reversed(windows) if one.segments is not None)
        self.by.show_text(f"by {plain(newest.column)}, corrected over {newest.n_tests:,} tests")
        self._offer(names)
        self._show()

    def _offer(self, names: Sequence[str]) -> None:
        wanted = [None, *names]
        if [self.segment.itemData(place) for place in range(self.segment.count())] == wanted:
            return
        chosen = self.segment.currentData()
        blocked = self.segment.blockSignals(True)
        self.segment.clear()
        for name in wanted:
            self.segment.addItem(_ALL if name is None else plain(name, 60), name)
        self.segment.setCurrentIndex(wanted.index(chosen) if chosen in wanted else 0)
        self.segment.blockSignals(blocked)

    def _show(self) -> None:
        name = self.segment.currentData()
        within = "columns within a segment" if name is not None else "segments"
        self.map.setAccessibleName(f"Heat map of {within} by windows")
        of_columns = None if name is None else sheet_within(self._windows, name)
        self.map.show_sheet(of_columns if of_columns is not None else sheet_of_segments(self._windows))
        self.map.show_span(self._context.axis.span())
        self._say()

    def _say(self) -> None:
        """Say what the cell that is meant holds, and why a segment has no columns there."""
        place, windows, name = self.map.window_place, self.map.sheet.windows, self.segment.currentData()
        window = windows[place] if 0 <= place < len(windows) else None
        row = self.map.column()
        if window is None:
            self.says.show_text("")
        elif name is None:
            more = told_of(segment_in(window, row)) if row is not None else ""
            self.says.show_text(f"{self.map.told()}; {more}" if more else self.map.told())
        else:
            segment = segment_in(window, name)
            columns = segment.columns if segment is not None else ()
            column = next((one for one in columns if one.name == row), None)
            told = told_of_column(column) if columns else told_of(segment)
            when = self.map.told() if row is not None else cell_text.of_window(window)
            self.says.show_text(f"{when}; {told}" if told else when)

    def back(self) -> bool:
        """Go back to all segments; False where they are shown."""
        was_within = self.segment.currentData() is not None
        if was_within:
            self.segment.setCurrentIndex(0)
        return was_within

    def _open(self, row: str) -> None:
        if self.segment.currentData() is not None:
            self.opened.emit(row, self.map.window_place)
            return
        place = self.segment.findData(row)
        if place >= 0:
            self.segment.setCurrentIndex(place)

    # One crosshair in all charts.

    def _read(self, window: int | None) -> None:
        spans = self.map.places().spans
        span = spans[window] if window is not None and window < len(spans) else None
        self._context.axis.point_at(None if span is None else (span.start + span.end) / 2)

    def _hear_cursor(self, moment: float | None) -> None:
        if self.isVisible():
            self.map.read_at(None if moment is None else self.map.places().holding(moment))
