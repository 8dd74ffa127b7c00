"""What is asked of the agent can't be done while it is away: every place that offers it says so, instead of failing.

Below ``root`` all buttons that ask are barred as long as nobody answers, also those of dialogs, and those that are made
meanwhile: they look up, when they are shown, whether something above them bars them. An agent that is only silent is
still asked: what stands still may be its numbers alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.widgets.button import BARRED, Button

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from mlops_desk.kit.window.actions import Action
    from mlops_desk.kit.window.live.context import Context
    from mlops_desk.kit.window.live.store import Store

NOT_REACHABLE = "the agent is not reachable"


def why_away(store: Store) -> str:
    """Say why the agent can't be asked; nothing while it can, and before it has answered for the first time."""
    connection = store.connection
    is_back_soon = connection.state == "starting" and connection.heard_at is None
    return "" if connection.state == "live" or is_back_soon else NOT_REACHABLE


def is_offered(action: Action, store: Store) -> bool:
    """Tell whether an action can be done now."""
    return action.when() and not (action.asks and why_away(store))


class AgentAway(QObject):
    """Bars what asks below ``root``, and lets it go again."""

    def __init__(self, root: QWidget, context: Context) -> None:
        super().__init__(root)
        self._root = root
        self._store = context.store
        context.changed.connect(self._hear)
        self._look()

    def _hear(self, topics: frozenset[Topic]) -> None:
        if Topic.CONNECTION in topics:
            self._look()

    def _look(self) -> None:
        why = why_away(self._store)
        if self._root.property(BARRED) == why:
            return
        self._root.setProperty(BARRED, why)
        for button in self._root.findChildren(Button):
            button.look_up()
