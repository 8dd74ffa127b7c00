"""How cells and headers are painted: room at both sides, states keep their colour, one line under the header.

A curve in a cell beside the limit that it is held against: no axes, a gap is a gap.
"""

from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFocusEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.tables.model import BAR_ROLE, SPARK_ROLE
from mlops_desk.kit.window.tables.order import Spark
from mlops_desk.kit.window.widgets.scroll import thin

_AIR = 4.0  # pixels between the curve and the next row's


def paint_spark(painter: QPainter, area: QRectF, spark: Spark) -> None:
    """Paint the curve in an ink that is seen on both grounds, and its limit as a thin dashed line."""
    known = [value for value in spark.values if value is not None]
    if not known or len(spark.values) < 2:
        return
    low, high = min(*known, spark.limit), max(*known, spark.limit)
    inside = area.adjusted(0, _AIR, 0, -_AIR)
    span = high - low or 1.0
    step = inside.width() / (len(spark.values) - 1)

    def place(value: float) -> float:
        return inside.bottom() - (value - low) / span * inside.height()

    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(theme.colour("muted"), theme.BORDER, Qt.PenStyle.DashLine))
    limit = round(place(spark.limit)) + 0.5
    painter.drawLine(QPointF(inside.left(), limit), QPointF(inside.right(), limit))
    painter.setPen(QPen(theme.colour("accent"), theme.LINE))
    for run in _runs(spark.values):
        points = [QPointF(inside.left() + place_in * step, place(value)) for place_in, value in run]
        if len(points) > 1:
            painter.drawPolyline(QPolygonF(points))
        else:
            painter.drawPoint(points[0])
    painter.restore()


def _runs(values: tuple[float | None, ...]) -> list[list[tuple[int, float]]]:
    """Return the stretches without a gap, each value with its place."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(values):
        if value is not None:
            runs[-1].append((place, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


class CellDelegate(QStyledItemDelegate):
    """Paints one cell of plain text."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        view: Any = option
        area = QRectF(view.rect)
        painter.save()
        if view.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, theme.colour("selection"))
        elif view.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, theme.faded(theme.colour("text"), 0.04))
        font = index.data(Qt.ItemDataRole.FontRole)
        painter.setFont(view.font if font is None else font)
        ink = index.data(Qt.ItemDataRole.ForegroundRole) or theme.colour("text")
        painter.setPen(theme.on_selection(ink) if view.state & QStyle.StateFlag.State_Selected else ink)
        area.adjust(theme.SPACE_8, 0, -theme.SPACE_8, 0)
        text = painter.fontMetrics().elidedText(
            str(index.data() or ""), Qt.TextElideMode.ElideRight, int(area.width()) + 1
        )
        painter.drawText(area, int(index.data(Qt.ItemDataRole.TextAlignmentRole)), text)
        share = index.data(BAR_ROLE)
        if share is not None:
            _paint_bar(painter, area, share)
        spark = index.data(SPARK_ROLE)
        if spark is not None:
            paint_spark(painter, area, spark)
        if view.state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.colour("accent"), theme.BORDER))
            painter.drawRect(theme.edge(view.rect))
        painter.restore()


def paint_ring(table: QTableView) -> None:
    """Paint the ring around a table that has the focus, into its frame."""
    painter = QPainter(table)
    area = table.rect()
    painter.fillRect(area, theme.colour("surface"))
    if table.hasFocus():
        painter.setPen(QPen(theme.colour("accent"), theme.RING))
        painter.drawRect(theme.edge(area, theme.RING))


def paint_edges(table: QTableView) -> None:
    """Mark the chosen rows at the table's left edge: the tint alone is hard to tell from its ground."""
    painter = QPainter(table.viewport())
    for index in table.selectionModel().selectedRows():
        row = table.visualRect(index)
        painter.fillRect(QRect(0, row.top(), theme.SEVERITY_WIDTH, row.height()), theme.colour("accent"))


def _paint_bar(painter: QPainter, area: QRectF, share: float) -> None:
    """Paint how full something is along the bottom of its cell, in the text's colour."""
    bar = QRectF(area.left(), area.bottom() - theme.METER_HEIGHT, area.width(), theme.METER_HEIGHT - 1.0)
    ink = painter.pen().color()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.faded(theme.colour("text"), 0.10))
    painter.drawRect(bar)
    painter.setBrush(theme.colour("accent") if ink == theme.colour("text") else ink)
    painter.drawRect(QRectF(bar.left(), bar.top(), bar.width() * min(max(share, 0.0), 1.0), bar.height()))


class PlainHeader(QHeaderView):
    """Column titles in captions, the sorted one with its direction."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setFont(theme.font(theme.CAPTION_POINTS))

    def fit(self) -> None:
        """Give the columns the widths that the rows need now; Qt does not when rows come one by one."""
        self.resizeSections()

    def sizeHint(self) -> QSize:
        """Ask for one row; what Qt would ask for it finds by measuring a hundred titles."""
        return QSize(self.length(), theme.ROW_HEIGHT)

    def sectionSizeFromContents(self, section: int) -> QSize:
        hint = super().sectionSizeFromContents(section)
        return QSize(hint.width() + theme.SPACE_16, theme.ROW_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        view, end = self.viewport().rect(), self.length() - self.offset()
        if end < view.width():  # Qt leaves a block of its own colour there
            _paint_ground(QPainter(self.viewport()), view.adjusted(end, 0, 0, 0))

    def paintSection(self, painter: QPainter, rect: QRect, section: int) -> None:
        model = self.model()
        painter.save()
        _paint_ground(painter, rect)
        title = str(model.headerData(section, Qt.Orientation.Horizontal) or "")
        if self.isSortIndicatorShown() and self.sortIndicatorSection() == section:
            title += " ▴" if self.sortIndicatorOrder() is Qt.SortOrder.AscendingOrder else " ▾"
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("muted"))
        area = rect.adjusted(theme.SPACE_8, 0, -theme.SPACE_8, 0)
        text = painter.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, area.width() + 1)
        align = model.headerData(section, Qt.Orientation.Horizontal, Qt.ItemDataRole.TextAlignmentRole)
        painter.drawText(area, int(align), text)
        painter.restore()


def _paint_ground(painter: QPainter, area: QRect) -> None:
    """Paint what lies below titles, with the line under them."""
    painter.fillRect(area, theme.colour("surface"))
    painter.setPen(QPen(theme.colour("border"), theme.BORDER))
    painter.drawLine(area.bottomLeft(), area.bottomRight())


# How every table looks and scrolls: no grid, one line a row, whole rows chosen, a ring while keys mean it.

_NOTHING_PLACE = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap)


class DressedTable(QTableView):
    """Has the look of all tables; its header and its menu are its own."""

    def __init__(self) -> None:
        super().__init__()
        thin(self)
        self.setItemDelegate(CellDelegate(self))
        self.setMouseTracking(True)
        self.setShowGrid(False)
        # The frame is room for the ring that tells that keys mean this table; it is painted in ``event``.
        self.setFrameStyle(int(QFrame.Shape.Box) | int(QFrame.Shadow.Plain))
        self.setLineWidth(theme.RING)
        self.setAlternatingRowColors(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(theme.ROW_HEIGHT)

    def nothing(self) -> str:
        """Return what is said in the place of rows; nothing while there are some."""
        return ""

    def event(self, event: QEvent) -> bool:
        """Paint the frame, which a scrolling widget is asked for here and not in ``paintEvent``."""
        if event.type() is not QEvent.Type.Paint:
            return super().event(event)
        paint_ring(self)
        return True

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        paint_edges(self)
        nothing = self.nothing()
        if nothing:
            painter = QPainter(self.viewport())
            painter.setPen(theme.colour("muted"))
            area = self.viewport().rect().adjusted(theme.SPACE_8, theme.SPACE_8, -theme.SPACE_8, 0)
            painter.drawText(area, _NOTHING_PLACE, nothing)
