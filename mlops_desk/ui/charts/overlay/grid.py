"""The marks of a plot's axes, and the thin lines that they stand for."""

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from mlops_desk.ui.charts.overlay import ticks
from mlops_desk.ui.charts.overlay.plane import Plane
from mlops_desk.ui.look import theme

_LABEL_PIXELS, _MARK_PIXELS = 90, 44  # chosen: one mark needs so much room, across and up

NUMBER, POWERS, CLOCK, LASTING = "number", "powers", "clock", "lasting"
_MARKS = {NUMBER: ticks.linear, POWERS: ticks.decades, CLOCK: ticks.clock, LASTING: ticks.lasting}


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes are called, and how their marks are worded (NUMBER, POWERS, CLOCK or LASTING)."""

    x: str = ""
    y: str = ""
    x_kind: str = NUMBER
    y_kind: str = NUMBER


def paint_grid(painter: QPainter, plane: Plane, axes: Axes, width: float) -> None:
    """Paint the marks of both axes, and their lines across the plane; nothing right of ``width``."""
    area = QRectF(plane.x0, plane.y0, plane.width, plane.height)
    painter.setFont(theme.font(theme.CAPTION_POINTS))
    faint, muted = theme.faded(theme.colour("border"), 0.55), theme.colour("muted")
    box = plane.seen
    height = painter.fontMetrics().height()
    for mark in _MARKS[axes.y_kind](box.low, box.high, max(int(plane.height / _MARK_PIXELS), 2)):
        y = round(plane.y(mark.at)) + 0.5
        if area.top() <= y <= area.bottom() + 1:
            painter.setPen(QPen(faint, 0))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(muted)
            place = QRectF(0, y - height / 2, area.left() - theme.SPACE_4, height)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), mark.text)
    _paint_across(painter, plane, axes, area, width)


def _paint_across(painter: QPainter, plane: Plane, axes: Axes, area: QRectF, width: float) -> None:
    faint, muted = theme.faded(theme.colour("border"), 0.55), theme.colour("muted")
    box = plane.seen
    last = -1.0
    for mark in _MARKS[axes.x_kind](box.left, box.right, max(int(plane.width / _LABEL_PIXELS), 2)):
        x = round(plane.x(mark.at)) + 0.5
        if not area.left() - 1 <= x <= area.right() + 1:
            continue
        painter.setPen(QPen(faint, 0))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        wide = painter.fontMetrics().horizontalAdvance(mark.text)
        start = min(max(x - wide / 2, 0.0), width - wide)
        if start > last + theme.SPACE_8:
            painter.setPen(muted)
            painter.drawText(QPointF(start, area.bottom() + painter.fontMetrics().ascent() + 3), mark.text)
            last = start + wide
