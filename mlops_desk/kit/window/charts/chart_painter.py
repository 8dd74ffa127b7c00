"""How a chart is painted: grid, limits, bands, curves, stacks, what is missing, the cursor.

By hand, and for a reason: eight plots of a chart library cost 18 ms a second (measured), these cost 3. Curves are
drawn as hairlines side by side: a polyline of 600 points that is 1.5 pixels wide takes Qt up to 36 ms.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetrics, QPainter, QPen, QPolygonF, QTransform

from mlops_desk.kit.window.charts.scale import Scale
from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.curves.track import Track
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from collections.abc import Callable


# A track as polygons that Qt draws: kept between paints, and only added to while the track only grows.
#
# Polygons are in seconds since an origin and in values (their logarithms on a scale of decades); a transform puts them
# on the screen, so that moving and zooming touch no point.


class Outline:
    """The polygons of one track."""

    __slots__ = ("_count", "_level", "_track", "_version", "bands", "decades", "origin", "runs")

    def __init__(self) -> None:
        self._track: Track | None = None
        self._version = -1
        self._count = 0
        self._level: Callable[[float], float] = _same
        self.origin = 0.0
        self.decades = False
        self.runs: list[QPolygonF] = []
        self.bands: list[QPolygonF] = []

    def follow(self, track: Track, *, decades: bool) -> None:
        """Make the polygons show ``track`` as it is now."""
        same = track is self._track and track.version == self._version and decades is self.decades
        if not same:
            self._track, self._version, self.decades, self._count = track, track.version, decades, 0
            self._level = _logarithm if decades else _same
            self.origin = track.times[0] if len(track) else 0.0
            self.runs, self.bands = [], []
        if self._count < len(track):
            self._add(track)
            if not same and track.has_band():
                self._surround(track)

    def _add(self, track: Track) -> None:
        times, values, level = track.times, track.mean, self._level
        apart, origin = track.gap_seconds(), self.origin
        number = self._count
        before = times[number - 1] if number and values[number - 1] == values[number - 1] else None
        joined = before is not None
        points: list[QPointF] = []
        while number < len(times):
            at, value = times[number], values[number]
            number += 1
            if math.isnan(value):
                joined = joined and track.fine and number <= track.sent  # an empty bucket is no missing sample
                continue
            if not joined or before is None or at - before > apart:
                self._end(points)
                points = []
                self.runs.append(QPolygonF())
            points.append(QPointF(at - origin, level(value)))
            joined, before = True, at
        self._end(points)
        self._count = len(times)

    def _end(self, points: list[QPointF]) -> None:
        if points:
            run = self.runs[-1]
            if run.isEmpty():
                self.runs[-1] = QPolygonF(points)
            else:
                for point in points:
                    run.append(point)

    def _surround(self, track: Track) -> None:
        """Make the band from minimum to maximum of each run of buckets."""
        upper: list[QPointF] = []
        lower: list[QPointF] = []
        before, apart = -math.inf, track.gap_seconds()
        for at, low, mean, high in zip(track.times, track.low, track.mean, track.high, strict=True):
            if math.isnan(mean) or at - before > apart:
                self._close(upper, lower)
                upper, lower = [], []
            if not math.isnan(mean):
                upper.append(QPointF(at - self.origin, self._level(high)))
                lower.append(QPointF(at - self.origin, self._level(low)))
                before = at
        self._close(upper, lower)

    def _close(self, upper: list[QPointF], lower: list[QPointF]) -> None:
        if len(upper) > 1:
            self.bands.append(QPolygonF([*upper, *reversed(lower)]))


def _same(value: float) -> float:
    return value


def _logarithm(value: float) -> float:
    return math.log10(value) if value > 0 else -12.0


_OFF_CURVE = 2.0  # pixels: half a curve's width, and what rounding adds
LABEL_GAP, SURE_PIXELS = 13.0, 4.0  # pixels: one line of the caption; what is sure to be seen between two points
BAND, AREA, STACK = 0.22, 0.10, 0.75
"""Chosen: how much of a colour covers: a band lies behind its curve, a stack is the curve."""
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_CENTRE = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
_MIDDLE = int(Qt.AlignmentFlag.AlignCenter)


@dataclass(frozen=True, slots=True)
class PlotArea:
    """Where a chart's values stand: its area in pixels, the span and the scale they show."""

    area: QRectF
    span: Span
    scale: Scale

    def x(self, moment: float) -> float:
        return self.area.left() + (moment - self.span.start) / self.span.seconds * self.area.width()

    def y(self, value: float) -> float:
        return self.area.bottom() - self.scale.share(value) * self.area.height()

    def moment(self, x: float) -> float:
        """Return the time at a pixel."""
        return self.span.start + (x - self.area.left()) / self.area.width() * self.span.seconds

    def transform(self, origin: float) -> QTransform:
        """Return what puts an outline's polygons on the screen."""
        across = self.area.width() / self.span.seconds
        up = self.area.height() / (self.scale.ceiling - self.scale.floor)
        return QTransform(
            across, 0.0, 0.0, -up,
            self.area.left() + (origin - self.span.start) * across, self.area.bottom() + self.scale.floor * up,
        )  # fmt: skip


def paint_grid(painter: QPainter, frame: PlotArea, unit: numbers.Written, *, times: bool, values: bool = True) -> None:
    """Paint the marks of both axes; the times below only where ``times``, the values only where ``values``."""
    faint = theme.faded(theme.colour("border"), 0.55)
    muted = theme.colour("muted")
    area, metrics, last = frame.area, QFontMetrics(painter.font()), ""
    for mark in frame.scale.marks if values else ():
        y, text = round(frame.y(mark)) + 0.5, unit(mark)
        painter.setPen(QPen(faint, 0))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        if text != last:  # where a unit has no finer steps, two marks would read the same
            painter.setPen(muted)
            painter.drawText(QRectF(0, y - LABEL_GAP / 2, area.left() - theme.SPACE_4, LABEL_GAP), _RIGHT, text)
        last = text
    for tick in spans.ticks(frame.span, area.width()):
        x = round(frame.x(tick.at)) + 0.5
        painter.setPen(QPen(faint, 0))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        if times:
            painter.setPen(muted)
            width = metrics.horizontalAdvance(tick.text) + 2.0
            place = QRectF(x - width / 2, area.bottom() + 2, width, LABEL_GAP + 2)
            place.moveRight(min(place.right(), area.right() + theme.SPACE_12))
            if place.left() >= area.left() - theme.SPACE_4:  # further left it would run into the values
                painter.drawText(place, _CENTRE, tick.text)


def paint_outline(painter: QPainter, frame: PlotArea, outline: Outline, tint: QColor, *, area: bool = False) -> None:
    """Paint one curve, with the band between its extremes, and the ground under it where ``area``."""
    transform = frame.transform(outline.origin)
    painter.setPen(Qt.PenStyle.NoPen)
    if outline.bands:
        painter.setBrush(theme.faded(tint, BAND))
        for band in outline.bands:
            painter.drawPolygon(transform.map(band))
    lines = [transform.map(run) for run in outline.runs]
    if area:
        painter.setBrush(theme.faded(tint, AREA))
        for line in lines:
            if line.size() > 1:
                painter.drawPolygon(_grounded(line, frame.area.bottom()))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for line in lines:
        paint_line(painter, line, tint)


def paint_line(painter: QPainter, line: QPolygonF, tint: QColor) -> None:
    """Paint a line of about the theme's width as hairlines side by side."""
    ratio = painter.device().devicePixelRatio()
    pen = QPen(tint, 1.0)
    pen.setCosmetic(True)
    painter.setPen(pen)
    if line.size() == 1:
        painter.setBrush(tint)
        painter.drawEllipse(line.first(), 1.0, 1.0)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        return
    count = max(2, round(theme.LINE * ratio))
    apart = (theme.LINE - 1.0 / ratio) / (count - 1)
    for number in range(count):
        painter.drawPolyline(line.translated(0.0, -number * apart) if number else line)


def _grounded(line: QPolygonF, bottom: float) -> QPolygonF:
    shape = QPolygonF(line)
    shape.append(QPointF(line.last().x(), bottom))
    shape.append(QPointF(line.first().x(), bottom))
    return shape


def paint_limits(painter: QPainter, frame: PlotArea, limits: Sequence[tuple[str, float]]) -> None:
    """Paint dashed lines; their labels stand side by side above the highest, where no curve is that keeps to them."""
    muted = theme.colour("muted")
    area, metrics = frame.area, QFontMetrics(painter.font())
    seen = [
        (text, round(frame.y(value)) + 0.5) for text, value in limits if frame.scale.low <= value <= frame.scale.high
    ]
    painter.setPen(QPen(muted, 0, Qt.PenStyle.DashLine))
    for _, y in seen:
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
    left = area.left() + theme.SPACE_4
    highest = min((y for _, y in seen), default=area.top())
    top = highest - _OFF_CURVE - LABEL_GAP
    if top < area.top():
        top = highest + _OFF_CURVE
    for text, _ in seen:
        room = max(min(metrics.horizontalAdvance(text) + 1.0, area.right() - left - theme.SPACE_8), 0.0)
        place = QRectF(left, top, room + theme.SPACE_8, LABEL_GAP)
        painter.fillRect(place, theme.faded(theme.colour("surface"), 0.8))
        painter.setPen(muted)
        painter.drawText(place, _MIDDLE, metrics.elidedText(text, Qt.TextElideMode.ElideRight, math.ceil(room)))
        left = place.right() + theme.SPACE_8


def paint_stack(
    painter: QPainter, frame: PlotArea, layers: Sequence[tuple[QColor, Sequence[float]]], times: Sequence[float]
) -> None:
    """Paint layers above one another; each has one value (0 where it has none) for each of ``times``."""
    ground = [0.0] * len(times)
    painter.setPen(Qt.PenStyle.NoPen)
    for tint, values in layers:
        top = [under + value for under, value in zip(ground, values, strict=True)]
        line = [QPointF(frame.x(at), frame.y(value)) for at, value in zip(times, top, strict=True)]
        back = [QPointF(frame.x(at), frame.y(value)) for at, value in zip(times, ground, strict=True)]
        painter.setBrush(theme.faded(tint, STACK))
        painter.drawPolygon(QPolygonF([*line, *reversed(back)]))
        ground = top


def paint_hole(painter: QPainter, area: QRectF, text: str) -> None:
    """Hatch where a source is missing, and say what is known about it."""
    muted = theme.colour("muted")
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(theme.faded(muted, 0.35), Qt.BrushStyle.BDiagPattern))
    painter.drawRect(area)
    width = QFontMetrics(painter.font()).horizontalAdvance(text) + theme.SPACE_16
    if not text:
        return
    place = QRectF(area.center().x() - width / 2, area.center().y() - LABEL_GAP, width, 2 * LABEL_GAP)
    window = painter.window()
    place.moveRight(min(place.right(), float(window.right()) - theme.SPACE_4))
    painter.setBrush(theme.colour("surface"))
    painter.drawRoundedRect(place, theme.RADIUS, theme.RADIUS)
    painter.setPen(theme.colour("text"))
    painter.drawText(place, _MIDDLE, text)


def paint_names(painter: QPainter, frame: PlotArea, names: Sequence[tuple[str, float, QColor]], width: float) -> None:
    """Write names (text, newest value, colour) beside the ends of their curves, moved apart where they would touch."""
    metrics = QFontMetrics(painter.font())
    area = frame.area
    kept = names[: int(area.height() / LABEL_GAP)]
    centres = apart([frame.y(value) for _, value, _ in kept], area.top() + LABEL_GAP / 2, area.bottom() - LABEL_GAP / 2)
    for (text, _, tint), y in zip(kept, centres, strict=True):
        place = QRectF(area.right() + theme.SPACE_4, y - LABEL_GAP / 2, width, LABEL_GAP)
        painter.setPen(tint)
        painter.drawText(place, _LEFT, metrics.elidedText(text, Qt.TextElideMode.ElideRight, int(width)))


def apart(wished: Sequence[float], least: float, most: float) -> list[float]:
    """Return places near the wished ones, in their order, not closer than a label is high, within least and most."""
    placed: list[float] = []
    for wish in wished:
        placed.append(max(min(wish, most), least, placed[-1] + LABEL_GAP if placed else least))
    bound = most
    for number in range(len(placed) - 1, -1, -1):
        placed[number] = min(placed[number], bound)
        bound = placed[number] - LABEL_GAP
    return placed


def settled(before: Sequence[str], heights: Mapping[str, float]) -> list[str]:
    """Return names from top to bottom, as they stood ``before`` while it is not clear which of two is above.

    Two curves that cross each other from second to second would else make their names jump.
    """
    if set(before) != set(heights):
        return sorted(heights, key=lambda name: heights[name])
    order = list(before)
    moved = True
    while moved:
        moved = False
        for number in range(len(order) - 1):
            above, below = order[number], order[number + 1]
            if heights[above] - heights[below] > SURE_PIXELS:
                order[number], order[number + 1] = below, above
                moved = True
    return order


def paint_moments(painter: QPainter, frame: PlotArea, moments: Sequence[tuple[float, str]]) -> None:
    """Paint a dotted line where something happened, below the curves; the colour is a token's."""
    for at, token in moments:
        if frame.span.holds(at):
            x = round(frame.x(at)) + 0.5
            painter.setPen(QPen(theme.faded(theme.colour(token), 0.7), 0, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(x, frame.area.top()), QPointF(x, frame.area.bottom()))


def paint_cursor(painter: QPainter, frame: PlotArea, moment: float, points: Sequence[tuple[float, QColor]]) -> None:
    """Paint the line under the pointer and a dot on each curve."""
    x = round(frame.x(moment)) + 0.5
    painter.setPen(QPen(theme.colour("muted"), 0))
    painter.drawLine(QPointF(x, frame.area.top()), QPointF(x, frame.area.bottom()))
    painter.setPen(QPen(theme.colour("surface"), 1.0))
    for value, tint in points:
        painter.setBrush(tint)
        painter.drawEllipse(QPointF(x, frame.y(value)), 3.0, 3.0)
