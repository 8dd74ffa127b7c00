"""The audit: who changed what and when, found again, looked at link by link, and written down to be kept elsewhere."""

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TextIO

from PySide6.QtCore import QObject, QStringListModel, Qt, QTimer, Signal
from PySide6.QtWidgets import QCompleter, QLineEdit, QWidget

from mlops_desk.governance.window.file_export import ask_where, written_by
from mlops_desk.governance.window.list_detail import ListBeside, acts_row
from mlops_desk.governance.window.version_view import GovernanceView
from mlops_desk.kit.base.errors import DeskError, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import AuditEntry, AuditState
from mlops_desk.kit.records.audit import AuditVerification
from mlops_desk.kit.records.audit_words import anchors_sentence, replaced_sentence
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.parts.task_progress import HereWork, UndertakingBar
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.facts import Fact
from mlops_desk.kit.window.widgets.field import Field, filter_field
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words import numbers, time_expressions
from mlops_desk.kit.window.words.numbers import Mark

# Which changes are looked for: with a text, by somebody, of a verb, of a time, or only those that failed.
_REST_MILLISECONDS = 400  # chosen: longer than between two letters
_SPANS = (
    ("Any time", None), ("Last hour", 3600.0), ("Last 24 hours", 86_400.0), ("Last 7 days", 604_800.0),
    ("Last 30 days", 2_592_000.0),
)  # fmt: skip
_BETWEEN = "Between …"
_FIELD = 130  # pixels: a name, or a verb with its service


@dataclass(frozen=True, slots=True)
class AuditWanted:
    """What is asked of the agent, as the verb has it; times are Unix seconds."""

    text: str | None = None
    user: str | None = None
    asked: str | None = None
    since: float | None = None
    until: float | None = None
    failed: bool = False

    @property
    def is_all(self) -> bool:
        """Whether nothing is narrowed."""
        return self == AuditWanted()


class AuditFilters(QObject):
    """``changed`` tells that something else is looked for; ``widgets`` are the fields, in their order."""

    changed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.search = filter_field("Search the audit")
        self.search.setMinimumWidth(theme.COLUMN_MINIMUM)
        self.who = self._field("By", "By whom", "as they are called on this machine")
        self.verb = self._field("Verb", "Verb", "as models.alias, or a service as models")
        self.span = ChoiceBox("When")
        for title, seconds in _SPANS:
            self.span.addItem(title, seconds)
        self.span.addItem(_BETWEEN, _BETWEEN)
        self.between = Field("Between which times", "24 nov – 26 nov 18:00")
        set_tip(self.between, time_expressions.EXAMPLES)
        self.between.setFixedWidth(theme.COLUMN_MINIMUM)
        self.between.hide()
        self.failed = CheckBox("Only what failed")
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_REST_MILLISECONDS)
        self._soon.timeout.connect(self.changed)
        self.search.textEdited.connect(lambda _text: self._soon.start())
        self.search.textChanged.connect(lambda text: None if text else self._soon.start())
        for field in (self.who, self.verb, self.between):
            field.editingFinished.connect(self._ask_if_other)
            field.textChanged.connect(lambda text: None if text else self._ask_if_other())
        self.span.currentIndexChanged.connect(lambda _place: self._turn())
        self.failed.toggled.connect(lambda _on: self.changed.emit())
        self._users, self._verbs = QStringListModel(self), QStringListModel(self)
        _complete(self.who, self._users)
        _complete(self.verb, self._verbs)
        self._asked = self._words()
        self.widgets = (self.search, self.who, self.verb, self.span, self.between, self.failed)

    def _field(self, name: str, hint: str, tip: str) -> Field:
        field = Field(name, hint)
        field.setAccessibleDescription(tip)
        set_tip(field, tip)
        field.setFixedWidth(_FIELD)
        return field

    def learn(self, entries: Iterable[AuditEntry]) -> None:
        """Offer who and what was seen while one types."""
        entries = list(entries)
        for model, names in ((self._users, {one.user for one in entries}), (self._verbs, _verbs(entries))):
            known = set(model.stringList())
            if not names <= known:
                model.setStringList(sorted(known | {plain(name, 100) for name in names}))

    def clear(self) -> None:
        """Look for all changes again."""
        for field in (self.search, self.who, self.verb, self.between):
            field.clear()
        self.span.setCurrentIndex(0)
        self.failed.setChecked(False)

    def trouble(self) -> str:
        """Return what is wrong with what was typed; nothing where it can be asked."""
        typed = self.between.text().strip()
        if self.span.currentData() != _BETWEEN or not typed or self._times() is not None:
            return ""
        return f"{plain(typed, 80)!r} is no time that has been. As in: {time_expressions.EXAMPLES}."

    def wanted(self) -> AuditWanted:
        """Return what is asked for now."""
        since: float | None = None
        until: float | None = None
        chosen = self.span.currentData()
        if chosen == _BETWEEN:
            times = self._times()
            since, until = (None, None) if times is None else (times.start, times.end)
        elif chosen is not None:
            since = time.time() - float(chosen)
        text, user, asked = (one.text().strip() or None for one in (self.search, self.who, self.verb))
        return AuditWanted(text, user, asked, since, until, self.failed.isChecked())

    def _times(self) -> time_expressions.WantedTime | None:
        found = time_expressions.parse(self.between.text().strip(), time.time())
        return None if found is None or found.subject else found

    def _words(self) -> tuple[str, ...]:
        return tuple(one.text().strip() for one in (self.who, self.verb, self.between))

    def _ask_if_other(self) -> None:
        """Ask anew; leaving a field in which nothing was changed asks nothing."""
        words = self._words()
        if words != self._asked:
            self._asked = words
            self.changed.emit()

    def _turn(self) -> None:
        is_between = self.span.currentData() == _BETWEEN
        self.between.setVisible(is_between)
        if is_between:
            self.between.setFocus()
        if not is_between or self.between.text().strip():
            self.changed.emit()


def _verbs(entries: Iterable[AuditEntry]) -> set[str]:
    """Return verbs and their services."""
    return {name for one in entries for name in (one.verb, one.verb.partition(".")[0])}


def _complete(field: Field, model: QStringListModel) -> None:
    completer = QCompleter(model, field)
    completer.setFilterMode(Qt.MatchFlag.MatchContains)
    completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
    field.setCompleter(completer)
    completer.activated.connect(lambda _text: field.editingFinished.emit())


# A change as the audit tells it: in a line, and in full; and what came of looking at the whole chain.
_NAME = re.compile(r'\s*,?\s*"((?:[^"\\]|\\.)*)"\s*:\s*')
_OF_A_MOMENT = re.compile(r"(?:.*_)?(?:at|since|until|began|begun|ended)")
_LATEST = 4e9  # the year 2096: a larger number is no time in seconds, nor is one before 2001
_TEXT = 2000  # characters: a screen of what a thing was


def spoken(kept: str) -> str:
    """Return what the audit keeps as JSON as ``name churn · version 4``, without what was not given.

    The audit keeps the beginning of what is long: its last value is told as far as it goes. What is no object of JSON
    is told as it is kept.
    """
    found = list(_pairs(kept)) if kept.startswith("{") else []
    if not found and kept != "{}":
        return kept
    told = ((name, _moment(name, value) or _said(value)) for name, value in found)
    return " · ".join(f"{name} {value}" for name, value in told if value)


def _pairs(kept: str) -> Iterator[tuple[str, object]]:
    """Yield names and values of an object of JSON, up to where it was cut."""
    decoder, at = json.JSONDecoder(), 1
    while (name := _NAME.match(kept, at)) is not None:
        try:
            value, at = decoder.raw_decode(kept, name.end())
        except (ValueError, RecursionError):
            value, at = kept[name.end() :], len(kept)
        yield name[1], value


def _moment(name: str, value: object) -> str:
    """Return a Unix time as a clock shows it; nothing where it is none."""
    if _OF_A_MOMENT.fullmatch(name) is None or not isinstance(value, (int, float)) or not 1e9 < value < _LATEST:
        return ""
    return numbers.day_and_clock(value)


def _said(value: object) -> str:
    """Return a value in words; nothing where there is none. What lies deeper stays as it is written."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value):
        return ", ".join(filter(None, map(_said, value)))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def verified_words(found: AuditVerification) -> tuple[str, str]:
    """Say what came of looking at the chain, and in which tone."""
    records = numbers.count(found.records, "record")
    beside = " ".join(filter(None, (anchors_sentence(found), replaced_sentence(found))))
    if found.intact:
        return f"{numbers.OK} {records}: none was changed, moved or taken away. {beside}", "ok"
    where = f"record {found.first_bad:,}" if found.first_bad is not None else f"entry {plain(found.entry or '?', 80)}"
    return (
        f"{numbers.ALERT} {records}, and {where} does not hold: {plain(found.why or 'it was changed', 400)} {beside}",
        "alert",
    )


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
            told, tone = plain(spoken(text), _TEXT), "alert" if name == "Error" else "text"
            facts.append(Fact(name, told, tone, tip="" if told == text else text))
    return facts


def _mark(one: AuditEntry) -> Mark:
    if one.state is not AuditState.ENDED:
        return Mark("unknown", numbers.UNKNOWN, plain(one.state.value.replace("_", " "), 40))
    return Mark("alert", numbers.ALERT, "failed") if one.error else Mark("ok", numbers.OK, "done")


def _state(one: AuditEntry) -> Cell:
    mark = _mark(one)
    return Cell(mark.text, mark.word, mark.token)


COLUMNS: tuple[Column[AuditEntry], ...] = (
    Column("when", "When", lambda one: Cell(numbers.day_and_clock(one.at), one.at, tip=numbers.absolute(one.at))),
    Column("who", "By", lambda one: Cell(plain(one.user))),
    Column("what", "What", lambda one: Cell(plain(one.verb))),
    Column("given", "Given", lambda one: Cell(plain(spoken(one.arguments), 200)), stretch=True),
    Column("state", "Ended", _state),
)


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
        from mlops_desk.governance.verbs.audit_export import write_chain  # noqa: PLC0415 - what reads and writes JSON

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
