"""What a screen reader is told that a widget is, where Qt can't know: a chart, a list of pages, a tab, a choice.

A widget says so by an attribute ``accessible_role``. What is hidden is left out of the tree: Qt calls the cells of a
table on a page that is not seen focusable, and one of them focused.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QAbstractButton, QAccessibleWidget, QComboBox, QWidget

from mlops_desk.kit.base.text import LINE_LIMIT, plain

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QAccessibleInterface

Role = QAccessible.Role
# Of these Qt has nothing better to say than that they hold others; their own subclasses come by other names first.
_HOLDERS = frozenset({"QWidget", "QFrame", "QSplitter", "QStackedWidget"})
_CHOSEN = frozenset({Role.PageTab, Role.ListItem})


def install() -> None:
    """Tell from now on; costs nothing as long as no assistive tool asks."""
    QAccessible.installFactory(_interface)


def _interface(name: str, thing: "QObject | None") -> "QAccessibleInterface | None":
    """Return what tells of a widget; None leaves it to Qt. Qt asks for each of its classes, the most exact first."""
    if not isinstance(thing, QWidget):
        return None
    role = getattr(thing, "accessible_role", None)
    if role is not None:
        return _Told(thing, role)
    if name not in _HOLDERS:
        return None
    if thing.isWindow():
        return _Told(thing, Role.Window)
    return _Told(thing, Role.Grouping if thing.accessibleName() else Role.Client)


def announce(widget: QWidget, text: str) -> None:
    """Have an assistive tool say what appeared beside a widget that one is not at."""
    event = QAccessibleAnnouncementEvent(widget, plain(text, LINE_LIMIT))
    QAccessible.updateAccessibility(event)


class _Told(QAccessibleWidget):
    """Tells the role that was declared, and of the children those that are shown."""

    def _shown(self) -> list[QWidget]:
        held = self.object()
        return [
            child
            for child in held.children()
            if isinstance(child, QWidget) and not child.isHidden() and not child.isWindow()
        ]

    def childCount(self) -> int:
        return len(self._shown())

    def child(self, index: int) -> "QAccessibleInterface":
        shown = self._shown()
        if not 0 <= index < len(shown):
            return None  # type: ignore[return-value]  # what Qt asks for, and its stub does not know
        return QAccessible.queryAccessibleInterface(shown[index])

    def indexOfChild(self, child: "QAccessibleInterface") -> int:
        held = child.object()
        shown = self._shown()
        return shown.index(held) if isinstance(held, QWidget) and held in shown else -1

    def state(self) -> QAccessible.State:
        state = super().state()
        held = self.object()
        if isinstance(held, QAbstractButton) and held.isCheckable():
            if self.role() in _CHOSEN:
                state.selectable = True
                state.selected = held.isChecked()
            else:
                state.checkable = True
                state.checked = held.isChecked()
        return state

    def text(self, kind: QAccessible.Text) -> str:
        held = self.object()
        if kind is QAccessible.Text.Value and isinstance(held, QComboBox):
            return held.currentText()
        return str(super().text(kind))

    def actionNames(self) -> list[str]:
        return [name for name, _ in self._acts()]

    def doAction(self, name: str) -> None:
        for known, act in self._acts():
            if known == name:
                act()

    def _acts(self) -> list[tuple[str, Callable[[], None]]]:
        held = self.object()
        acts: list[tuple[str, Callable[[], None]]] = []
        if isinstance(held, QAbstractButton):
            acts.append((self.pressAction(), held.click))
        if isinstance(held, QComboBox):
            acts.append((self.showMenuAction(), held.showPopup))
        if isinstance(held, QWidget) and held.focusPolicy() is not Qt.FocusPolicy.NoFocus:
            acts.append((self.setFocusAction(), held.setFocus))
        return acts
