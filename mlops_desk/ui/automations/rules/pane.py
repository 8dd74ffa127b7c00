"""The chosen rule: its sentence, what can be done with it, and tabs, made when first chosen."""

from collections.abc import Callable

from PySide6.QtGui import QResizeEvent

from mlops_desk.records.rules.firing import KeptFiring
from mlops_desk.ui.automations import words
from mlops_desk.ui.automations.rules.acts import RuleActs
from mlops_desk.ui.automations.rules.columns import SeenRule
from mlops_desk.ui.automations.rules.dry_run import DryRunView
from mlops_desk.ui.automations.rules.views import DocumentView, FiringsView, RuleView, StandingView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.acts_beside import ActsBeside
from mlops_desk.ui.parts.tab_views import TabViews
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.tabs import Tabs

TABS = (("now", "Now"), ("firings", "Firings"), ("dry", "Dry run"), ("document", "Document"))
_VIEWS: dict[str, Callable[[Context], RuleView]] = {
    "now": StandingView,
    "firings": FiringsView,
    "dry": DryRunView,
    "document": DocumentView,
}


class RulePane(Card):
    """Shows one rule at a time; only the tab that is seen is shown it."""

    def __init__(self, context: Context, acts: RuleActs) -> None:
        super().__init__()
        self._context = context
        self._acts = acts
        self._row: SeenRule | None = None
        self._firings: list[KeptFiring] = []
        self.sentence = Label(bold=True, wrap=True)
        self.tabs = Tabs("What is shown of the rule", TABS)
        self.layers: TabViews[RuleView] = TabViews(self._made)
        self._head = ActsBeside(self.tabs, acts.buttons(), first_grows=False)
        self.column.addWidget(self.sentence)
        self.column.addLayout(self._head)
        self.column.addWidget(self.layers, 1)
        self.tabs.chosen.connect(self._choose)
        self.tabs.choose("now")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fold()

    def _fold(self) -> None:
        self._head.fold(self.width() - self.tabs.sizeHint().width() - 2 * theme.SPACE_24)

    def _made(self, key: str) -> RuleView:
        view = _VIEWS[key](self._context)
        if isinstance(view, DocumentView):
            view.edit.clicked.connect(self._acts.edit)
        return view

    def view(self, key: str) -> RuleView:
        """Return a tab's view, made when it is first asked for."""
        return self.layers.view(key)

    def show_rule(self, row: SeenRule | None, firings: list[KeptFiring]) -> None:
        """Show a rule in the tab that is seen."""
        self._row, self._firings = row, firings
        rule = None if row is None else row.rule
        self.sentence.show_text("" if rule is None else rule.sentence or words.why(rule))
        self._fold()
        if self.isVisible():
            view = self.view(self.tabs.current())
            view.show_rule(row)
            view.show_firings(firings)

    def left(self) -> None:
        self.layers.left()

    def _choose(self, key: str) -> None:
        self.layers.turn(key)
        self.show_rule(self._row, self._firings)
