"""How cells and headers are painted: room at both sides, states keep their colour, one line under the header."""

from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from mlops_desk.ui.look import theme
from mlops_desk.ui.tables.model import BAR_ROLE, SPARK_ROLE
from mlops_desk.ui.tables.spark import paint_spark


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
