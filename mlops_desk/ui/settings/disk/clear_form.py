"""Clear copies of data: what of one's own would go, what stays because of which jobs, before anything goes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.staging import ClearedCopies, StagedCopy
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.settings.disk import words
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button, answers
from mlops_desk.ui.words import numbers
from mlops_desk.verbs.desk import ClientLike

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

_NAMED = 3  # chosen: what one still reads
_ABOUT = "The data themselves stay where they are: a job that stages them copies them again, which takes its time."


class ClearDialog(QDialog):
    """Shows a preview, then clears."""

    def __init__(self, parent: QWidget, context: Context) -> None:
        super().__init__(parent)
        self._context = context
        self._task: Task | None = None
        self._shown: tuple[StagedCopy, ...] = ()
        self.setWindowTitle("Clear copies of data")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.going: RecordTable[StagedCopy] = RecordTable("What would go", words.COLUMNS, context.memory)
        self.says = Label("", bold=True, wrap=True)
        self.stays = Label("", tone="muted", wrap=True)
        self.trouble = Label("", tone="alert", wrap=True)
        self.trouble.hide()
        self.act = Button("Remove", main=True, harmful=True)
        self.act.clicked.connect(self._clear)
        self.back = Button("Leave them")
        self.back.setDefault(True)
        self.back.clicked.connect(self.reject)
        self._arrange()
        self.look()
        self.back.setFocus()

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_16,) * 4)
        column.setSpacing(theme.SPACE_12)
        column.addWidget(Label(_ABOUT, tone="muted", wrap=True))
        column.addWidget(self.says)
        column.addWidget(self.going, 1)
        column.addWidget(self.stays)
        column.addWidget(self.trouble)
        column.addLayout(answers(self.back, self.act))
        room = self.screen().availableSize()
        wished = theme.READING_WIDTH + theme.LIST_WIDTH, theme.DIALOG_TALL
        self.resize(min(wished[0], room.width()), min(wished[1], room.height() - theme.FRAME_HEIGHT))

    def look(self) -> None:
        """Ask what would go."""
        self.act.setEnabled(False)
        self.trouble.hide()
        self.says.show_text("Looking which of your copies no job uses …")
        self._task = self._context.ask(
            "what would go", lambda desk: desk.jobs.clear_cache(preview=True), self._show, self._fail
        )

    def _show(self, found: ClearedCopies) -> None:
        self._shown = found.copies
        self.going.show_records({one.id: one for one in found.copies})
        self.going.setVisible(bool(found.copies))
        count = numbers.count(len(found.copies), "copy", "copies")
        nothing = "jobs use all your copies" if found.kept else "you have no copies of data"
        freed = f"{count} would go. {numbers.size(found.freed_bytes)} become free."
        self.says.show_text(freed if found.copies else f"Nothing would go: {nothing}.")
        stay = numbers.count(len(found.kept), "copy stays", "copies stay")
        self.stays.show_text(f"{stay}, as jobs use {'it' if len(found.kept) == 1 else 'them'}." if found.kept else "")
        self.act.show_title(f"Remove {count}" if found.copies else "Remove")
        self.act.updateGeometry()
        self.act.setEnabled(bool(found.copies))

    def _fail(self, error: DeskError) -> None:
        self.says.show_text("")
        self.trouble.show_text(f"{error.message} {error.hint or ''}".strip())
        self.trouble.show()

    def _clear(self) -> None:
        """Let go exactly what was shown: what a job has come to use meanwhile stays."""
        shown = self._shown
        self.act.setEnabled(False)
        self.says.show_text("Removing …")
        self._task = self._context.ask("clear copies", lambda desk: _removed(desk, shown), self._done, self._fail)

    def _done(self, done: tuple[list[StagedCopy], list[str]]) -> None:
        gone, stayed = done
        freed = sum(one.taken_bytes for one in gone)
        went = f"{numbers.count(len(gone), 'copy', 'copies')} went; {numbers.size(freed)} are free again."
        if not stayed:
            self._context.say("info", went)
            self.accept()
            return
        self.going.show_records({one.id: one for one in gone})
        self.says.show_text(went)
        self.trouble.show_text("\n".join(["Something has changed since, and not all went:", *stayed[:_NAMED]]))
        self.trouble.show()
        self.act.hide()
        self.back.show_title("Close")


def _removed(desk: ClientLike, shown: Sequence[StagedCopy]) -> tuple[list[StagedCopy], list[str]]:
    """Remove copies; return which went, and why others did not."""
    gone, stayed = list[StagedCopy](), list[str]()
    for one in shown:
        try:
            gone.append(desk.jobs.remove_copy(one.id))
        except DeskError as error:
            stayed.append(plain(error.message, 200))
    return gone, stayed
