"""Prune: what would go and why, what stays because of what, and how much becomes free, before anything goes.

Exactly what was shown goes: the ids that were seen are sent, and what became of each is compared with them.
"""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.images.card import PruneItem, PrunePreview
from mlops_desk.ui.images import loads
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button, answers
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

_DAY_SECONDS = 86_400.0
AGES = (("now", 0.0), ("for a day", _DAY_SECONDS), ("for a week", 7 * _DAY_SECONDS),
        ("for 30 days", 30 * _DAY_SECONDS))  # fmt: skip
_NAMED = 3  # chosen: what one still reads in a sentence
_ABOUT = "Only images that this desk pulled or built can go, and only those that nothing needs."


class PruneDialog(QDialog):
    """Shows a preview, and does what it shows."""

    def __init__(self, parent: QWidget, context: Context) -> None:
        super().__init__(parent)
        self._context = context
        self._seen: PrunePreview | None = None
        self._task: Task | None = None
        self.setWindowTitle("Prune images")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.age = ChoiceBox("Not needed")
        for title, seconds in AGES:
            self.age.addItem(title, seconds)
        self.age.activated.connect(self.look)
        self.going: RecordTable[PruneItem] = RecordTable("What would go", _GOING, context.memory)
        self.staying: RecordTable[PruneItem] = RecordTable("What stays", _STAYING, context.memory)
        self.goes, self.stays = Card("What would go"), Card("What stays")
        self.says = Label("", bold=True, wrap=True)
        self.trouble = Label("", tone="alert", wrap=True)
        self.trouble.hide()
        self.act = Button("Remove", main=True, harmful=True)
        self.act.clicked.connect(self._prune)
        self.back = Button("Leave it")
        self.back.setDefault(True)
        self.back.clicked.connect(self.reject)
        self._arrange()
        self.look()
        self.back.setFocus()

    def _arrange(self) -> None:
        above = QHBoxLayout()
        above.setSpacing(theme.SPACE_8)
        name = Label("Not needed")
        name.setBuddy(self.age)
        above.addWidget(name)
        above.addWidget(self.age)
        above.addStretch(1)
        self.goes.column.addWidget(self.going, 1)
        self.stays.column.addWidget(self.staying, 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.goes)
        split.addWidget(self.stays)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_16,) * 4)
        column.setSpacing(theme.SPACE_12)
        column.addWidget(Label(_ABOUT, tone="muted", wrap=True))
        column.addLayout(above)
        column.addWidget(split, 1)
        column.addWidget(self.says)
        column.addWidget(self.trouble)
        column.addLayout(answers(self.back, self.act))
        room = self.screen().availableSize()
        wished = theme.READING_WIDTH + theme.LIST_WIDTH, theme.DIALOG_TALL
        self.resize(min(wished[0], room.width()), min(wished[1], room.height() - theme.FRAME_HEIGHT))

    # What would go.

    def look(self) -> None:
        """Ask what would go; an answer to an earlier choice is not shown."""
        self._seen = None
        if self._task is not None:
            self._task.cancel()
        age, engine = float(self.age.currentData()), loads.engine(self._context.store)
        self.act.setEnabled(False)
        self.trouble.hide()
        self.says.show_text("Looking what nothing needs …")
        self._task = self._context.ask(
            "what would go", lambda desk: desk.images.preview(age, engine=engine), self._show, self._fail
        )

    def _show(self, found: PrunePreview) -> None:
        self._seen = found
        self.going.show_records({item.id: item for item in found.going})
        self.staying.show_records({item.id: item for item in found.staying})
        count = len(found.going)
        self.goes.heading.show_text(f"What would go: {count:,}")
        self.stays.heading.show_text(f"What stays: {len(found.staying):,}")
        freed = f" At least {numbers.size(found.freed_bytes)} become free." if found.freed_bytes else ""
        said = f"{numbers.count(count, 'image')} would go.{freed}" if count else "Nothing would go."
        self.says.show_text(said)
        self.act.show_title(f"Remove {numbers.count(count, 'image')}" if count else "Remove")
        self.act.updateGeometry()
        self.act.setEnabled(bool(count))

    def _fail(self, error: DeskError) -> None:
        self.says.show_text("")
        self.trouble.show_text(f"{error.message} {error.hint or ''}".strip())
        self.trouble.show()
        self.act.setEnabled(self._seen is not None)

    # Doing it.

    def _prune(self) -> None:
        seen = self._seen
        if seen is None or not self.act.isEnabled():
            return
        ids = [item.id for item in seen.going]
        self.act.setEnabled(False)
        self.age.setEnabled(False)
        self.says.show_text(f"Removing {numbers.count(len(ids), 'image')} …")
        self._context.ask(
            "prune images",
            lambda desk: desk.images.prune(ids, unused_seconds=seen.unused_seconds, engine=seen.engine),
            self._done,
            self._refused,
        )

    def _refused(self, error: DeskError) -> None:
        self.age.setEnabled(True)
        self._fail(error)

    def _done(self, done: PrunePreview) -> None:
        """Tell what went; where it is not what was shown, say what stayed and why, and stay open for it."""
        stayed = changed(self._seen or done, done)
        freed = f" {numbers.size(done.freed_bytes)} are free again." if done.freed_bytes else ""
        went = f"{numbers.count(len(done.going), 'image')} went.{freed}"
        if not stayed:
            self._context.say("info", went)
            self.accept()
            return
        self.age.setEnabled(True)
        self._show(done)
        self.act.setEnabled(False)
        self.act.hide()
        self.back.show_title("Close")
        self.goes.heading.show_text(f"What went: {len(done.going):,}")
        named = "; ".join(f"{plain(item.name, 60)}: {plain(item.text, 120)}" for item in stayed[:_NAMED])
        more = f" … and {len(stayed) - _NAMED:,} more" if len(stayed) > _NAMED else ""
        self.says.show_text(went)
        count = numbers.count(len(stayed), "image")
        self.trouble.show_text(f"Something has changed since: {count} stayed. {named}{more}")
        self.trouble.show()


def changed(seen: PrunePreview, done: PrunePreview) -> list[PruneItem]:
    """Return what was shown as going and has not gone, with why, as far as it is told."""
    gone = {item.id for item in done.going}
    why = {item.id: item for item in done.staying}
    return [why.get(item.id, item) for item in seen.going if item.id not in gone]


def _size(item: PruneItem) -> Cell:
    freed = item.own_bytes if item.own_bytes is not None else item.size_bytes
    return Cell(numbers.size(freed), -1 if freed is None else freed, tip=f"{numbers.size(item.size_bytes)} in all")


_NAME: Column[PruneItem] = Column("name", "Image", lambda one: Cell(one.name, tip=one.id), stretch=True, whole=True)
_FREES: Column[PruneItem] = Column("frees", "Frees", _size, right=True)
_WHY: Column[PruneItem] = Column("why", "Why", lambda one: Cell(one.text, one.why))
_BECAUSE: Column[PruneItem] = Column("why", "Because of", lambda one: Cell(one.text, one.why))
_GOING, _STAYING = (_NAME, _FREES, _WHY), (_NAME, _FREES, _BECAUSE)
