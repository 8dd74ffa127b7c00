"""A tab of the page: its list and what is chosen of it, or in their place why there is nothing to show."""

from collections.abc import Callable
from typing import Any

from PySide6.QtWidgets import QLineEdit, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.offline import is_offered
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.tab_views import TabView
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.states import Empty, StateView, starting


class AutomationPanel(TabView):
    """Subclasses fill ``body`` and show in ``refresh`` what holds now."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.state = StateView()
        self._whole = QWidget()
        self.body = QVBoxLayout(self._whole)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(theme.SPACE_8)
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._whole)
        self._layers.addWidget(self.state)

    def show_part(self, topic: Topic, what: str, empty: Callable[[], Empty]) -> bool:
        """Show the list, or why there is none; True where there is one. What is old stays while it is asked anew."""
        part, connection = self.context.store.part(topic), self.context.store.connection
        shown: QWidget = self.state
        if part.value:
            shown = self._whole
        elif part.value is not None and not part.loading:
            self.state.show_empty(empty())
        elif part.error is not None and not part.loading:
            self.state.show_error(f"{what} can't be shown", part.error, lambda: self.context.load(topic))
        elif connection.state == "starting":
            self.state.show_loading(*starting(what), None)
        elif connection.state == "lost" and connection.error is not None:
            self.state.show_error("The agent is not reachable", connection.error, lambda: self.context.load(topic))
        else:
            self.state.show_loading(f"Loading {what.lower()} …", "", lambda: self.context.cancel_load(topic))
        self._layers.setCurrentWidget(shown)
        return shown is self._whole

    # What subclasses add.

    def refresh(self, store: Store, topics: frozenset[Topic]) -> None:
        """Show what holds now, as far as one of ``topics`` changed it."""
        raise NotImplementedError

    def table(self) -> RecordTable[Any] | None:
        """Return the list that keys walk through."""
        return None

    def take_key(self, key: str) -> bool:
        """Do what a key does with the chosen row of a list, which would search for the letter; tell whether it did."""
        for action in self.actions_here():
            if action.gentle and action.shortcut == key and is_offered(action, self.context.store):
                action.run()
                return True
        return False

    def look(self) -> None:
        """Ask anew for what is seen and not announced."""

    def actions_here(self) -> list[Action]:
        return []

    def filter_field(self) -> QLineEdit | None:
        return None

    def reveal(self, key: str) -> bool:
        """Choose a thing; False as long as it is not there."""
        table = self.table()
        return table is not None and table.select(key)
