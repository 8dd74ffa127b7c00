"""The form of a monitor, new or changed: what it watches, what that is held against and what is left out is chosen."""

import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.drift.records.answers import AnswerColumns
from mlops_desk.drift.records.monitors import Monitor, MonitorStanding, WindowRule
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.drift.window import queries
from mlops_desk.drift.window.monitors import status_text as words
from mlops_desk.drift.window.monitors.columns import ColumnChoices, MonitorColumns
from mlops_desk.drift.window.words import newest_reports
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.curves.spans import DAY, HOUR, MINUTE
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.close_guard import GuardedForm
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import Field, NumberField
from mlops_desk.kit.window.words import time_expressions
from mlops_desk.registry.records.model import Model, ModelVersion

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# How large a window is: a number, and of what.
_LEAST_ROWS, _MOST = 30, 10_000_000
"""DRIFT.md: fewer rows are not judged; chosen: more than one waits for."""
_UNITS = (("rows", None), ("minutes", MINUTE), ("hours", HOUR), ("days", DAY))


class WindowField(QWidget):
    """Rows, or a length of time."""

    def __init__(self) -> None:
        super().__init__()
        self.number = NumberField("Size of a window", 1, _MOST)
        self.unit = ChoiceBox("Windows are counted in")
        for title, seconds in _UNITS:
            self.unit.addItem(title, seconds)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.number)
        row.addWidget(self.unit, 1)
        self.setFocusProxy(self.number)
        self.unit.currentIndexChanged.connect(lambda _index: self._bound())
        self.show_rule(WindowRule())

    def _bound(self) -> None:
        self.number.setMinimum(_LEAST_ROWS if self.unit.currentData() is None else 1)

    def show_rule(self, rule: WindowRule) -> None:
        """Show a rule, in the largest unit in which it is whole."""
        if rule.rows is not None or rule.seconds is None:
            self.unit.setCurrentIndex(0)
            self.number.setValue(rule.rows or _LEAST_ROWS)
            return
        seconds = rule.seconds
        whole = [at for at, (_, length) in enumerate(_UNITS) if length is not None and seconds % length == 0]
        self.unit.setCurrentIndex(whole[-1] if whole else 1)
        self.number.setValue(max(round(seconds / (_UNITS[self.unit.currentIndex()][1] or MINUTE)), 1))

    def rule(self) -> WindowRule:
        """Return the rule that is shown."""
        seconds = self.unit.currentData()
        count = self.number.value()
        return WindowRule(count, None) if seconds is None else WindowRule(None, count * float(seconds))


_KINDS = (
    (SourceKind.FILE, "A file or a folder of files"),
    (SourceKind.SQL, "A query to a database"),
    (SourceKind.MLFLOW, "A data set of a run"),
)
_LEVELS = (("alert", "Alert: somebody has to look"), ("warning", "Warning: it can wait"))
_MOST_VERSIONS = 200  # chosen: a list of more is not looked through
_OF_SPAN = "What came then is kept, and every window is held against it"


class MonitorDialog(GuardedForm):
    """Stays open until the agent has taken it; what it says is missing is shown in place.

    ``made`` carries the id of what it made or changed.
    """

    made = Signal(str)

    def __init__(
        self, parent: QWidget | None, context: Context, monitor: Monitor | None, columns: Sequence[str] = ()
    ) -> None:
        """``columns`` are those of the windows that were judged of the monitor."""
        about = (
            "It compares window by window what comes in with what it is held against, and tells when that has moved."
        )
        if monitor is not None:
            about += " Held against something else, cut, named or judged apart otherwise, its windows begin anew."
        title = "New monitor" if monitor is None else f"Monitor {plain(monitor.name)}"
        super().__init__(parent, title, about, "Create monitor" if monitor is None else "Save", scrolls=True)
        self._context = context
        self._monitor = monitor
        self._judged = tuple(columns)
        self._asked: list[Task] = []
        self._sources: list[tuple[SourceKind, str]] = []
        self.name = Field("Name", "digits-inputs")
        self.watched = ChoiceBox("Watches")
        self.place, self.query = Field("Place", "/data/incoming"), Field("Query", "SELECT * FROM requests")
        self.time_column, self.watermark = Field("Time column", "created_at"), Field("New rows by", "id")
        self.login = Field("Password", "name of a secret, or empty")
        self.model, self.version = ChoiceBox("Model"), ChoiceBox("Version")
        self.reference, self.path = ChoiceBox("Held against"), Field("File", "/data/reference.parquet")
        self.span = Field("Rows that came", "24 nov – 26 nov 18:00")
        self.cut = WindowField()
        self.level = ChoiceBox("Level")
        self.segment = Field("Judged apart by", "a column, as country")
        self.label = Field("Turned out", "column of the feedback, as churned")
        self.answer = Field("Answer", "column of the answer, where it has several")
        self.columns = MonitorColumns()
        self._fill()
        self._lay()
        self._show_monitor()
        self.watched.currentIndexChanged.connect(lambda _index: self._fit())
        self.reference.currentIndexChanged.connect(lambda _index: self._fit())
        self.model.currentIndexChanged.connect(lambda _index: self._want_versions())
        self.submit = self._send
        self._fit()
        self.guard(self._typed_so_far)
        if monitor is None:
            self._asked.append(context.ask("models", lambda desk: desk.models.list(), self._offer_models, self.fail))

    def _fill(self) -> None:
        for name in sorted(self._context.store.endpoints.value or {}):
            self._offer(SourceKind.LOG, name, f"Requests of endpoint {plain(name)}")
        for kind, title in _KINDS:
            self._offer(kind, "", title)
        for reference, title in words.REFERENCES.items():
            self.reference.addItem(title.capitalize(), reference.value)
        for level, title in _LEVELS:
            self.level.addItem(title, level)

    def _offer(self, kind: SourceKind, place: str, title: str) -> None:
        # Qt would hand an enumeration inside a tuple back as something else.
        self._sources.append((kind, place))
        self.watched.addItem(title)

    def choose_source(self, kind: SourceKind, place: str = "") -> bool:
        """Choose what is watched; False for something that is not offered."""
        found = (kind, place) in self._sources
        if found:
            self.watched.setCurrentIndex(self._sources.index((kind, place)))
        return found

    def _lay(self) -> None:
        for title, field in (
            ("Name", self.name), ("Watches", self.watched), ("Place", self.place), ("Query", self.query),
            ("New rows by", self.watermark), ("Password", self.login), ("Time column", self.time_column),
            ("Model", self.model), ("Version", self.version),
            ("Held against", self.reference), ("Rows that came", self.span), ("File", self.path),
            ("Windows", self.cut), ("Level", self.level),
            ("Judged apart by", self.segment), ("Turned out", self.label), ("Answer", self.answer),
            ("Columns", self.columns),
        ):  # fmt: skip
            self.add(title, field, _OF_SPAN if field is self.span else "")

    def _typed_so_far(self) -> tuple[Hashable, ...]:
        texts = (
            self.name, self.place, self.query, self.watermark, self.login, self.time_column, self.span, self.path,
            self.segment, self.label, self.answer,
        )  # fmt: skip
        chosen = (self.watched.currentIndex(), self.model.currentData() or "", self.reference.currentData())
        return (*(one.text() for one in texts), *chosen, self.level.currentData(), self.cut.rule(),
                *self.columns.typed())  # fmt: skip

    def done(self, result: int) -> None:
        """Hear no answer any more, once it is closed."""
        for task in self._asked:
            task.cancel()
        super().done(result)

    # What is chosen.

    def _show_monitor(self) -> None:
        """Show what is set up of a monitor that is changed; of a new one what is sensible."""
        one = self._monitor
        if one is None:
            if self._context.axis.in_history:  # somebody has chosen that time, mostly to look at these rows
                span = self._context.axis.span()
                self.span.setText(_span_text(span.start, span.end))
            return
        self.span.setText(_span_text(one.reference.start, one.reference.end))
        self.name.setText(one.name)
        kind = one.source.kind
        place = one.source.place if kind is SourceKind.LOG else ""
        if not self.choose_source(kind, place):  # its endpoint is not there any more
            self._offer(kind, place, words.source(one.source))
            self.choose_source(kind, place)
        self.place.setText("" if kind is SourceKind.LOG else one.source.place)
        self.query.setText(one.source.query or "")
        self.time_column.setText(one.source.time_column or "")
        self.watermark.setText(one.source.watermark or "")
        self.login.setText(one.source.login or "")
        self.reference.setCurrentIndex(max(self.reference.findData(one.reference.kind.value), 0))
        self.path.setText(one.reference.path or "")
        self.cut.show_rule(one.window)
        self.level.setCurrentIndex(max(self.level.findData(one.level), 0))
        self.segment.setText(one.segment or "")
        self.label.setText(one.answers.label if one.answers is not None else "")
        self.answer.setText((one.answers.prediction if one.answers is not None else None) or "")
        self.columns.show_choices(ColumnChoices(one.columns, one.suppressed, one.renamed, one.importance))
        # What it watches is what it is: for something else there is another monitor.
        for field in (
            self.name, self.watched, self.place, self.query, self.time_column, self.watermark, self.login,
        ):  # fmt: skip
            field.setEnabled(False)
        self.first = self.reference

    def _kind(self) -> tuple[SourceKind, str]:
        return self._sources[self.watched.currentIndex()]

    def _fit(self) -> None:
        """Ask for what the chosen source and reference need, and for nothing else."""
        kind, endpoint = self._kind()
        is_log = kind is SourceKind.LOG
        shown = {
            self.place: not is_log,
            self.query: kind in {SourceKind.SQL, SourceKind.MLFLOW},
            self.time_column: not is_log,
            self.watermark: kind is SourceKind.SQL,
            self.login: kind is SourceKind.SQL,
            self.model: not is_log and self._monitor is None,
            self.version: not is_log and self._monitor is None,
            self.label: is_log,
            self.answer: is_log,
            self.path: self.reference.currentData() == ReferenceKind.FILE.value,
        }
        for field, wanted in shown.items():
            self.fields.setRowVisible(field, wanted)
        self.show_field(self.span, shown=self.reference.currentData() == ReferenceKind.PINNED.value)
        if not self.name.text() and is_log:
            self.name.setPlaceholderText(f"{endpoint}-inputs")
        report = newest_reports(self._context.store.reports.value).get(endpoint) if is_log else None
        known = [] if report is None else [column.name for column in report.columns]
        self.columns.offer([*self._judged, *known])

    def _offer_models(self, models: Sequence[Model]) -> None:
        self.model.clear()
        self.model.addItem("none", "")
        for name in sorted({one.name for one in models}):
            self.model.addItem(plain(name), name)

    def _want_versions(self) -> None:
        name = self.model.currentData()
        self.version.clear()
        if not name:
            return

        def got(versions: Sequence[ModelVersion]) -> None:
            if self.model.currentData() == name:
                for one in versions[:_MOST_VERSIONS]:
                    self.version.addItem(f"Version {plain(one.version)}", one.version)

        self._asked.append(self._context.ask("versions", lambda desk: desk.models.versions(name), got, self.fail))

    # What is sent.

    def _made(self) -> Monitor:
        """Return the monitor that the fields describe. Raises Invalid for what is missing."""
        kind, endpoint = self._kind()
        is_log = kind is SourceKind.LOG
        place = endpoint if is_log else self.place.text().strip()
        if not place:
            raise Invalid("It is not said where the data come from.", "Fill in the place.")
        name = self.name.text().strip() or (f"{endpoint}-inputs" if is_log else "")
        if not name:
            raise Invalid("A monitor needs a name.", "Fill in a name by which it is told from others.")
        source = Source(kind, place) if is_log else Source(kind, place, *self._of_rows(kind))
        version = self.version.currentData()
        model = f"{self.model.currentData()}/{version}" if not is_log and version else None
        if self._monitor is not None:
            model = self._monitor.model
        chosen = self.columns.choices()
        changed = {
            "name": name, "source": source, "reference": self._reference(), "endpoint": endpoint if is_log else None,
            "model": model, "window": self.cut.rule(), "level": self.level.currentData(),
            "segment": self.segment.text().strip() or None, "columns": chosen.columns,
            "answers": self._answers() if is_log else None,
            "suppressed": chosen.suppressed, "renamed": chosen.renamed, "importance": chosen.importance,
        }  # fmt: skip
        before = self._monitor or Monitor("", name, source)
        return replace(before, **changed)

    def _answers(self) -> AnswerColumns | None:
        """Return which columns tell how good answers were; None: nobody says."""
        label, answer = self.label.text().strip(), self.answer.text().strip() or None
        if not label:
            return None
        known = self._monitor.answers if self._monitor is not None else None
        return AnswerColumns(label, answer) if known is None else replace(known, label=label, prediction=answer)

    def _of_rows(self, kind: SourceKind) -> tuple[str | None, ...]:
        """Return query, time column, watermark and login, as far as the source has them."""
        fields = [self.query, self.time_column, *([self.watermark, self.login] if kind is SourceKind.SQL else [])]
        return tuple(field.text().strip() or None for field in fields)

    def _reference(self) -> Reference:
        kind = ReferenceKind(self.reference.currentData())
        path = self.path.text().strip()
        if kind is ReferenceKind.FILE and not path:
            raise Invalid("It is not said which file it is held against.", "Fill in the file's path.")
        if kind is not ReferenceKind.PINNED:
            return Reference(kind, path if kind is ReferenceKind.FILE else None)
        return self._of_span()

    def _of_span(self) -> Reference:
        """Return the rows of the span that is set up or was typed. Raises Invalid."""
        typed = self.span.text().strip()
        before = self._monitor.reference if self._monitor is not None else Reference()
        if before.kind is ReferenceKind.PINNED and typed == _span_text(before.start, before.end):
            return before
        found = time_expressions.parse(typed, agent_clock.now())
        if found is None or found.end is None or found.subject:
            shown = f"{plain(typed, 80)!r} is no span of time that has been." if typed else "No span of time is given."
            raise Invalid(f"It is not said which rows it is held against. {shown}", "As in: 24 nov – 26 nov 18:00")
        return Reference(ReferenceKind.PINNED, None, found.start, found.end)

    def _send(self) -> None:
        try:
            monitor = self._made()
        except Invalid as error:
            self.fail(error)
            return
        self.begin("Creating …" if self._monitor is None else "Saving …")
        question = queries.create(monitor) if self._monitor is None else queries.change(self._monitor, monitor)
        self._asked.append(self._context.ask("monitor", question, self._done, self._refused))

    def _refused(self, error: DeskError) -> None:
        self.fail(error)

    def _done(self, standing: MonitorStanding) -> None:
        name = plain(standing.monitor.name)
        self._context.say("info", f"Monitor {name} {'watches' if self._monitor is None else 'is changed'}.")
        self.made.emit(standing.monitor.id)
        self.accept()


def _span_text(start: float | None, end: float | None) -> str:
    """Return a span (Unix times) as one types it, to the minute; nothing where there is none."""
    if start is None or end is None:
        return ""
    return " – ".join(time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) for at in (start, end))
