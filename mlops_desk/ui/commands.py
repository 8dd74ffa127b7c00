"""The command palette (Ctrl+K): type a few letters, choose what to do or where to go."""

from collections.abc import Callable, Iterable

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from mlops_desk.base.text import plain
from mlops_desk.ui import theme
from mlops_desk.ui.actions import Action
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.scroll import thin

SHOWN = 60
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class _Delegate(QStyledItemDelegate):
    """Paints an action: its title at the left, its key at the right."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(theme.TILE_MINIMUM_WIDTH, theme.ROW_HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        action: Action = index.data(Qt.ItemDataRole.UserRole)
        area = QRectF(option.rect)
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, theme.colour("selection"))
        area.adjust(theme.SPACE_8, 0, -theme.SPACE_8, 0)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("muted"))
        painter.drawText(area, int(_RIGHT), action.shortcut or "")
        key = painter.fontMetrics().horizontalAdvance(action.shortcut or "") + theme.SPACE_8
        painter.setFont(theme.font())
        painter.setPen(theme.colour("text"))
        place = area.adjusted(0, 0, -key, 0)
        words = painter.fontMetrics().elidedText(str(index.data()), Qt.TextElideMode.ElideRight, int(place.width()))
        painter.drawText(place, int(_LEFT), words)
        painter.restore()


class CommandPalette(QDialog):
    """Lists actions that match every typed word; Enter does the chosen one."""

    def __init__(self, parent: QWidget, offered: Callable[[], Iterable[Action]]) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._offered = offered
        self._actions: list[Action] = []
        self._field = Field("Command", "Type what to do or where to go")
        self._field.textChanged.connect(self._narrow)
        self._field.installEventFilter(self)
        self._list = QListWidget()
        thin(self._list)
        self._list.setFrameShape(QFrame.Shape.NoFrame)
        self._list.setItemDelegate(_Delegate(self._list))
        self._list.setAccessibleName("Commands")
        self._list.setUniformItemSizes(True)
        self._list.itemActivated.connect(self._run)
        self._list.itemClicked.connect(self._run)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_8,) * 4)
        column.addWidget(self._field)
        column.addWidget(self._list)
        self.setAccessibleName("Command palette")

    def open_over(self, window: QWidget) -> None:
        """Show the palette near the top of ``window`` with everything that can be done now."""
        self._actions = list(self._offered())
        self._field.clear()
        self._narrow("")
        self.resize(theme.DIALOG_WIDTH, theme.DIALOG_TALL * 3 // 4)
        corner = window.mapToGlobal(window.rect().topLeft())
        self.move(corner.x() + (window.width() - self.width()) // 2, corner.y() + theme.TITLE_HEIGHT)
        self.show()
        self._field.setFocus()

    def _narrow(self, text: str) -> None:
        words = text.lower().split()
        self._list.clear()
        found = [action for action in self._actions if all(word in action.title.lower() for word in words)]
        for action in found[:SHOWN]:
            item = QListWidgetItem(plain(action.title))
            item.setData(Qt.ItemDataRole.UserRole, action)
            self._list.addItem(item)
        self._list.setCurrentRow(0)

    def _run(self, item: QListWidgetItem) -> None:
        action: Action = item.data(Qt.ItemDataRole.UserRole)
        self.hide()
        action.run()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("surface"))
        painter.setPen(QPen(theme.colour("border"), theme.BORDER))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in {Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp}:
                self._list.event(event)
                return True
            if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
                item = self._list.currentItem()
                if item is not None:
                    self._run(item)
                return True
        return super().eventFilter(watched, event)
