"""A short list in a card: state, words, and when, one thing a line; pressing a line goes there."""

from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, tip_text
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.scroll import thin
from mlops_desk.kit.window.words.numbers import Mark

_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its mark, its words, a short aside at the right, and the key of what it is about."""

    mark: Mark
    text: str
    aside: str
    key: str
    tip: str = ""


class _Delegate(QStyledItemDelegate):
    """Paints a line."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(theme.TILE_MINIMUM_WIDTH, theme.ROW_HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        line: Line = index.data(Qt.ItemDataRole.UserRole)
        area = QRectF(option.rect)
        state = option.state
        painter.save()
        if state & QStyle.StateFlag.State_Selected and state & QStyle.StateFlag.State_HasFocus:
            painter.fillRect(area, theme.colour("selection"))
            painter.setPen(QPen(theme.colour("accent"), theme.RING))
            painter.drawRect(theme.edge(area, theme.RING))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, theme.faded(theme.colour("text"), 0.04))
        area.adjust(theme.SPACE_4, 0, -theme.SPACE_4, 0)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("muted"))
        painter.drawText(area, int(_RIGHT), line.aside)
        aside = painter.fontMetrics().horizontalAdvance(line.aside) + theme.SPACE_12
        painter.setFont(theme.font(theme.CAPTION_POINTS, bold=True))
        chosen = state & QStyle.StateFlag.State_Selected and state & QStyle.StateFlag.State_HasFocus
        ink = theme.colour(line.mark.token)
        painter.setPen(theme.on_selection(ink) if chosen else ink)
        painter.drawText(area, int(_LEFT), line.mark.text)
        mark = max(painter.fontMetrics().horizontalAdvance(line.mark.text), theme.SPACE_24 * 4) + theme.SPACE_12
        painter.setFont(theme.font())
        painter.setPen(theme.colour("text"))
        place = area.adjusted(mark, 0, -aside, 0)
        words = painter.fontMetrics().elidedText(line.text, Qt.TextElideMode.ElideRight, int(place.width()))
        painter.drawText(place, int(_LEFT), words)
        painter.restore()


class _Rows(QListWidget):
    """Shows whole rows only: half a row at the edge is neither read nor missed."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setViewportMargins(0, 0, 0, self.height() % theme.ROW_HEIGHT if self.height() > theme.ROW_HEIGHT else 0)


class LinesCard(Card):
    """A card with a heading and lines."""

    chosen = Signal(str)
    acted = Signal()

    def __init__(self, title: str, nothing: str, act: str = "") -> None:
        super().__init__(title)
        self._lines: list[Line] = []
        self._list = _Rows()
        thin(self._list)
        self._list.setFrameShape(QFrame.Shape.NoFrame)
        self._list.setItemDelegate(_Delegate(self._list))
        self._list.setAccessibleName(title)
        self._list.setMouseTracking(True)
        self._list.setUniformItemSizes(True)
        # It takes the room that is left; asked for a height of its own it would make the page scroll.
        self._list.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self._list.itemActivated.connect(self._activated)
        self._list.itemClicked.connect(self._activated)
        self._nothing = Label(nothing, tone="muted", wrap=True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._act = Button(act)
        self._act.clicked.connect(self.acted)
        self._empty = self._centred()
        self.column.addWidget(self._list, 1)
        self.column.addWidget(self._empty, 1)
        self.show_lines(title, [])

    def _centred(self) -> QWidget:
        """Return the words for an empty card and the act that fills it, in its middle."""
        empty = QWidget()
        column = QVBoxLayout(empty)
        column.setContentsMargins(0, 0, 0, 0)
        column.addStretch(2)
        column.addWidget(self._nothing)
        column.addWidget(self._act, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        return empty

    def show_lines(self, title: str, lines: list[Line], nothing: str | None = None, *, act: bool = False) -> None:
        """Show ``lines``, or what to say when there are none, with the act where it helps."""
        self.heading.show_text(title)
        if nothing is not None:
            self._nothing.show_text(nothing)
        self._list.setVisible(bool(lines))
        self._empty.setVisible(not lines)
        self._act.setVisible(act)
        if lines == self._lines:
            return
        same = [line.key for line in lines] == [line.key for line in self._lines]
        self._lines = lines
        if not same:
            # Where only words differ ("3 min ago"), the lines stay, and with them what is chosen and scrolled to.
            self._list.clear()
        for row, line in enumerate(lines):
            item = self._list.item(row) if same else QListWidgetItem(self._list)
            item.setText(plain(f"{line.mark.word}: {line.text}, {line.aside}"))
            item.setData(Qt.ItemDataRole.UserRole, line)
            item.setToolTip(tip_text(line.tip or line.text))

    def _activated(self, item: QListWidgetItem) -> None:
        line: Line = item.data(Qt.ItemDataRole.UserRole)
        self.chosen.emit(line.key)
