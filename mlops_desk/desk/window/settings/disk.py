"""What jobs keep on the disk: the one budget and its parts, and the copies of data, which one can let go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QDialog, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from mlops_desk.jobs.records.staging import ClearedCopies, DiskPart, DiskRoom, JobDisk, StagedCopy, StagingCache
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, menu_text, set_tip
from mlops_desk.kit.window.parts.lazy_view import AskedView
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button, answers
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.meters import Meter, Meters
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

# What is said of the disk that jobs take, and of copies of data: bars, columns, and what is lost with a copy.
ABOUT = "Data that a job file stages (stage: true on a mount) are copied here first. A copy is its person's alone."
NO_COPIES = "No data are copied. A job file asks for it by stage: true on a mount; its copy is then shown here."
_NAMES = {"logs": "Logs of jobs", "code": "Snapshots of code", "data": "Copies of data"}
_HIGH = 0.9  # chosen: where a filesystem is told to be nearly full
_NAMED = 3  # chosen: what one still reads in a cell


def meters(disk: JobDisk) -> list[Meter]:
    """Return a bar for each part of the budget, and one for the whole."""
    rows = [_meter(_NAMES.get(one.name, one.name), one.used_bytes, one.budget_bytes, one.folder) for one in disk.parts]
    return [*rows, _meter("Together", disk.used_bytes, disk.budget_bytes, "")]


def _meter(name: str, used: int, most: int, tip: str) -> Meter:
    share = used / most if most > 0 else None
    tone = "warning" if share is not None and share > _HIGH else "accent"
    return Meter(name, None if share is None else min(1.0, share), numbers.size_of(used, most), tone, plain(tip))


def goes_first(disk: JobDisk) -> str:
    """Say what has to go first where a part is used up, and which settings decide."""
    found = [_first(one) for one in disk.parts if one.next is not None]
    first = f"Where a part is used up goes first: {'; '.join(found)}." if found else "Nothing of it could go now."
    return f"{first} The settings jobs.log_mebibytes, snapshots_mebibytes, staging_mebibytes and disk_mebibytes decide."


def _first(part: DiskPart) -> str:
    one = part.next
    if one is None:
        return ""
    size = "" if one.size_bytes is None else f", {numbers.size(one.size_bytes)}"
    return f"{plain(one.name, 80)} ({numbers.ago(one.at)}{size})"


def short_of_room(disk: JobDisk) -> str:
    """Say which disk can't hold what jobs may still take; nothing where all can."""
    found = [f"{numbers.WARNING} {_lacks(one)}" for one in disk.disks if one.lacks_bytes]
    return "\n".join(found)


def _lacks(one: DiskRoom) -> str:
    has = f"The disk of {plain(one.folder, 120)} has {numbers.size(one.free_bytes)} free"
    stay = f" while {numbers.size(one.reserve_bytes)} are to stay free" if one.reserve_bytes else ""
    return f"{has}, and jobs may take {numbers.size(one.allowed_bytes)} more there{stay}."


def why_it_stays(one: StagedCopy) -> str:
    """Say why a copy can't be removed now, in a few words; nothing where it can."""
    if one.jobs:
        return f"{_list(one.jobs)} {'uses' if len(one.jobs) == 1 else 'use'} it"
    if one.progress is not None:
        return "it is being copied"
    return ""


def loss(one: StagedCopy) -> str:
    """Return what is lost with a copy, and what is not."""
    files, freed = numbers.count(one.files, "file"), numbers.size(one.taken_bytes)
    gone = f"The copy of {plain(one.source, 200)} is deleted ({files}), which frees {freed}."
    stays = "The data themselves stay where they are: the next job that stages them copies them once more, all of them."
    waits = "waits" if len(one.waits) == 1 else "wait"
    return " ".join([gone, stays, *([f"{_list(one.waits)} {waits} for these data."] if one.waits else [])])


def _list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(f"job {plain(name, 40)}" for name in names[:_NAMED]) + more


def _state(one: StagedCopy) -> Cell:
    now = one.progress
    if now is not None and now.phase == "copying" and now.total_bytes:
        left = "" if now.left_seconds is None else f", {numbers.duration(now.left_seconds)} left"
        share = now.size_bytes / now.total_bytes
        return Cell(f"◐ {numbers.percent(share)}{left}", share, tip=numbers.size_of(now.size_bytes, now.total_bytes))
    if now is not None:
        return Cell(f"◐ {now.phase}", 0.0, tip=f"{now.files:,} files so far")
    if one.whole:
        return Cell(f"{numbers.OK} whole", 2.0, tip=f"Every file was verified. Manifest {one.sha256 or 'not known'}")
    return Cell(f"{numbers.WARNING} begun", 1.0, tip="Not whole: the next job that stages these data goes on with it")


def _jobs(one: StagedCopy) -> Cell:
    said = [_list(one.jobs)] if one.jobs else []
    said += [f"{_list(one.waits)} (waits)"] if one.waits else []
    return Cell(", ".join(said) or numbers.NOTHING, len(one.jobs) + len(one.waits))


def _size(one: StagedCopy) -> Cell:
    return Cell(numbers.size(one.size_bytes), one.size_bytes, tip=f"Removing it frees {numbers.size(one.taken_bytes)}")


COLUMNS: tuple[Column[StagedCopy], ...] = (
    Column("source", "Copied from", lambda one: Cell(one.source, tip=one.id), stretch=True, whole=True),
    Column("state", "State", _state),
    Column("user", "Owner", lambda one: Cell(one.user)),
    Column("files", "Files", lambda one: Cell(f"{one.files:,}", one.files), right=True),
    Column("size", "Size", _size, right=True),
    Column("used", "Used", lambda one: Cell(numbers.ago(one.used_at), one.used_at, tip=numbers.absolute(one.used_at))),
    Column("jobs", "Jobs that need it", _jobs),
)


# Clear copies of data: what of one's own would go, what stays because of which jobs, before anything goes.
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
        self.going: RecordTable[StagedCopy] = RecordTable("What would go", COLUMNS, context.memory)
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


_FOLLOWS_MILLISECONDS = 2000  # chosen: a copy under way tells twice a second; this is often enough for a table
_PALETTE = frozenset({"palette"})


@dataclass(frozen=True, slots=True)
class KeptByJobs:
    """What was answered together."""

    disk: JobDisk
    cache: StagingCache


class JobDiskView(AskedView[KeptByJobs]):
    """``bars`` show the parts of the budget, ``table`` has the copies by id."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "What jobs keep on the disk", _ask_both)
        self.bars = Meters("What jobs keep, of what they may")
        self.says = Label("", tone="muted", wrap=True)
        self.short = Label("", tone="warning", bold=True, wrap=True)
        self.table: RecordTable[StagedCopy] = RecordTable("Copies of data", COLUMNS, context.memory)
        self.table.sort_by_key("used", Qt.SortOrder.DescendingOrder)
        self.table.chosen.connect(lambda _key: self._offer())
        self.table.fill_more = self._fill_menu
        self.none = Label(NO_COPIES, tone="muted", wrap=True)
        self.remove = Button("Remove …", harmful=True, asks=True)
        self.clear = Button(
            "Clear unused …", tip="Remove your own copies that no job uses; they are shown first", asks=True
        )
        self.remove.clicked.connect(self._ask_to_remove)
        self.clear.clicked.connect(self._open_clear)
        self._follow = QTimer(self)
        self._follow.setSingleShot(True)
        self._follow.setInterval(_FOLLOWS_MILLISECONDS)
        self._follow.timeout.connect(self.look)
        self._arrange()
        self._offer()

    def _arrange(self) -> None:
        above = Card("What jobs keep on the disk")
        for part in (self.short, self.bars, self.says):
            above.column.addWidget(part)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(Label(ABOUT, tone="muted", wrap=True), 1)
        for button in (self.remove, self.clear):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        below = Card("Copies of data")
        below.column.addLayout(row)
        below.column.addWidget(self.none)
        below.column.addWidget(self.table, 1)
        below.column.addStretch()
        self.content.addWidget(above)
        self.content.addWidget(below, 1)

    def take(self, value: KeptByJobs) -> None:
        self.bars.show_meters(meters(value.disk))
        self.says.show_text(goes_first(value.disk))
        short = short_of_room(value.disk)
        self.short.show_text(short)
        self.short.setVisible(bool(short))
        copies = {one.id: one for one in value.cache.copies}
        self.table.show_records(copies)
        self.table.setVisible(bool(copies))
        self.none.setVisible(not copies)
        if self.table.key() is None:
            self.table.select_first()
        self._offer()
        if any(one.progress is not None for one in copies.values()):
            self._follow.start()

    def _hear(self, topics: frozenset[Topic]) -> None:
        """Look again when a job has changed: it may have got a copy, or may need one no more."""
        super()._hear(topics)
        if Topic.JOBS in topics and self.isVisible() and self.trouble.isHidden() and not self._follow.isActive():
            self._follow.start()

    def chosen(self) -> StagedCopy | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _offer(self) -> None:
        one = self.chosen()
        why_not = "no copy is chosen" if one is None else why_it_stays(one)
        self.remove.setEnabled(not why_not)
        set_tip(self.remove, f"Not now: {why_not}." if why_not else "Remove the chosen copy; its source stays")
        self.clear.setEnabled(self.value is not None and bool(self.value.cache.copies))

    def _fill_menu(self, menu: QMenu) -> None:
        one = self.chosen()
        if one is not None and not why_it_stays(one):
            menu.addAction(menu_text("Remove this copy …")).triggered.connect(self._ask_to_remove)
            menu.addSeparator()

    def actions_here(self) -> list[Action]:
        """Return what can be done here, for the palette."""
        return [
            Action("disk.remove", "Remove the chosen copy of data …", self._ask_to_remove, when=self.remove.isEnabled,
                   places=_PALETTE),
            Action("disk.clear", "Clear copies of data that no job uses …", self._open_clear, when=self.clear.isEnabled,
                   places=_PALETTE),
        ]  # fmt: skip

    # Acts.

    def _ask_to_remove(self) -> None:
        """Look anew who uses it, then ask."""
        one = self.chosen()
        if one is not None:
            self.context.ask("copy of data", lambda desk: desk.jobs.copy(one.id), self._ask_about)

    def _ask_about(self, one: StagedCopy) -> None:
        stays = why_it_stays(one)
        if stays:
            self.context.say("info", f"The copy of {plain(one.source)} stays: {stays}.")
            self.look()
            return
        ask(self.window(), "Remove this copy of data?", loss(one), "Remove copy", lambda: self._go(one))

    def _go(self, one: StagedCopy) -> None:
        def done(gone: StagedCopy) -> None:
            freed = numbers.size(gone.taken_bytes)
            self.context.say("info", f"The copy of {plain(gone.source, 200)} is removed; {freed} are free.")
            self.look()

        self.context.ask("remove copy", lambda desk: desk.jobs.remove_copy(one.id), done)

    def _open_clear(self) -> None:
        if self.clear.isEnabled():
            dialog = ClearDialog(self.window(), self.context)
            dialog.accepted.connect(self.look)
            dialog.open()


def _ask_both(desk: ClientLike) -> KeptByJobs:
    return KeptByJobs(desk.jobs.disk(), desk.jobs.cache())
