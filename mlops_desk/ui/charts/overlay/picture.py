"""The picture of many curves, painted a few at a time so that nothing waits for it.

A thousand long curves take longer to paint than a turn of the event loop may: ``go_on`` paints for some milliseconds.
What the plot shows meanwhile is the last picture that is whole, moved and stretched to where it belongs.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PySide6.QtCore import QLineF, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QTransform

from mlops_desk.ui.charts.overlay import columns
from mlops_desk.ui.charts.overlay.levels import Levels
from mlops_desk.ui.charts.overlay.lines import RunLine
from mlops_desk.ui.charts.overlay.plane import Plane
from mlops_desk.ui.charts.overlay.polygons import polygon
from mlops_desk.ui.charts.overlay.smoothing import Array
from mlops_desk.ui.look import theme

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
            self._upright = columns.upright(self._paper, self._ratio)
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
            raw = columns.covered(stroke.raw_levels, self.plane.seen, *self._size)
            columns.paint(painter, *raw, theme.faded(tint, _RAW))
        columns.paint(painter, *columns.covered(stroke.levels, self.plane.seen, *self._size), tint)


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
