"""Windows by segment: which values drift, and within one of them which columns.

The map shows all segments, or the columns of the one that is chosen; Enter goes from the first to the second, and from
there into the column.
"""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.drift.monitors import JudgedWindow
from mlops_desk.ui.drift import telling
from mlops_desk.ui.drift.heat.legend import HeatLegend
from mlops_desk.ui.drift.heat.map import HeatMap
from mlops_desk.ui.drift.segments import sheets
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.choice import ChoiceBox

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
        names = sheets.names_of(windows)
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
        of_columns = None if name is None else sheets.sheet_within(self._windows, name)
        self.map.show_sheet(of_columns if of_columns is not None else sheets.sheet_of_segments(self._windows))
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
            more = sheets.told_of(sheets.segment_in(window, row)) if row is not None else ""
            self.says.show_text(f"{self.map.told()}; {more}" if more else self.map.told())
        else:
            segment = sheets.segment_in(window, name)
            columns = segment.columns if segment is not None else ()
            column = next((one for one in columns if one.name == row), None)
            told = sheets.told_of_column(column) if columns else sheets.told_of(segment)
            when = self.map.told() if row is not None else telling.of_window(window)
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
