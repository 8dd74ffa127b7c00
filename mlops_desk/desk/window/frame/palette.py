"""The command palette (Ctrl+K): type a few letters, choose what to do or where to go; the best match stands first."""

import re
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

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.scroll import thin

SHOWN = 60  # chosen: nobody scrolls further; one types another letter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


_ADVICE = (
    "Pages, GPUs, disks, networks, jobs, models, events and settings are found by a part of their name, "
    "a time as in gpu 7 03:00."
)
_ALSO = 0.3  # a whole other word stands before a piece inside of a title, and behind all else that a title does
_WORD = re.compile(r"[^\W_]+")


def ranked(actions: Iterable[Action], text: str) -> list[Action]:
    """Return the actions that match every word of ``text``, the best first; all of them, as they come, for none."""
    words = text.lower().split()
    if not words:
        return list(actions)
    scored = [(_score_action(action, words), action) for action in actions]
    return [action for points, action in sorted(scored, key=_points, reverse=True) if points > 0]


def _score_action(action: Action, words: list[str]) -> float:
    """Return how well an action fits: by its title, or else, and less, by the other words that lead to it."""
    return score(action.title.lower(), words) or _ALSO * score(f"{action.title} {action.also}".lower(), words)


def score(title: str, words: list[str]) -> float:
    """Return how well a title (in small letters) fits: 0 where a word is missing, most where it begins the title.

    A whole word is better than its beginning, a beginning better than a piece inside: "gpu 1" finds GPU 1
    before GPU 10, and a job that was named so after both. Equals stay in the order they are offered in.
    """
    parts = _WORD.findall(title)
    points = 0.0
    for word in words:
        if word in parts:
            best = 4.0
        elif any(part.startswith(word) for part in parts):
            best = 3.0
        elif word in title:
            best = 1.0
        else:
            return 0.0
        points += best
    points += 3.0 if title.startswith(" ".join(words)) else 1.0 if title.startswith(words[0]) else 0.0
    return points


def _points(scored: tuple[float, Action]) -> float:
    return scored[0]


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
    """Lists actions that match every typed word; Enter does the chosen one.

    What a text means as a whole, as a time does, comes first: ``typed`` says it.
    """

    def __init__(
        self,
        parent: QWidget,
        offered: Callable[[], Iterable[Action]],
        typed: Callable[[str], Iterable[Action]] = lambda _text: (),
    ) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._offered = offered
        self._typed = typed
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
        self.nothing = Label(tone="muted", wrap=True)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.nothing.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_8,) * 4)
        column.addWidget(self._field)
        column.addWidget(self._list, 1)
        column.addWidget(self.nothing, 1)
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
        self._list.clear()
        found = [*self._typed(text), *ranked(self._actions, text)]
        for action in found[:SHOWN]:
            item = QListWidgetItem(plain(action.title))
            item.setData(Qt.ItemDataRole.UserRole, action)
            self._list.addItem(item)
        self._list.setCurrentRow(0)
        self._list.setVisible(bool(found))
        self.nothing.setVisible(not found)
        self.nothing.show_text("" if found else f"Nothing found for \u201c{plain(text, 60)}\u201d. {_ADVICE}")
        self._list.setAccessibleDescription(f"{len(found):,} found")

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
