"""Automations: rules as sentences, pipelines as graphs, what waits for a person's word, and labels."""

from collections.abc import Sequence
from typing import Any, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from mlops_desk.ui.actions import Action
from mlops_desk.ui.automations import loads
from mlops_desk.ui.automations.approvals.panel import ApprovalsTab
from mlops_desk.ui.automations.ci.panel import CiTab
from mlops_desk.ui.automations.labels.panel import LabelsTab
from mlops_desk.ui.automations.panel import AutomationPanel
from mlops_desk.ui.automations.pipelines.panel import PipelinesTab
from mlops_desk.ui.automations.rules.panel import RulesTab
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.page import Page
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.tabs import Tabs

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
