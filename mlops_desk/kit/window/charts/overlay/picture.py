"""The picture of many curves, painted a few at a time so that nothing waits for it.

A thousand long curves take longer to paint than a turn of the event loop may: ``go_on`` paints for some milliseconds.
What the plot shows meanwhile is the last picture that is whole, moved and stretched to where it belongs.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PySide6.QtCore import QLineF, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF, QTransform
from shiboken6 import Shiboken

from mlops_desk.kit.window.charts.overlay.lines import Array, RunLine
from mlops_desk.kit.window.charts.overlay.viewport import Box, Plane
from mlops_desk.kit.window.look import theme

# Points as Qt's polygons, copied in one go: one by one it would take a hundred times as long.
_BYTES = 16  # of a point: two doubles
_VOID_PTR: Any = Shiboken.VoidPtr  # its stub knows neither of the arguments that it takes, nor that it is a buffer


def polygon(places: Array) -> QPolygonF:
    """Return points, one row each."""
    made = QPolygonF()
    made.resize(len(places))
    if len(places):
        memory = _VOID_PTR(made.data(), len(places) * _BYTES, True)
        np.frombuffer(memory, dtype=np.float64).reshape((-1, 2))[:] = places
    return made


# A curve at several resolutions: of each block of points the least and the largest, so that no peak is lost. Pure.
# A long curve is drawn from the coarsest level that still has a block for each pixel that is seen: what it costs
# depends on the plot's width and no more on how many points there are.
_FACTOR = 4  # chosen: all levels together are two thirds of the curve, and at most four blocks stand on a pixel


class Levels:
    """The levels of one curve whose x never falls; they are made when a coarse one is first wanted."""

    def __init__(self, xs: Array, ys: Array) -> None:
        self._xs, self._ys = xs, ys
        self._coarse: list[tuple[Array, Array, Array]] = []
        """Of each level: where blocks begin, their least and their largest value (NaN: none is a number)."""

    def seen(self, start: float, end: float, pixels: int) -> tuple[Array, Array]:
        """Return the points to draw between two places on ``pixels``, with one more at both sides."""
        first, last = _window(self._xs, start, end)
        count = last - first
        if count <= 2 * pixels:
            return self._xs[first:last], self._ys[first:last]
        level, block = 0, _FACTOR
        while count // (block * _FACTOR) >= pixels:
            level, block = level + 1, block * _FACTOR
        xs, low, high = self._level(level)
        first, last = _window(xs, start, end)
        both = np.empty(2 * (last - first))
        both[0::2], both[1::2] = low[first:last], high[first:last]
        return np.repeat(xs[first:last], 2), both

    def _level(self, number: int) -> tuple[Array, Array, Array]:
        while len(self._coarse) <= number:
            xs, low, high = self._coarse[-1] if self._coarse else (self._xs, self._ys, self._ys)
            self._coarse.append(_halved(xs, low, high))
        return self._coarse[number]


def _halved(xs: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
    starts = np.arange(0, xs.size, _FACTOR)
    return xs[starts], np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)


def _window(xs: Array, start: float, end: float) -> tuple[int, int]:
    """Return which points are between two places, with one more at both sides."""
    first = max(int(np.searchsorted(xs, start, side="left")) - 1, 0)
    return first, min(int(np.searchsorted(xs, end, side="right")) + 1, xs.size)


# Many curves painted fast: of each, for every column of pixels, the span that it covers. Pure but for the painting.
# Qt paints a line pixel by pixel, of which a noisy curve has a hundred to each column: 5 ms a curve. As a polygon on
# a picture that lies on its side, each column is one row of memory that is filled in one go: 0.3 ms, however noisy.
_HALF = 0.5  # pixels: half of a thin line
_QUARTER_TURN = 90.0  # degrees


def covered(levels: Levels, seen: Box, width: int, height: int) -> tuple[Array, Array]:
    """Return the top and the bottom of what a curve covers in each of ``width`` columns, in pixels; NaN: nothing."""
    xs, ys = levels.seen(seen.left, seen.right, width)
    low, high = np.full(width, np.nan), np.full(width, np.nan)
    if not xs.size:
        return low, high
    rows = np.clip((seen.high - ys) * (height / seen.height), -height, 2.0 * height)
    places = (xs - seen.left) * (width / seen.width)
    _cross(low, high, places, rows)
    inside = (places >= 0) & (places < width)
    _put(low, high, places[inside].astype(np.int64), rows[inside])
    _join(low, high)
    return low - _HALF, high + _HALF


def _put(low: Array, high: Array, columns: "np.ndarray[tuple[int], np.dtype[np.int64]]", rows: Array) -> None:
    """Widen the columns by the points that lie in them."""
    if not columns.size:
        return
    starts = np.flatnonzero(np.concatenate(([True], columns[1:] != columns[:-1])))
    hit = columns[starts]
    low[hit] = np.fmin(low[hit], np.fmin.reduceat(rows, starts))
    high[hit] = np.fmax(high[hit], np.fmax.reduceat(rows, starts))


def _cross(low: Array, high: Array, places: Array, rows: Array) -> None:
    """Cover the columns that the lines between points cross, where points are sparser than columns."""
    if places.size >= low.size or places.size < 2:
        return
    edges = np.interp(np.arange(low.size + 1.0), places, rows, left=np.nan, right=np.nan)
    low[:] = np.fmin(edges[:-1], edges[1:])
    high[:] = np.fmax(edges[:-1], edges[1:])


def _join(low: Array, high: Array) -> None:
    """Let each column reach the one before it, as the line between them does."""
    before_low, before_high = low[:-1].copy(), high[:-1].copy()
    known = ~np.isnan(low[1:]) & ~np.isnan(before_low)
    low[1:][known] = np.minimum(low[1:][known], before_high[known])
    high[1:][known] = np.maximum(high[1:][known], before_low[known])


def paint(painter: QPainter, low: Array, high: Array, tint: QColor) -> None:
    """Fill what is covered, on a picture that lies on its side."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(tint)
    good = ~np.isnan(low)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False])).astype(np.int8)))
    for first, last in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
        painter.drawPolygon(_shape(low[first:last], high[first:last], first))


def _shape(low: Array, high: Array, first: int) -> QPolygonF:
    down = np.concatenate(([first], first + _HALF + np.arange(low.size), [first + low.size]))
    points = np.empty((2 * down.size, 2))
    points[: down.size, 0] = np.concatenate((low[:1], low, low[-1:]))
    points[: down.size, 1] = down
    points[down.size :, 0] = np.concatenate((high[:1], high, high[-1:]))[::-1]
    points[down.size :, 1] = down[::-1]
    return polygon(points)


def upright(lying: QImage, ratio: float) -> QImage:
    """Return a picture that lies on its side as it is seen."""
    turned = lying.transformed(QTransform().rotate(_QUARTER_TURN)).flipped(Qt.Orientation.Horizontal)
    turned.setDevicePixelRatio(ratio)
    return turned


_FEW = (
    24  # chosen: so many curves are drawn with soft edges; of more nobody sees them, and they cost five times as much
)
_RAW, _BAND = 0.25, 0.18  # chosen: how much of its colour has what was logged behind a smoothed curve, and a band
_FARTHEST = 30_000.0  # pixels: Qt's painter counts no further
_ODD_PIXELS = 4.0  # chosen: half of a mark, which is seen between two steps
_MOST_ODD = 400  # chosen: of one curve; nobody counts more


@dataclass(eq=False)
class Stroke:
    """A line as it is painted. Its levels are made when they are first needed."""

    line: RunLine

    @cached_property
    def levels(self) -> Levels:
        return Levels(self.line.xs, self.line.ys)

    @cached_property
    def raw_levels(self) -> Levels:
        return Levels(self.line.xs, self.line.ys if self.line.raw is None else self.line.raw)

    def points(self, plane: Plane) -> tuple[Array, Array]:
        """Return the points of the curve that are to be painted."""
        return self._of(self.levels, self.line.ys, plane)

    def raw_points(self, plane: Plane) -> tuple[Array, Array] | None:
        if self.line.raw is None:
            return None
        return self._of(self.raw_levels, self.line.raw, plane)

    def _of(self, levels: Levels, ys: Array, plane: Plane) -> tuple[Array, Array]:
        if not self.line.is_sorted:
            return self.line.xs, ys
        return levels.seen(plane.seen.left, plane.seen.right, max(int(plane.width), 1))


class CurvePicture:
    """Curves on a plane whose corner is at 0, 0 of ``image``.

    Few are drawn as lines with soft edges. Many are filled column by column, on a picture that lies on its side.
    """

    def __init__(self, plane: Plane, ratio: float, strokes: Sequence[Stroke]) -> None:
        self.plane = plane
        self.is_whole = not strokes
        self._ratio = ratio
        self._strokes = strokes
        self._painted = 0
        self._lies = len(strokes) > _FEW
        self._size = max(1, round(plane.width * ratio)), max(1, round(plane.height * ratio))
        width, height = reversed(self._size) if self._lies else self._size
        self._paper = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
        self._paper.fill(Qt.GlobalColor.transparent)
        if not self._lies:
            self._paper.setDevicePixelRatio(ratio)
        self._upright: QImage | None = None

    @property
    def image(self) -> QImage:
        """The picture as far as it is painted."""
        if not self._lies:
            return self._paper
        if self._upright is None:
            self._upright = upright(self._paper, self._ratio)
        return self._upright

    def go_on(self, seconds: float) -> bool:
        """Paint for so long, at least one curve; True when it is whole."""
        end = time.perf_counter() + seconds
        self._upright = None
        painter = QPainter(self._paper)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=not self._lies)
        while self._painted < len(self._strokes):
            self._paint(painter, self._strokes[self._painted])
            self._painted += 1
            if time.perf_counter() > end:
                break
        painter.end()
        self.is_whole = self._painted >= len(self._strokes)
        return self.is_whole

    def _paint(self, painter: QPainter, stroke: Stroke) -> None:
        if not self._lies:
            paint_stroke(painter, self.plane, stroke)
        elif stroke.line.is_sorted:
            self._fill(painter, stroke)
        else:
            # Turned by hand: x of the plane runs down the paper.
            painter.save()
            painter.setTransform(QTransform(0.0, self._ratio, self._ratio, 0.0, 0.0, 0.0))
            paint_stroke(painter, self.plane, stroke)
            painter.restore()

    def _fill(self, painter: QPainter, stroke: Stroke) -> None:
        tint = theme.series(stroke.line.subject.slot)
        if stroke.line.raw is not None:
            raw = covered(stroke.raw_levels, self.plane.seen, *self._size)
            paint(painter, *raw, theme.faded(tint, _RAW))
        paint(painter, *covered(stroke.levels, self.plane.seen, *self._size), tint)


def paint_stroke(painter: QPainter, plane: Plane, stroke: Stroke, width: float | None = None) -> None:
    """Paint one curve with its band, what was logged behind it, and a cross where a value was no number."""
    line = stroke.line
    tint = theme.series(line.subject.slot)
    if line.low is not None and line.high is not None:
        _paint_band(painter, plane, line.xs, line.low, line.high, theme.faded(tint, _BAND))
    raw = stroke.raw_points(plane)
    if raw is not None:
        _paint_line(painter, plane, *raw, _pen(theme.faded(tint, _RAW), 1.0))
    soft = bool(painter.renderHints() & QPainter.RenderHint.Antialiasing)
    _paint_line(painter, plane, *stroke.points(plane), _pen(tint, width or (theme.LINE if soft else 1.0)))
    if line.odd is not None:
        _paint_odd(painter, plane, line.odd)


def _pen(tint: QColor, width: float) -> QPen:
    pen = QPen(tint, width)
    pen.setCosmetic(True)
    return pen


def pixels(plane: Plane, xs: Array, ys: Array) -> Array:
    """Return points as pixels, one row each; what is no number stays so."""
    places = np.empty((xs.size, 2))
    places[:, 0] = (xs - plane.seen.left) * (plane.width / plane.seen.width) + plane.x0
    places[:, 1] = (plane.seen.high - ys) * (plane.height / plane.seen.height) + plane.y0
    np.clip(places, -_FARTHEST, _FARTHEST, out=places)
    return places


def _paint_line(painter: QPainter, plane: Plane, xs: Array, ys: Array, pen: QPen) -> None:
    places = pixels(plane, xs, ys)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    good = ~np.isnan(places).any(axis=1)
    if good.all():
        _paint_run(painter, places, pen)
        return
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False])).astype(np.int8)))
    lone = []
    for first, last in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
        if last - first == 1:
            lone.append(first)
        else:
            painter.drawPolyline(polygon(places[first:last]))
    if lone:
        _paint_dots(painter, places[lone], pen)


def _paint_run(painter: QPainter, places: Array, pen: QPen) -> None:
    if len(places) == 1:
        _paint_dots(painter, places, pen)
    elif len(places):
        painter.drawPolyline(polygon(places))


def _paint_dots(painter: QPainter, places: Array, pen: QPen) -> None:
    """Paint points that have no neighbour: alone they would be no line."""
    dot = QPen(pen.color(), 4.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
    dot.setCosmetic(True)
    painter.setPen(dot)
    painter.drawPoints(polygon(places))


def _paint_band(painter: QPainter, plane: Plane, xs: Array, low: Array, high: Array, tint: QColor) -> None:
    good = np.isfinite(low) & np.isfinite(high)
    if not good.any():
        return
    top, bottom = pixels(plane, xs[good], high[good]), pixels(plane, xs[good], low[good])
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(tint)
    painter.drawPolygon(polygon(np.concatenate((top, bottom[::-1]))))


def _paint_odd(painter: QPainter, plane: Plane, odd: Array) -> None:
    seen = odd[(odd >= plane.seen.left) & (odd <= plane.seen.right)][:_MOST_ODD]
    painter.setPen(_pen(theme.colour("alert"), theme.LINE))
    y = plane.y0 + plane.height - 2 * _ODD_PIXELS
    for at in np.unique(np.round([plane.x(at) for at in seen.tolist()])).tolist():
        for up in (-_ODD_PIXELS, _ODD_PIXELS):
            painter.drawLine(QLineF(QPointF(at - _ODD_PIXELS, y - up), QPointF(at + _ODD_PIXELS, y + up)))
