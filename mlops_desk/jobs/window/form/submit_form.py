"""A new job: the form at the left, the file that it is at the right; each follows the other while one types.

The agent checks the file. What the form has no field for stays in the file as it is.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QSplitter, QWidget

from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.job_import import ImportedJobs
from mlops_desk.jobs.records.template import JobTemplate
from mlops_desk.jobs.window.form import yaml_text
from mlops_desk.jobs.window.form.check import FileCheck
from mlops_desk.jobs.window.form.importer import Importer, is_foreign
from mlops_desk.jobs.window.form.pane import FieldsPane
from mlops_desk.jobs.window.form.template_picker import TemplatePicker
from mlops_desk.jobs.window.form.yaml_text import NoForm, Value, path_at, read, value_of
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, menu_text, set_tip
from mlops_desk.kit.window.parts.yaml_editor import YamlEditor
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.widgets.scroll import scrolled

# In what a job file differs from the one that it began as, field by field. No Qt here.
_VALUE = 40  # chosen: characters of a value in a line
_MOST = 6  # chosen: fields that are named; more are counted


def changes(before: str, after: str) -> str:
    """Return what is other: ``params.lr: 0.1 → 0.01; resources.gpus: 1 → 2``; nothing where nothing is.

    Nothing too where one of the files can't be read field by field.
    """
    try:
        old, new = _flat(before), _flat(after)
    except NoForm:
        return ""
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    told = [f"{plain(name, _VALUE)}: {_shown(old.get(name))} → {_shown(new.get(name))}" for name in names[:_MOST]]
    more = len(names) - _MOST
    return "; ".join([*told, *([f"and {more:,} more"] if more > 0 else [])])


def _flat(text: str) -> dict[str, Value]:
    return dict(_fields("", value_of(read(text))))


def _fields(path: str, value: Value) -> Iterator[tuple[str, Value]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for name, inner in value.items():
        yield from _fields(f"{path}.{name}" if path else name, inner)


def _shown(value: Value | None) -> str:
    if value is None:
        return "none"
    return plain(" ".join(map(str, value)) if isinstance(value, list) else str(value), _VALUE)


# Job files to begin with: chosen from a list, and one's own kept in it.
class TemplateChoice(QWidget):
    """``chosen`` carries a template. ``name`` and ``text`` (with its folder) tell what is kept when asked to."""

    chosen = Signal(object)

    def __init__(self, context: Context, name: Callable[[], str], text: Callable[[], tuple[str, str]]) -> None:
        super().__init__()
        self._context = context
        self._name = name
        self._text = text
        self._known: tuple[JobTemplate, ...] = ()
        self.begin = Button("Start from …", tip="Begin with a template: the ones that come along, and your own")
        self.begin.clicked.connect(lambda _on=False: self.pick())
        self.keep = Button("Save as template", tip="Keep this file under the job's name, to begin with another time")
        self.keep.clicked.connect(lambda _on=False: self._keep())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.begin)
        row.addWidget(self.keep)
        self._ask()

    def pick(self) -> TemplatePicker:
        """Open the list."""
        picker = TemplatePicker(self, self._context, self._known)
        picker.picked.connect(self.chosen)
        picker.forgotten.connect(self._forget)
        picker.open()
        return picker

    def _ask(self) -> None:
        self._context.ask("templates", lambda desk: desk.jobs.templates(), self._take)

    def _take(self, found: Sequence[JobTemplate]) -> None:
        self._known = tuple(found)

    def _forget(self, one: JobTemplate) -> None:
        def done(_gone: JobTemplate) -> None:
            self._context.say("info", f"The template {one.name} is forgotten.")
            self._ask()

        self._context.ask("forget template", lambda desk: desk.jobs.remove_template(one.name), done)

    def _keep(self) -> None:
        name, (text, folder) = self._name(), self._text()
        self.keep.setEnabled(False)

        def done(kept: JobTemplate) -> None:
            self.keep.setEnabled(True)
            self._context.say("info", f"The template {kept.name} is kept.")
            self._ask()

        def failed(error: DeskError) -> None:
            self.keep.setEnabled(True)
            self._context.complain(error)

        self._context.ask("keep template", lambda desk: desk.jobs.save_template(name, text, folder), done, failed)


SPEC_LIMIT_BYTES = 1 << 20  # as much as the command line reads of a file; the agent takes less
READ_MILLISECONDS = 150  # chosen: who types rests so long between words
TEMPLATE = """\
apiVersion: mlops-desk/v1
kind: Job
name: my-job
image: python:3.12-slim
command: [python, -c, "print('hello')"]
resources: {gpus: 0, cpus: 1, memory: 1GiB}
"""
_FILES = "Jobs, Compose files, MLprojects (*.yaml *.yml MLproject);;All files (*)"
_ABOUT = (
    "A job is a container with GPUs of its own, described by a YAML file. It waits until its GPUs are free. "
    "Drop a job file, a Compose file, an MLproject or a docker run line here, or paste one."
)


class SubmitDialog(FormDialog):
    """Sends the text to the agent, which checks it."""

    def __init__(self, parent: QWidget | None, context: Context, text: str = TEMPLATE, of: str = "") -> None:
        """``of`` is the job whose file ``text`` is: what differs from it is told."""
        super().__init__(parent, f"Resubmit {plain(of)}" if of else "New job", _ABOUT, "Submit job")
        self._original = text if of else None
        self.changes = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.changes.setVisible(bool(of))
        self._context = context
        self._folder = str(Path.home())
        self._source_text = "Written here"
        self._text = YamlEditor(text)
        self.pane = FieldsPane()
        self._source = Label("Written here", points=theme.CAPTION_POINTS, tone="muted")
        self._open = Button("Open a file …")
        self._open.clicked.connect(self._choose)
        self.importer = Importer(self, context, self._choose_imported)
        self.importer.made.connect(self._imported)
        self.importer.failed.connect(self.fail)
        self.report = Label(points=theme.CAPTION_POINTS, wrap=True)
        self.report.hide()
        self.convert = Button("Make a job file of it", main=True, tip="Of the docker run line that is written here")
        self.convert.clicked.connect(lambda _on=False: self.importer.take(self.text(), self._folder))
        self.convert.hide()
        self.setAcceptDrops(True)
        self._text.setAcceptDrops(False)  # what is dropped there is for the form too
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(READ_MILLISECONDS)
        self._soon.timeout.connect(self._read)
        self.pane.typed.connect(self._put)
        self._text.textChanged.connect(self._written)
        self.templates = TemplateChoice(context, self.name, lambda: (self.text(), self._folder))
        self.templates.chosen.connect(self._begin_with)
        self.check = FileCheck(context)
        self.check.wrong.connect(self._show_wrong)
        self.check.wished.connect(self._put)
        self._arrange()
        self.first = self._text
        self.submit = self._submit_text
        set_tip(self.act, "Ctrl+Enter")
        self._read()
        self.check.look_at(text, self._folder)
        self._text.setFocus()

    def _arrange(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self._source, 1)
        row.addWidget(self.convert)
        row.addWidget(self.templates)
        row.addWidget(self._open)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(scrolled(self.pane, "Fields of the job"))
        split.addWidget(self._text)
        split.setSizes([theme.DETAIL_WIDTH, theme.READING_WIDTH])
        split.setStretchFactor(1, 1)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        self.fields.addRow(row)
        self.fields.addRow(self.report)
        self.fill(split)
        self.fill(self.changes, stretch=0)
        self.fill(self.check, stretch=0)
        wished = theme.DETAIL_WIDTH + theme.READING_WIDTH, theme.DIALOG_TALL + theme.CHART_HEIGHT
        room = self.screen().availableSize()
        self.resize(min(wished[0], room.width()), min(wished[1], room.height() - theme.FRAME_HEIGHT))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Submit by Ctrl+Enter: Enter alone begins a line."""
        if event.key() not in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            super().keyPressEvent(event)
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.act.click()
        elif isinstance(self.focusWidget(), QPushButton):
            super().keyPressEvent(event)

    def text(self) -> str:
        return self._text.toPlainText()

    def name(self) -> str:
        """Return what the job is called, as far as the file says it."""
        return self.pane.rows["name",].text()

    def set_text(self, text: str) -> None:
        self._text.setPlainText(text)

    # Form and file.

    def _put(self, path: yaml_text.Path, value: Value | None) -> None:
        """Put what was typed in a field into the file."""
        try:
            self._text.write(yaml_text.put(self.text(), path, value))
        except NoForm as error:
            self._say_no_form(error)

    def _written(self) -> None:
        self._text.mark(None)
        self.check.look_at(self.text(), self._folder)
        if self._text.written:
            self._read()  # other fields may lie in the same place
        else:
            self._soon.start()

    def _read(self) -> None:
        """Show in the fields what the file says."""
        foreign = is_foreign(self.text())
        self.convert.setVisible(foreign)
        try:
            node = yaml_text.read(self.text())
        except NoForm as error:
            self._say_no_form(error)
            return
        self.pane.show_file(node)
        self._source_says(self._source_text)
        if self._original is not None:
            told = changes(self._original, self.text())
            self.changes.show_text(f"Changed: {told}" if told else "As it was: nothing is changed yet.")

    def _say_no_form(self, error: NoForm) -> None:
        self.pane.show_file(None, str(error))
        self._source_says(str(error), "warning")

    def _source_says(self, text: str, tone: str = "muted") -> None:
        self._source.show_text(text)
        self._source.tint(tone)

    def _begin_with(self, template: JobTemplate) -> None:
        """Put a template in the place of what is written; undoing brings that back."""
        self._source_text = template.help or template.title
        self._text.write(template.spec)
        self._read()
        self._text.setFocus()

    # Something else that a job file is made of.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files, and texts as a terminal's line."""
        if event.mimeData().hasUrls() or event.mimeData().hasText():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        urls = [url for url in event.mimeData().urls() if url.isLocalFile()]
        if urls:
            self._load(urls[0].toLocalFile())
        elif event.mimeData().hasText():
            self._take_text(event.mimeData().text()[:SPEC_LIMIT_BYTES], "Dropped here")
        event.acceptProposedAction()

    def _take_text(self, text: str, source: str) -> None:
        if is_foreign(text):
            self.importer.take(text, self._folder)
            return
        self._source_text = source
        self._report("")
        self.set_text(text)

    def _choose_imported(self, found: ImportedJobs) -> None:
        """Let a person say which of several jobs is meant."""
        menu = QMenu(self)
        menu.addSection("Which of them?")
        for job in found.jobs:
            act = menu.addAction(menu_text(job.name))
            act.triggered.connect(lambda _on=False, job=job: self.importer.use(found, job))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._open.mapToGlobal(self._open.rect().bottomLeft()))

    def _imported(self, text: str, report: str) -> None:
        self._source_text = report.splitlines()[0]
        self._text.write(text)
        self._read()
        self._report(report)
        self._text.setFocus()

    def _report(self, report: str) -> None:
        """Say what was lost; of what came over whole the line above says it."""
        notes = "\n".join(report.splitlines()[1:])
        self.report.show_text(notes)
        self.report.setVisible(bool(notes))

    # A file that is there.

    def _choose(self) -> None:
        chooser = QFileDialog(
            self,
            "Open a job's file",
            self._folder,
            "Jobs, Compose files, MLprojects (*.yaml *.yml MLproject);;All files (*)",
        )
        chooser.setFileMode(QFileDialog.FileMode.ExistingFile)
        chooser.fileSelected.connect(self._load)
        chooser.open()

    def _load(self, name: str) -> None:
        path = Path(name)
        self._context.tasks().run("read file", lambda: _read(path), lambda text: self._loaded(path, text), self.fail)

    def _loaded(self, path: Path, text: str) -> None:
        self._folder = str(path.parent.absolute())
        self._take_text(text, str(path))

    # Submitting.

    def _submit_text(self) -> None:
        text, folder = self.text(), self._folder
        self.begin("Submitting …")
        self._context.ask("submit job", lambda desk: desk.jobs.submit(text, folder), self._submitted, self._refused)

    def _refused(self, error: DeskError) -> None:
        """Show what is wrong, and stand where it is."""
        self.fail(error)
        self._show_wrong(error)
        if error.place is not None:
            self._text.go_to(error.place)

    def _show_wrong(self, error: DeskError | None) -> None:
        """Mark the line that is wrong, and say it under the field that it is about; None: nothing is."""
        place = error.place if error is not None else None
        self._text.mark(place)
        path = path_at(self.text(), place.line, place.column) if place is not None else None
        # Where it is, the field tells; what would be right stands under it, the whole below the form.
        self.pane.point_at(path, "" if error is None else error.hint or error.message)

    def _submitted(self, job: Job) -> None:
        self._context.say("info", f"Job {job.name} is in the queue.")
        self._context.open_page("jobs", job.id)
        self.accept()


def open_with_image(context: Context, image: str) -> None:
    """Open the form of a new job over the window, with an image already named."""
    SubmitDialog(context.frame, context, yaml_text.put(TEMPLATE, ("image",), image)).open()


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > SPEC_LIMIT_BYTES:
            raise DeskError(f"{path.name} is larger than 1 MiB; that is no job description.", "Choose another file.")
        with open_plain(path, links=True) as file:
            return file.read(SPEC_LIMIT_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeskError(f"{path} can't be read: {error}.", "Choose another file.") from error
