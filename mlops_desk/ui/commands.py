"""The command palette (Ctrl+K): type a few letters, choose what to do or where to go."""

from collections.abc import Callable, Iterable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.ui import theme
from mlops_desk.ui.actions import Action

SHOWN = 60


class CommandPalette(QDialog):
    """Lists actions that match every typed word; Enter does the chosen one."""

    def __init__(self, parent: QWidget, offered: Callable[[], Iterable[Action]]) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._offered = offered
        self._actions: list[Action] = []
        self._field = QLineEdit()
        self._field.setPlaceholderText("Type what to do or where to go")
        self._field.setAccessibleName("Command")
        self._field.textChanged.connect(self._narrow)
        self._field.installEventFilter(self)
        self._list = QListWidget()
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
            key = f"    {action.shortcut}" if action.shortcut else ""
            item = QListWidgetItem(plain(action.title) + key)
            item.setData(Qt.ItemDataRole.UserRole, action)
            self._list.addItem(item)
        self._list.setCurrentRow(0)

    def _run(self, item: QListWidgetItem) -> None:
        action: Action = item.data(Qt.ItemDataRole.UserRole)
        self.hide()
        action.run()

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
