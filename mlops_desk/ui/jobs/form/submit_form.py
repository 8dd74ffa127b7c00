"""Submit a job: open a YAML file, or write one from the template; errors are shown beside what is wrong."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QTextCursor
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPlainTextEdit, QWidget

from mlops_desk.base.errors import DeskError, Place
from mlops_desk.records.jobs.job import Job
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label, set_tip
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.widgets.scroll import thin

SPEC_LIMIT_BYTES = 1 << 20  # as much as the command line reads of a file; the agent takes less
TEMPLATE = """\
apiVersion: mlops-desk/v1
kind: Job
name: my-job
image: python:3.12-slim
command: [python, -c, "print('hello')"]
# env: {OMP_NUM_THREADS: "2"}
resources: {gpus: 0, cpus: 1, memory: 1GiB}
# mounts: [{source: /data/digits, target: /data, mode: ro}]
# mlflow: {experiment: digits}
"""


class SubmitDialog(FormDialog):
    """Sends the text to the agent, which checks it."""

    def __init__(self, parent: QWidget, context: Context, text: str = TEMPLATE) -> None:
        about = "A job is a YAML file: an image, a command, and what it may use. It waits until its GPUs are free."
        super().__init__(parent, "Submit a job", about, "Submit job")
        self._context = context
        self._folder = str(Path.home())
        self._text = QPlainTextEdit(text)
        thin(self._text)
        self._text.setFont(theme.fixed_font())
        self._text.setAccessibleName("Job description")
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setTabChangesFocus(True)
        self._source = Label("Written here", points=theme.CAPTION_POINTS, tone="muted")
        self._open = Button("Open a file …")
        self._open.clicked.connect(self._choose)
        row = QHBoxLayout()
        row.addWidget(self._source, 1)
        row.addWidget(self._open)
        self.fields.addRow(row)
        self.fields.addRow(self._text)
        self.first = self._text
        self.submit = self._submit_text
        set_tip(self.act, "Ctrl+Enter")
        self.resize(theme.READING_WIDTH, theme.DIALOG_TALL)
        self._text.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Submit by Ctrl+Enter: Enter alone begins a line."""
        if (
            event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}
            and event.modifiers() & Qt.KeyboardModifier.ControlModifier
        ):
            self.act.click()
        else:
            super().keyPressEvent(event)

    def text(self) -> str:
        return self._text.toPlainText()

    def set_text(self, text: str) -> None:
        self._text.setPlainText(text)

    def _choose(self) -> None:
        chooser = QFileDialog(self, "Open a job's file", self._folder, "Job descriptions (*.yaml *.yml);;All files (*)")
        chooser.setFileMode(QFileDialog.FileMode.ExistingFile)
        chooser.fileSelected.connect(self._load)
        chooser.open()

    def _load(self, name: str) -> None:
        path = Path(name)
        self._context.tasks().run("read file", lambda: _read(path), lambda text: self._loaded(path, text), self.fail)

    def _loaded(self, path: Path, text: str) -> None:
        self._folder = str(path.parent.absolute())
        self._source.show_text(str(path))
        self.set_text(text)

    def _submit_text(self) -> None:
        text, folder = self.text(), self._folder
        self.begin("Submitting …")
        self._context.ask("submit job", lambda desk: desk.jobs.submit(text, folder), self._submitted, self._refused)

    def _refused(self, error: DeskError) -> None:
        """Show what is wrong, and stand where it is."""
        self.fail(error)
        if error.place is not None:
            self._text.setTextCursor(cursor_at(self._text, error.place))
            self._text.setFocus()

    def _submitted(self, job: Job) -> None:
        self._context.say("info", f"Job {job.name} is in the queue.")
        self._context.open_page("jobs", job.id)
        self.accept()


def cursor_at(text: QPlainTextEdit, place: Place) -> QTextCursor:
    """Return a cursor at a place; where the column is not known, at the end of its line."""
    block = text.document().findBlockByNumber(place.line - 1)
    line = block.text()
    before = line if place.column is None else line[: place.column - 1]
    cursor = text.textCursor()
    cursor.setPosition(block.position() + len(before.encode("utf-16-le")) // 2)  # Qt counts in UTF-16
    return cursor


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > SPEC_LIMIT_BYTES:
            raise DeskError(f"{path.name} is larger than 1 MiB; that is no job description.", "Choose another file.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeskError(f"{path} can't be read: {error}.", "Choose another file.") from error
