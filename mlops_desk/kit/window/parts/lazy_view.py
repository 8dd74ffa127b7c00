"""A view that asks for what it shows: when it is seen, when somebody wishes, when its topics change, the agent is back.

What was answered stays while a later question fails, with the time that it is of.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.states import Empty, StateView, starting
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

T = TypeVar("T")


class AskedView(QWidget, Generic[T]):
    """Shows what ``ask`` answers. ``what`` names it in a sentence ("Secrets"). Subclasses fill ``content``.

    ``topics`` are those that say that the answer may be another by now.
    """

    topics: ClassVar[frozenset[Topic]] = frozenset()

    def __init__(self, context: Context, what: str, ask: Callable[[ClientLike], T]) -> None:
        super().__init__()
        self.context = context
        self.value: T | None = None
        self.answered_at: float | None = None
        self._what = what
        self._ask = ask
        self._task: Task | None = None
        self.trouble = Label(tone="warning", bold=True, wrap=True)
        self.trouble.hide()
        self.state = StateView()
        self._whole = QWidget()
        self.content = QVBoxLayout()
        self.content.setSpacing(theme.SPACE_8)
        column = QVBoxLayout(self._whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.trouble)
        column.addLayout(self.content, 1)
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._whole)
        self._layers.addWidget(self.state)
        context.changed.connect(self._hear)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.look()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._stop()

    def look(self) -> None:
        """Ask anew, if it is seen and nobody waits for an answer already."""
        if not self.isVisible() or (self._task is not None and self._task.running):
            return
        if self.value is None and self.context.store.connection.state == "starting":
            self.state.show_loading(*starting(self._what), None)  # asked for once it answers
            self._layers.setCurrentWidget(self.state)
            return
        if self.value is None:
            self.state.show_loading(f"Loading {self._what.lower()} …", "", self._cancel)
            self._layers.setCurrentWidget(self.state)
        self._task = self.context.ask(self._what.lower(), self._ask, self._answered, self._refused)

    def _hear(self, topics: frozenset[Topic]) -> None:
        """Ask when what is shown was changed, and when the agent is heard again: it may be another one by now."""
        if topics & self.topics and self.isVisible():
            self._stop()  # what was asked before the change may be answered without it
            self.look()
            return
        live = self.context.store.connection.state == "live"
        if Topic.CONNECTION in topics and live and (self.value is None or not self.trouble.isHidden()):
            self.look()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _cancel(self) -> None:
        self._stop()
        self._refused(DeskError("Loading was cancelled.", "Press F5 to try again."))

    def _answered(self, value: T) -> None:
        self.value, self.answered_at = value, time.time()
        self.trouble.hide()
        nothing = self.nothing(value)
        if nothing is not None:
            self.state.show_empty(nothing)
        self._layers.setCurrentWidget(self._whole if nothing is None else self.state)
        self.take(value)

    def _refused(self, error: DeskError) -> None:
        if self.value is None:
            self.state.show_error(f"{self._what} can't be shown", error, self.look)
            self._layers.setCurrentWidget(self.state)
            return
        of = f" What is shown is of {numbers.clock(self.answered_at)}." if self.answered_at is not None else ""
        self.trouble.show_text(f"{numbers.WARNING} {error.message} {error.hint or ''}".rstrip() + of)
        self.trouble.show()
        self._layers.setCurrentWidget(self._whole)

    # What subclasses add.

    def take(self, value: T) -> None:
        """Show what was answered."""
        raise NotImplementedError

    def nothing(self, value: T) -> Empty | None:  # noqa: ARG002 - by default there is always something to show
        """Return what is said where there is nothing to show."""
        return None
