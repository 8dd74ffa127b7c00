"""What a version is: the registry's facts at once, those of its own files as soon as they are read.

What a version is said to be: facts of the registry, and those that its own files tell. No Qt here.

A tab of the chosen version: it is told which one, and asks only while it is seen.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.drift.records.monitors import MonitorStanding
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.artifacts.lines import NumberedText, shown
from mlops_desk.kit.window.parts.tab_views import TabView
from mlops_desk.kit.window.widgets.button import Button, CopyButton
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, align, moment_fact
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import marks, numbers
from mlops_desk.registry.records.model_files import ModelFileFacts, SignatureColumn
from mlops_desk.registry.records.version_hit import VersionHit
from mlops_desk.registry.window.models import words
from mlops_desk.registry.window.models.versions.rows import state

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


class VersionView(TabView):
    """Subclasses show a version in ``show_version``; ``again``: it was shown already, and may have changed."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.hit: VersionHit | None = None
        self._task: Task | None = None
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(theme.SPACE_8)

    @property
    def uri(self) -> str | None:
        """The registry that is looked at."""
        return self.context.store.models_uri

    def show_version(self, hit: "VersionHit | None") -> None:
        raise NotImplementedError

    def left(self) -> None:
        """Wait for nothing any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None


LISTED = 40  # chosen: more of a list is told by its number
_NAME_LIMIT = 60  # chosen: characters; a longer one would push its value out of the pane
_VALUE_LIMIT = 300  # chosen: characters of a tag or a parameter; it may be a whole file
_OPCODES = 6  # chosen: names of a pickle that one still reads in a sentence


def about(hit: VersionHit, endpoints: Sequence[str]) -> list[Fact]:
    """Return what the registry knows of a version."""
    mark = state(hit.status)
    return [
        *([Fact("About", hit.description)] if hit.description else []),
        Fact("State", mark.text, mark.token),
        Fact("Aliases", ", ".join(hit.aliases) or "none"),
        moment_fact("Registered", hit.created),
        *([Fact("By", hit.author)] if hit.author else []),
        *([Fact("Trained on", hit.dataset)] if hit.dataset else []),
        Fact("Served by", ", ".join(endpoints) or "no endpoint of this desk"),
        Fact("Run", hit.run_id or "none: it was registered without one", fixed=hit.run_id is not None),
        *([Fact("Files", hit.source, fixed=True)] if hit.source else []),
    ]


def drift_facts(hit: VersionHit, endpoints: Sequence[str], monitors: Iterable[MonitorStanding]) -> list[Fact]:
    """Return how the data of a version have drifted, by each monitor of it or of an endpoint that serves it."""
    of = f"{hit.name}/{hit.version}"
    mine = [one for one in monitors if one.monitor.model == of or one.monitor.endpoint in endpoints]
    return [
        Fact("Drift", f"{mark.text}: {plain(told or one.monitor.name, _VALUE_LIMIT)}", mark.token, tip=one.monitor.name)
        for one in mine
        for mark, told in ((marks.monitor_mark(one), one.sentence or one.trouble),)
    ]


def metric_facts(hit: VersionHit) -> list[Fact]:
    return [Fact(plain(name, _NAME_LIMIT), _metric(hit.metrics[name])) for name in sorted(hit.metrics)[:LISTED]]


def _metric(value: float) -> str:
    return numbers.number(value, 6) if math.isfinite(value) else words.metric(value)


def pair_facts(pairs: Mapping[str, str], *, fixed: bool) -> list[Fact]:
    """Return parameters or tags; a value may be a whole file."""
    return [
        Fact(plain(name, _NAME_LIMIT), plain(pairs[name], _VALUE_LIMIT), fixed=fixed) for name in sorted(pairs)[:LISTED]
    ]


def file_facts(facts: ModelFileFacts) -> list[Fact]:
    """Return what a version's files tell of it."""
    flavors = [name for name in facts.flavors if name != "python_function"]
    return [
        Fact("Flavours", ", ".join(flavors or facts.flavors) or "none told"),
        Fact("Format", ", ".join(facts.formats) or "not known", "warning" if facts.loads_code else "text"),
        *([Fact("Beware", danger(facts), "warning")] if facts.loads_code else []),
        Fact("Size", _size(facts)),
        *([Fact("Python", facts.python_version)] if facts.python_version else []),
        *([Fact("MLflow", facts.mlflow_version)] if facts.mlflow_version else []),
        *([Fact("Logged model", facts.model_id, fixed=True)] if facts.model_id else []),
    ]


def danger(facts: ModelFileFacts) -> str:
    """Say what opening the model does, and what a pickle of it would import."""
    said = f"{numbers.WARNING} Opening it runs code that its files hold."
    if not facts.opcodes:
        return said
    names = sorted(facts.opcodes, key=lambda name: (-facts.opcodes[name], name))
    more = f" and {len(names) - _OPCODES:,} more" if len(names) > _OPCODES else ""
    return f"{said} It would import {', '.join(plain(name, 60) for name in names[:_OPCODES])}{more}."


def _size(facts: ModelFileFacts) -> str:
    if facts.size_bytes is None:
        return "not known"
    files = "" if facts.n_files is None else f" in {numbers.count(facts.n_files, 'file')}"
    return numbers.size(facts.size_bytes) + files


def signature_facts(columns: Sequence[SignatureColumn] | None) -> list[Fact]:
    """Return a signature, a line a column; a column that may be left out says so."""
    shown = [
        Fact(plain(one.name or f"#{number}", 60), _type(one), fixed=True)
        for number, one in enumerate((columns or ())[:LISTED])
    ]
    left = len(columns or ()) - LISTED
    return [*shown, *([Fact("…", f"and {left:,} more")] if left > 0 else [])]


def _type(column: SignatureColumn) -> str:
    shape = "" if column.shape is None else f" ({', '.join('any' if n < 0 else str(n) for n in column.shape)})"
    return f"{plain(column.type, 60)}{shape}{'' if column.is_required else ', may be missing'}"


_SECTIONS = ("Metrics", "Parameters", "Tags", "Model", "Inputs", "Outputs", "Settings of a prediction")
_NAMES_MOST = theme.COLUMN_MINIMUM  # pixels: a name that is longer stands apart, and does not push all values away
_EXAMPLE_HEIGHT = theme.LINES_HEIGHT  # pixels: six lines of it


class FactsView(VersionView):
    """``serving`` returns the endpoints that serve a version."""

    def __init__(self, context: Context, serving: "Callable[[VersionHit], Sequence[str]]") -> None:
        super().__init__(context)
        self._serving = serving
        self._key: tuple[str, str] | None = None
        self._files: ModelFileFacts | None = None
        self.about = FactGrid()
        self.run = Button("Open run", tip="Show the run that made this version")
        self.run.clicked.connect(self._open_run)
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.sections = {title: FactGrid() for title in _SECTIONS}
        self.headings = {title: _heading(title) for title in _SECTIONS}
        self.example, self.requirements = NumberedText("Input example"), NumberedText("Requirements")
        self.copy = CopyButton("Copy requirements", lambda: "\n".join(self._requirements()))
        self._texts = (self.example, self.requirements)
        self._text_headings = _heading("Input example"), _heading("Requirements")
        self._arrange()

    def _arrange(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.about)
        column.addWidget(self.run, 0, Qt.AlignmentFlag.AlignLeft)
        for title in _SECTIONS[:3]:
            self._add(column, title)
        column.addWidget(self.says)
        for title in _SECTIONS[3:]:
            self._add(column, title)
        for heading, text in zip(self._text_headings, self._texts, strict=True):
            text.setFixedHeight(_EXAMPLE_HEIGHT)
            column.addWidget(heading)
            column.addWidget(text)
        column.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch()
        self.column.addWidget(scrolled(inner, "Details of the version"), 1)

    def _add(self, column: QVBoxLayout, title: str) -> None:
        column.addWidget(self.headings[title])
        column.addWidget(self.sections[title])

    def show_version(self, hit: "VersionHit | None") -> None:
        """Show what is known; the files of a version do not change, and are asked for once."""
        self.hit = hit
        key = None if hit is None else (hit.name, hit.version)
        if key != self._key:
            self.left()
            self._key, self._files = key, None
            self._say("")
        self.about.show_facts([] if hit is None else self._about(hit))
        self.run.setVisible(hit is not None and hit.run_id is not None)
        self._section("Metrics", [] if hit is None else metric_facts(hit))
        self._section("Parameters", [] if hit is None else pair_facts(hit.params, fixed=True))
        self._section("Tags", [] if hit is None else pair_facts(hit.tags, fixed=False))
        self._show_files()
        if hit is not None and self._files is None and self._task is None:
            self._ask(hit)

    def _about(self, hit: "VersionHit") -> list[Fact]:
        """Return what the registry knows of a version, and how the data that it is asked with have drifted."""
        serving = self._serving(hit)
        # What is watched here is of the desk's own registry: a name elsewhere is another model.
        monitors = (self.context.store.monitors.value or {}).values() if self.uri is None else ()
        return [*about(hit, serving), *drift_facts(hit, serving, monitors)]

    def _ask(self, hit: "VersionHit") -> None:
        name, version, uri = hit.name, hit.version, self.uri
        self._say("Reading what its files say of it …")
        self._task = self.context.ask(
            "files of the version", lambda desk: desk.models.facts(name, version, uri=uri), self._got, self._failed
        )

    def _got(self, facts: "ModelFileFacts") -> None:
        self._task = None
        self._files = facts
        self._say("" if facts.problem is None else f"{numbers.UNKNOWN} {plain(facts.problem, 400)}")
        self._show_files()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self._say(f"{numbers.UNKNOWN} {error.message} {error.hint or ''}".rstrip())

    def _say(self, text: str) -> None:
        self.says.show_text(text)
        self.says.setVisible(bool(text))

    def _show_files(self) -> None:
        files = self._files
        told = files if files is not None and files.problem is None else None
        self._section("Model", [] if told is None else file_facts(told))
        self._section("Inputs", signature_facts(told.inputs) if told else [])
        self._section("Outputs", signature_facts(told.outputs) if told else [])
        self._section("Settings of a prediction", signature_facts(told.params) if told else [])
        align([self.about, *self.sections.values()], _NAMES_MOST)
        self._text(0, (told.input_example or "") if told else "")
        self._text(1, "\n".join(self._requirements()))
        self.copy.setVisible(bool(self._requirements()))

    def _requirements(self) -> Sequence[str]:
        return () if self._files is None else self._files.requirements

    def _section(self, title: str, facts: list[Fact]) -> None:
        self.sections[title].show_facts(facts)
        self.sections[title].setVisible(bool(facts))
        self.headings[title].setVisible(bool(facts))

    def _text(self, number: int, text: str) -> None:
        lines, _cut = shown(text)
        self._texts[number].show_lines(lines, numbered=False)
        self._texts[number].setVisible(bool(text))
        self._text_headings[number].setVisible(bool(text))

    def _open_run(self) -> None:
        if self.hit is not None and self.hit.run_id is not None:
            self.context.act("runs.show", self.context, self.hit.run_id, self.uri)


def _heading(title: str) -> Label:
    return Label(title, points=theme.CAPTION_POINTS, bold=True, tone="muted")
