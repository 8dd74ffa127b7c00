"""The tab of rules: all of them as sentences above, the chosen one below."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter

from mlops_desk.records.rules.kept import KeptRule
from mlops_desk.ui.actions import Action
from mlops_desk.ui.automations import loads, words
from mlops_desk.ui.automations.panel import AutomationPanel
from mlops_desk.ui.automations.rules.acts import RuleActs
from mlops_desk.ui.automations.rules.columns import COLUMNS, SeenRule, rows_of
from mlops_desk.ui.automations.rules.curves import RuleCurves
from mlops_desk.ui.automations.rules.pane import RulePane
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.card import framed
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.widgets.tabs import Tabs

_NOTHING = (
    "A rule is one sentence: when something holds, comes or is due, then people are told, a job is run, a model is "
    "retrained. It can be tried on the last 30 days before it does anything."
)


_CURVE = next(place for place, column in enumerate(COLUMNS) if column.key == "watched")
_ALL = "all"
_WHICH = (
    (_ALL, "All"), (words.ACTIVE, "Hold or fire"), (words.LOOK, "Need a look"), (words.STOPPED, "Paused"),
)  # fmt: skip
_FROM = (
    (words.EVERY, "From everywhere"), (words.PEOPLE, "Made by people"), (words.BUILT_IN, "Built in"),
    (words.CHANGED, "Built in, changed"),
)  # fmt: skip


class RulesTab(AutomationPanel):
    """List and pane; curves are asked for while it is seen."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows: dict[str, SeenRule] = {}
        self.list: RecordTable[SeenRule] = RecordTable("Rules", COLUMNS, context.memory, _words)
        self.list.chosen.connect(lambda _key: self._choose())
        self.list.takes_key = self.take_key
        self.narrowing = filter_field("Filter rules")
        self.narrowing.textChanged.connect(self._type)
        self.which = Tabs("Which rules", _WHICH, wrap=True)
        self.source = ChoiceBox("Where rules come from")
        for key, title in _FROM:
            self.source.addItem(title, key)
        self.acts = RuleActs(self, context, self.chosen)
        self.pane = RulePane(context, self.acts)
        self.curves = RuleCurves(context, self, self._show_rows, self._in_sight)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.list))
        split.addWidget(self.pane)
        split.setSizes([theme.DIALOG_TALL // 2, theme.DIALOG_TALL // 2])
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.which, 1)
        row.addWidget(self.source)
        self.body.addLayout(row)
        self.body.addWidget(split, 1)
        self.which.chosen.connect(lambda _key: self._narrow())
        self.source.currentIndexChanged.connect(lambda _place: self._narrow())
        bar = self.list.verticalScrollBar()
        for moved in (bar.valueChanged, bar.rangeChanged, self.list.horizontalHeader().sectionResized):
            moved.connect(lambda *_where: self._look())
        self.which.choose(_ALL)

    def _look(self) -> None:
        """Have curves asked for of what has come into sight."""
        if self.isVisible():
            self.curves.look()

    def _in_sight(self) -> dict[str, KeptRule]:
        """Return the chosen rule, and those whose curves are in sight; none while nobody sees the page."""
        if not self.isVisible() or self.window().isMinimized():
            return {}
        seen = [] if self.list.isColumnHidden(_CURVE) else self.list.keys_in_sight()
        chosen = self.list.key()
        rules = loads.rules(self.context.store)
        return {name: rules[name] for name in ([] if chosen is None else [chosen]) + seen if name in rules}

    def _narrow(self) -> None:
        """Keep the rules that stand so and come from there."""
        key, source = self.which.current(), str(self.source.currentData())

        def fits(row: SeenRule) -> bool:
            return key in {_ALL, row.group} and words.comes_from(row.rule, source)

        self.list.keep(None if key == _ALL and source == words.EVERY else fits)
        self._count()
        self._look()

    def _count(self) -> None:
        """Say how many stand so of those that come from there."""
        source = str(self.source.currentData())
        for key, _title in _WHICH[1:]:
            found = (row.group == key and words.comes_from(row.rule, source) for row in self._rows.values())
            self.which.count(key, sum(found) or None)

    def refresh(self, store: Store, topics: frozenset[Topic]) -> None:
        del store  # its rows are those of the context's, as curves come later than what is announced
        if not self.show_part(loads.AUTOMATIONS, "Rules", self._empty):
            return
        self._show_rows()
        if self.list.key() is None:
            self.list.select_first()
        self._show_chosen()
        if topics & {loads.AUTOMATIONS, Topic.CONNECTION}:
            self.curves.look()

    def _show_rows(self) -> None:
        store = self.context.store
        self._rows = rows_of(loads.rules(store), loads.firings(store).values(), self.curves)
        self.list.show_records(self._rows)
        self._count()
        self._show_chosen()

    def _type(self, words_typed: str) -> None:
        self.list.narrow(words_typed)
        self._look()

    def _choose(self) -> None:
        self._show_chosen()
        self._look()

    def _show_chosen(self) -> None:
        key = self.list.key()
        row = self.list.records.record(key) if key else None
        self.acts.show_rule(None if row is None else row.rule)
        every = () if row is None else loads.firings(self.context.store).values()
        mine = [one for one in every if row is not None and one.rule_id == row.rule.id]
        mine.sort(key=lambda one: -one.at)
        self.pane.show_rule(row, mine)

    def chosen(self) -> KeptRule | None:
        """Return the rule whose row is chosen."""
        key = self.list.key()
        row = self.list.records.record(key) if key else None
        return None if row is None else row.rule

    def _empty(self) -> Empty:
        command = "mlops-desk rules create RULE.yaml"
        return Empty("No rules yet", _NOTHING, "New rule …", self.acts.create, command)

    def table(self) -> RecordTable[SeenRule]:
        return self.list

    def filter_field(self) -> QLineEdit | None:
        return self.narrowing

    def reveal(self, key: str) -> bool:
        """Choose a rule, whichever were shown."""
        if self.list.holds(key) and not self.list.select(key):
            self.which.choose(_ALL)
            self.source.setCurrentIndex(0)
        return self.list.select(key)

    def left(self) -> None:
        self.curves.left()
        self.pane.left()

    def actions_here(self) -> list[Action]:
        acts = self.acts
        return [
            Action("automations.pause", "Pause or resume the chosen rule", acts.pause_or_resume,
                   when=self._has, asks=True),
            Action("automations.fire", "Fire the chosen rule now …", acts.ask_to_fire, when=self._fires, asks=True),
            Action("automations.edit", "Edit the chosen rule …", acts.edit, "E", when=self._has,
                   gentle=True, asks=True),
            Action("automations.remove", "Remove the chosen rule …", acts.ask_to_remove, when=self._has, asks=True),
            Action("automations.dry", "Try the chosen rule on 30 days", self._dry, when=self._has, asks=True),
        ]  # fmt: skip

    def _has(self) -> bool:
        return self.chosen() is not None

    def _fires(self) -> bool:
        rule = self.chosen()
        return rule is not None and rule.fires_by_hand

    def _dry(self) -> None:
        self.pane.tabs.choose("dry")


def _words(row: SeenRule) -> str:
    source = f"built in {row.rule.title}" if row.rule.built_in else ""
    return f"{row.rule.name} {row.rule.sentence} {row.mark.word} {source}"
