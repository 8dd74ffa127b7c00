"""What can be done, as data: an action is a value. Menu, tray, command palette and shortcuts come from one list."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from mlops_desk.kit.window.look.text import menu_text


def always() -> bool:
    return True


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Action:
    """One thing to do. ``when`` tells whether it can be done now; ``places`` are menu, tray, palette and title.

    A ``gentle`` action's key counts only where the focused widget has no use for it (Space on a button is a click).
    One that ``asks`` needs the agent, and is not there while that is away. ``also`` are further words by which the
    palette finds it. Signals are connected to ``runner()``, never to ``run``.
    """

    id: str
    title: str
    callback: Callable[[], None]
    shortcut: str | None = None
    when: Callable[[], bool] = always
    places: frozenset[str] = frozenset({"menu", "palette"})
    gentle: bool = False
    also: str = ""
    asks: bool = False

    def run(self) -> None:
        """Do it, if it can be done now."""
        if self.when():
            self.callback()

    def runner(self) -> Callable[[], None]:
        """Return ``run`` as a function for a signal, which keeps the action alive as long as it is connected.

        PySide holds the object of a connected bound method weakly, and an object that can't be referred to
        weakly not at all: once the list of actions was gone, a click ran freed memory.
        """
        return lambda: self.run()  # noqa: PLW0108 - not ``self.run``: see above


class Actions:
    """The one list."""

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}
        self._extra: Callable[[], Iterable[Action]] = tuple
        self.is_away: Callable[[], bool] = lambda: False

    def add(self, *actions: Action) -> None:
        """Add actions; an id may be used once."""
        for action in actions:
            if action.id in self._actions:
                raise ValueError(action.id)
            self._actions[action.id] = action

    def offer(self, extra: Callable[[], Iterable[Action]]) -> None:
        """Name where the actions of the page that is shown come from."""
        self._extra = extra

    def __getitem__(self, identifier: str) -> Action:
        return self._actions[identifier]

    def placed(self, place: str) -> list[Action]:
        """Return the actions for a place that can be done now, the shown page's first."""
        every = [*self._extra(), *self._actions.values()]
        away = self.is_away()
        return [one for one in every if place in one.places and one.when() and not (one.asks and away)]

    def bind(self, window: QWidget) -> None:
        """Make the shortcuts work in ``window``."""
        for action in self._actions.values():
            if action.shortcut and not action.gentle:
                key = qt_action(action, window)
                key.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
                window.addAction(key)

    def gentle(self) -> list[Action]:
        """Return the actions whose keys count only when nobody else wants them, the shown page's first."""
        away = self.is_away()
        every = [*self._extra(), *self._actions.values()]
        return [one for one in every if one.gentle and one.when() and not (one.asks and away)]

    def fill(self, menu: QMenu, place: str) -> None:
        """Fill ``menu`` anew with what can be done now."""
        menu.clear()
        for action in self.placed(place):
            menu.addAction(_menu_action(action, menu))


def _menu_action(action: Action, menu: QMenu) -> QAction:
    """Return a menu's form of an action: the key is shown, but it is the window that listens to it."""
    key = f"\t{action.shortcut}" if action.shortcut else ""
    made = QAction(menu_text(action.title) + key, menu)
    made.setObjectName(action.id)
    made.triggered.connect(action.runner())
    return made


def qt_action(action: Action, parent: QWidget) -> QAction:
    """Return Qt's form of an action."""
    made = QAction(menu_text(action.title), parent)
    made.setObjectName(action.id)
    if action.shortcut:
        made.setShortcut(QKeySequence(action.shortcut))
    made.triggered.connect(action.runner())
    return made
