"""Automations: rules as sentences, pipelines as graphs, what waits for a person's word, and labels.

The tab of labels: which endpoints want some at the left; at the right one request at a time, labelled by keys.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QVBoxLayout, QWidget

from mlops_desk.automation.window import loads
from mlops_desk.automation.window.approvals.panel import ApprovalsTab
from mlops_desk.automation.window.ci.panel import CiTab
from mlops_desk.automation.window.labels import LabelSheet
from mlops_desk.automation.window.panel import AutomationPanel
from mlops_desk.automation.window.pipelines import PipelinesTab
from mlops_desk.automation.window.rules.panel import RulesTab
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.label import LabelQueue

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

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


TABS = (
    ("rules", "Rules"), ("pipelines", "Pipelines"), ("ci", "Repositories"), ("approvals", "Approvals"),
    ("labels", "Labels"),
)  # fmt: skip
_NEW = "Ctrl+N"
_KINDS = {"rule": "rules", "pipeline": "pipelines", "ci": "ci", "approval": "approvals", "label": "labels"}


class AutomationsPage(Page):
    """Five tabs, each told what changed while it is seen. A thing is KIND:KEY; a tab's key alone opens that."""

    stale: ClassVar[str] = "These states are"
    topics: ClassVar[frozenset[Topic]] = frozenset(
        {
            loads.AUTOMATIONS,
            loads.FIRINGS,
            loads.PIPELINES,
            loads.CI_RUNS,
            loads.APPROVALS,
            Topic.ENDPOINTS,
            Topic.CONNECTION,
        }
    )
    loads: ClassVar[tuple[Topic, ...]] = (
        loads.AUTOMATIONS, loads.FIRINGS, loads.PIPELINES, loads.CI_RUNS, loads.APPROVALS, Topic.ENDPOINTS,
    )  # fmt: skip

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tabs = Tabs("Views", TABS)
        self.rules = RulesTab(context)
        self.pipelines = PipelinesTab(context)
        self.ci = CiTab(context, self.rules.acts.create)
        self.approvals = ApprovalsTab(context)
        self.labels = LabelsTab(context)
        self._panels: dict[str, AutomationPanel] = {
            "rules": self.rules, "pipelines": self.pipelines, "ci": self.ci, "approvals": self.approvals,
            "labels": self.labels,
        }  # fmt: skip
        self._row = QHBoxLayout()
        QShortcut(QKeySequence(_NEW), self, self.rules.acts.create)
        self._arrange()

    def _arrange(self) -> None:
        row = self._row
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.tabs, 0, Qt.AlignmentFlag.AlignTop)  # where they are, whatever stands beside them
        row.addStretch(1)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addLayout(row)
        for panel in self._panels.values():
            field = panel.filter_field()
            if field is not None:
                row.addWidget(field, 1)
            panel.hide()
            whole.addWidget(panel, 1)
        self.tabs.chosen.connect(self._show_tab)
        self.tabs.choose("rules")

    def panel(self) -> AutomationPanel:
        """Return the tab that is seen."""
        return self._panels[self.tabs.current() or "rules"]

    def _show_tab(self, key: str) -> None:
        for other, panel in self._panels.items():
            field = panel.filter_field()
            if field is not None:
                field.setVisible(other == key)
            if other != key and not panel.isHidden():
                panel.left()
            panel.setVisible(other == key)
        if self.isVisible():
            self._refresh_seen(self.topics)

    def refresh(self, topics: frozenset[Topic]) -> None:
        self.show_content()
        store = self.context.store
        waiting = len(loads.approvals(store))
        self.tabs.count("approvals", waiting or None)
        self._refresh_seen(topics)

    def _refresh_seen(self, topics: frozenset[Topic]) -> None:
        self.panel().refresh(self.context.store, topics)

    def reword(self) -> None:
        """Word times anew, and read how rules stand: whether something is unknown, no announcement tells."""
        super().reword()
        part = self.context.store.part(loads.AUTOMATIONS)
        rules_seen = self.tabs.current() == "rules" and self.isVisible()
        if rules_seen and part.value is not None and not part.loading and self.context.store.is_true_now:
            self.context.load(loads.AUTOMATIONS)

    def reload(self) -> None:
        super().reload()
        self.panel().look()

    def left(self) -> None:
        self.panel().left()

    # What can be done.

    def main_table(self) -> RecordTable[Any] | None:
        return self.panel().table()

    def filter_field(self) -> QLineEdit | None:
        return self.panel().filter_field()

    def walk(self) -> Sequence[QWidget]:
        panel = self.panel()
        field = panel.filter_field()
        return [self.tabs, *([field] if field is not None else []), panel, self]

    def show_thing(self, thing: str) -> bool:
        """Choose a thing by its kind and key, whatever was filtered."""
        if thing in self._panels:
            self.tabs.choose(thing)
            return True
        kind, _, key = thing.partition(":")
        tab = _KINDS.get(kind)
        if tab is None:
            return False
        self.tabs.choose(tab)
        panel = self._panels[tab]
        if panel.reveal(key):
            return True
        field, table = panel.filter_field(), panel.table()
        if field is not None and table is not None and table.holds(key):
            field.clear()
        return panel.reveal(key)

    def actions_here(self) -> list[Action]:
        go = [
            Action(f"automations.tab.{key}", f"Show {title.lower()} of automations", _turn(self.tabs, key),
                   places=frozenset({"palette"}))
            for key, title in TABS
        ]  # fmt: skip
        places = frozenset({"title", "main", "menu", "palette"})
        new = Action("automations.new", "New rule …", self.rules.acts.create, _NEW, places=places, asks=True)
        return [new, *self.panel().actions_here(), *go]


def _turn(tabs: Tabs, key: str) -> Any:
    return lambda: tabs.choose(key)
