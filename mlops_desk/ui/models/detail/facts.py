"""What a version is: the registry's facts at once, those of its own files as soon as they are read."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.models.detail import words
from mlops_desk.ui.models.detail.view import VersionView
from mlops_desk.ui.parts.artifacts.lines import NumberedText, shown
from mlops_desk.ui.widgets.button import Button, CopyButton
from mlops_desk.ui.widgets.facts import Fact, FactGrid, align
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.records.registry.model_files import ModelFileFacts
    from mlops_desk.records.registry.version_hit import VersionHit

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
        self._section("Metrics", [] if hit is None else words.metric_facts(hit))
        self._section("Parameters", [] if hit is None else words.pair_facts(hit.params, fixed=True))
        self._section("Tags", [] if hit is None else words.pair_facts(hit.tags, fixed=False))
        self._show_files()
        if hit is not None and self._files is None and self._task is None:
            self._ask(hit)

    def _about(self, hit: "VersionHit") -> list[Fact]:
        """Return what the registry knows of a version, and how the data that it is asked with have drifted."""
        serving = self._serving(hit)
        # What is watched here is of the desk's own registry: a name elsewhere is another model.
        monitors = (self.context.store.monitors.value or {}).values() if self.uri is None else ()
        return [*words.about(hit, serving), *words.drift_facts(hit, serving, monitors)]

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
        self._section("Model", [] if told is None else words.file_facts(told))
        self._section("Inputs", words.signature_facts(told.inputs) if told else [])
        self._section("Outputs", words.signature_facts(told.outputs) if told else [])
        self._section("Settings of a prediction", words.signature_facts(told.params) if told else [])
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
