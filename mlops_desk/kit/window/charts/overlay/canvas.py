"""The plot of many curves: drag pans, the wheel zooms, the curve under the pointer is lit, arrow keys read it.

What moves is the last whole picture; the next one is painted a few milliseconds a turn of the event loop. So nothing
waits, however many curves there are (tests/bench/run_curves.py has a bare pyqtgraph plot beside it).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.kit.window.charts.overlay.grid import Axes, paint_grid
from mlops_desk.kit.window.charts.overlay.lines import RunLine, extent
from mlops_desk.kit.window.charts.overlay.picture import CurvePicture, Stroke, paint_stroke
from mlops_desk.kit.window.charts.overlay.viewport import Box, Plane
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role


# Which curve is meant by a place on the screen, and what curves have at a place on the axis. Pure.
def distance(line: RunLine, plane: Plane, x: float, y: float) -> float:
    """Return how many pixels a curve is away: straight up or down from its line, or from its nearest point."""
    if not line.is_sorted:
        far = np.hypot(plane.x0 + (line.xs - plane.seen.left) / plane.seen.width * plane.width - x,
                       plane.y0 + (plane.seen.high - line.ys) / plane.seen.height * plane.height - y)  # fmt: skip
        return float(np.nanmin(far)) if np.isfinite(far).any() else np.inf
    at = plane.at_x(x)
    after = int(np.searchsorted(line.xs, at))
    near = [place for place in (after - 1, after) if 0 <= place < line.xs.size]
    if len(near) == 2:
        (x1, x2), (y1, y2) = line.xs[near], line.ys[near]
        if np.isfinite(y1) and np.isfinite(y2) and x2 > x1:
            return float(abs(plane.y(y1 + (y2 - y1) * (at - x1) / (x2 - x1)) - y))
    points = [(plane.x(line.xs[place]), plane.y(line.ys[place])) for place in near if np.isfinite(line.ys[place])]
    return min((float(np.hypot(px - x, py - y)) for px, py in points), default=np.inf)


def nearest_point(line: RunLine, at: float) -> int | None:
    """Return the point of a curve that is nearest to a place on the x axis."""
    if line.is_sorted:
        after = int(np.searchsorted(line.xs, at))
        near = [place for place in (after - 1, after) if 0 <= place < line.xs.size]
        return min(near, key=lambda place: abs(float(line.xs[place]) - at)) if near else None
    known = np.isfinite(line.xs)
    return int(np.argmin(np.where(known, np.abs(line.xs - at), np.inf))) if known.any() else None


SLICE_SECONDS = 0.008  # chosen: half of what a screen shows an image for
FIRST_SECONDS = 0.025  # chosen: what is fast enough to be there at once is not shown half
_BOTTOM, _TOP, _SIDE = 26, 8, 12  # pixels: the numbers below, and room for half of one
_NEAR_PIXELS = 14.0  # chosen: as far from a curve as a pointer is still meant for it
_VEIL = 0.62  # chosen: other curves are still seen behind the one that is lit
_ZOOM, _STEP = 1.25, 0.1  # chosen: a notch of the wheel; a share of the plot by an arrow key
_NOTCH = 120.0  # Qt's: eighths of a degree of a wheel's notch
_ROOM = 0.04  # chosen: no curve lies on the frame
_LIT_WIDTH = 2.5  # pixels


class CurveCanvas(QWidget):
    """``pointed`` carries the key of the curve under the pointer, or None; ``picked`` of one that was clicked.

    ``read_at`` carries the place on the x axis that is read, or None.
    """

    accessible_role = Role.Chart

    pointed = Signal(object)
    picked = Signal(str)
    read_at = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Chart")  # until it is told of what
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(theme.CHART_HEIGHT)
        self.axes = Axes()
        self.lit: str | None = None
        self.whole = Box(0.0, 1.0, 0.0, 1.0)
        self._strokes: list[Stroke] = []
        self._seen = self.whole
        self._sees_all = True
        self._done: CurvePicture | None = None
        self._made: CurvePicture | None = None
        self._cursor: float | None = None
        self._dragged: QPointF | None = None
        self._boxed: tuple[QPointF, QPointF] | None = None
        self._moved = False
        self._turn = QTimer(self)
        self._turn.setInterval(0)
        self._turn.timeout.connect(self._go_on)

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, 2 * theme.CHART_HEIGHT)

    # What is shown.

    def show_lines(self, lines: Sequence[RunLine], axes: Axes, *, cut: bool = False) -> None:
        """Show curves; what is seen stays where it is if somebody chose it and the axes are the same."""
        if axes != self.axes:
            self._sees_all = True
        self.axes = axes
        known = {stroke.line: stroke for stroke in self._strokes}
        self._strokes = [known.get(line) or Stroke(line) for line in lines]
        self.whole = _whole(lines, cut=cut)
        if self._sees_all:
            self._seen = self.whole
        self._paint_anew(FIRST_SECONDS)

    def lines(self) -> list[RunLine]:
        return [stroke.line for stroke in self._strokes]

    def light(self, key: str | None) -> None:
        """Light the curve with this key (of a group: those with this key among them); None: none."""
        if key != self.lit:
            self.lit = key
            self.update()

    def see_all(self) -> None:
        self._sees_all = True
        self._see(self.whole)

    def plane(self) -> Plane:
        """Return what is seen, and where on the widget."""
        left = theme.AXIS_WIDTH
        width, height = max(self.width() - left - _SIDE, 1), max(self.height() - _TOP - _BOTTOM, 1)
        return Plane(self._seen, left, _TOP, width, height)

    def is_settled(self) -> bool:
        """Tell whether the picture is whole and of what is seen."""
        return self._done is not None and self._made is None and self._done.plane.seen == self._seen

    def _see(self, box: Box) -> None:
        if box.width > 0 and box.height > 0:
            self._seen = box
            self._paint_anew(0.0)

    # Painting, a few curves a turn.

    def _paint_anew(self, seconds: float) -> None:
        """Begin a picture, unless one is under way, after which the next begins; paint for ``seconds`` at once."""
        if seconds:
            self._made = None
        if self._made is None and self.width() > 1:
            plane = replace(self.plane(), x0=0.0, y0=0.0)
            self._made = CurvePicture(plane, self.devicePixelRatioF(), self._strokes)
            self._work(seconds)
        self.update()

    def _go_on(self) -> None:
        self._work(SLICE_SECONDS)

    def _work(self, seconds: float) -> None:
        made = self._made
        if made is None:
            self._turn.stop()
            return
        if seconds:
            made.go_on(seconds)
        if not made.is_whole:
            self._turn.start()
            if self._done is None:
                self.update()
            return
        self._done, self._made = made, None
        self._turn.stop()
        if made.plane.seen != self._seen or made.plane.width != self.plane().width:
            self._paint_anew(0.0)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        plane = self.plane()
        area = QRectF(plane.x0, plane.y0, plane.width, plane.height)
        painter.fillRect(self.rect(), theme.colour("surface"))
        paint_grid(painter, plane, self.axes, self.width())
        painter.save()
        painter.setClipRect(area)
        self._paint_picture(painter, plane)
        self._paint_lit(painter, plane, area)
        if self._cursor is not None:
            x = round(plane.x(self._cursor)) + 0.5
            painter.setPen(QPen(theme.colour("muted"), 0))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        if self._boxed is not None:
            painter.setPen(QPen(theme.colour("accent"), 0))
            painter.setBrush(theme.faded(theme.colour("accent"), 0.12))
            painter.drawRect(QRectF(*self._boxed).normalized())
        painter.restore()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        focused = self.hasFocus()
        painter.setPen(QPen(theme.colour("accent" if focused else "border"), theme.RING if focused else 0))
        painter.drawRect(theme.edge(area, theme.RING) if focused else area)

    def _paint_picture(self, painter: QPainter, plane: Plane) -> None:
        """Paint the last whole picture where it belongs now; the first one as far as it is."""
        picture = self._done or self._made
        if picture is None:
            return
        seen = picture.plane.seen
        place = QRectF(QPointF(plane.x(seen.left), plane.y(seen.high)), QPointF(plane.x(seen.right), plane.y(seen.low)))
        if seen == plane.seen and picture.plane.width == plane.width and picture.plane.height == plane.height:
            painter.drawImage(QPointF(plane.x0, plane.y0), picture.image)
        else:
            painter.drawImage(place, picture.image)

    def _paint_lit(self, painter: QPainter, plane: Plane, area: QRectF) -> None:
        lit = [stroke for stroke in self._strokes if stroke.line.subject.key == self.lit]
        if not lit:
            return
        painter.fillRect(area, theme.faded(theme.colour("surface"), _VEIL))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for stroke in lit:
            paint_stroke(painter, plane, stroke, _LIT_WIDTH)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)

    # Reading.

    def nearest(self, x: float, y: float) -> str | None:
        """Return the key of the curve that lies nearest to a pixel, None where none is near."""
        plane, found, least = self.plane(), None, _NEAR_PIXELS
        if not plane.holds(x, y):
            return None
        for stroke in self._strokes:
            apart = distance(stroke.line, plane, x, y)
            if apart < least:
                found, least = stroke.line.subject.key, apart
        return found

    def read(self, at: float) -> list[tuple[RunLine, float, float]]:
        """Return of each curve the point that is nearest to a place on the x axis: itself, its x and its y."""
        told = []
        for stroke in self._strokes:
            line = stroke.line
            if line.xs.size:
                place = nearest_point(line, at)
                if place is not None:
                    told.append((line, float(line.xs[place]), float(line.ys[place])))
        return told

    def point_at(self, at: float | None) -> None:
        """Read at a place on the x axis; None: nowhere."""
        if at != self._cursor:
            self._cursor = at
            self.read_at.emit(at)
            self.update()

    # Mouse and keys.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            place = event.position()
            self._moved = False
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self._boxed = (place, place)
            else:
                self._dragged = place

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = event.position()
        if self._boxed is not None:
            self._boxed, self._moved = (self._boxed[0], place), True
            self.update()
        elif self._dragged is not None:
            by = place - self._dragged
            if self._moved or by.manhattanLength() > theme.SPACE_4:
                self._dragged, self._moved, self._sees_all = place, True, False
                self._see(self.plane().moved(by.x(), by.y()).seen)
        else:
            plane = self.plane()
            is_over = plane.holds(place.x(), place.y())
            self.pointed.emit(self.nearest(place.x(), place.y()))
            self.point_at(plane.at_x(place.x()) if is_over else None)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        boxed, self._boxed = self._boxed, None
        dragged, self._dragged = self._dragged, None
        if boxed is not None and self._moved:
            self._sees_all = False
            self._see(self.plane().between(boxed[0].x(), boxed[0].y(), boxed[1].x(), boxed[1].y()))
        elif dragged is not None and not self._moved:
            key = self.nearest(event.position().x(), event.position().y())
            if key is not None:
                self.picked.emit(key)
        self.update()

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        self.see_all()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom along the steps; with Ctrl along the values."""
        factor = _ZOOM ** (event.angleDelta().y() / _NOTCH or event.angleDelta().x() / _NOTCH)
        up = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        self._zoom(factor, event.position(), up=up)
        event.accept()

    def _zoom(self, factor: float, place: QPointF, *, up: bool) -> None:
        self._sees_all = False
        plane = self.plane()
        self._see(plane.zoomed(factor, place.x(), place.y(), self.whole, across=not up, up=up).seen)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Read by Left and Right, go from curve to curve by Up and Down, zoom by + and -, pan with Shift, Home: all."""
        key, plane = event.key(), self.plane()
        sideways = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(key), 0)
        upwards = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(key), 0)
        middle = QPointF(plane.x0 + plane.width / 2, plane.y0 + plane.height / 2)
        if sideways and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._sees_all = False
            self._see(plane.moved(-sideways * plane.width * _STEP, 0.0).seen)
        elif sideways:
            self._read_on(sideways)
        elif upwards and self._strokes:
            self._light_next(upwards)
        elif key in {Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus}:
            self._zoom(1 / _ZOOM if key == Qt.Key.Key_Minus else _ZOOM, middle, up=False)
        elif key == Qt.Key.Key_Home:
            self.see_all()
        elif key == Qt.Key.Key_Return and self.lit is not None:
            self.picked.emit(self.lit)
        elif key == Qt.Key.Key_Escape and (self.lit is not None or self._cursor is not None):
            self.pointed.emit(None)
            self.point_at(None)
        else:
            super().keyPressEvent(event)

    def _light_next(self, by: int) -> None:
        keys = [stroke.line.subject.key for stroke in self._strokes]
        place = keys.index(self.lit) + by if self.lit in keys else 0 if by > 0 else -1
        self.pointed.emit(keys[place % len(keys)])

    def _read_on(self, by: int) -> None:
        """Go to the next point of the curve that is lit, else of the first."""
        line = next((one.line for one in self._strokes if one.line.subject.key == self.lit), None)
        line = line or (self._strokes[0].line if self._strokes else None)
        if line is None or not line.xs.size:
            return
        now = nearest_point(line, self._seen.right if self._cursor is None else self._cursor)
        place = min(max((now or 0) + (by if self._cursor is not None else 0), 0), line.xs.size - 1)
        if np.isfinite(line.xs[place]):
            self.point_at(float(line.xs[place]))

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if not self.hasFocus():
            self.pointed.emit(None)
            self.point_at(None)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.point_at(None)
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._paint_anew(0.0)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._paint_anew(FIRST_SECONDS)


def _whole(lines: Sequence[RunLine], *, cut: bool) -> Box:
    """Return the part of the plane that all curves lie in."""
    across = extent([line.xs for line in lines]) or (0.0, 1.0)
    values = [one for line in lines for one in (line.ys, line.low, line.high) if one is not None]
    up = extent(values, cut=cut) or (0.0, 1.0)
    box = Box(*across, *up)
    room = box.grown(_ROOM)
    return Box(box.left, box.right, room.low, room.high)
