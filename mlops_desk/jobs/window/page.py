"""Jobs: the queue as a table, below it the chosen job: why it stands as it does, its output, its GPUs, its run."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QByteArray, QModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QCursor, QKeySequence, QResizeEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QScrollArea, QSplitter, QVBoxLayout, QWidget

from mlops_desk.engines.records.engine import FoundEngine
from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import LOCAL_RUNTIME, Job
from mlops_desk.jobs.window.acts.job_acts import JobActs
from mlops_desk.jobs.window.detail.pane import JobPane
from mlops_desk.jobs.window.form.submit_form import SubmitDialog
from mlops_desk.jobs.window.lanes.view import LanesView
from mlops_desk.jobs.window.loads import OLDER, known
from mlops_desk.jobs.window.table.columns import COLUMNS, search_text
from mlops_desk.jobs.window.table.filters import Filters
from mlops_desk.jobs.window.table.group_loader import GroupNews
from mlops_desk.jobs.window.table.rows import GroupRow, MemberRow, QueueRow, group_key, job_of, parent_of, rows
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.parts.queue_places import QueuePlaces
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# Where jobs run, in a line below them: the engine, and how it was proven that its GPUs are the leased ones.
# While no engine answers it is the fix that stands there, to paste: that is why jobs are blocked.
AGAIN_SECONDS = 60.0  # chosen: each question knocks at every socket; what changes is seldom
_SOON_SECONDS = 10.0  # chosen: somebody mends it, and looks here whether it is
_VERSION = 12  # chosen: characters of a version; 29.1.2
_LEVELS = {"uuid": "GPUs proven by UUID", "minor": "GPUs proven by device file"}


class EngineLine(QWidget):
    """Asks when it is seen, and again now and then. ``changed``: another state was told."""

    changed = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._task: Task | None = None
        self._asked_at = float("-inf")
        self.engine: FoundEngine | None = None
        self._known = False
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.command = CommandLine("What makes the engine answer, to paste")
        self._open = Button("Engines …", tip="All engines of this machine, and what is proven of them")
        self._open.clicked.connect(lambda _on=False: context.open_page("settings", "engines"))
        self._again = QTimer(self)
        self._again.timeout.connect(self._ask)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_12)
        row.addWidget(self.says)
        row.addWidget(self.command, 1)
        row.addWidget(self._open)
        row.addStretch(0)
        self._open.hide()
        self.hide()

    def wake(self, *, awake: bool) -> None:
        """Hear whether anybody looks."""
        if not awake:
            self._again.stop()
            return
        self._again.start(int(AGAIN_SECONDS * 1000))
        if time.monotonic() - self._asked_at >= _SOON_SECONDS:
            self._ask()

    def trouble(self) -> FoundEngine | None:
        """Return the engine that jobs are to run on, where it is known not to answer."""
        return self.engine if self.engine is not None and self.engine.state != "ok" else None

    def _ask(self) -> None:
        if self._task is not None and self._task.running:
            return
        self._asked_at = time.monotonic()
        self._task = self._context.ask("engines", lambda desk: desk.engines.list(), self._take, self._miss)

    def _take(self, found: Sequence[FoundEngine]) -> None:
        before, self._known = (self._known, self.engine), True
        self.engine = next((one for one in found if LOCAL_RUNTIME in one.names), None)
        self.reword()
        wrong = self.engine is None or self.engine.state != "ok"
        self.command.show_command(self.engine.command if self.engine is not None and wrong else None)
        self._open.setVisible(wrong)
        set_tip(self.says, "" if self.engine is None else f"{self.engine.address}\n{self.engine.hint or ''}".strip())
        self.show()
        if before != (True, self.engine):
            self.changed.emit()
        self._again.setInterval(int((_SOON_SECONDS if wrong else AGAIN_SECONDS) * 1000))

    def reword(self) -> None:
        """Say anew what is known: how long ago the GPUs were seen moves on."""
        if self._known:
            token, text = told(self.engine)
            self.says.show_text(text)
            self.says.tint(token)

    def _miss(self, _error: DeskError) -> None:
        """Say nothing: that the agent does not answer the page says itself, and the next look asks again."""


def told(engine: FoundEngine | None) -> tuple[str, str]:
    """Return the token of a colour and the line: ``Docker 29.1.2 · GPUs proven by UUID, 2 h ago``."""
    if engine is None:
        return "warning", f"{numbers.WARNING} No container engine is known here: jobs wait until there is one."
    if engine.state != "ok":
        return "alert", f"{numbers.ALERT} {plain(engine.text or 'The container engine does not answer.')}"
    name = f"{plain(engine.kind or 'engine').capitalize()} {plain(engine.version or '', _VERSION)}".strip()
    rootless = ", rootless" if engine.rootless else ""
    if engine.proof is None:
        return "muted", f"{numbers.OK} {name}{rootless} · GPUs not proven yet: the first job with one tells"
    level = _LEVELS.get(engine.proof.level, f"GPUs proven by {plain(engine.proof.level)}")
    return "muted", f"{numbers.OK} {name}{rootless} · {level}, {numbers.ago(engine.proof.at)}"


_FIRST = "mlops-desk jobs submit --image python:3.12-slim -- python -c 'print(1)'"
"""A job that any machine with an engine can do."""


_NEW = "Ctrl+N"
_SPLIT = "jobs/split"
_LANES_SHARE = 0.4  # chosen: those of eight GPUs have room in a window of 1280 by 800
_ROOM_FOR_LANES = 480  # pixels: six rows of the table, four lanes, and the chosen job in as many lines


class JobsPage(Page):
    """Table above, the chosen job below."""

    stale: ClassVar[str] = "These states are"
    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.JOBS, OLDER, Topic.CONNECTION})
    loads: ClassVar[tuple[Topic, ...]] = (Topic.JOBS, OLDER)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.table: RecordTable[QueueRow] = RecordTable("Jobs", COLUMNS, context.memory, search_text, parent_of)
        self.table.sort_by_key("position", Qt.SortOrder.AscendingOrder)
        self.table.chosen.connect(self._chose)
        self.filters = Filters()
        self.filters.words.textChanged.connect(self._narrow)
        self.filters.changed.connect(self._keep)
        self._opened: set[str] = set()
        self._offered: tuple[int, str | None] | None = None
        self.groups = GroupNews(context, self)
        self.groups.changed.connect(self._show_rows)
        self.acts = JobActs(self, context, self._row, self._explain)
        self.table.fill_more = self._fill_menu
        self.table.takes_key = self._take_key
        self.table.clicked.connect(self._clicked)
        self.table.doubleClicked.connect(lambda _index: self._take_key("Return"))
        self.pane = JobPane(context, self.acts.buttons())
        self.pane.group.opened.connect(self.reveal)
        self.lanes = LanesView(context)
        self.lanes.chosen.connect(self.reveal)
        self.lanes.gpu_chosen.connect(lambda gpu: context.open_page("gpus", gpu))
        self._lanes = framed(self._scrolled_lanes())
        self.lanes.grew.connect(self._fit_lanes)
        self.engine = EngineLine(context)
        self.engine.changed.connect(lambda: self.refresh(frozenset()))
        self._places = QueuePlaces(context, self)
        self._asked_for: JobBrief | None = None
        self._whole: Job | None = None
        self._fitted: tuple[bool, int, int] | None = None
        QShortcut(QKeySequence(_NEW), self, self.submit)
        self._arrange()

    def _scrolled_lanes(self) -> QScrollArea:
        """Let the lanes scroll under their clock, which is painted anew where it comes to be."""
        area = scrolled(self.lanes, "Lanes of the GPUs")
        area.verticalScrollBar().rangeChanged.connect(lambda *_range: self.lanes.update())
        area.verticalScrollBar().valueChanged.connect(lambda *_place: self.lanes.update())
        return area

    def _arrange(self) -> None:
        split = self._split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(framed(self.table))
        split.addWidget(self._lanes)
        split.addWidget(self.pane)
        split.setStretchFactor(0, 1)
        split.setStretchFactor(2, 1)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        kept = self.context.memory.value(_SPLIT)
        self._moved = isinstance(kept, QByteArray) and split.restoreState(kept)
        split.splitterMoved.connect(lambda _place, _which: self._remember_split())
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addWidget(self.filters)
        whole.addWidget(split, 1)
        whole.addWidget(self.engine)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_lanes()

    def _fit_lanes(self) -> None:
        """Give the lanes no more room than they fill, less where there is little, and none where rows need it all."""
        status = self.context.store.status
        has_gpus = status is None or bool(status.gpus)
        shown = has_gpus and self.content.height() >= _ROOM_FOR_LANES
        height, most = self.lanes.height() + 2 * theme.SPACE_4, self._split.height()
        if (shown, height, most) == self._fitted:
            return
        self._fitted = shown, height, most
        self._lanes.setVisible(shown)
        self._lanes.setMaximumHeight(height)
        if not self._moved:  # else a person has said how much room each part is to have
            lanes = min(height, round(most * _LANES_SHARE)) if shown else 0
            self._split.setSizes([(most - lanes) // 2, lanes, (most - lanes) // 2])

    def _remember_split(self) -> None:
        self._moved = True
        self.context.memory.setValue(_SPLIT, self._split.saveState())

    # What is shown.

    def refresh(self, topics: frozenset[Topic]) -> None:
        part = self.context.store.jobs
        if not self.show_part(part, "Jobs", self._empty):
            return
        if topics & {Topic.JOBS, OLDER}:
            jobs = known(self.context.store)
            newest = len(jobs), next(iter(jobs), None)
            if newest != self._offered:  # whose a job is never changes
                self._offered = newest
                self.filters.offer(jobs.values())
            self._show_rows(jobs)
            self.lanes.show_jobs(jobs)
            self._places.look()
        self._fit_lanes()
        if self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def _show_rows(self, jobs: dict[str, JobBrief] | None = None) -> None:
        """Show the jobs as rows, folded as one has left them."""
        jobs = known(self.context.store) if jobs is None else jobs
        shown = rows(jobs, self._opened, self.groups.told, flat=self.filters.narrows())
        chosen = self._row()
        self.table.show_records(shown)
        if isinstance(chosen, MemberRow) and self.table.key() is None and chosen.job.group is not None:
            self.table.select(group_key(chosen.job.group))
        group = self._row()
        if self.isVisible() and shown is not jobs:
            found = (row for row in shown.values() if isinstance(row, GroupRow))
            self.groups.want(found, group.id if isinstance(group, GroupRow) else None)
        if isinstance(group, GroupRow):
            self.pane.show_group(group)

    def _narrow(self, text: str) -> None:
        self._show_rows()  # while one looks for jobs, none is folded away
        self.table.narrow(text)

    def _keep(self) -> None:
        self._show_rows()
        self.table.keep(self.filters.fits())

    # Folding.

    def fold(self, group: str, *, is_open: bool) -> None:
        """Show the jobs of a group under it, or not."""
        (self._opened.add if is_open else self._opened.discard)(group)
        self._show_rows()
        self._show_chosen()

    def _take_key(self, key: str) -> bool:
        """Unfold and fold by Right and Left, or by Enter; what else a key does is an act."""
        row = self._row()
        if isinstance(row, GroupRow) and key in {"Right", "Left", "Return"}:
            wanted = not row.is_open if key == "Return" else key == "Right"
            if wanted != row.is_open:
                self.fold(row.id, is_open=wanted)
            return True
        if isinstance(row, MemberRow) and key == "Left" and row.job.group is not None:
            return self.table.select(group_key(row.job.group))
        return self.acts.press(key)

    def _clicked(self, index: QModelIndex) -> None:
        """Fold by a click on the mark before a group's name."""
        row = self._row()
        at = self.table.viewport().mapFromGlobal(QCursor.pos()).x() - self.table.columnViewportPosition(0)
        if isinstance(row, GroupRow) and index.column() == 0 and 0 <= at < theme.SPACE_24:
            self.fold(row.id, is_open=not row.is_open)

    def _fill_menu(self, menu: QMenu) -> None:
        row = self._row()
        if isinstance(row, GroupRow):
            entry = menu.addAction("Fold\tLeft" if row.is_open else "Unfold\tRight")
            entry.triggered.connect(lambda _on=False: self.fold(row.id, is_open=not row.is_open))
        self.acts.fill(menu)

    def _explain(self) -> None:
        """Show why the chosen job waits, asked for anew."""
        self.pane.tabs.choose("why")
        self.pane.explain()

    def showEvent(self, event: QShowEvent) -> None:
        self._places.wake(awake=True)
        self.engine.wake(awake=True)
        super().showEvent(event)
        self._places.look()
        self.table.sort_again()
        self._show_rows()
        self._show_chosen()

    def left(self) -> None:
        self._places.wake(awake=False)
        self.engine.wake(awake=False)
        self.groups.rest()
        self.pane.left()

    def reload(self) -> None:
        self._asked_for = None
        super().reload()

    def main_table(self) -> RecordTable[QueueRow]:
        return self.table

    def filter_field(self) -> QLineEdit | None:
        return self.filters.words

    def escape(self) -> None:
        self.filters.clear()

    def show_thing(self, thing: str) -> bool:
        """Choose a job, or a run beside it (``ID/run-RUN``); without an id whichever run, beside whichever job."""
        job, _, run = thing.partition("/run-")
        if (job or not run) and not self._choose_job(job):
            return False
        if run:
            self.pane.show_run(run)
        return True

    def _choose_job(self, key: str) -> bool:
        job = known(self.context.store).get(key)
        if job is not None and job.group is not None and self.table.holds(group_key(job.group)):
            self.fold(job.group, is_open=True)
        if not self.table.holds(key):
            return False
        if not self.table.select(key):
            self.filters.clear()
        return self.table.select(key)

    def actions_here(self) -> list[Action]:
        places = frozenset({"title", "main", "menu", "palette"})
        return [
            Action("jobs.images", "Images", self._open_images, places=frozenset({"title"})),
            Action("jobs.submit", "New job …", self.submit, _NEW, places=places, asks=True),
            *self.acts.actions(),
        ]

    def _open_images(self) -> None:
        self.context.open_page("images", None)

    def submit(self) -> None:
        """Open the form for a new job."""
        SubmitDialog(self, self.context).open()

    def _empty(self) -> Empty:
        text = "Training jobs will be here: waiting, running and done, each with its output and, where it failed, why."
        trouble = self.engine.trouble()
        if trouble is not None:
            return Empty("No jobs yet", f"{text}\n\n{told(trouble)[1]}", "New job …", self.submit, trouble.command)
        return Empty("No jobs yet", text, "New job …", self.submit, _FIRST)

    def _row(self) -> QueueRow | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _chose(self, _key: str | None) -> None:
        if isinstance(self._row(), GroupRow):
            self._show_rows()  # what is told of it is asked for
        self._show_chosen()

    def _show_chosen(self) -> None:
        row = self._row()
        job = job_of(row)
        self.lanes.choose_job(job.id if job is not None else None)
        self.acts.refresh()
        if isinstance(row, GroupRow):
            self.pane.show_group(row)
        else:
            self.pane.show_job(job, self._whole_of(job) if job is not None else None)

    def _whole_of(self, job: JobBrief) -> Job | None:
        """Return all that is known of a job, asked for when the list has news of it; None before the first answer."""
        if self._asked_for != job and self.isVisible():
            self._asked_for = job
            self.context.ask("show job", lambda desk: desk.jobs.show(job.id), self._told, self._not_told)
        return self._whole if self._whole is not None and self._whole.id == job.id else None

    def _told(self, whole: Job) -> None:
        self._whole = whole
        self._show_chosen()

    def _not_told(self, error: DeskError) -> None:
        self._asked_for = None  # the next news, or choosing it anew, asks again
        self.context.complain(error)

    def reword(self) -> None:
        super().reword()
        if self.isVisible():
            self.engine.reword()
            self._show_chosen()

    def enter(self) -> None:
        self.table.setFocus()
