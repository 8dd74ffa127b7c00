"""Many curves painted fast: of each, for every column of pixels, the span that it covers. Pure but for the painting.

Qt paints a line pixel by pixel, of which a noisy curve has a hundred to each column: 5 ms a curve. As a polygon on a
picture that lies on its side, each column is one row of memory that is filled in one go: 0.3 ms, however noisy.
"""

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPolygonF, QTransform

from mlops_desk.ui.charts.overlay.levels import Levels
from mlops_desk.ui.charts.overlay.plane import Box
from mlops_desk.ui.charts.overlay.polygons import polygon
from mlops_desk.ui.charts.overlay.smoothing import Array

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
