"""Whether the files of a version are those that were registered: each file that is not is named."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button, answers
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.numbers import Mark

if TYPE_CHECKING:
    from mlops_desk.records.registry.transfer import CheckedFile, Verified
    from mlops_desk.ui.live.tasks import Task

MARKS = {
    "same": Mark("ok", numbers.OK, "as registered"),
    "changed": Mark("alert", numbers.ALERT, "changed"),
    "missing": Mark("alert", numbers.ALERT, "missing"),
    "added": Mark("warning", numbers.WARNING, "added since"),
    "unknown": Mark("unknown", numbers.UNKNOWN, "not known"),
}
_GRAVE = ("changed", "missing", "added", "unknown", "same")
_SHA = 12  # chosen: digits that one compares by eye


class VerifyDialog(QDialog):
    """Reads every file, which takes its time, and says what it found."""

    def __init__(self, parent: QWidget, context: Context, model: str, version: str) -> None:
        super().__init__(parent)
        self._context = context
        self._task: Task | None = None
        self.setWindowTitle(f"Verify {plain(model, 60)} version {plain(version, 20)}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.says = Label("Reading every file …", bold=True, wrap=True)
        self.about = Label("", tone="muted", wrap=True)
        self.files: RecordTable[CheckedFile] = RecordTable("Files that were checked", _COLUMNS, context.memory)
        self.back = Button("Close")
        self.back.setDefault(True)
        self.back.clicked.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_16,) * 4)
        column.setSpacing(theme.SPACE_12)
        column.addWidget(self.says)
        column.addWidget(self.about)
        column.addWidget(self.files, 1)
        column.addLayout(answers(self.back))
        self.resize(theme.READING_WIDTH, theme.DIALOG_TALL)
        uri = context.store.models_uri
        self._task = context.ask(
            "verify", lambda desk: desk.registry.verify(model, version, uri=uri), self._show, self._fail
        )

    def reject(self) -> None:
        """Wait for no answer any more."""
        if self._task is not None:
            self._task.cancel()
        super().reject()

    def _show(self, found: "Verified") -> None:
        self._task = None
        self.files.show_records({one.path: one for one in found.files})
        said, tone = verdict(found)
        self.says.show_text(said)
        self.says.tint(tone)
        since = (
            "No hashes had been recorded, so those of now are kept: the next look compares with them."
            if found.recorded_at is None
            else f"Compared with the hashes of {numbers.absolute(found.recorded_at)}."
        )
        self.about.show_text(since)

    def _fail(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text(f"{numbers.ALERT} {error.message}")
        self.says.tint("alert")
        self.about.show_text(error.hint or "")


def verdict(found: "Verified") -> tuple[str, str]:
    """Say what was found, and in which colour."""
    problem = plain(found.problem or "", 400)
    counts = {state: sum(one.state == state for one in found.files) for state in MARKS}
    bad = [state for state in ("changed", "missing", "added") if counts[state]]
    if bad:
        said = ", ".join(f"{numbers.count(counts[state], 'file is', 'files are')} {MARKS[state].word}" for state in bad)
        return f"{numbers.ALERT} Not as registered: {said}. {problem}".rstrip(), "alert"
    if problem:
        return f"{numbers.UNKNOWN} {problem}", "unknown"
    if counts["unknown"]:
        return f"{numbers.UNKNOWN} {numbers.count(counts['unknown'], 'file')} can't be compared.", "unknown"
    return f"{numbers.OK} All {numbers.count(len(found.files), 'file is', 'files are')} as registered.", "ok"


def _state(one: "CheckedFile") -> Cell:
    mark = MARKS.get(one.state, Mark("unknown", numbers.UNKNOWN, plain(one.state, 40)))
    place = _GRAVE.index(one.state) if one.state in _GRAVE else len(_GRAVE)
    tip = f"recorded {one.recorded_sha256 or 'never'}\nfound {one.found_sha256 or 'nothing'}"
    return Cell(mark.text, place, mark.token, tip)


_COLUMNS: tuple[Column["CheckedFile"], ...] = (
    Column("state", "State", _state),
    Column("path", "File", lambda one: Cell(one.path), stretch=True, fixed=True),
    Column("size", "Size", lambda one: Cell(numbers.size(one.size_bytes), one.size_bytes or -1), right=True),
    Column("sha", "sha256", lambda one: Cell((one.found_sha256 or numbers.NOTHING)[:_SHA]), fixed=True),
)
