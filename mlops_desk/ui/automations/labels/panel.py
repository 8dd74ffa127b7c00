"""The tab of labels: which endpoints want some at the left; at the right one request at a time, labelled by keys."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.serving.label import LabelQueue
from mlops_desk.ui.actions import Action
from mlops_desk.ui.automations.labels.sheet import LabelSheet
from mlops_desk.ui.automations.panel import AutomationPanel
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.card import framed
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.words import numbers
from mlops_desk.verbs.desk import ClientLike

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

_MOST = 100  # chosen: each is one question to the agent
_NOTHING = (
    "Endpoints that log what they are asked will be here, with how many of their answers want a label: it tells how "
    "good a model really is, and teaches the next one."
)


@dataclass(frozen=True, slots=True)
class EndpointLabels:
    """An endpoint and how its labels stand; ``trouble`` where that can't be told."""

    name: str
    queue: LabelQueue | None
    trouble: str = ""


class LabelsTab(AutomationPanel):
    """How labels stand is asked for when it is seen, and again after some were given: nothing announces it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._task: Task | None = None
        self._names: tuple[str, ...] | None = None
        self.list: RecordTable[EndpointLabels] = RecordTable("Endpoints that want labels", _COLUMNS, context.memory)
        self.list.chosen.connect(lambda _key: self._show_chosen())
        self.list.takes_key = self.take_key
        self.sheet = LabelSheet(context)
        self.sheet.ended.connect(self.look)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.list))
        split.addWidget(self.sheet)
        split.setSizes([theme.DETAIL_WIDTH, theme.READING_WIDTH])
        split.setStretchFactor(1, 1)
        self.body.addWidget(split, 1)

    def refresh(self, store: Store, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - the base's
        if not self.show_part(Topic.ENDPOINTS, "Endpoints", lambda: Empty("No endpoints yet", _NOTHING)):
            return
        self._wait_for_first()
        names = tuple(store.endpoints.value or {})[:_MOST]
        if names != self._names:
            self._names = names
            self.look()

    def look(self) -> None:
        """Ask how labels stand."""
        names = self._names
        if names is None or not self.isVisible():
            self._names = None
            return
        self.left()
        self._task = self.context.ask("labels", lambda desk: [_of(desk, name) for name in names], self._got)
        self._wait_for_first()

    def _wait_for_first(self) -> None:
        """Say that it is asked as long as nothing is known of any endpoint: an empty list would say that none is."""
        if self._task is not None and not self.list.records.rowCount():
            self.state.show_loading("Loading labels …", "Each endpoint is asked how many answers lack one.", None)
            self._layers.setCurrentWidget(self.state)

    def _got(self, found: list[EndpointLabels]) -> None:
        self._task = None
        self._layers.setCurrentWidget(self._whole)
        self.list.show_records({one.name: one for one in found})
        if self.list.key() is None:
            first = next((one.name for one in found if one.queue is not None and one.queue.unlabelled), None)
            if first is None or not self.list.select(first):
                self.list.select_first()
        self._show_chosen()

    def chosen(self) -> EndpointLabels | None:
        """Return the endpoint whose row is chosen."""
        key = self.list.key()
        return self.list.records.record(key) if key else None

    def _show_chosen(self) -> None:
        one = self.chosen()
        self.sheet.show_endpoint(
            None if one is None else one.name, None if one is None else one.queue, "" if one is None else one.trouble
        )

    def table(self) -> RecordTable[EndpointLabels]:
        return self.list

    def left(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self._names = None

    def actions_here(self) -> list[Action]:
        return self.sheet.actions_here()


def _of(desk: ClientLike, name: str) -> EndpointLabels:
    try:
        return EndpointLabels(name, desk.labels.show(name))
    except DeskError as error:  # one that can't be read hides none of the others
        return EndpointLabels(name, None, f"{error.message} {error.hint or ''}".strip())


def _count(one: EndpointLabels) -> Cell:
    if one.queue is None:
        return Cell(f"{numbers.UNKNOWN} unknown", -1, "unknown", one.trouble)
    more = "+" if one.queue.is_more else ""
    tip = f"{one.queue.labelled:,} of the newest {one.queue.looked_at:,} answered rows have a label"
    return Cell(f"{one.queue.unlabelled:,}{more}", one.queue.unlabelled, tip=tip)


def _part(of: str) -> Callable[[EndpointLabels], Cell]:
    def cell(one: EndpointLabels) -> Cell:
        amount = 0 if one.queue is None else getattr(one.queue, of)
        return Cell(f"{amount:,}" if one.queue is not None else numbers.NOTHING, amount)

    return cell


_COLUMNS: tuple[Column[EndpointLabels], ...] = (
    Column("name", "Endpoint", lambda one: Cell(plain(one.name), tip=one.name), stretch=True),
    Column("want", "Want a label", _count, right=True),
    Column("drifted", "Drifted", _part("drifted"), right=True, spare=True),
    Column("have", "Have one", _part("labelled"), right=True, spare=True),
)
