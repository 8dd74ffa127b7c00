"""The audit: who changed what and when, found again, looked at link by link, and written down to be kept elsewhere."""

from dataclasses import asdict
from typing import TextIO

from PySide6.QtWidgets import QLineEdit

from mlops_desk.base.errors import DeskError, Refused
from mlops_desk.base.text import plain
from mlops_desk.records.agent import AuditEntry
from mlops_desk.records.audit import AuditVerification
from mlops_desk.ui.actions import Action
from mlops_desk.ui.governance.asked import GovernanceView
from mlops_desk.ui.governance.audit.filters import AuditFilters
from mlops_desk.ui.governance.audit.words import COLUMNS, entry_facts, verified_words
from mlops_desk.ui.governance.beside import ListBeside, acts_row
from mlops_desk.ui.governance.saving import ask_where, written_by
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.undertaking import HereWork, UndertakingBar
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.facts import Fact
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.words import numbers
from mlops_desk.verbs.desk import ClientLike

SHOWN = 1000  # chosen: weeks of a busy machine; a search finds what is older
_NOTHING = "Whatever changes something is written down here before it is done, and what became of it after."


class AuditTab(GovernanceView[list[AuditEntry]]):
    """The agent searches, so that what is older than the list is found too."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Audit", self._found)
        self.verify = Button(
            "Verify", tip="Look at every record, and find any that was changed or taken away", asks=True
        )
        self.verify.clicked.connect(self.verify_all)
        self.export = Button("Export …", tip="Write the whole chain to a file, to be kept elsewhere", asks=True)
        self.export.clicked.connect(self.ask_where_to)
        self.filters = AuditFilters(self)
        self._wanted = self.filters.wanted()
        self.filters.changed.connect(self.search_again)
        self.under_way = UndertakingBar(context, "How far it is")
        self.under_way.moved.connect(self._enable)
        self.says = Label(wrap=True)
        self.says.hide()
        self.trouble_of_time = Label(tone="warning", wrap=True)
        self.trouble_of_time.hide()
        self.cut = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.cut.hide()
        self.table: RecordTable[AuditEntry] = RecordTable("Audit", COLUMNS, context.memory)
        self.table.chosen.connect(lambda _key: self._show_chosen())
        self.beside = ListBeside(self.table, "The change")
        self.facts = self.beside.facts
        row = acts_row(self.filters.widgets, (self.verify, self.export))
        for widget in (row, self.trouble_of_time, self.under_way, self.says):
            self.content.addWidget(widget)
        self.content.addWidget(self.beside, 1)
        self.content.addWidget(self.cut)

    @property
    def search(self) -> QLineEdit:
        """The field that ``/`` goes to."""
        return self.filters.search

    def _found(self, desk: ClientLike) -> list[AuditEntry]:
        return desk.agent.audit(limit=SHOWN, **asdict(self._wanted))

    def search_again(self) -> None:
        """Ask for what fits by now."""
        trouble = self.filters.trouble()
        self.trouble_of_time.show_text(f"{numbers.WARNING} {trouble}")
        self.trouble_of_time.setVisible(bool(trouble))
        if trouble:
            return
        self._stop()
        self.look()

    def look(self) -> None:
        self._wanted = self.filters.wanted()  # now: how long ago an hour is changes with the clock
        super().look()

    def show_all(self) -> None:
        """Take back what narrows the list."""
        self.filters.clear()

    def nothing(self, value: list[AuditEntry]) -> Empty | None:
        return None if value or not self._wanted.is_all else Empty("Nothing was changed yet", _NOTHING)

    def take(self, value: list[AuditEntry]) -> None:
        self.filters.learn(value)
        self.table.show_records({one.id or f"{one.at}/{number}": one for number, one in enumerate(value)})
        if self.table.key() is None:
            self.table.select_first()
        self.cut.setVisible(len(value) >= SHOWN)
        self.cut.show_text(f"These are the newest {SHOWN:,}; older ones are found by text, person, verb or time.")
        self._show_chosen()

    def _show_chosen(self) -> None:
        key = self.table.key()
        one = self.table.records.record(key) if key else None
        none = [] if self.table.records.rowCount() else [Fact("Found", "nothing that fits")]
        self.facts.show_facts(none if one is None else entry_facts(one))

    # The chain.

    def _enable(self) -> None:
        for button in (self.verify, self.export):
            button.setEnabled(not self.under_way.is_busy)

    def verify_all(self) -> None:
        """Have every record looked at."""
        self.says.hide()
        self.under_way.begin(
            "verify audit",
            lambda desk, ticket: desk.agent.verify_audit(ticket=ticket),
            self._verified,
            self._not_verified,
        )

    def _verified(self, found: AuditVerification) -> None:
        self._told(*verified_words(found))

    def _not_verified(self, error: DeskError) -> None:
        self._told(
            f"{numbers.UNKNOWN} It could not be looked at: {error.message} {error.hint or ''}".strip(), "warning"
        )

    def _told(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)
        self.says.show()

    def ask_where_to(self) -> None:
        """Ask for the file that the chain is written to."""
        self.chooser = ask_where(self, "Export the audit", "audit.jsonl", "Records (*.jsonl)", self._write)

    def _write(self, path: str) -> None:
        from mlops_desk.verbs.leading.audit_chain import write_chain  # noqa: PLC0415 - what reads and writes JSON

        work = HereWork("The export")

        def write(desk: ClientLike) -> tuple[str, int, str | None]:
            def fill(stream: TextIO) -> tuple[int, str | None]:
                return write_chain(desk, stream, lambda records: work.tell(f"{records:,} records are written."))

            return path, *written_by(path, fill)

        self.says.hide()
        self.under_way.begin_here(work, write, self._exported, self._not_exported)

    def _exported(self, done: tuple[str, int, str | None]) -> None:
        path, records, head = done
        kept = f" Keep its head: {head}" if head is not None else ""
        self._told(f"{numbers.OK} {numbers.count(records, 'record')} are in {plain(path, 200)}.{kept}", "ok")

    def _not_exported(self, error: DeskError) -> None:
        tone = "muted" if isinstance(error, Refused) else "alert"
        mark = "" if tone == "muted" else f"{numbers.ALERT} "
        self._told(f"{mark}{error.message} {error.hint or ''}".strip(), tone)

    def actions_here(self) -> list[Action]:
        is_free = not self.under_way.is_busy
        return [
            Action("audit.verify", "Verify the audit", self.verify_all, when=lambda: is_free, asks=True),
            Action("audit.export", "Export the audit …", self.ask_where_to, when=lambda: is_free, asks=True),
        ]
