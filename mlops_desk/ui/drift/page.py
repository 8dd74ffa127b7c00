"""Drift: how far what comes in now has moved from what models were trained on, since when, and what is done about it.

Monitors watch; each shows its windows as a heat map, and one column of it in full. Beside them stand single reports,
and the rules that retrain with the retrainings that a person has to decide on.
"""

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QStackedWidget, QVBoxLayout

from mlops_desk.ui.actions import Action
from mlops_desk.ui.drift.monitors.view import MonitorsView
from mlops_desk.ui.drift.reports import NARROW, ReportsView
from mlops_desk.ui.drift.retraining import RulesPanel
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.page import Page
from mlops_desk.ui.widgets.tabs import Tabs

VIEWS = (("monitors", "Monitors"), ("reports", "Reports"), ("rules", "Retraining"))
_RULES = frozenset({Topic.RULES, Topic.RETRAININGS, Topic.CONNECTION})


class DriftPage(Page):
    """Three views; only the one that is seen is painted anew."""

    stale: ClassVar[str] = "These states are"
    topics: ClassVar[frozenset[Topic]] = frozenset(
        {Topic.MONITORS, Topic.REPORTS, Topic.ENDPOINTS, Topic.CONNECTION, Topic.RULES, Topic.RETRAININGS, Topic.MODELS}
    )
    loads: ClassVar[tuple[Topic, ...]] = (
        Topic.MONITORS,
        Topic.REPORTS,
        Topic.ENDPOINTS,
        Topic.RULES,
        Topic.RETRAININGS,
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tabs = Tabs("What is shown of drift", VIEWS)
        self.monitors, self.reports, self.rules = MonitorsView(context), ReportsView(context), RulesPanel(context)
        self._views = QStackedWidget()
        for view in (self.monitors, self.reports, self.rules):
            self._views.addWidget(view)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        top = QHBoxLayout()
        top.addWidget(self.tabs, 0, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        top.addStretch(1)
        top.addWidget(self.monitors.filter, 1)
        whole.addLayout(top)
        whole.addWidget(self._views, 1)
        self.monitors.review.connect(self._review)
        self.tabs.chosen.connect(self._turn)
        self.tabs.choose("monitors")

    def _turn(self, key: str) -> None:
        view = {"monitors": self.monitors, "reports": self.reports, "rules": self.rules}[key]
        self._views.setCurrentWidget(view)
        self.monitors.filter.setVisible(key == "monitors")
        if self.isVisible():
            self.refresh(self.topics)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.rules.stack(stacked=self.width() < NARROW)

    def refresh(self, topics: frozenset[Topic]) -> None:
        seen = self.tabs.current()
        self.tabs.count("rules", self._waiting() or None)
        if seen == "rules" and topics & _RULES:
            self.rules.refresh(self.context.store)
        elif seen == "reports" and topics & {Topic.REPORTS, Topic.ENDPOINTS, Topic.CONNECTION}:
            self.reports.refresh()
        elif seen == "monitors":
            if topics & {Topic.MONITORS, Topic.ENDPOINTS, Topic.CONNECTION}:
                self.monitors.refresh()
            if topics & _RULES:
                self.monitors.show_retraining()

    def _waiting(self) -> int:
        every = (self.context.store.retrainings.value or {}).values()
        return sum(one.state.value == "waiting_for_approval" for one in every)

    def reload(self) -> None:
        super().reload()
        self.monitors.pane.look(again=True)

    def reword(self) -> None:
        super().reword()
        self.reports.reword()
        self.monitors.pane.reword()

    def left(self) -> None:
        self.monitors.pane.left()

    def _review(self, retraining: str | None) -> None:
        """Go to the retraining that waits for a person."""
        self.tabs.choose("rules")
        if retraining is not None:
            self.rules.retrainings.select(retraining)

    def show_thing(self, thing: str) -> bool:
        """Choose a monitor or an endpoint's, a retraining (``retraining:ID``), or reports (``reports:ENDPOINT``)."""
        kind, _, identifier = thing.partition(":")
        if thing in dict(VIEWS):
            self.tabs.choose(thing)
            return True
        if kind == "retraining" and identifier:
            self.tabs.choose("rules")
            return self.rules.retrainings.select(identifier)
        if kind == "reports" and identifier:
            self.tabs.choose("reports")
            return self.reports.show_thing(identifier)
        if self.monitors.show_thing(thing):
            self.tabs.choose("monitors")
            return True
        if self.reports.show_thing(thing):
            self.tabs.choose("reports")
            return True
        return False

    def filter_field(self) -> QLineEdit | None:
        seen = self.tabs.current()
        return self.monitors.filter if seen == "monitors" else self.reports.filter if seen == "reports" else None

    def escape(self) -> None:
        if self.tabs.current() == "monitors":
            self.monitors.escape()
        else:
            super().escape()

    def actions_here(self) -> list[Action]:
        places = frozenset({"title", "main", "menu", "palette"})
        acts = self.monitors.acts
        return [
            Action("drift.new", "New monitor …", acts.create, places=places, asks=True),
            Action("drift.judge", "Check the chosen monitor now", acts.check_now, when=acts.has_chosen, asks=True),
            Action("drift.edit", "Edit the chosen monitor …", acts.ask_to_edit, when=acts.has_chosen, asks=True),
            Action(
                "drift.pause",
                "Pause or resume the chosen monitor",
                acts.pause_or_resume,
                when=acts.has_chosen,
                asks=True,
            ),
            Action("drift.remove", "Remove the chosen monitor …", acts.ask_to_remove, when=acts.has_chosen, asks=True),
            Action("drift.check", "Check the endpoint for drift now", self.reports.check_now, asks=True),
            *self.rules.actions_here(),
        ]
