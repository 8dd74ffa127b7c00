"""The tab of repositories: runs of their pipelines, and those that rules watch."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit

from mlops_desk.ui.actions import Action
from mlops_desk.ui.automations.ci.runs import CiRuns
from mlops_desk.ui.automations.ci.watched import WatchedView
from mlops_desk.ui.automations.panel import AutomationPanel
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.tabs import Tabs

_VIEWS = (("runs", "Runs"), ("watched", "Watched repositories"))


class CiTab(AutomationPanel):
    """Two views: what ran, and what is waited for; ``make_rule`` opens the form of a rule with a document."""

    def __init__(self, context: Context, make_rule: Callable[[str], None]) -> None:
        super().__init__(context)
        self.views = Tabs("What is shown of repositories", _VIEWS)
        self.runs = CiRuns(context)
        self.watched = WatchedView(context, make_rule)
        self._card = Card()
        self._card.column.addWidget(self.watched, 1)
        self.body.setSpacing(theme.SPACE_8)
        self.body.addWidget(self.views, 0, Qt.AlignmentFlag.AlignLeft)
        self.body.addWidget(self.runs, 1)
        self.body.addWidget(self._card, 1)
        self.runs.narrowing.textChanged.connect(self.watched.table.narrow)
        self.views.chosen.connect(self._turn)
        self.views.choose("runs")

    def _turn(self, key: str) -> None:
        self.runs.setVisible(key == "runs")
        self._card.setVisible(key == "watched")

    @property
    def _sees_runs(self) -> bool:
        return self.views.current() == "runs"

    def refresh(self, store: Store, topics: frozenset[Topic]) -> None:
        self.runs.refresh(store, topics)

    def look(self) -> None:
        self.watched.look()

    def table(self) -> RecordTable[Any]:
        return self.runs.table() if self._sees_runs else self.watched.table

    def filter_field(self) -> QLineEdit | None:
        return self.runs.filter_field()

    def reveal(self, key: str) -> bool:
        self.views.choose("runs")
        return self.runs.reveal(key)

    def left(self) -> None:
        self.runs.left()

    def actions_here(self) -> list[Action]:
        if self._sees_runs:
            return self.runs.actions_here()

        def has_run() -> bool:
            one = self.watched.chosen()
            return one is not None and one.run_id is not None

        def has() -> bool:
            return self.watched.chosen() is not None

        return [
            Action("ci.rule", "Go to the rule that watches the chosen repository", self.watched.open_rule, when=has),
            Action("ci.newest", "Go to the newest run of the chosen repository", self.watched.open_run, when=has_run),
        ]
