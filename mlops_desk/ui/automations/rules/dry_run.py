"""What the chosen rule would have done in the last 30 days: asked for when somebody wants to see it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout

from mlops_desk.base.errors import DeskError
from mlops_desk.records.rules.dry_run import RuleDryRun, WouldFire
from mlops_desk.ui.automations import words
from mlops_desk.ui.automations.rules.chart import DryRunStrip, told
from mlops_desk.ui.automations.rules.views import RuleView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.undertaking import UndertakingBar
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.words import alerts, numbers

if TYPE_CHECKING:
    from mlops_desk.ui.automations.rules.columns import SeenRule


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
