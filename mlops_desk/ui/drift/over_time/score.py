"""One value for each window: the score of a column with where it begins to alarm, or the share of drifted columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF

from mlops_desk.records.drift.monitors import ColumnScore
from mlops_desk.ui.charts import scale
from mlops_desk.ui.drift.over_time.chart import WindowChart
from mlops_desk.ui.drift.telling import known
from mlops_desk.ui.look import theme
from mlops_desk.ui.words import numbers

_DOTS_FROM = 8.0  # pixels; chosen: where windows are closer, a line tells more than its points
_BAND = 0.10  # chosen: the curve is read through it
_SQUARE = 3.0  # pixels: half of an alert's mark
_MISSING = "missing"
"""The measure that is the change of the share of missing values."""
_LABEL_GAP = 13.0  # pixels: one line of the caption


@dataclass(frozen=True, slots=True)
class WindowValue:
    """What one window has: a finite value or None, whether it alarms, and in words what is said of it beside."""

    value: float | None
    is_alarm: bool = False
    beside: str = ""


def value_of(score: ColumnScore | None) -> WindowValue:
    """Return what a score is in a chart: one that is no finite number is a gap."""
    if score is None:
        return WindowValue(None)
    p_value = known(score.p_adjusted)
    beside = "" if p_value is None else f"p {numbers.number(p_value, 2)}"
    return WindowValue(known(score.score), score.verdict.is_alarm, beside)


def values_of(scores: Sequence[ColumnScore | None]) -> tuple[list[WindowValue], float | None, str | None]:
    """Return the value of each window, where it begins to alarm, and by which measure: the one that decided last.

    Where another one decided the score is on another scale, and no value of this line.
    """
    newest = next((one for one in reversed(scores) if one is not None and one.measure), None)
    if newest is None:
        return [value_of(one) for one in scores], None, None
    return [_by_measure(one, newest) for one in scores], known(newest.limit), newest.measure


def _by_measure(score: ColumnScore | None, newest: ColumnScore) -> WindowValue:
    """Return a window's value by the newest's measure; how much is missing is known whatever decided."""
    if score is None or score.measure in {newest.measure, None}:
        return value_of(score)
    missing = known(score.missing_ratio) if newest.measure == _MISSING else None
    before = known(newest.before) or 0.0
    return WindowValue(None if missing is None else missing - before, score.verdict.is_alarm)


class ScoreChart(WindowChart):
    """A line with gaps where there is no value; what alarms is a square."""

    def __init__(
        self,
        title: str,
        nothing: str,
        slot: int,
        *,
        unit: numbers.Written = numbers.number,
        alone: bool = False,
        times: bool = True,
    ) -> None:
        super().__init__(title, nothing, alone=alone, times=times)
        self.unit = unit
        self._slot = slot
        self._values: Sequence[WindowValue] = ()
        self._limit: float | None = None
        self._at_least = 0.0

    def show_values(self, values: Sequence[WindowValue], limit: float | None, at_least: float = 0.0) -> None:
        """Show a value for each window of the places; ``limit`` is where they begin to alarm."""
        self._values, self._limit = values, limit
        self._at_least = at_least
        self._fit()
        self.tell()
        self.update()

    def _fit(self) -> None:
        known = [one.value for one in self._values if one.value is not None]
        most = max([*known, self._limit or 0.0], default=0.0)
        self.scale = scale.fitting(most, self.marks(), at_least=self._at_least)

    def said(self, window: int) -> Sequence[tuple[str, int]]:
        if window >= len(self._values):
            return []
        one = self._values[window]
        parts = [(f"{self.unit(one.value)}{' alarms' if one.is_alarm else ''}", self._slot)]
        if self._limit is not None:
            parts.append((f"limit {self.unit(self._limit)}", -1))
        return [*parts, (one.beside, -1)] if one.beside else parts

    def paint_values(self, painter: QPainter, area: QRectF) -> None:
        if self._limit is not None:
            self._paint_limit(painter, area, self._limit)
        seen = self.places.seen()
        tint = theme.series(self._slot)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(tint, theme.LINE))
        for run in _runs([one.value for one in self._values], seen):
            points = [QPointF(self.places.middle(at), self.up(value)) for at, value in run]
            if len(points) == 1 or self.places.cell >= _DOTS_FROM:
                for point in points:
                    painter.drawEllipse(point, 1.5, 1.5)
            painter.drawPolyline(QPolygonF(points))
        for at in seen:
            one = self._values[at] if at < len(self._values) else WindowValue(None)
            if one.is_alarm:
                y = area.top() + _SQUARE + 1 if one.value is None else self.up(one.value)
                square = QRectF(self.places.middle(at) - _SQUARE, y - _SQUARE, 2 * _SQUARE, 2 * _SQUARE)
                painter.fillRect(square, theme.colour("alert"))

    def _paint_limit(self, painter: QPainter, area: QRectF, limit: float) -> None:
        """Paint the band in which values alarm, and its lower edge."""
        y = round(self.up(limit)) + 0.5
        band = QRectF(area.left(), area.top(), area.width(), max(y - area.top(), 0.0))
        painter.fillRect(band, theme.faded(theme.colour("alert"), _BAND))
        painter.setPen(QPen(theme.colour("alert"), 0, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))


def _runs(values: Sequence[float | None], seen: range) -> list[list[tuple[int, float]]]:
    """Return the stretches without a gap among the windows that are seen, with one more at each side."""
    runs: list[list[tuple[int, float]]] = []
    going = False
    for at in range(max(seen.start - 1, 0), min(seen.stop + 1, len(values))):
        value = values[at]
        if value is None:
            going = False
            continue
        if not going:
            runs.append([])
        runs[-1].append((at, value))
        going = True
    return runs
