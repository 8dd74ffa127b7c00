"""A figure over windows: as it turned out with its interval, as it was expected, and what it was in the reference.

Above each window stands what is known of its labels: hatched as high as the share that lacks, and a diamond where some
came late. What alarms is a square, what left the reference without an alarm is a ring.
"""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen, QPolygonF

from mlops_desk.drift.window.answers.points import AnswerPoint, FigureLevel
from mlops_desk.drift.window.over_time import WindowChart, around
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.words import numbers

_SLOT, _EXPECTED_SLOT, _REFERENCE_SLOT = 0, 1, 7  # of theme.series: blue is, orange was expected, gray was
_BAND, _EXPECTED_BAND = 0.24, 0.14  # chosen: lines and grid are read through both, also where they lie on one another
_LANE = 16.0  # pixels: above the values, in which half of a window's labels are still told from all
_MARK = 3.5  # pixels: half of a mark
_DOTS_FROM = 8.0  # pixels; chosen: where windows are closer, a line tells more than its points


class AnswersChart(WindowChart):
    """``show_points`` takes one point for each window of the spans that are shown."""

    def __init__(self) -> None:
        super().__init__("Answers", "No window was scored yet.", alone=True)
        self.points: Sequence[AnswerPoint] = ()
        self.baseline = FigureLevel()
        self._expected_by = "expected"

    def show_points(
        self, points: Sequence[AnswerPoint], baseline: FigureLevel, unit: numbers.Written, expected_by: str
    ) -> None:
        """Show a figure; ``expected_by`` is the name of what expects it before labels come."""
        self.points, self.baseline, self.unit, self._expected_by = points, baseline, unit, expected_by
        shown = [
            value
            for one in points
            for value in (one.value, one.low, one.high, one.expected, one.expected_low, one.expected_high)
            if value is not None
        ]
        shown += [value for value in (baseline.mean, baseline.low, baseline.high) if value is not None]
        self.scale = around(shown, self.marks())
        self.tell()
        self.update()

    def area(self) -> QRectF:
        """Return where values are: below the lane of the labels."""
        whole = super().area()
        return whole.adjusted(0, min(_LANE, whole.height() / 2), 0, 0)

    def said(self, window: int) -> Sequence[tuple[str, int]]:
        if window >= len(self.points):
            return []
        one = self.points[window]
        parts = [(f"{self.unit(one.value)}{_between(one.low, one.high, self.unit)}", _SLOT)]
        if one.is_alarm:
            parts.append((f"{numbers.ALERT} alarms", -1))
        elif one.is_outside:
            parts.append(("outside", -1))
        if one.expected is not None:
            parts.append((f"{self._expected_by} {self.unit(one.expected)}", _EXPECTED_SLOT))
        if self.baseline.mean is not None:
            parts.append((f"reference {self.unit(self.baseline.mean)}", _REFERENCE_SLOT))
        if one.is_awaited:
            parts.append((f"{numbers.percent(one.unlabelled)} of labels lack", -1))
        if one.n_late:
            parts.append((f"{numbers.count(one.n_late, 'label')} came late", -1))
        return parts

    # Painting.

    def paint_values(self, painter: QPainter, area: QRectF) -> None:
        self._paint_baseline(painter, area)
        expected, blue = theme.series(_EXPECTED_SLOT), theme.series(_SLOT)
        self._paint_band(painter, lambda one: (one.expected_low, one.expected_high), expected, _EXPECTED_BAND)
        self._paint_band(painter, lambda one: (one.low, one.high), blue, _BAND)
        self._paint_line(painter, lambda one: one.expected, QPen(expected, theme.LINE, Qt.PenStyle.DashLine))
        self._paint_line(painter, lambda one: one.value, QPen(blue, theme.LINE))
        painter.setClipping(False)  # the lane of the labels lies above the values
        painter.setPen(theme.colour("muted"))
        lane = QRectF(0, area.top() - _LANE, area.left() - theme.SPACE_4, _LANE)
        painter.drawText(lane, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), "no label")
        for at in self.places.seen():
            if at < len(self.points):
                self._paint_marks(painter, area, at, self.points[at])

    def _paint_baseline(self, painter: QPainter, area: QRectF) -> None:
        tint, one = theme.series(_REFERENCE_SLOT), self.baseline
        for value, style in ((one.mean, Qt.PenStyle.DashLine), (one.low, Qt.PenStyle.DotLine),
                             (one.high, Qt.PenStyle.DotLine)):  # fmt: skip
            if value is not None:
                y = round(self.up(value)) + 0.5
                painter.setPen(QPen(tint, 1.0, style))
                painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))

    def _paint_band(self, painter: QPainter, ends: "_Ends", tint: QColor, share: float) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.faded(tint, share))
        for run in self._runs(lambda one: None not in ends(one)):
            low = [QPointF(x, self.up(ends(self.points[at])[0] or 0.0)) for x, at in self._along(run)]
            high = [QPointF(x, self.up(ends(self.points[at])[1] or 0.0)) for x, at in self._along(run)]
            painter.drawPolygon(QPolygonF([*low, *reversed(high)]))

    def _paint_line(self, painter: QPainter, value: "_Value", pen: QPen) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for run in self._runs(lambda one: value(one) is not None):
            painter.setPen(pen)
            points = [QPointF(self.places.middle(at), self.up(value(self.points[at]) or 0.0)) for at in run]
            painter.drawPolyline(QPolygonF(points))
            if len(points) == 1 or self.places.cell >= _DOTS_FROM:
                painter.setPen(QPen(pen.color(), theme.LINE))
                for point in points:
                    painter.drawEllipse(point, 1.5, 1.5)

    def _along(self, run: Sequence[int]) -> list[tuple[float, int]]:
        """Return pixels and windows of a run, from its left edge to its right one."""
        middles = [(self.places.middle(at), at) for at in run]
        return [(self.places.x(run[0]), run[0]), *middles, (self.places.x(run[-1] + 1), run[-1])]

    def _paint_marks(self, painter: QPainter, area: QRectF, at: int, one: AnswerPoint) -> None:
        x, foot = self.places.middle(at), area.top() - 2
        if one.is_alarm or one.is_outside:
            y = area.top() + _MARK + 1 if one.value is None else self.up(one.value)
            mark = QRectF(x - _MARK, y - _MARK, 2 * _MARK, 2 * _MARK)
            if one.is_alarm:
                painter.fillRect(mark, theme.colour("alert"))
            else:
                painter.setBrush(theme.colour("surface"))
                painter.setPen(QPen(theme.colour("warning"), theme.LINE))
                painter.drawEllipse(mark)
        if one.unlabelled:
            high = max((_LANE - 4) * min(one.unlabelled, 1.0), 2.0)
            lane = QRectF(self.places.x(at) + 1, foot - high, max(self.places.cell - 2, 1.0), high)
            painter.fillRect(lane, QBrush(theme.colour("muted"), Qt.BrushStyle.BDiagPattern))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.colour("muted"), 0))
            painter.drawRect(lane)
        if one.n_late:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("warning" if one.is_moved else "info"))
            y = foot - _LANE / 2
            painter.drawPolygon(
                QPolygonF([QPointF(x, y - _MARK), QPointF(x + _MARK, y), QPointF(x, y + _MARK), QPointF(x - _MARK, y)])
            )

    def _runs(self, has: Callable[[AnswerPoint], bool]) -> list[list[int]]:
        """Return the stretches of windows that have something."""
        runs: list[list[int]] = []
        for at, one in enumerate(self.points[: len(self.places.spans)]):
            if not has(one):
                continue
            if runs and runs[-1][-1] == at - 1:
                runs[-1].append(at)
            else:
                runs.append([at])
        return runs


_Ends = Callable[[AnswerPoint], tuple[float | None, float | None]]
_Value = Callable[[AnswerPoint], float | None]


def _between(low: float | None, high: float | None, unit: numbers.Written) -> str:
    return "" if low is None or high is None else f" ({unit(low)} – {unit(high)})"
