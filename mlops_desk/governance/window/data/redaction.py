"""What is taken out of an endpoint's requests before they are logged: a rule for each column, seen on logged rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from mlops_desk.governance.records.data.redaction import Redaction, RedactionHint, RedactionPreview, RedactionWay
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.parts.close_guard import GuardedForm
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.facts import Value
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.request import LoggedRequest

KEEP = "keep"
"""The verb's own word for no rule."""
_WAYS = {
    KEEP: "logged as it is", RedactionWay.DROP.value: "not logged", RedactionWay.MASK.value: "masked",
    RedactionWay.HASH.value: "keyed hash",
}  # fmt: skip
_ABOUT = (
    "Rules are for what is logged from now on. Not logged: the column is left out. Masked: that there was a value is "
    "all that is kept. Keyed hash: the same value becomes the same word, which only this log's key makes of it."
)
_ROWS = 5  # chosen: of the newest, enough to see what a column holds
_MOST = 200  # chosen: as many columns as may have rules
_REST_MILLISECONDS = 300  # chosen: longer than between two keys that go through the ways
_VALUE = 60  # characters: what fits beside a rule


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the form begins with."""

    rules: Redaction
    preview: RedactionPreview
    rows: tuple[LoggedRequest, ...]


class RedactionDialog(GuardedForm):
    """``done`` is handed the rules as they are in force once they were set."""

    def __init__(self, parent: QWidget, context: Context, endpoint: str, done: Callable[[Redaction], None]) -> None:
        title = f"Redaction of {plain(endpoint, 80)}"
        super().__init__(parent, title, _ABOUT, "Apply rules")
        self._context, self._endpoint, self._done = context, endpoint, done
        self.ways: dict[str, ChoiceBox] = {}
        self.samples: dict[str, Value] = {}
        self._seen: _Seen | None = None
        self.says = Label("Reading the newest logged rows …", tone="muted", wrap=True)
        self._inner = QWidget()
        self._grid = QGridLayout(self._inner)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.SPACE_12)
        self._grid.setColumnStretch(2, 1)
        self.another = Field("Another column", "a column that none of these rows has")
        self.add_column = Button("Add")
        self.add_column.clicked.connect(self._add_typed)
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.another, 1)
        row.addWidget(self.add_column)
        self.fill(self.says, 0)
        self.fill(scrolled(self._inner, "Rules by column"))
        self.fill(line, 0)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_REST_MILLISECONDS)
        self._soon.timeout.connect(self._look)
        self.submit = self._apply
        self.act.setEnabled(False)
        self.resize(theme.READING_WIDTH + theme.SPACE_24, theme.DIALOG_TALL)
        context.ask("redaction", self._ask, self._begun, self.fail)

    def _ask(self, desk: ClientLike) -> _Seen:
        name = self._endpoint
        rows = desk.endpoints.requests(name, limit=_ROWS)
        return _Seen(desk.data.redaction(name), desk.data.preview(name, {}, _ROWS), tuple(rows))

    def _begun(self, seen: _Seen) -> None:
        self._seen = seen
        found = [name for row in seen.rows for name in (*row.inputs, *row.outputs, *row.feedback)]
        named = [*seen.rules.columns, *(hint.column for hint in seen.preview.hints), *found]
        for name in list(dict.fromkeys(named))[:_MOST]:
            self._add(name, seen.rules.columns.get(name))
        self.act.setEnabled(True)
        self._show(seen.preview)
        self.guard(self._chosen)
        first: QWidget = next(iter(self.ways.values()), self.another)
        first.show()  # Qt shows a moment later what came into a layout, and what is not seen takes no keys
        first.setFocus()

    def _add(self, name: str, way: RedactionWay | None) -> None:
        at = len(self.ways)
        label = Label(plain(name, _VALUE) or "(no name)")
        set_tip(label, plain(name, 200))
        box = ChoiceBox(f"What is done with {plain(name, _VALUE)}")
        for key, title in _WAYS.items():
            box.addItem(title, key)
        box.setCurrentIndex(box.findData(KEEP if way is None else way.value))
        box.currentIndexChanged.connect(lambda _place: self._soon.start())
        sample = Value(tone="muted")
        top = Qt.AlignmentFlag.AlignTop
        label.setMinimumHeight(theme.FIELD_HEIGHT)
        sample.setContentsMargins(0, (theme.FIELD_HEIGHT - sample.fontMetrics().height()) // 2, 0, 0)
        self._grid.addWidget(label, at, 0, top)
        self._grid.addWidget(box, at, 1, top)
        self._grid.addWidget(sample, at, 2, top)
        self._grid.setRowStretch(at, 0)
        self._grid.setRowStretch(at + 1, 1)
        self.ways[name], self.samples[name] = box, sample

    def _add_typed(self) -> None:
        """Add the column that was typed, or go to it where it is there."""
        name = self.another.text().strip()
        if name and name not in self.ways:
            self._add(name, None)
            self._soon.start()
        if name:
            self.another.clear()
            self.ways[name].setFocus()

    def _chosen(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, str(box.currentData())) for name, box in self.ways.items())

    def changes(self) -> dict[str, str]:
        """Return what was chosen otherwise than the rules say."""
        rules: Mapping[str, RedactionWay] = {} if self._seen is None else self._seen.rules.columns
        return {name: way for name, way in self._chosen() if way != rules.get(name, KEEP)}

    # What the rules would do.

    def _look(self) -> None:
        endpoint, changes = self._endpoint, self.changes()
        self._context.ask(
            "preview redaction", lambda desk: desk.data.preview(endpoint, changes, _ROWS), self._show, self.fail
        )

    def _show(self, found: RedactionPreview) -> None:
        """Show of each column a value as it is and as it would be logged, and what it may hold."""
        values = {one.column: (one.before, one.after) for one in reversed(found.values)}
        hints = {hint.column: hint for hint in found.hints}
        for name, sample in self.samples.items():
            text, tone = self._sample(name, values.get(name), found), "text" if name in values else "muted"
            if name in hints and not hints[name].is_covered:
                text, tone = f"{text}\n{hint_words(hints[name])}", "warning"
            sample.show_text(text)
            sample.tint(tone)
        self.says.show_text(
            f"Seen on the newest {numbers.count(found.rows, 'logged row')}. Nothing is changed before you apply it."
            if found.rows else "Nothing is logged yet: rules can be made, and are not seen on any row."
        )  # fmt: skip

    def _sample(self, name: str, changed: tuple[str, str | None] | None, found: RedactionPreview) -> str:
        if changed is not None:
            after = "left out" if changed[1] is None else plain(changed[1], _VALUE)
            return f"{plain(changed[0], _VALUE)}  →  {after}"
        if name in found.untouched:
            return "none of these rows has it"
        rows = () if self._seen is None else self._seen.rows
        told = (one for row in rows for one in (row.inputs, row.outputs, row.feedback) if name in one)
        first = next(told, None)
        return numbers.NOTHING if first is None else plain(str(first[name]), _VALUE)

    def _apply(self) -> None:
        endpoint, changes = self._endpoint, self.changes()
        if not changes and self._seen is not None and self._seen.rules.columns:
            self._set(self._seen.rules)  # what was logged before the rules may be left
            return
        if not changes:
            self.fail(DeskError("No column has a rule.", "Choose for one of them what is done with it."))
            return
        self.begin("Applying …")
        self._context.ask("redact", lambda desk: desk.data.redact(endpoint, changes), self._set, self.fail)

    def _set(self, rules: Redaction) -> None:
        self.accept()
        self._done(rules)


def hint_words(hint: RedactionHint) -> str:
    """Say what a column may hold, how that was found, and what is proposed."""
    way = _WAYS[hint.way.value]
    return f"{numbers.WARNING} may hold {plain(hint.what, 60)}, by {plain(hint.found_by, 80)}; proposed: {way}"
