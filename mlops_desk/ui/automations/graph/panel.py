"""A tab of runs that are graphs: the list above; below it the chosen one as boxes, what its box found, and its acts.

A list has briefs. A run that no announcement told of is asked for whole when it is chosen; what was announced since is
newer, and is shown.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLineEdit, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.ui.automations.graph.boxes import BoxGraph
from mlops_desk.ui.automations.loads import PIPELINES_LOADED as LISTED
from mlops_desk.ui.automations.panel import AutomationPanel
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.acts_beside import ActsBeside
from mlops_desk.ui.tables.model import Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.facts import FactGrid
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.verbs.desk import ClientLike

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task


class _Whole(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def revision(self) -> int: ...


class _Brief(Protocol):
    @property
    def id(self) -> str: ...


class _Listed(Protocol):
    @property
    def brief(self) -> _Brief: ...

    @property
    def run(self) -> Any: ...


Seen = TypeVar("Seen", bound=_Listed)
Run = TypeVar("Run", bound=_Whole)


class GraphPanel(AutomationPanel, Generic[Seen, Run]):
    """Subclasses say which topic lists the runs, how one is asked for, and what is shown of it.

    ``what`` names one of them (``pipeline``), ``part`` what it is made of (``step``); ``command`` lists them all.
    """

    topic: ClassVar[Topic]
    title: ClassVar[str]
    what: ClassVar[str]
    part: ClassVar[str]
    command: ClassVar[str]

    def __init__(
        self, context: Context, columns: tuple[Column[Seen], ...], table_title: str, filter_title: str
    ) -> None:
        super().__init__(context)
        self._task: Task | None = None
        self._asked: dict[str, Run] = {}
        self.list: RecordTable[Seen] = RecordTable(table_title, columns, context.memory)
        self.list.chosen.connect(lambda _key: self._show_chosen())
        self.list.takes_key = self.take_key
        self.list.sort_by_key("began", Qt.SortOrder.DescendingOrder)
        self.narrowing = filter_field(filter_title)
        self.narrowing.textChanged.connect(self.list.narrow)
        self.says = Label(bold=True, wrap=True)
        self.facts = FactGrid()
        self.older = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.older.hide()

    def arrange(self, graph: BoxGraph, acts: tuple[Button, ...]) -> None:
        """Put everything where it stands; called once, by what has the graph and its acts."""
        graph.chosen.connect(lambda _place: self.show_part_of(self.run()))
        card = Card()
        self._head = ActsBeside(self.says, acts, first_grows=True)
        card.column.addLayout(self._head)
        inner = QWidget()
        found = QVBoxLayout(inner)
        found.setContentsMargins(0, 0, 0, 0)
        found.setSpacing(theme.SPACE_8)
        found.addWidget(graph)
        found.addWidget(self.facts)
        found.addStretch(1)
        card.column.addWidget(scrolled(inner, f"The {self.part}s, and what the chosen one found"), 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        listed = framed(self.list)
        listed.column.addWidget(self.older)
        split.addWidget(listed)
        split.addWidget(card)
        split.setSizes([theme.DIALOG_TALL // 3, 2 * theme.DIALOG_TALL // 3])
        self.body.addWidget(split, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fold()

    def fold(self) -> None:
        """Put the acts beside the words or below them, as there is room."""
        self._head.fold(self.width() - theme.DETAIL_WIDTH)

    # What subclasses say.

    @abstractmethod
    def known(self, store: Store) -> dict[str, Seen]:
        """Return all runs by their ids."""

    @abstractmethod
    def empty(self) -> Empty:
        """Return what is said where there are none."""

    @abstractmethod
    def ask_whole(self, identifier: str) -> Callable[[ClientLike], Run]:
        """Return the question for one run as a whole."""

    @abstractmethod
    def show_run(self, one: Seen | None, run: Run | None) -> None:
        """Show the chosen run; ``run`` is None while it is asked for."""

    @abstractmethod
    def show_part_of(self, run: Run | None) -> None:
        """Show what the chosen box of a run found."""

    # What is shown.

    def refresh(self, store: Store, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - the base's
        if not self.show_part(self.topic, self.title, self.empty):
            return
        known = self.known(store)
        self.list.show_records(known)
        self.older.setVisible(len(known) >= LISTED)
        self.older.show_text(f"The newest {len(known):,}. All of them: {self.command}")
        if self.list.key() is None:
            self.list.select_first()
        self._show_chosen()

    def chosen(self) -> Seen | None:
        """Return the run whose row is chosen."""
        key = self.list.key()
        return self.list.records.record(key) if key else None

    def run(self) -> Run | None:
        """Return the chosen one whole; None while it is asked for."""
        one = self.chosen()
        if one is None:
            return None
        asked = self._asked.get(one.brief.id)
        told: Run | None = one.run
        if told is None or (asked is not None and asked.revision > told.revision):
            return asked
        return told

    def _show_chosen(self) -> None:
        one, run = self.chosen(), self.run()
        if one is not None and run is None:
            self._ask(one.brief.id)
        self.show_run(one, run)
        self.show_part_of(run)

    def _ask(self, identifier: str) -> None:
        name = f"{self.what} {identifier}"
        if self._task is not None and self._task.running and self._task.name == name:
            return
        self.left()
        self._task = self.context.ask(name, self.ask_whole(identifier), self._got, self._failed)

    def _got(self, run: Run) -> None:
        self._task = None
        self._asked = {run.id: run}
        self._show_chosen()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text(f"Its {self.part}s can't be shown: {error.message} {error.hint or ''}".strip())
        self.says.tint("alert")

    def changed(self, run: Run) -> None:
        """Wait for the announcement; what is shown of the chosen one is read from there."""
        self._asked.pop(run.id, None)

    def table(self) -> RecordTable[Seen]:
        return self.list

    def filter_field(self) -> QLineEdit | None:
        return self.narrowing

    def left(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
