"""How a row of a plain list is painted: room around the words, a box to tick where there is one, what is muted right.

All rows are as high, so that a list measures none of its texts; each is elided once, when it is painted.
"""

from PySide6.QtCore import QAbstractItemModel, QEvent, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.checkbox import paint_box

DETAIL_ROLE = Qt.ItemDataRole.UserRole + 20
"""What stands muted at the end of a row."""
HEIGHT = theme.SPACE_24  # pixels: a line of text and room; a screen has thirty
_BOX = 14  # pixels: an x-height and room
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_KEYS = frozenset({Qt.Key.Key_Space, Qt.Key.Key_Select})

Index = QModelIndex | QPersistentModelIndex


def plain_rows(view: QListView, *, elide: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> None:
    """Let a list have such rows; it never scrolls sideways."""
    view.setItemDelegate(RowDelegate(view))
    view.setUniformItemSizes(True)
    view.setTextElideMode(elide)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)


class RoomyDelegate(QStyledItemDelegate):
    """Paints rows as Qt does, all of them as high."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(super().sizeHint(option, index).width(), HEIGHT)


class RowDelegate(QStyledItemDelegate):
    """A click anywhere on a row that can be ticked ticks it, and so does Space."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(theme.COLUMN_MINIMUM // 2, HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        area, chosen = QRectF(option.rect), bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        if chosen:
            painter.fillRect(area, theme.colour("selection"))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, theme.faded(theme.colour("text"), 0.04))
        inner = area.adjusted(theme.SPACE_4, 0, -theme.SPACE_4, 0)
        ticked = index.data(Qt.ItemDataRole.CheckStateRole)
        if ticked is not None:
            box = QRectF(inner.left(), area.center().y() - _BOX / 2, _BOX, _BOX)
            on = Qt.CheckState(ticked) is Qt.CheckState.Checked
            paint_box(painter, theme.edge(box), theme.colour("accent") if on else None, theme.colour("muted"))
            inner.setLeft(box.right() + theme.SPACE_8)
        self._paint_words(painter, option, index, inner, chosen=chosen)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.colour("accent"), theme.BORDER))
            painter.drawRect(theme.edge(option.rect))
        painter.restore()

    @staticmethod
    def _paint_words(
        painter: QPainter, option: QStyleOptionViewItem, index: Index, area: QRectF, *, chosen: bool
    ) -> None:
        painter.setFont(option.font)
        detail = str(index.data(DETAIL_ROLE) or "")
        if detail:
            painter.setPen(theme.on_selection(theme.colour("muted")) if chosen else theme.colour("muted"))
            painter.drawText(area, _RIGHT, detail)
            area.setRight(area.right() - painter.fontMetrics().horizontalAdvance(detail) - theme.SPACE_12)
        ink = index.data(Qt.ItemDataRole.ForegroundRole) or theme.colour("text")
        painter.setPen(theme.on_selection(ink) if chosen else ink)
        words = painter.fontMetrics().elidedText(str(index.data() or ""), option.textElideMode, int(area.width()))
        painter.drawText(area, _LEFT, words)

    def editorEvent(self, event: QEvent, model: QAbstractItemModel, option: QStyleOptionViewItem, index: Index) -> bool:
        ticked = index.data(Qt.ItemDataRole.CheckStateRole)
        clicked = event.type() is QEvent.Type.MouseButtonRelease and event.button() is Qt.MouseButton.LeftButton  # type: ignore[attr-defined]  # it is a mouse event then
        pressed = event.type() is QEvent.Type.KeyPress and event.key() in _KEYS  # type: ignore[attr-defined]  # it is a key event then
        if ticked is None or not (clicked or pressed):
            return super().editorEvent(event, model, option, index) if ticked is None else False
        on = Qt.CheckState(ticked) is Qt.CheckState.Checked
        other = Qt.CheckState.Unchecked if on else Qt.CheckState.Checked
        return model.setData(index, other, Qt.ItemDataRole.CheckStateRole)
