"""What jobs keep on the disk: the one budget and its parts, and the copies of data, which one can let go."""

from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QMenu

from mlops_desk.base.text import plain
from mlops_desk.records.jobs.staging import JobDisk, StagedCopy, StagingCache
from mlops_desk.ui.actions import Action
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label, menu_text, set_tip
from mlops_desk.ui.parts.asked import AskedView
from mlops_desk.ui.settings.disk import words
from mlops_desk.ui.settings.disk.clear_form import ClearDialog
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.widgets.meters import Meters
from mlops_desk.ui.words import numbers
from mlops_desk.verbs.desk import ClientLike

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
        self.table: RecordTable[StagedCopy] = RecordTable("Copies of data", words.COLUMNS, context.memory)
        self.table.sort_by_key("used", Qt.SortOrder.DescendingOrder)
        self.table.chosen.connect(lambda _key: self._offer())
        self.table.fill_more = self._fill_menu
        self.none = Label(words.NO_COPIES, tone="muted", wrap=True)
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
        row.addWidget(Label(words.ABOUT, tone="muted", wrap=True), 1)
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
        self.bars.show_meters(words.meters(value.disk))
        self.says.show_text(words.goes_first(value.disk))
        short = words.short_of_room(value.disk)
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
        why_not = "no copy is chosen" if one is None else words.why_it_stays(one)
        self.remove.setEnabled(not why_not)
        set_tip(self.remove, f"Not now: {why_not}." if why_not else "Remove the chosen copy; its source stays")
        self.clear.setEnabled(self.value is not None and bool(self.value.cache.copies))

    def _fill_menu(self, menu: QMenu) -> None:
        one = self.chosen()
        if one is not None and not words.why_it_stays(one):
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
        stays = words.why_it_stays(one)
        if stays:
            self.context.say("info", f"The copy of {plain(one.source)} stays: {stays}.")
            self.look()
            return
        ask(self.window(), "Remove this copy of data?", words.loss(one), "Remove copy", lambda: self._go(one))

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
