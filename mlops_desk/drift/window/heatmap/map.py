"""The heat map: columns by windows. Only what is seen is painted; keys, pointer and assistive tools read every cell."""

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QToolTip, QWidget

from mlops_desk.drift.window import cell_text
from mlops_desk.drift.window.heatmap.cells import HeatImage
from mlops_desk.drift.window.heatmap.heatmap_data import HeatRow, HeatSheet
from mlops_desk.drift.window.over_time import WindowPlaces
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.brush import SpanBrush
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role, announce
from mlops_desk.kit.window.look.text import tip_text
from mlops_desk.kit.window.widgets.scroll import thin

# How a heat map is painted: names at the left, cells, since when at the right, times above.
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
            painter.drawText(rest, _RIGHT, cell_text.since(one.since, now))


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


_LEAST, _MOST, _STEP = 6, 40, 1.25
"""Pixels and a factor; chosen: a cell of six still has a mark, one of forty is no longer read as a map."""
_ROOMY = 22  # pixels; chosen: few windows don't become broad bars
_NAMES_SHARE = 0.4  # chosen: names may take so much of the width; longer ones are cut, and whole in the tip
_ROUNDING = 2  # pixels: a text is measured in whole ones, and is cut where half of one lacks
_ZOOM = {Qt.Key.Key_Plus: _STEP, Qt.Key.Key_Equal: _STEP, Qt.Key.Key_Minus: 1 / _STEP}


class HeatMap(QAbstractScrollArea):
    """``chosen`` carries the column and the window of the cell that is meant, ``opened`` the column to look into.

    ``moved``: other windows are seen, or in other places. ``hovered`` carries the window under the pointer or None,
    ``brushed`` two times between which somebody dragged with Shift.
    """

    accessible_role = Role.Chart
    chosen = Signal(str, int)
    opened = Signal(str)
    moved = Signal()
    hovered = Signal(object)
    brushed = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        thin(self)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.setAccessibleName("Heat map of columns by windows")
        self.setMinimumHeight(HEAD + 4 * ROW)
        self.sheet = HeatSheet()
        self._image = HeatImage(self.sheet)
        self.row, self.window_place = 0, -1
        self.span: Span | None = None
        self._spans: tuple[Span, ...] = ()
        self._cell = 0
        self._zoomed: int | None = None
        self._names = self._ends = 0
        self._under: int | None = None
        self._brush = SpanBrush(self.viewport())
        self.verticalScrollBar().valueChanged.connect(lambda _value: self.viewport().update())
        self.horizontalScrollBar().valueChanged.connect(lambda _value: self._move())

    # What is shown.

    def show_sheet(self, sheet: HeatSheet) -> None:
        """Show a sheet; the column that is meant stays so where it is still there, and the newest window stays."""
        column = self.column()
        was_newest = self.window_place >= len(self.sheet.windows) - 1
        kept = None if was_newest else self.sheet.windows[self.window_place].id
        self.sheet, self._image = sheet, HeatImage(sheet)
        self._spans = tuple(Span(one.window_start, max(one.window_end, one.window_start)) for one in sheet.windows)
        self.row = (sheet.place_of(column) if column is not None else None) or 0
        last = len(sheet.windows) - 1
        self.window_place = next((at for at, one in enumerate(sheet.windows) if one.id == kept), last)
        self._measure()
        if was_newest:
            self.horizontalScrollBar().setValue(self.horizontalScrollBar().maximum())
        self._tell()
        self._move()

    def show_span(self, span: Span) -> None:
        """Mark the windows of the time that other charts show."""
        if span != self.span:
            self.span = span
            self.viewport().update()

    def column(self) -> str | None:
        """Return the column that is meant."""
        row = self.meant()
        return row.name if row is not None else None

    def meant(self) -> HeatRow | None:
        """Return the row of the cell that is meant."""
        return self.sheet.rows[self.row] if self.row < len(self.sheet.rows) else None

    def choose(self, column: str) -> bool:
        """Mean a column; False where there is none of this name."""
        place = self.sheet.place_of(column)
        if place is not None:
            self._go(place, self.window_place)
        return place is not None

    def go_to_window(self, window: int) -> None:
        """Mean the same column in another window."""
        self._go(self.row, window)

    def read_at(self, window: int | None) -> None:
        """Paint a line at a window that is read; None: at none."""
        if window != self._under:
            self._under = window
            self.viewport().update()

    def places(self) -> WindowPlaces:
        """Return where the windows stand; charts below take the same."""
        offset = float(self.horizontalScrollBar().value())
        return WindowPlaces(self._spans, float(self._names), self._room(), float(max(self._cell, 1)), offset)

    def told(self) -> str:
        """Return what the cell that is meant holds."""
        row = self.meant()
        if row is None or not 0 <= self.window_place < len(self.sheet.windows):
            return ""
        return cell_text.of_cell(row.name, row.scores[self.window_place], self.sheet.windows[self.window_place])

    # Where things stand.

    def _room(self) -> float:
        return float(max(self.viewport().width() - self._names - self._ends, 1))

    def _measure(self) -> None:
        """Give names and the ends of rows what they need, and the cells the rest."""
        self.setFont(theme.font(theme.CAPTION_POINTS))
        metrics, now = self.fontMetrics(), agent_clock.now()
        width = self.viewport().width()
        widest = max((metrics.horizontalAdvance(row.name[:200]) for row in self.sheet.rows), default=0)
        self._names = int(min(widest + _ROUNDING + theme.SPACE_16, width * _NAMES_SHARE))
        ends = (metrics.horizontalAdvance(cell_text.since(row.since, now)) for row in self.sheet.rows)
        self._ends = max(ends, default=0) + theme.SPACE_12
        count = max(len(self.sheet.windows), 1)
        least = int(min(max(self._room() / count, _LEAST), _ROOMY))
        self._cell = least if self._zoomed is None else min(max(self._zoomed, least), _MOST)
        across, down = self.horizontalScrollBar(), self.verticalScrollBar()
        across.setRange(0, max(int(count * self._cell - self._room()), 0))
        across.setPageStep(int(self._room()))
        across.setSingleStep(int(self._cell))
        high = max(self.viewport().height() - HEAD, 1)
        down.setRange(0, max(len(self.sheet.rows) * ROW - high, 0))
        down.setPageStep(high)
        down.setSingleStep(ROW)

    def _zoom(self, factor: float) -> None:
        middle = self.window_place
        self._zoomed = min(max(round(self._cell * factor), _LEAST), _MOST)
        self._measure()
        if middle >= 0:
            self.horizontalScrollBar().setValue(int(middle * self._cell - self._room() / 2))
        self._move()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        at_end = self.horizontalScrollBar().value() >= self.horizontalScrollBar().maximum()
        self._measure()
        if at_end:
            self.horizontalScrollBar().setValue(self.horizontalScrollBar().maximum())
        self._move()

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, HEAD + min(max(len(self.sheet.rows), 4), 12) * ROW)

    def _move(self) -> None:
        self.viewport().update()
        self.moved.emit()

    def _cell_at(self, place: QPoint) -> tuple[int, int] | None:
        row = (place.y() - HEAD + self.verticalScrollBar().value()) // ROW
        window = self.places().at(place.x())
        if place.y() < HEAD or not 0 <= row < len(self.sheet.rows):
            return None
        return row, self.window_place if window is None else window

    # Keys and pointer.

    def _go(self, row: int, window: int) -> None:
        """Mean another cell, and bring it into sight."""
        if not self.sheet.rows or not self.sheet.windows:
            return
        self.row = min(max(row, 0), len(self.sheet.rows) - 1)
        self.window_place = min(max(window, 0), len(self.sheet.windows) - 1)
        down, across = self.verticalScrollBar(), self.horizontalScrollBar()
        high = self.viewport().height() - HEAD
        down.setValue(min(max(down.value(), (self.row + 1) * ROW - high), self.row * ROW))
        left = int(self.window_place * self._cell)
        across.setValue(min(max(across.value(), int(left + self._cell - self._room()) + 1), left))
        self._tell()
        announce(self, self.told())
        self.viewport().update()
        self.chosen.emit(self.sheet.rows[self.row].name, self.window_place)

    def _tell(self) -> None:
        self.setAccessibleDescription(self.told())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go from cell to cell by arrows, page keys, Home and End; Enter looks into the column, + and - zoom."""
        page = max((self.viewport().height() - HEAD) // ROW - 1, 1)
        to = {
            Qt.Key.Key_Left: (self.row, self.window_place - 1),
            Qt.Key.Key_Right: (self.row, self.window_place + 1),
            Qt.Key.Key_Up: (self.row - 1, self.window_place),
            Qt.Key.Key_Down: (self.row + 1, self.window_place),
            Qt.Key.Key_PageUp: (self.row - page, self.window_place),
            Qt.Key.Key_PageDown: (self.row + page, self.window_place),
            Qt.Key.Key_Home: (self.row, 0),
            Qt.Key.Key_End: (self.row, len(self.sheet.windows) - 1),
        }.get(Qt.Key(event.key()))
        column = self.column()
        if to is not None:
            self._go(*to)
        elif event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and column is not None:
            self.opened.emit(column)
        elif event.key() in _ZOOM:
            self._zoom(_ZOOM[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom(_STEP if event.angleDelta().y() > 0 else 1 / _STEP)
            event.accept()
        else:
            super().wheelEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._brush.begin(event.position().x())
            return
        cell = self._cell_at(event.position().toPoint())
        if cell is not None:
            self._go(*cell)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._brush.is_drawn:
            self._brush.go_to(event.position().x(), self.viewport().height())
            return
        self._point(self.places().at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()
        ends = self._brush.end()
        if ends is None or not self._spans:
            return
        places = self.places()
        first, last = (min(max(x, places.left), places.left + places.width - 1) for x in ends)
        begin, end = places.at(first), places.at(last)
        newest = len(self._spans) - 1
        start = self._spans[begin if begin is not None else newest].start
        self.brushed.emit(start, self._spans[end if end is not None else newest].end)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        column = self.column()
        if self._cell_at(event.position().toPoint()) is not None and column is not None:
            self.opened.emit(column)

    def _point(self, window: int | None) -> None:
        if window != self._under:
            self.read_at(window)
            self.hovered.emit(window)

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Leave:
            self._point(None)
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            cell = self._cell_at(event.pos())
            text = "" if cell is None else self._tip(*cell)
            QToolTip.showText(event.globalPos(), tip_text(text), self.viewport())
            return True
        return super().viewportEvent(event)

    def _tip(self, row: int, window: int) -> str:
        one = self.sheet.rows[row]
        if not 0 <= window < len(self.sheet.windows):
            return one.name
        return cell_text.of_cell(one.name, one.scores[window], self.sheet.windows[window])

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.viewport().update()

    # Painting.

    def rows_seen(self) -> range:
        """Return the rows that are seen at least in part."""
        top = self.verticalScrollBar().value()
        high = max(self.viewport().height() - HEAD, 0)
        return range(top // ROW, min((top + high) // ROW + 1, len(self.sheet.rows)))

    def paintEvent(self, event: QPaintEvent) -> None:
        look = HeatLook(
            self.places(), self.rows_seen(), self.verticalScrollBar().value(), QRect(self.viewport().rect()),
            self.row, self.window_place, self._under, self.span, has_keys=self.hasFocus(),
        )  # fmt: skip
        paint_map(self.viewport(), QRectF(event.rect()), self.sheet, self._image, look)
