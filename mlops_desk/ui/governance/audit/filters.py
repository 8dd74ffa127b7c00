"""Which changes are looked for: with a text, by somebody, of a verb, of a time, or only those that failed."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QObject, QStringListModel, Qt, QTimer, Signal
from PySide6.QtWidgets import QCompleter, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.agent import AuditEntry
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import set_tip
from mlops_desk.ui.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.ui.widgets.field import Field, filter_field
from mlops_desk.ui.words import moments

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
        set_tip(self.between, moments.EXAMPLES)
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
        return f"{plain(typed, 80)!r} is no time that has been. As in: {moments.EXAMPLES}."

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

    def _times(self) -> moments.WantedTime | None:
        found = moments.parse(self.between.text().strip(), time.time())
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
