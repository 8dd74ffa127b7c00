"""A metric over the versions of a model, one point each, in the order in which they were registered.

Left and Right go from one to the next; the chosen one is ringed and its value told. What has no number is a gap.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from mlops_desk.base.text import plain
from mlops_desk.ui.charts.plotting import paint_line
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import Role
from mlops_desk.ui.look.text import set_tip
from mlops_desk.ui.models import words

_DOTS = 60  # chosen: more points than that touch one another, and a line says it better
_DOT, _RING = 3.0, 6.0  # pixels
_NEAR = 24.0  # pixels: who clicks near a point means it
_LABEL = 14  # pixels: a line of the caption


@dataclass(frozen=True, slots=True)
class StripPoint:
    """A version's value (None: it has none), and the aliases that are written above it."""

    key: str
    title: str
    value: float | None
    aliases: tuple[str, ...] = ()


class VersionStrip(QWidget):
    """``chosen`` carries the key of the version whose point was chosen."""

    accessible_role = Role.Chart
    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._name = ""
        self._points: tuple[StripPoint, ...] = ()
        self._key: str | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumHeight(theme.CHART_MINIMUM_HEIGHT)
        self.show_points("", ())

    @property
    def points(self) -> tuple[StripPoint, ...]:
        """What is shown, the oldest first."""
        return self._points

    def show_points(self, name: str, points: Sequence[StripPoint]) -> None:
        """Show a metric of versions, the oldest first."""
        self._name, self._points = name, tuple(points)
        self._tell()
        self.update()

    def light(self, key: str | None) -> None:
        """Ring a version's point."""
        if key != self._key:
            self._key = key
            self._tell()
            self.update()

    def _tell(self) -> None:
        """Say what the chart shows to an assistive tool."""
        values = self._finite()
        self.setAccessibleName(f"Chart: {plain(self._name, 60)} by version")
        if not values:
            self.setAccessibleDescription("No version has a value.")
            return
        said = f"{len(values)} versions, from {words.metric(min(values))} to {words.metric(max(values))}."
        point = self._at(self._key)
        chosen = "" if point is None else f" {plain(point.title, 40)}: {words.metric(point.value)}."
        self.setAccessibleDescription(said + chosen)

    def _finite(self) -> list[float]:
        return [one.value for one in self._points if one.value is not None and math.isfinite(one.value)]

    def _at(self, key: str | None) -> StripPoint | None:
        return next((one for one in self._points if one.key == key), None)

    # Places.

    def _area(self) -> QRectF:
        return QRectF(self.rect()).adjusted(theme.AXIS_WIDTH, _LABEL + theme.SPACE_4, -theme.SPACE_16, -_LABEL)

    def _places(self) -> list[QPointF | None]:
        area, values = self._area(), self._finite()
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        scale = max(abs(low), abs(high), 1.0)  # so that 1e308 - -1e308 is a number, too
        span = high / scale - low / scale
        step = area.width() / max(len(self._points) - 1, 1)
        left = area.left() if len(self._points) > 1 else area.center().x()
        return [
            None if one.value is None or not math.isfinite(one.value)
            else QPointF(left + number * step,
                         area.bottom() - (((one.value / scale - low / scale) / span if span else 0.5) * area.height()))
            for number, one in enumerate(self._points)
        ]  # fmt: skip

    def _nearest(self, place: QPointF) -> StripPoint | None:
        found = [(abs(at.x() - place.x()), one) for at, one in zip(self._places(), self._points, strict=True) if at]
        near = min(found, key=lambda one: one[0], default=None)
        return near[1] if near is not None and near[0] <= _NEAR else None

    # Mouse and keys.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        point = self._nearest(event.position())
        if point is not None:
            self.chosen.emit(point.key)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        point = self._nearest(event.position())
        set_tip(self, "" if point is None else f"{point.title}: {self._name} {words.metric(point.value)}")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        keys = [one.key for one in self._points]
        if step is None or not keys:
            super().keyPressEvent(event)
            return
        now = keys.index(self._key) if self._key in keys else len(keys) - 1 if step < 0 else -1
        self.chosen.emit(keys[min(max(now + step, 0), len(keys) - 1)])

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.DETAIL_WIDTH, theme.CHART_MINIMUM_HEIGHT + theme.SPACE_24)

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        if self.hasFocus():
            painter.setPen(QPen(theme.colour("accent"), theme.RING))
            painter.drawRoundedRect(theme.edge(self.rect(), theme.RING), theme.RADIUS, theme.RADIUS)
        values = self._finite()
        if not values:
            painter.setPen(theme.colour("muted"))
            text = "No version has a value of this metric." if self._points else ""
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), text)
            return
        self._paint_axis(painter, min(values), max(values))
        places = self._places()
        for run in _runs(places):
            paint_line(painter, QPolygonF(run), theme.series(0))
        self._paint_points(painter, places)

    def _paint_axis(self, painter: QPainter, low: float, high: float) -> None:
        area = self._area()
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for value, y in ((high, area.top()), (low, area.bottom()))[: 1 if low == high else 2]:
            at = area.center().y() if low == high else y
            painter.setPen(QPen(theme.faded(theme.colour("border"), 0.55), 0))
            painter.drawLine(QPointF(area.left(), at), QPointF(area.right(), at))
            painter.setPen(theme.colour("muted"))
            place = QRectF(0, at - _LABEL / 2, area.left() - theme.SPACE_8, _LABEL)
            painter.drawText(place, right, words.metric(value))
        below = QRectF(area.left() - theme.SPACE_12, area.bottom() + 2, area.width() + theme.SPACE_24, _LABEL)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft), plain(self._points[0].title, 20))
        if len(self._points) > 1:
            painter.drawText(below, int(Qt.AlignmentFlag.AlignRight), plain(self._points[-1].title, 20))

    def _paint_points(self, painter: QPainter, places: list[QPointF | None]) -> None:
        few = len(self._points) <= _DOTS
        for at, one in zip(places, self._points, strict=True):
            chosen = one.key == self._key
            if at is None or not (few or chosen or one.aliases):
                continue
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.series(0))
            painter.drawEllipse(at, _DOT, _DOT)
            if chosen:
                painter.setPen(QPen(theme.colour("text"), theme.LINE))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawEllipse(at, _RING, _RING)
        self._paint_aliases(painter, places)

    def _paint_aliases(self, painter: QPainter, places: list[QPointF | None]) -> None:
        """Write aliases above their points, moved apart where they would touch; those without room are left out."""
        advance = painter.fontMetrics().horizontalAdvance
        said = [
            (at.x(), ", ".join(plain(alias, 20) for alias in one.aliases))
            for at, one in zip(places, self._points, strict=True)
            if at is not None and one.aliases
        ]
        lefts = beside([(x, float(advance(text))) for x, text in said], self.width() - theme.SPACE_8)
        painter.setPen(theme.colour("accent"))
        for left, (_, text) in zip(lefts, said, strict=True):
            if left >= 0:
                place = QRectF(left, 0, advance(text) + 1, _LABEL)
                painter.drawText(place, int(Qt.AlignmentFlag.AlignLeft), text)


def beside(wished: Sequence[tuple[float, float]], room: float) -> list[float]:
    """Return the left ends of texts (middle, width) in a row of ``room`` pixels; below 0 where one has no room."""
    bound = room
    lefts = []
    for middle, width in reversed(wished):
        left = min(middle - width / 2, bound - width)
        lefts.append(left)
        bound = left - theme.SPACE_8
    return lefts[::-1]


def _runs(places: Sequence[QPointF | None]) -> list[list[QPointF]]:
    """Return the points between gaps."""
    runs: list[list[QPointF]] = [[]]
    for at in places:
        if at is None:
            runs.append([])
        else:
            runs[-1].append(at)
    return [run for run in runs if len(run) > 1]
