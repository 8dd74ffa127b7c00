"""The tab of rules: all of them as sentences above, the chosen one below."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter

from mlops_desk.automation.records.dry_run import RuleDryRun, WouldFire
from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.automation.window import loads, words
from mlops_desk.automation.window.panel import AutomationPanel
from mlops_desk.automation.window.rules.acts import RuleActs
from mlops_desk.automation.window.rules.chart import DryRunStrip, told
from mlops_desk.automation.window.rules.columns import COLUMNS, SeenRule, rows_of
from mlops_desk.automation.window.rules.condition_history import RuleCurves
from mlops_desk.automation.window.rules.views import DocumentView, FiringsView, RuleView, StandingView
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.action_panel import ActsBeside
from mlops_desk.kit.window.parts.tab_views import TabViews
from mlops_desk.kit.window.parts.task_progress import UndertakingBar
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import alerts, numbers


# What the chosen rule would have done in the last 30 days: asked for when somebody wants to see it.
class DryRunView(RuleView):
    """A strip of days and the list of firings; choosing one in the list lights it in the strip."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._of: str | None = None
        self.bar = UndertakingBar(context, "The dry run")
        self.bar.moved.connect(self._moved)
        self.says = Label(wrap=True)
        self.strip = DryRunStrip()
        columns = _columns(lambda subject: alerts.device_title(subject, context.store.status))
        self.table: RecordTable[WouldFire] = RecordTable("What it would have done", columns, context.memory)
        self.table.chosen.connect(self._light)
        self.again = Button("Try it on the last 30 days", asks=True)
        self.again.clicked.connect(self.ask)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.says, 1)
        row.addWidget(self.again)
        self.column.addLayout(row)
        self.column.addWidget(self.bar)
        self.column.addWidget(self.strip)
        self.column.addWidget(self.table, 1)
        self.column.addStretch(1)  # takes the room where the table is not seen
        self._clear()

    def show_rule(self, row: "SeenRule | None") -> None:
        self.row = row
        document = None if row is None else row.rule.document
        if document != self._of:
            self.left()
            self._of = document
            self._clear()
            if self.isVisible():
                self.ask()

    def left(self) -> None:
        """Have one stop that nobody looks at any more."""
        if self.bar.is_busy:
            self.bar.stop.click()

    def ask(self) -> None:
        """Try the rule on what is known of the last 30 days."""
        document = self._of
        if not document or self.bar.is_busy:
            return
        self.says.tint("muted")
        self.says.show_text("Trying it on the last 30 days …")

        def got(run: RuleDryRun) -> None:
            if document == self._of:
                self._got(run)
            elif self.isVisible():  # another rule is shown by now, which could not be tried meanwhile
                self.ask()

        def failed(error: DeskError) -> None:
            if document == self._of:
                self._failed(error)
            elif self.isVisible():
                self.ask()

        self.bar.begin("dry run", lambda desk, ticket: desk.rules.dry_run(document, ticket=ticket), got, failed)

    def _moved(self) -> None:
        self.again.setEnabled(not self.bar.is_busy)

    def _clear(self) -> None:
        self.says.tint("muted")
        self.says.show_text("Nothing is done by a dry run: it tells what the rule would have done.")
        self._show(None)

    def _got(self, run: RuleDryRun) -> None:
        self.says.tint("text")
        self.says.show_text(told(run))
        self._show(run)

    def _failed(self, error: DeskError) -> None:
        self._show(None)
        if self.bar.was_stopped:  # by whoever looks, or by looking elsewhere: nothing went wrong
            self.says.tint("muted")
            self.says.show_text("The dry run was stopped. Try it again to see what the rule would have done.")
            return
        self.says.tint("alert")
        self.says.show_text(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip())

    def _show(self, run: RuleDryRun | None) -> None:
        self.strip.show_run(run)
        would = () if run is None else run.would
        self.table.show_records({str(number): one for number, one in enumerate(would)})
        self.strip.setVisible(run is not None)
        self.table.setVisible(bool(would))
        self.column.setStretchFactor(self.table, int(bool(would)))
        self.column.setStretch(self.column.count() - 1, int(not would))

    def _light(self, key: str | None) -> None:
        self.strip.mark(None if key is None else int(key))


def _columns(title: Callable[[str], str]) -> tuple[Column[WouldFire], ...]:
    def what(one: WouldFire) -> Cell:
        if one.fired and one.held_by is None:
            return Cell(f"{numbers.OK} fires", "fires", "ok")
        held = f"{words.held_words(one.held_by or '')}, {numbers.duration(one.waited_seconds)}"
        if one.fired:
            return Cell(f"{numbers.OK} fires after {held}", "fires", "ok")
        text = f"held back by {held}" + (", and waits still" if one.waits else "")
        return Cell(f"{numbers.PAUSED} {text}", "held", "paused")

    return (
        Column("when", "When", lambda one: Cell(numbers.day_and_clock(one.at), one.at, tip=numbers.absolute(one.at))),
        Column("thing", "For", lambda one: Cell(title(one.subject) if one.subject else "as a whole")),
        Column("what", "What it would have done", what, stretch=True),
    )


# The chosen rule: its sentence, what can be done with it, and tabs, made when first chosen.
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
