"""The tabs of the chosen rule: how it stands, what it did, what it would have done, and its document."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout

from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.rule_record import ThingStanding
from mlops_desk.automation.window import words
from mlops_desk.automation.window.pipelines import said_facts
from mlops_desk.automation.window.rules.chart import WatchedChart
from mlops_desk.automation.window.rules.columns import SeenRule, no_curve
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.tab_views import TabView
from mlops_desk.kit.window.parts.yaml_editor import YamlEditor
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button, CopyButton
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import alerts, numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

_LISTED = 300  # chosen: as many as the page keeps of all rules
_LINES = 30  # chosen: more actions than a rule may have


class RuleView(TabView):
    """Subclasses show a rule in ``show_rule``, which is called again when it changed."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.row: SeenRule | None = None
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(theme.SPACE_8)

    def show_rule(self, row: SeenRule | None) -> None:
        raise NotImplementedError

    def show_firings(self, firings: list[KeptFiring]) -> None:
        """Take the firings of the rule that is shown, newest first."""


class StandingView(RuleView):
    """Whether its condition holds, for each thing, beside how what it watches went."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.says = Label(tone="muted", wrap=True)
        self.chart = WatchedChart()
        self.table: RecordTable[ThingStanding] = RecordTable("Things of the rule", self._columns(), context.memory)
        self.column.addWidget(self.says)
        self.column.addWidget(self.chart)
        self.column.addWidget(self.table, 1)
        self.column.addStretch(0)  # takes the room where the table is not seen

    def show_rule(self, row: SeenRule | None) -> None:
        self.row = row
        rule = None if row is None else row.rule
        self.says.show_text("" if rule is None else words.why(rule) or "It is judged each second.")
        self.chart.show_curve(None if row is None else row.curve, "" if row is None else no_curve(row))
        self.chart.setVisible(rule is not None)
        things = () if rule is None else rule.standings
        self.table.show_records({one.subject or "-": one for one in things})
        self.table.setVisible(bool(things))

    def _columns(self) -> tuple[Column[ThingStanding], ...]:
        def thing(one: ThingStanding) -> Cell:
            return Cell(alerts.device_title(one.subject, self.context.store.status) if one.subject else "as a whole")

        def holds(one: ThingStanding) -> Cell:
            lasts = self.row is None or self.row.rule.lasts or self.row.rule.built_in
            return Cell(words.standing_words(one, lasts=lasts))

        return (
            Column("thing", "For", thing),
            Column("holds", "Its condition", holds, stretch=True),
            Column("times", "Fired", lambda one: Cell(f"{one.fired:,}", one.fired), right=True),
            Column("last", "Last", lambda one: Cell(numbers.ago(one.fired_at), one.fired_at or 0.0), right=True),
        )


class FiringsView(RuleView):
    """What it did: firings at the left, the actions of the chosen one at the right."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._task: Task | None = None
        self._asked: tuple[str, float | None] | None = None
        self._known: dict[str, KeptFiring] = {}
        self._told: dict[str, KeptFiring] = {}
        self.table: RecordTable[KeptFiring] = RecordTable("Firings", self._columns(), context.memory)
        self.table.sort_by_key("when", Qt.SortOrder.DescendingOrder)
        self.table.chosen.connect(lambda _key: self._show_chosen())
        self.steps = FactGrid()
        self.none = Label(tone="muted", wrap=True)
        self.none.setAlignment(Qt.AlignmentFlag.AlignTop)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_12)
        row.addWidget(self.table, 1)
        self._area = scrolled(self.steps, "Actions of the firing")
        row.addWidget(self._area, 1)
        self.column.addWidget(self.none, 1)
        self.column.addLayout(row, 1)

    def show_rule(self, row: SeenRule | None) -> None:
        """Ask for the firings of the rule: those that the page has are the newest of all rules, and none of alerts."""
        self.row = row
        wanted = None if row is None else (row.rule.id, row.rule.last_fired_at)
        if wanted == self._asked:
            return
        if row is None or self._asked is None or row.rule.id != self._asked[0]:
            self._known = {}
        self.left()
        self._asked = wanted
        if row is not None:
            name = row.rule.name
            self._task = self.context.ask(
                f"firings {name}", lambda desk: desk.rules.firings(name, _LISTED), self._got, self._failed
            )

    def show_firings(self, firings: list[KeptFiring]) -> None:
        self._told = {one.id: one for one in firings}
        self._show()

    def left(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._asked = None

    def _got(self, firings: list[KeptFiring]) -> None:
        self._task, self._known = None, {one.id: one for one in firings}
        self._show()

    def _failed(self, error: DeskError) -> None:
        """Say why, and ask again when the rule is shown anew."""
        self._task, self._asked = None, None
        self._show(f"{numbers.WARNING} Its firings can't be read: {error.message} {error.hint or ''}".rstrip())

    def _show(self, trouble: str = "") -> None:
        shown = {**self._known, **self._told}  # what was announced is newer
        self.table.show_records(shown)
        for widget in (self.table, self._area):
            widget.setVisible(bool(shown))
        self.none.setVisible(bool(trouble) or not shown)
        self.column.setStretchFactor(self.none, 0 if shown else 1)
        waits = "Loading its firings …" if self._task is not None else "It has not fired yet."
        self.none.show_text(trouble or waits)
        if shown and self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def _show_chosen(self) -> None:
        key = self.table.key()
        firing = self.table.records.record(key) if key else None
        self.steps.show_facts([] if firing is None else firing_facts(firing, self._thing(firing.subject)))

    def _thing(self, subject: str) -> str:
        """Return what it fired for, as people name it; nothing where it fired as a whole."""
        return alerts.device_title(subject, self.context.store.status) if subject else ""

    def _columns(self) -> tuple[Column[KeptFiring], ...]:
        return (
            Column("state", "State", _state_cell),
            Column("why", "Because of", lambda one: Cell(plain(one.trigger)), stretch=True),
            Column("thing", "For", lambda one: Cell(self._thing(one.subject), tip=one.subject)),
            Column("when", "When", _when_cell, right=True),
        )


class DocumentView(RuleView):
    """The document that the rule is, to read and to copy; the form changes it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.text = YamlEditor("", "Document of the rule")
        self.text.setReadOnly(True)
        self.edit = Button("Edit …", tip="Change what the rule says (E)", asks=True)
        foot = QHBoxLayout()
        foot.setSpacing(theme.SPACE_8)
        foot.addWidget(self.edit)
        foot.addWidget(CopyButton("Copy", self.text.toPlainText))
        foot.addStretch(1)
        self.column.addWidget(self.text, 1)
        self.column.addLayout(foot)

    def show_rule(self, row: SeenRule | None) -> None:
        self.row = row
        text = "" if row is None else row.rule.document
        if text != self.text.toPlainText():
            self.text.setPlainText(text)


def firing_facts(firing: KeptFiring, thing: str) -> list[Fact]:
    """Return what a firing was, for which ``thing``, and what came of each of its actions."""
    facts = [
        Fact("Because of", plain(firing.trigger, 200)),
        *([Fact("For", plain(thing, 200), tip=firing.subject)] if thing else []),
        Fact("Given along", plain(", ".join(f"{key}={value}" for key, value in firing.asked), 400))
        if firing.asked
        else Fact("At", numbers.day_and_clock(firing.at), tip=numbers.absolute(firing.at), moment=firing.at),
    ]
    for number, step in enumerate(firing.steps[:_LINES], 1):
        mark = words.FIRING_MARKS[step.state]
        begun = step.begun_at is not None
        state = mark.text if begun or step.state.is_over else f"{numbers.IDLE} not begun"
        told = " ".join(filter(None, (step.text, step.hint)))
        due = "" if step.due_at is None or step.state.is_over else f", until {numbers.day_and_clock(step.due_at)}"
        facts.append(Fact(f"{number}. action", plain(step.words, 200)))
        facts.append(Fact("", f"{state}{due}" + (f": {plain(told, 400)}" if told else ""), mark.token))
        facts += said_facts(step.said)
    return facts


def _state_cell(one: KeptFiring) -> Cell:
    mark = words.FIRING_MARKS[one.state]
    return Cell(mark.text, mark.word, mark.token)


def _when_cell(one: KeptFiring) -> Cell:
    return Cell(numbers.ago(one.at), one.at, tip=numbers.absolute(one.at))
