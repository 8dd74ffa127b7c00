"""The windows of a monitor as a whole: the heat map, and below it on the same places a score and the drifted share.

What the colours and marks of a heat map mean: below it, in one line.
"""

from collections.abc import Mapping

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSplitter, QVBoxLayout, QWidget

from mlops_desk.drift.records.monitors import ColumnScore, JudgedWindow
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window.cell_text import known
from mlops_desk.drift.window.heatmap.cells import paint_mark
from mlops_desk.drift.window.heatmap.heatmap_data import HeatSheet
from mlops_desk.drift.window.heatmap.map import HeatMap
from mlops_desk.drift.window.over_time import ScoreChart, WindowValue, values_of
from mlops_desk.drift.window.words import measure_title
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.words import marks, numbers

_RAMP = 96.0  # pixels: ten colours that are still told apart
_HEIGHT = 18  # pixels: one line of the caption
_TOLD = (Verdict.WARNING, Verdict.DRIFT, Verdict.CRITICAL, Verdict.INSUFFICIENT_DATA)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


class HeatLegend(QWidget):
    """The scale from nothing over the limit to twice of it, then each mark with its word."""

    accessible_role = Role.StaticText

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        words = ", ".join(marks.VERDICT_MARKS[one].word for one in _TOLD)
        self.setAccessibleName(f"Colours from 0 over the limit to twice of it; marks: {words}")

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(theme.font(theme.CAPTION_POINTS))
        words = sum(metrics.horizontalAdvance(marks.VERDICT_MARKS[one].word) + theme.SPACE_24 for one in _TOLD)
        ends = metrics.horizontalAdvance("0 2 × limit") + 4 * theme.SPACE_8
        return QSize(int(_RAMP) + words + ends, _HEIGHT)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        x = self._write(painter, 0.0, "0")
        steps = int(_RAMP)
        for step in range(steps):
            painter.fillRect(QRectF(x + step, 4, 1, _HEIGHT - 8), theme.heat(step / (steps - 1)))
        x = self._write(painter, x + _RAMP + theme.SPACE_4, "2 × limit") + theme.SPACE_8
        for verdict in _TOLD:
            paint_mark(painter, QRectF(x, 0, theme.SPACE_12, _HEIGHT), verdict, theme.colour("text"))
            x = self._write(painter, x + theme.SPACE_16, marks.VERDICT_MARKS[verdict].word)

    def _write(self, painter: QPainter, x: float, text: str) -> float:
        painter.setPen(theme.colour("muted"))
        painter.drawText(QRectF(x, 0, self.width() - x, _HEIGHT), _LEFT, text)
        return x + painter.fontMetrics().horizontalAdvance(text) + theme.SPACE_8


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
