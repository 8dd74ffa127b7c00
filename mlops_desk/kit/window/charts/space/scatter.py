"""Runs as points of a plane of two columns, coloured by a third; the ones that no other beats are joined by a line.

The colour of a run in a space of runs: by its own slot, or by where it stands on an axis.
"""

import math
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF

from mlops_desk.kit.window.charts.overlay.grid import NUMBER, POWERS, Axes, paint_grid
from mlops_desk.kit.window.charts.overlay.viewport import Box, Plane
from mlops_desk.kit.window.charts.space.axis import MISSING, SpaceAxis, number_of
from mlops_desk.kit.window.charts.space.chart import NEAR, SpaceChart, SpaceRun
from mlops_desk.kit.window.look import theme

LOW_SLOT, HIGH_SLOT = 0, 1  # of theme.series: blue for the least, orange for the largest, which most eyes tell apart


def words_of(axis: SpaceAxis | None) -> str:
    """Return which colours stand for which values; of texts the legend is the point that is lit."""
    if axis is None or not axis.is_number:
        return ""
    least, most = axis.ends()
    first, last = ("orange", "blue") if axis.flipped else ("blue", "orange")
    return f"{axis.title} from {least} ({first}) to {most} ({last})"


def of_run(axis: SpaceAxis | None, run: int, slot: int | None) -> QColor:
    """Return a run's colour; ``slot`` is that of a ticked one, which it keeps."""
    if slot is not None:
        return theme.series(slot)
    if axis is None:
        return theme.series(LOW_SLOT)
    if not axis.is_number:
        value = axis.values[run]
        return theme.colour("muted") if value is None else theme.series(axis.categories.index(str(value)))
    share = axis.share(run)
    if share == MISSING:
        return theme.colour("muted")
    return theme.blended(theme.series(LOW_SLOT), theme.series(HIGH_SLOT), 1.0 - share if axis.flipped else share)


# Which points no other point beats in both of two things: the Pareto front. Pure.
def front(points: Sequence[tuple[float | None, float | None]], *, more_x: bool, more_y: bool) -> list[int]:
    """Return the places of the points that no other one beats, along x; ``more_x``: a larger x is the better one.

    A point beats another that is no better in either and worse in one. What has no finite value takes no part; of
    equal ones all are on the front.
    """
    sign_x, sign_y = (1.0 if more_x else -1.0), (1.0 if more_y else -1.0)
    known = [
        (sign_x * x, sign_y * y, place)
        for place, (x, y) in enumerate(points)
        if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
    ]
    known.sort(key=lambda one: (-one[0], -one[1]))
    found: list[int] = []
    best = -math.inf
    at, of = math.nan, math.nan
    for x, y, place in known:
        if y > best or (x == at and y == of):
            found.append(place)
            best, at, of = max(best, y), x, y
    return sorted(found, key=lambda place: (points[place][0] or 0.0, points[place][1] or 0.0))


_BOTTOM, _TOP, _SIDE = 42, 8, 12  # pixels: the numbers below and the axis's title
_NAME = 180  # pixels: a name that tells columns apart
_DOT = 4.0  # pixels: a point's radius
_FILL = 0.75  # chosen: of two points that lie on one another both are seen
_ROOM = 0.05  # chosen: no point lies on the frame
_CORNER = 0.10  # chosen: points and grid are read through it

Point = tuple[float | None, float | None]


class ScatterChart(SpaceChart):
    """Runs as points; where ``is_named`` each has its title beside it, unless that would lie on another.

    ``noun`` is what they are called. Where ``corner`` gives an x and a y, points at or beyond both are what matters:
    they are squares in a corner of their own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.front: list[int] = []
        self._points: list[Point] = []
        self._colour: SpaceAxis | None = None
        self.is_named = False
        self.noun = "runs"
        self.corner: tuple[float, float] | None = None
        self._squares: frozenset[int] = frozenset()
        self._axes = Axes()
        self._seen = Box(0.0, 1.0, 0.0, 1.0)

    def show_runs(
        self,
        runs: Sequence[SpaceRun],
        x: SpaceAxis,
        y: SpaceAxis,
        colour: SpaceAxis | None,
        better: tuple[bool, bool] | None,
    ) -> None:
        """Show runs; ``better``: whether more of x, and of y, is better, None where no front is wanted."""
        self.runs, self._colour = tuple(runs), colour
        self._points = [(_along(x, run), _along(y, run)) for run in range(len(runs))]
        self._axes = Axes(x.title, y.title, POWERS if x.log else NUMBER, POWERS if y.log else NUMBER)
        self._seen = _around([*self._points, *([self.corner] if self.corner is not None else [])])
        self.front = [] if better is None else front(self._points, more_x=better[0], more_y=better[1])
        self._squares = frozenset(self.mattering())
        self.setAccessibleName(f"Chart: {len(runs)} {self.noun}, {y.title} over {x.title}")
        best = ", ".join(self.runs[place].title for place in self.front[:10])
        first = ", ".join(self.runs[place].title for place in self.mattering()[:10])
        told = f"On the front: {best}" if best else f"What matters: {first}" if first else ""
        self.setAccessibleDescription(told)
        self.update()

    def mattering(self) -> list[int]:
        """Return the runs in the corner, the highest first."""
        corner = self.corner
        if corner is None:
            return []
        inside = [
            (y, run)
            for run, (x, y) in enumerate(self._points)
            if x is not None and y is not None and x >= corner[0] and y >= corner[1]
        ]
        return [run for _, run in sorted(inside, reverse=True)]

    def words(self) -> str:
        """Return what the run that is lit has."""
        place = self.lit_place()
        if place is None:
            front = f"{len(self.front)} on the front" if self.front else ""
            return " · ".join(part for part in (front, words_of(self._colour)) if part)
        x, y = self._points[place]
        told = (self._axes.x, _worded(x, self._axes.x_kind)), (self._axes.y, _worded(y, self._axes.y_kind))
        return f"{self.runs[place].title}: {', '.join(f'{name} {value}' for name, value in told)}"

    def _plane(self) -> Plane:
        left = theme.AXIS_WIDTH
        return Plane(
            self._seen, left, _TOP, max(self.width() - left - _SIDE, 1), max(self.height() - _TOP - _BOTTOM, 1)
        )

    def nearest(self, x: float, y: float) -> int | None:
        """Return the run whose point is nearest to a pixel."""
        plane, found, least = self._plane(), None, NEAR
        for place, (at_x, at_y) in enumerate(self._points):
            if at_x is not None and at_y is not None:
                apart = math.hypot(plane.x(at_x) - x, plane.y(at_y) - y)
                if apart < least:
                    found, least = place, apart
        return found

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        plane = self._plane()
        area = QRectF(plane.x0, plane.y0, plane.width, plane.height)
        painter.fillRect(self.rect(), theme.colour("surface"))
        paint_grid(painter, plane, self._axes, self.width())
        painter.setPen(theme.colour("muted"))
        below = QRectF(area.left(), self.height() - 18, area.width(), 18)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), self._axes.x)
        self._paint_corner(painter, plane, area)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        order = sorted(range(len(self.runs)), key=lambda run: self.runs[run].slot is not None)
        for run in order:
            self._paint_point(painter, plane, run)
        self._paint_front(painter, plane)
        if self.is_named:
            self._paint_names(painter, plane)
        lit = self.lit_place()
        if lit is not None:
            self._paint_point(painter, plane, lit, lit=True)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        focused = self.hasFocus()
        painter.setPen(QPen(theme.colour("accent" if focused else "border"), theme.RING if focused else 0))
        painter.drawRect(theme.edge(area, theme.RING) if focused else area)

    def _paint_point(self, painter: QPainter, plane: Plane, run: int, *, lit: bool = False) -> None:
        x, y = self._points[run]
        if x is None or y is None:
            return
        matters = run in self._squares
        tint = theme.colour("alert") if matters else of_run(self._colour, run, self.runs[run].slot)
        painter.setBrush(theme.faded(tint, 1.0 if lit else _FILL))
        painter.setPen(QPen(theme.colour("text") if lit else theme.colour("surface"), theme.BORDER))
        radius = _DOT * (1.6 if lit else 1.25 if self.runs[run].slot is not None else 1.0)
        if matters:
            painter.drawRect(QRectF(plane.x(x) - radius, plane.y(y) - radius, 2 * radius, 2 * radius))
        else:
            painter.drawEllipse(QPointF(plane.x(x), plane.y(y)), radius, radius)

    def _paint_corner(self, painter: QPainter, plane: Plane, area: QRectF) -> None:
        """Paint the corner of what matters, with its two edges."""
        if self.corner is None:
            return
        x, y = round(plane.x(self.corner[0])) + 0.5, round(plane.y(self.corner[1])) + 0.5
        tint = theme.colour("alert")
        painter.fillRect(QRectF(x, area.top(), area.right() - x, y - area.top()), theme.faded(tint, _CORNER))
        painter.setPen(QPen(tint, 0, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, y))

    def _paint_names(self, painter: QPainter, plane: Plane) -> None:
        taken: list[QRectF] = []
        metrics = painter.fontMetrics()
        painter.setPen(theme.colour("text"))
        for run, (x, y) in enumerate(self._points):
            if x is None or y is None:
                continue
            title = metrics.elidedText(self.runs[run].title, Qt.TextElideMode.ElideMiddle, _NAME)
            wide = metrics.horizontalAdvance(title)
            place = QRectF(plane.x(x) + 2 * _DOT, plane.y(y) - metrics.height() / 2, wide, metrics.height())
            if place.right() > self.width() - _SIDE:
                place.moveRight(plane.x(x) - 2 * _DOT)
            if not any(place.intersects(one) for one in taken):
                painter.drawText(place, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), title)
                taken.append(place)

    def _paint_front(self, painter: QPainter, plane: Plane) -> None:
        points = [self._points[place] for place in self.front]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.colour("accent"), theme.LINE, Qt.PenStyle.DashLine))
        painter.drawPolyline(
            QPolygonF([QPointF(plane.x(x), plane.y(y)) for x, y in points if x is not None and y is not None])
        )

    # Mouse and keys.

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.point_at(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.pick_at(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go from run to run along x by Left and Right; Enter shows the one that is lit."""
        by = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        known = [run for run in range(len(self.runs)) if None not in self._points[run]]
        known.sort(key=lambda run: self._points[run][0] or 0.0)
        if by is not None and known:
            self.walk(known, by)
        elif not self.pick_lit(event):
            super().keyPressEvent(event)


def _along(axis: SpaceAxis, run: int) -> float | None:
    """Return a run's place on an axis, in its units: of texts their number, on a logarithmic one powers of ten."""
    value = axis.values[run]
    if value is None:
        return None
    if not axis.is_number:
        return float(axis.categories.index(str(value))) if str(value) in axis.categories else None
    number = number_of(value)
    if number is None or not math.isfinite(number) or (axis.log and number <= 0):
        return None
    return math.log10(number) if axis.log else number


def _around(points: Sequence[Point]) -> Box:
    """Return what all points lie in, with some room."""
    ends = []
    for part in (0, 1):
        known = [one for point in points if None not in point and (one := point[part]) is not None]
        low, high = min(known, default=0.0), max(known, default=1.0)
        room = (high - low) * _ROOM or abs(low) * _ROOM or 0.5
        ends.append((low - room, high + room))
    return Box(*ends[0], *ends[1])


def _worded(value: float | None, kind: str) -> str:
    return "–" if value is None else f"{10.0**value if kind == POWERS else value:.5g}"
