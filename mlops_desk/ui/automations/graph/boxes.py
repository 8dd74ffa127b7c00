"""Boxes that lead to one another: each with its state, its word and how long it took.

Left and Right go from box to box, Up and Down within a column, Home and End to the first and the last; where there is
no room for one row, the boxes go on below.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.ui.automations.graph.places import BoxPlaces, places
from mlops_desk.ui.charts.ground import paint_focus
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import Role, announce
from mlops_desk.ui.words.numbers import Mark

_LEAST_WIDTH = 104.0  # pixels: the longest title and its mark
_MOST_WIDTH = 220.0  # pixels: wider, two boxes look like two cards
_HEIGHT = 54.0  # pixels: a title, and a line below it
_GAP = 18.0  # pixels: an arrow
_ROW_GAP = 10.0  # pixels
_ARROW = 5.0  # pixels
_LEFT_TOP = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
_LEFT_BOTTOM = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)
_KEYS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
_ROWS = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}


@dataclass(frozen=True, slots=True)
class GraphBox:
    """One box. ``needs`` are the places of those that lead to it, ``said`` is the box in words.

    ``is_quiet``: there is nothing to see of it yet; ``is_over``: what needs it may begin.
    """

    title: str
    mark: Mark
    took: str
    said: str
    needs: tuple[int, ...] = ()
    is_quiet: bool = False
    is_over: bool = False


class BoxGraph(QWidget):
    """``chosen`` carries the place of the box that is chosen, or None."""

    accessible_role = Role.Chart
    chosen = Signal(object)

    def __init__(self, name: str, noun: str) -> None:
        super().__init__()
        self._noun = noun
        self._of: str | None = None
        self._boxes: tuple[GraphBox, ...] = ()
        self.place: int | None = None
        self._by_hand = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"Chart: {name}")

    def show_boxes(self, of: str | None, boxes: Sequence[GraphBox], first: int) -> None:
        """Show the boxes of something; ``first`` is the one to see, until somebody chooses another."""
        if of != self._of:
            self._by_hand = False
        self._of, self._boxes = of, tuple(boxes)
        if not boxes:
            self._choose(None)
        elif not self._by_hand or self.place is None or self.place >= len(boxes):
            self._choose(first)
        else:
            self._choose(self.place)
        self._fit()
        self.update()

    def _choose(self, place: int | None) -> None:
        self.place = place
        told = "" if place is None else self._boxes[place].said
        self.setAccessibleDescription(f"{told}. Left and Right go from {self._noun} to {self._noun}." if told else "")
        if told and self.hasFocus():
            announce(self, told)
        self.update()
        self.chosen.emit(place)

    # Room.

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, self._wanted(max(self.width(), 1)))

    def minimumSizeHint(self) -> QSize:
        return QSize(int(_LEAST_WIDTH) * 2, self._wanted(max(self.width(), 1)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        height = self._wanted(self.width())
        if height != self.minimumHeight():
            self.setFixedHeight(height)

    def _wanted(self, width: int) -> int:
        rows = self._places(width).rows
        return int(rows * _HEIGHT + (rows - 1) * _ROW_GAP) + 2 * theme.RING

    def _places(self, width: int) -> BoxPlaces:
        most = int((width + _GAP) // (_LEAST_WIDTH + _GAP))
        return places([one.needs for one in self._boxes], most)

    def box(self, place: int) -> QRectF:
        """Return where a box stands."""
        found = self._places(self.width())
        row, column = found.spots[place]
        room = (self.width() - 2 * theme.RING - (found.across - 1) * _GAP) / found.across
        wide = min(room, _MOST_WIDTH)
        return QRectF(theme.RING + column * (wide + _GAP), theme.RING + row * (_HEIGHT + _ROW_GAP), wide, _HEIGHT)

    # Keys and mouse.

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, count = Qt.Key(event.key()), len(self._boxes)
        if count and key in _KEYS:
            self._go(min(max((self.place or 0) + _KEYS[key], 0), count - 1))
        elif count and key in _ROWS:
            self._go(self._beside(self.place or 0, _ROWS[key]))
        elif count and key in {Qt.Key.Key_Home, Qt.Key.Key_End}:
            self._go(0 if key is Qt.Key.Key_Home else count - 1)
        else:
            super().keyPressEvent(event)

    def _beside(self, place: int, rows: int) -> int:
        """Return the box above or below another; that one where there is none."""
        spots = self._places(self.width()).spots
        wanted = (spots[place][0] + rows, spots[place][1])
        return spots.index(wanted) if wanted in spots else place

    def mousePressEvent(self, event: QMouseEvent) -> None:
        found = next((one for one in range(len(self._boxes)) if self.box(one).contains(event.position())), None)
        if found is not None:
            self._go(found)
        super().mousePressEvent(event)

    def _go(self, place: int) -> None:
        self._by_hand = True
        self._choose(place)

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        found = self._places(self.width())
        for place, one in enumerate(self._boxes):
            for need in one.needs:
                self._paint_arrow(painter, found, need, place)
        for place, one in enumerate(self._boxes):
            self._paint_box(painter, place, one)
        paint_focus(painter, self)

    def _paint_arrow(self, painter: QPainter, found: BoxPlaces, need: int, place: int) -> None:
        (from_row, from_column), (row, column) = found.spots[need], found.spots[place]
        if not found.is_layered and (row != from_row or column != from_column + 1):
            return  # the row's end says that it goes on below
        before, box = self.box(need), self.box(place)
        tint = theme.colour("accent" if self._boxes[need].is_over else "outline")
        painter.setPen(QPen(tint, theme.LINE))
        start, end = QPointF(before.right(), before.center().y()), QPointF(box.left(), box.center().y())
        bend = start.x() + _GAP / 2
        corners = [start, QPointF(bend, start.y()), QPointF(bend, end.y()), end - QPointF(_ARROW, 0)]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(corners))
        painter.setBrush(tint)
        painter.drawPolygon(QPolygonF([end, end + QPointF(-_ARROW, -_ARROW), end + QPointF(-_ARROW, _ARROW)]))

    def _paint_box(self, painter: QPainter, place: int, one: GraphBox) -> None:
        box, chosen = self.box(place), place == self.place
        painter.setPen(QPen(theme.colour("accent" if chosen else "outline"), theme.RING if chosen else theme.BORDER))
        painter.setBrush(theme.colour("selection" if chosen else "surface"))
        painter.drawRoundedRect(theme.edge(box), theme.RADIUS, theme.RADIUS)
        inside = box.adjusted(theme.SPACE_8, theme.SPACE_8, -theme.SPACE_8, -theme.SPACE_8)
        below = " · ".join(filter(None, (one.mark.text, one.took)))
        painter.setFont(theme.font(bold=chosen))
        _paint_line(painter, inside, _LEFT_TOP, one.title, "muted" if one.is_quiet else "text", chosen=chosen)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        _paint_line(painter, inside, _LEFT_BOTTOM, below, one.mark.token, chosen=chosen)


def _paint_line(painter: QPainter, inside: QRectF, where: int, text: str, token: str, *, chosen: bool) -> None:
    ink = theme.colour(token)
    painter.setPen(theme.on_selection(ink) if chosen else ink)
    cut = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(inside.width()))
    painter.drawText(inside, where, cut)
