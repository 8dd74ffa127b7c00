"""How a heat map is painted: names at the left, cells, since when at the right, times above."""

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QWidget

from mlops_desk.base import agent_clock
from mlops_desk.base.text import plain
from mlops_desk.ui.curves.spans import Span
from mlops_desk.ui.drift import telling
from mlops_desk.ui.drift.heat.cells import HeatImage
from mlops_desk.ui.drift.heat.sheet import HeatSheet
from mlops_desk.ui.drift.over_time.places import WindowPlaces
from mlops_desk.ui.look import theme

HEAD, ROW = 22, 20  # pixels: a line of the caption, with the band of the time that other charts show; a row
_BAND = 3.0  # pixels: it is seen, and leaves the times room
_GAPS_FROM = 4.0  # pixels; chosen: between narrower cells lines would be all that is seen
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


@dataclass(frozen=True, slots=True)
class HeatLook:
    """What of a sheet is seen and where: rows, pixels scrolled down, the whole area, the cell that is meant."""

    places: WindowPlaces
    rows: range
    down: int
    area: QRect
    row: int
    window: int
    under: int | None
    span: Span | None
    has_keys: bool

    def top(self, row: int) -> float:
        return float(HEAD + row * ROW - self.down)


def paint_map(widget: QWidget, dirty: QRectF, sheet: HeatSheet, image: HeatImage, look: HeatLook) -> None:
    """Paint what is seen of a sheet."""
    painter = QPainter(widget)
    painter.setClipRect(dirty)
    painter.setFont(theme.font(theme.CAPTION_POINTS))
    painter.fillRect(look.area, theme.colour("surface"))
    places = look.places
    right = places.left + places.width
    painter.setClipRect(QRectF(places.left, HEAD, places.width, look.area.height() - HEAD))
    _paint_cells(painter, image, look)
    _paint_meant(painter, look)
    painter.setClipRect(QRectF(0, HEAD, look.area.width(), look.area.height() - HEAD))
    _paint_words(painter, sheet, look, right)
    painter.setClipping(False)
    _paint_head(painter, look, right)
    if look.has_keys:
        painter.setPen(QPen(theme.colour("accent"), theme.RING))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(theme.edge(look.area, theme.RING))


def _paint_cells(painter: QPainter, image: HeatImage, look: HeatLook) -> None:
    places, rows, seen = look.places, look.rows, look.places.seen()
    if not seen or not rows:
        return
    top, left = look.top(rows.start), places.x(seen.start)
    high, wide = len(rows) * ROW, len(seen) * places.cell
    image.paint(painter, QRectF(left, top, wide, high), QRectF(seen.start, rows.start, len(seen), len(rows)))
    painter.setPen(QPen(theme.colour("surface"), 1.0))
    for row in rows:
        y = look.top(row) + ROW - 0.5
        painter.drawLine(QPointF(left, y), QPointF(left + wide, y))
    for window in seen if places.cell > _GAPS_FROM else ():
        x = places.x(window) + places.cell - 0.5
        painter.drawLine(QPointF(x, top), QPointF(x, top + high))
    for row in rows:
        for window, verdict in image.marks[row]:
            if window in seen:
                cell = QRectF(places.x(window), look.top(row), places.cell - 1, ROW - 1)
                image.paint_mark(painter, cell, row, window, verdict)


def _paint_meant(painter: QPainter, look: HeatLook) -> None:
    """Paint the lines of the window under the pointer, and a frame around the cell that is meant."""
    places = look.places
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if look.under is not None:
        painter.setPen(QPen(theme.faded(theme.colour("text"), 0.5), 1.0))
        x = places.middle(look.under)
        painter.drawLine(QPointF(x, HEAD), QPointF(x, look.area.bottom()))
    if look.window >= 0 and look.row in look.rows:
        cell = QRectF(places.x(look.window), look.top(look.row), places.cell, ROW)
        # Two lines, for one colour alone is lost on half of the scale.
        painter.setPen(QPen(theme.on_heat(1.0), theme.RING + 2))
        painter.drawRect(cell)
        painter.setPen(QPen(theme.on_heat(0.0), theme.RING))
        painter.drawRect(cell)


def _paint_words(painter: QPainter, sheet: HeatSheet, look: HeatLook, right: float) -> None:
    metrics, now, places = painter.fontMetrics(), agent_clock.now(), look.places
    for row in look.rows:
        one, top = sheet.rows[row], look.top(row)
        if row == look.row:
            painter.fillRect(QRectF(0, top, places.left - theme.SPACE_8, ROW - 1), theme.colour("selection"))
        painter.setPen(theme.colour("text"))
        room = int(places.left - theme.SPACE_12 - theme.SPACE_4)
        name = metrics.elidedText(plain(one.name), Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(QRectF(theme.SPACE_4, top, places.left, ROW), _LEFT, name)
        if one.since is not None:
            painter.setPen(theme.colour("alert"))
            rest = QRectF(right, top, look.area.width() - right - theme.SPACE_4, ROW)
            painter.drawText(rest, _RIGHT, telling.since(one.since, now))


def _paint_head(painter: QPainter, look: HeatLook, right: float) -> None:
    """Paint times above the cells, and over them a band where the span lies that other charts show."""
    places = look.places
    painter.setPen(theme.colour("muted"))
    for x, text in places.ticks():
        if places.left - 1 <= x and x + painter.fontMetrics().horizontalAdvance(text) <= look.area.width():
            painter.drawText(QRectF(x, _BAND, look.area.width() - x, HEAD - _BAND), _LEFT, text)
    held = places.within(look.span) if look.span is not None else None
    if held is not None:
        first, last = max(places.x(held[0]), places.left), min(places.x(held[1] + 1), right)
        if last > first:
            painter.fillRect(QRectF(first, 0.0, last - first, _BAND), theme.colour("accent"))
