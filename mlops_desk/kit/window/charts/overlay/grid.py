"""The marks of a plot's axes, and the thin lines that they stand for."""

import math
import time
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from mlops_desk.kit.window.charts.overlay.viewport import Plane
from mlops_desk.kit.window.look import theme

# Where an axis of a plot has its marks, and what they say: round numbers, decades, times. Pure, no numpy.
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)  # what people read as round
_SPANS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between marks of a time that people read as round; beyond, whole days."""
_FEWEST_UNITS = 3.0  # chosen: 2.5 h is better read as 150 min
_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_MOST = 40  # marks: no axis has room for more


@dataclass(frozen=True, slots=True)
class AxisMark:
    """A place on an axis, in its units, and its words ("": a thin line alone)."""

    at: float
    text: str


def linear(low: float, high: float, count: int) -> list[AxisMark]:
    """Return about ``count`` marks at round numbers."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return []
    wished = span / max(count, 1)
    decade = 10.0 ** math.floor(math.log10(wished))
    step = next(decade * factor for factor in _ROUND if decade * factor >= wished * 0.9999)
    first = math.ceil(low / step - 1e-9)
    marks = [(first + number) * step for number in range(_MOST) if (first + number) * step <= high + step * 1e-9]
    return [AxisMark(at, _worded(at, step)) for at in marks]


def _worded(value: float, step: float) -> str:
    """Return a mark with as many digits as tell it from its neighbour."""
    if abs(value) < step * 1e-6:
        return "0"
    if max(abs(value), step) >= 1e6 or step < 1e-5:
        digits = max(1, min(15, math.ceil(math.log10(max(abs(value), step) / step) + 1)))
        return f"{value:.{digits}g}"
    power = math.floor(math.log10(step) + 1e-9)
    halves = round(step / 10.0**power, 3) == 2.5  # one digit more than its power of ten has
    return f"{value:,.{max(0, halves - power)}f}"


def decades(low: float, high: float, count: int) -> list[AxisMark]:
    """Return marks of a logarithmic axis, whose units are powers of ten; where few are seen, 2 and 5 of each too."""
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    every = max(1, math.ceil((last - first + 1) / max(count, 1)))
    marks = [
        AxisMark(float(power), _power(power)) for power in range(first, min(last, first + _MOST * every) + 1, every)
    ]
    if len(marks) > 2:
        return marks
    if high - low < 0.7:  # less than a factor of five: as between two numbers
        return [
            AxisMark(math.log10(mark.at), mark.text) for mark in linear(10.0**low, 10.0**high, count) if mark.at > 0
        ]
    fine = [power + math.log10(factor) for power in range(first - 1, last + 1) for factor in (1, 2, 5)]
    return [AxisMark(at, f"{10.0**at:.3g}") for at in fine if low <= at <= high]


def _power(power: int) -> str:
    return f"{10.0**power:g}" if -4 <= power <= 5 else f"1e{power}"


def clock(low: float, high: float, count: int) -> list[AxisMark]:
    """Return marks at round times of the day or at days, of Unix seconds."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return []
    wished = span / max(count, 1)
    step = next((one for one in _SPANS if one >= wished), max(1, math.ceil(wished / 86_400)) * 86_400)
    try:
        offset = time.localtime(low).tm_gmtoff
        first = math.ceil((low + offset) / step) * step - offset
        form = "%d %b" if step >= 86_400 else "%H:%M" if step >= 60 else "%H:%M:%S"
        if step >= 86_400 and time.localtime(low).tm_year != time.localtime(high).tm_year:
            form = "%d %b %Y"
        marks = range(int(first), int(high) + 1, int(step))[:_MOST]
        return [AxisMark(float(at), time.strftime(form, time.localtime(at))) for at in marks]
    except (OverflowError, ValueError, OSError):
        return linear(low, high, count)  # a time that no clock tells, as in the year 300,000


def lasting(low: float, high: float, count: int) -> list[AxisMark]:
    """Return marks of a time that has passed, of seconds, in the unit in which it is some units long."""
    longest = max(abs(low), abs(high))
    unit, name = next(((unit, name) for unit, name in _UNITS if longest >= _FEWEST_UNITS * unit), _UNITS[-1])
    marks = linear(low / unit, high / unit, count)
    return [AxisMark(mark.at * unit, f"{mark.text} {name}" if mark.at else "0") for mark in marks]


_LABEL_PIXELS, _MARK_PIXELS = 90, 44  # chosen: one mark needs so much room, across and up

NUMBER, POWERS, CLOCK, LASTING = "number", "powers", "clock", "lasting"
_MARKS = {NUMBER: linear, POWERS: decades, CLOCK: clock, LASTING: lasting}


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
