"""A page: what it shows, when it draws, and its four states (content, loading, empty, error).

A hidden page draws nothing: it only remembers which topics changed, and catches up when it is shown. While the agent
is not heard, one line above its numbers says that they are not true now, and of when they are.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QLineEdit, QStackedLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import LivePart, Store, Topic
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.facts import FactGrid
from mlops_desk.kit.window.widgets.states import NUMBERS, Empty, StateView, starting
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.machine.records.status import Status

REWORD_MILLISECONDS = 10_000  # chosen: "3 min ago" grows old no sooner
_WALK = frozenset({Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown})


class Page(QWidget):
    """One page of the window. Subclasses fill ``content`` and say in ``refresh`` what to paint anew.

    While it is seen, what it says of times is worded anew every few seconds (``reword``).
    """

    accessible_role = Role.Pane

    topics: ClassVar[frozenset[Topic]] = frozenset()
    loads: ClassVar[tuple[Topic, ...]] = ()
    stale: ClassVar[str] = "These numbers are"
    """What of the page is not true now while the agent is not heard, with its verb."""
    goes_back: ClassVar[bool] = False
    """Whether its numbers are those of the time that charts show, and not only of now (``seen_status``)."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.content = QWidget()
        self._state = StateView()
        self._stale_line = StaleLine(self.stale)
        self._stale_line.setParent(self)  # until the page has found a place for it
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self.content)
        self._layers.addWidget(self._state)
        self._stale = set(self.topics)
        self._asked = False
        self._has_numbers = False
        self._past_shown: int | None = None
        self._wished: str | None = None
        self._wished_over: str | None = None
        self.refreshes = 0
        self.clock = QTimer(self)
        self.clock.setInterval(REWORD_MILLISECONDS)
        self.clock.timeout.connect(self.reword)
        context.changed.connect(self.take)
        if self.goes_back:
            context.past.changed.connect(self._see_other_time)

    def take(self, topics: frozenset[Topic]) -> None:
        """Hear what changed: paint it if the page is seen, remember it otherwise."""
        mine = topics & self.topics
        if not mine:
            return
        if self.isVisible():
            self.refreshes += 1
            self.refresh(mine)
            self._say_stale()
            self._meet_wish()
        else:
            self._stale |= mine

    def _say_stale(self) -> None:
        """Say that numbers are old, unless they are of another time anyway, which the window says."""
        self._stale_line.refresh(self.context.store, of_now=not self.is_then())

    def _see_other_time(self) -> None:
        self.take(self.topics)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._asked and self.context.store.connection.state == "live":
            self.reload()
        stale, self._stale = frozenset(self._stale), set()
        if stale:
            self.refreshes += 1
            self.refresh(stale)
            self._say_stale()
            self._meet_wish()
        self.reword()
        self.clock.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.clock.stop()
        self._wished = None
        self.left()

    def reload(self) -> None:
        """Ask the agent for everything on this page anew."""
        self._asked = True
        with self.context.together():
            for topic in self.loads:
                self.context.load(topic)

    def connected(self) -> None:
        """Hear that the agent answers (again): what was loaded before may be old."""
        self._asked = False
        if self.isVisible():
            self.reload()

    def show_part(self, part: LivePart[Any], what: str, empty: Callable[[], Empty]) -> bool:
        """Choose the state that fits ``part``; True when there is content to show."""
        topic = self.loads[0]
        if part.value:
            self._layers.setCurrentWidget(self.content)
            return True
        if part.value is not None and not part.loading:
            self._state.show_empty(empty())
        elif part.error is not None and not part.loading:
            self._state.show_error(f"{what} can't be shown", part.error, self.reload)
        else:
            self._show_loading(what, topic)
        self._layers.setCurrentWidget(self._state)
        return False

    def show_error(self, title: str, error: DeskError) -> None:
        """Show what went wrong instead of the content."""
        self._state.show_error(title, error, self.reload)
        self._layers.setCurrentWidget(self._state)

    def show_nothing(self, title: str, text: str, command: str | None = None) -> None:
        """Show why there is nothing to show, and what to paste."""
        self._state.show_empty(Empty(title, text, command=command))
        self._layers.setCurrentWidget(self._state)

    def wait_for_numbers(self) -> None:
        """Show why there is no sample yet."""
        connection = self.context.store.connection
        if connection.state == "lost" and connection.error is not None:
            self.show_error("The agent is not reachable", connection.error)
        elif connection.state == "starting":
            self.show_loading(*starting(NUMBERS))
        else:
            self.show_loading("Waiting for the first numbers …", "The agent answers; its first sample is under way.")

    def show_loading(self, title: str, text: str) -> None:
        """Show what is awaited instead of the content."""
        self._state.show_loading(title, text, None)
        self._layers.setCurrentWidget(self._state)

    def is_then(self) -> bool:
        """Tell whether the page shows another time than now."""
        return self.goes_back and self.context.axis.in_history

    def then_words(self) -> str:
        """Return of when what stands beside curves is, for a heading; nothing for now."""
        moment = self.context.past.moment if self.is_then() else None
        return "" if moment is None else f" at {numbers.day_and_clock(moment)}"

    def seen_status(self) -> "Status | None":
        """Return the machine at the time that is seen: the newest sample, or what was then."""
        return self.context.past.status() if self.is_then() else self.context.store.status

    def takes_numbers(self) -> bool:
        """Tell whether to paint what is known: the first always, more of it unless it stands still, or is of then."""
        before, self._past_shown = self._past_shown, self.context.past.version if self.is_then() else None
        if self._past_shown is not None:
            takes = self._past_shown != before
        else:
            takes = not (self.context.store.paused and self._has_numbers) or before is not None
        self._has_numbers = True
        return takes

    def show_content(self) -> None:
        self._layers.setCurrentWidget(self.content)

    def _show_loading(self, what: str, topic: Topic) -> None:
        connection = self.context.store.connection
        if connection.state == "starting":
            self._state.show_loading(*starting(what), None)
        elif connection.state == "lost" and connection.error is not None:
            self._state.show_error("The agent is not reachable", connection.error, self.reload)
        else:
            self._state.show_loading(f"Loading {what.lower()} …", "", lambda: self.context.cancel_load(topic))

    # What is to be chosen.

    def reveal(self, thing: str) -> None:
        """Choose the thing with this key: now, or as soon as it is there, unless another is chosen meanwhile."""
        self._wished, self._wished_over = thing, self._chosen_key()
        self._meet_wish()

    def _meet_wish(self) -> None:
        if self._wished is None:
            return
        chosen = self._chosen_key()
        changed = self._wished_over is not None and chosen not in {None, self._wished_over}
        list_before = self.main_table()
        if changed or self.show_thing(self._wished):
            self._wished = None
        elif self.main_table() is not list_before:  # the wish itself turned to another list, where it waits
            self._wished_over = self._chosen_key()

    def _chosen_key(self) -> str | None:
        table = self.main_table()
        return table.key() if table is not None else None

    def show_in(self, table: "RecordTable[Any]", thing: str) -> bool:
        """Choose a row; the filter is taken back where it hides it, and only there."""
        if not table.holds(thing):
            return False
        if not table.select(thing):
            field = self.filter_field()
            if field is not None:
                field.clear()
        return table.select(thing)

    # What subclasses add.

    def refresh(self, topics: frozenset[Topic]) -> None:
        """Paint what changed."""

    def reword(self) -> None:
        """Word times anew ("3 min ago"), because time has passed: by default those in tables and facts."""
        for table in self.findChildren(RecordTable):
            table.records.reword()
        for facts in self.findChildren(FactGrid):
            facts.reword()

    def main_table(self) -> "RecordTable[Any] | None":
        """Return the table that Up and Down walk through while the page as a whole has the focus."""
        return None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        table = self.main_table() if event.key() in _WALK else None
        if table is not None and table.isVisible():
            table.keyPressEvent(event)
        else:
            super().keyPressEvent(event)

    def enter(self) -> None:
        """Take the focus, so that keys mean this page: by default the page as a whole."""
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    def actions_here(self) -> list[Action]:
        """Return what can be done on this page, for the title row and the command palette."""
        return []

    def walk(self) -> Sequence[QWidget]:
        """Return the regions that Tab goes through in this order; none where it goes by when each thing was made."""
        return ()

    def filter_field(self) -> QLineEdit | None:
        """Return the field that ``/`` goes to."""
        return None

    def escape(self) -> None:
        """Take back the last narrowing: by default, clear the filter."""
        field = self.filter_field()
        if field is not None:
            field.clear()

    def show_thing(self, thing: str) -> bool:
        """Choose the thing with this key; False as long as it is not there."""
        table = self.main_table()
        return table is not None and self.show_in(table, thing)

    def left(self) -> None:
        """Hear that the page is no longer seen."""


class StaleLine(Label):
    """Hidden while the agent is heard. ``what`` is what of the page is not true now, with its verb."""

    def __init__(self, what: str = "These numbers are") -> None:
        super().__init__(bold=True, tone="warning")
        self._what = what
        self.hide()

    def refresh(self, store: Store, *, of_now: bool = True) -> None:
        """Say what holds now; nothing where what is shown is not ``of_now``."""
        # Before the first word of the agent nothing is shown that could be old; the page says that it is awaited.
        stale = of_now and not store.is_true_now and store.connection.heard_at is not None
        self.setVisible(stale)
        if stale:
            at = store.status.sampled_at if store.status is not None else None
            of = f"{self._what} of {numbers.day_and_clock(at)}: " if at is not None else ""
            since = numbers.clock(store.connection.stale_since or store.connection.since)
            self.show_text(f"{numbers.WARNING} {of}no news from the agent since {since}.")
            self.setAccessibleName(self.whole)
