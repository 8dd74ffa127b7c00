"""The windows of a monitor as a whole: the heat map, and below it on the same places a score and the drifted share."""

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.drift.monitors import ColumnScore, JudgedWindow
from mlops_desk.ui.drift.heat.legend import HeatLegend
from mlops_desk.ui.drift.heat.map import HeatMap
from mlops_desk.ui.drift.heat.sheet import HeatSheet
from mlops_desk.ui.drift.over_time.score import ScoreChart, WindowValue, values_of
from mlops_desk.ui.drift.telling import known
from mlops_desk.ui.drift.words import measure_title
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.words import numbers

_SCORE_SLOT, _SHARE_SLOT = 0, 3  # of theme.series: one colour a curve


class HeatView(QWidget):
    """``opened`` carries the column to look into. What is read and brushed here is on the window's time axis too."""

    opened = Signal(str)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.map = HeatMap()
        self.legend = HeatLegend()
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.score = ScoreChart("Score", "No windows yet.", _SCORE_SLOT, times=False)
        self.share = ScoreChart("Share of drifted columns", "No windows yet.", _SHARE_SLOT, unit=numbers.percent)
        self._arrange()
        self.map.opened.connect(self.opened)
        self.map.chosen.connect(lambda _column, _window: self._show_meant())
        self.map.moved.connect(self._place)
        self.map.hovered.connect(self._read)
        self.map.brushed.connect(context.axis.show)
        for chart in (self.score, self.share):
            chart.hovered.connect(self._read)
            chart.picked.connect(self._mean)
        context.axis.changed.connect(self._follow)
        context.axis.advanced.connect(self._follow)
        context.axis.cursor_moved.connect(self._hear_cursor)

    def _arrange(self) -> None:
        below = QHBoxLayout()
        below.setSpacing(theme.SPACE_12)
        below.addWidget(self.says, 1)
        below.addWidget(self.legend)
        upper = QWidget()
        column = QVBoxLayout(upper)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(self.map, 1)
        column.addLayout(below)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        for part, size in ((upper, 5), (self.score, 2), (self.share, 1)):
            split.addWidget(part)
            split.setStretchFactor(split.count() - 1, size)
        split.setSizes([5 * theme.CHART_HEIGHT, theme.CHART_HEIGHT, theme.CHART_MINIMUM_HEIGHT])
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(split)

    def show_sheet(self, sheet: HeatSheet) -> None:
        """Show other windows, or the same ones and newer."""
        self.map.show_sheet(sheet)
        values = [WindowValue(_share(one), one.alarm) for one in sheet.windows]
        self.share.show_values(values, None, at_least=0.1)  # chosen: a tenth, so that one column of many is no peak
        self._follow()
        self._show_meant()

    def choose(self, column: str) -> bool:
        """Mean a column; False where there is none of this name."""
        return self.map.choose(column)

    def _show_meant(self) -> None:
        """Show the score of the column that is meant, and what its cell holds."""
        row = self.map.meant()
        scores: tuple[ColumnScore | None, ...] = row.scores if row is not None else ()
        self.says.show_text(self.map.told())
        values, limit, measure = values_of(scores)
        title = measure_title(measure) if measure else "Score"
        self.score.show_title(f"{title} of {plain(row.name)}" if row is not None else "Score")
        self.score.show_values(values, limit)
        for chart in (self.score, self.share):
            chart.mean(self.map.window_place)
        self._place()

    def _place(self) -> None:
        places = self.map.places()
        for chart in (self.score, self.share):
            chart.show_places(places)

    # One crosshair, one span.

    def _mean(self, window: int) -> None:
        self.map.go_to_window(window)

    def _read(self, window: int | None) -> None:
        """Read at a window here, and at its middle in all charts of the window."""
        spans = self.map.places().spans
        span = spans[window] if window is not None and window < len(spans) else None
        self._context.axis.point_at(None if span is None else (span.start + span.end) / 2)
        self._show_read(window)

    def _hear_cursor(self, moment: float | None) -> None:
        if self.isVisible():
            self._show_read(None if moment is None else self.map.places().holding(moment))

    def _show_read(self, window: int | None) -> None:
        self.map.read_at(window)
        for chart in (self.score, self.share):
            chart.read_at(window)

    def _follow(self) -> None:
        self.map.show_span(self._context.axis.span())


def _share(window: JudgedWindow) -> float | None:
    """Return the share of drifted columns: as it was told, else of the columns that were judged."""
    if window.drifted_ratio is not None:
        return known(window.drifted_ratio)
    judged = _judged(window.columns)
    return sum(one.verdict.is_alarm for one in judged) / len(judged) if judged else None


def _judged(columns: Mapping[str, ColumnScore]) -> list[ColumnScore]:
    return [one for one in columns.values() if known(one.score) is not None or one.verdict.is_alarm]
