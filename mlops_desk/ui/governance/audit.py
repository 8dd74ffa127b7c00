"""The audit: who changed what and when, searched, looked at link by link, and written down to be kept elsewhere."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QSplitter

from mlops_desk.base import wire
from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.agent import AuditEntry, AuditState
from mlops_desk.records.audit import EXPORT_FORM, AuditLink, AuditVerification
from mlops_desk.ui.actions import Action
from mlops_desk.ui.governance.asked import GovernanceView
from mlops_desk.ui.governance.saving import ask_where, written
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.choice import CheckBox
from mlops_desk.ui.widgets.facts import Fact, FactGrid
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.numbers import Mark

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task
    from mlops_desk.verbs.desk import ClientLike

SHOWN = 1000  # chosen: weeks of a busy machine; a search finds what is older
_PAGE = 2000  # some megabytes at a time, as the command line asks
_REST_MILLISECONDS = 400  # chosen: longer than between two letters
_NOTHING = "Whatever changes something is written down here before it is done, and what became of it after."
_TEXT = 2000  # characters: a screen of what a thing was


class AuditTab(GovernanceView[list[AuditEntry]]):
    """The agent searches, so that what is older than the list is found too."""

    def __init__(self, context: Context) -> None:
        super().__init__(
            context,
            "Audit",
            lambda desk: desk.agent.audit(
                limit=SHOWN, text=self.search.text().strip() or None, failed=self.failed.isChecked()
            ),
        )
        self.search = filter_field("Search the audit")
        self.failed = CheckBox("Only what failed")
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_REST_MILLISECONDS)
        self._soon.timeout.connect(self.search_again)
        self.search.textEdited.connect(lambda _text: self._soon.start())
        self.failed.toggled.connect(lambda _on: self.search_again())
        self.verify = Button(
            "Verify", tip="Look at every record, and find any that was changed or taken away", asks=True
        )
        self.verify.clicked.connect(self.verify_all)
        self.export = Button("Export …", tip="Write the whole chain to a file, to be kept elsewhere", asks=True)
        self.export.clicked.connect(self.ask_where_to)
        self.says = Label(wrap=True)
        self.says.hide()
        self.table: RecordTable[AuditEntry] = RecordTable("Audit", _COLUMNS, context.memory)
        self.table.chosen.connect(lambda _key: self._show_chosen())
        self.facts = FactGrid()
        self._verifying: Task | None = None
        self._arrange()

    def _arrange(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.search, 1)
        row.addWidget(self.failed)
        row.addStretch(1)
        row.addWidget(self.verify)
        row.addWidget(self.export)
        card = Card()
        card.column.addWidget(scrolled(self.facts, "The change"))
        split = QSplitter()
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.table))
        split.addWidget(card)
        split.setSizes([theme.READING_WIDTH, theme.DETAIL_WIDTH])
        self.content.addLayout(row)
        self.content.addWidget(self.says)
        self.content.addWidget(split, 1)

    def search_again(self) -> None:
        """Ask for what fits by now."""
        self._stop()
        self.look()

    def nothing(self, value: list[AuditEntry]) -> Empty | None:
        asked = self.search.text().strip() or self.failed.isChecked()
        return None if value or asked else Empty("Nothing was changed yet", _NOTHING)

    def take(self, value: list[AuditEntry]) -> None:
        self.table.show_records({one.id or f"{one.at}/{number}": one for number, one in enumerate(value)})
        if self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def _show_chosen(self) -> None:
        key = self.table.key()
        one = self.table.records.record(key) if key else None
        none = [] if self.table.records.rowCount() else [Fact("Found", "nothing that fits")]
        self.facts.show_facts(none if one is None else entry_facts(one))

    # The chain.

    def verify_all(self) -> None:
        """Have every record looked at; a second press stops waiting."""
        if self._verifying is not None and self._verifying.running:
            self._verifying.cancel()
            self._told("Nobody waits for the look any more.", "muted")
            self.verify.show_title("Verify")
            return
        self.verify.show_title("Stop waiting")
        self._told("Looking at every record; a million take some twenty seconds …", "muted")
        self._verifying = self.context.ask("verify audit", lambda desk: desk.agent.verify_audit(), self._verified,
                                           self._not_verified)  # fmt: skip

    def _verified(self, found: AuditVerification) -> None:
        self.verify.show_title("Verify")
        text, tone = verified_words(found)
        self._told(text, tone)

    def _not_verified(self, error: DeskError) -> None:
        self.verify.show_title("Verify")
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
        def write(desk: "ClientLike") -> tuple[str, int, str | None]:
            lines, head = [json.dumps({"form": EXPORT_FORM})], None
            for link in _links(desk):
                lines.append(wire.dumps(link))
                head = link.digest
            return written(path, ("\n".join(lines) + "\n").encode()), len(lines) - 1, head

        self._told("Writing the chain …", "muted")
        self.context.ask("export audit", write, self._exported, self._not_exported)

    def _exported(self, done: tuple[str, int, str | None]) -> None:
        path, records, head = done
        kept = f" Keep its head: {head}" if head is not None else ""
        self._told(f"{numbers.OK} {numbers.count(records, 'record')} are in {plain(path, 200)}.{kept}", "ok")

    def _not_exported(self, error: DeskError) -> None:
        self._told(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")

    def actions_here(self) -> list[Action]:
        return [
            Action("audit.verify", "Verify the audit", self.verify_all, asks=True),
            Action("audit.export", "Export the audit …", self.ask_where_to, asks=True),
        ]


def _links(desk: "ClientLike") -> Iterator[AuditLink]:
    after = 0
    while links := desk.agent.audit_links(after, _PAGE):
        yield from links
        after = links[-1].number


def verified_words(found: AuditVerification) -> tuple[str, str]:
    """Say what came of looking at the chain, and in which tone."""
    records = numbers.count(found.records, "record")
    if found.intact:
        return f"{numbers.OK} {records}: none was changed, moved or taken away.", "ok"
    where = f"record {found.first_bad:,}" if found.first_bad is not None else f"entry {plain(found.entry or '?', 80)}"
    return f"{numbers.ALERT} {records}, and {where} does not hold: {plain(found.why or 'it was changed', 300)}", "alert"


def entry_facts(one: AuditEntry) -> list[Fact]:
    """Return all that is told of a change."""
    mark = _mark(one)
    facts = [
        Fact("What", plain(one.verb, 100)),
        Fact("By", f"{plain(one.user, 80)} (uid {one.uid})"),
        Fact("At", numbers.day_and_clock(one.at), tip=numbers.absolute(one.at)),
        Fact("Ended", mark.text, mark.token),
    ]
    for name, text in (("Given", one.arguments), ("Before", one.before), ("After", one.outcome),
                       ("Error", one.error), ("Why", one.why)):  # fmt: skip
        if text:
            facts.append(Fact(name, plain(text, _TEXT), "alert" if name == "Error" else "text"))
    return facts


def _mark(one: AuditEntry) -> Mark:
    if one.state is not AuditState.ENDED:
        return Mark("unknown", numbers.UNKNOWN, plain(one.state.value.replace("_", " "), 40))
    return Mark("alert", numbers.ALERT, "failed") if one.error else Mark("ok", numbers.OK, "done")


def _state(one: AuditEntry) -> Cell:
    mark = _mark(one)
    return Cell(mark.text, mark.word, mark.token)


_COLUMNS: tuple[Column[AuditEntry], ...] = (
    Column("when", "When", lambda one: Cell(numbers.day_and_clock(one.at), one.at, tip=numbers.absolute(one.at))),
    Column("who", "By", lambda one: Cell(plain(one.user))),
    Column("what", "What", lambda one: Cell(plain(one.verb))),
    Column("given", "Given", lambda one: Cell(plain(one.arguments, 200)), stretch=True),
    Column("state", "Ended", _state),
)
