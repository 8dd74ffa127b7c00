"""Jobs: the queue as a table, below it the chosen job: why it stands as it does, its output, its GPUs, its run."""

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLineEdit, QSplitter, QVBoxLayout

from mlops_desk.base.errors import DeskError
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job
from mlops_desk.ui.actions import Action
from mlops_desk.ui.jobs.acts import JobActs
from mlops_desk.ui.jobs.detail.pane import JobPane
from mlops_desk.ui.jobs.form.submit_form import SubmitDialog
from mlops_desk.ui.jobs.lanes.view import LanesView
from mlops_desk.ui.jobs.loads import OLDER, known
from mlops_desk.ui.jobs.table.columns import COLUMNS, search_text
from mlops_desk.ui.jobs.table.filters import Filters
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.page import Page
from mlops_desk.ui.parts.queue_places import QueuePlaces
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.card import framed
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty


class JobsPage(Page):
    """Table above, the chosen job below."""

    stale: ClassVar[str] = "These states are"
    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.JOBS, OLDER, Topic.CONNECTION})
    loads: ClassVar[tuple[Topic, ...]] = (Topic.JOBS, OLDER)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.table: RecordTable[JobBrief] = RecordTable("Jobs", COLUMNS, context.memory, search_text)
        self.table.sort_by_key("position", Qt.SortOrder.AscendingOrder)
        self.table.chosen.connect(self._chose)
        self.filters = Filters()
        self.filters.words.textChanged.connect(self.table.narrow)
        self.filters.changed.connect(lambda: self.table.keep(self.filters.fits()))
        self.acts = JobActs(self, context, self._chosen)
        self.pane = JobPane(context, self.acts.buttons())
        self.lanes = LanesView(context)
        self.lanes.chosen.connect(self.reveal)
        self.lanes.gpu_chosen.connect(lambda gpu: context.open_page("gpus", gpu))
        self._lanes = framed(scrolled(self.lanes, "Lanes of the GPUs"))
        self.lanes.grew.connect(self._fit_lanes)
        self._places = QueuePlaces(context, self)
        self._asked_for: JobBrief | None = None
        self._whole: Job | None = None
        self._arrange()

    def _arrange(self) -> None:
        split = self._split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(framed(self.table))
        split.addWidget(self._lanes)
        split.addWidget(self.pane)
        split.setStretchFactor(0, 1)
        split.setStretchFactor(2, 1)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addWidget(self.filters)
        whole.addWidget(split, 1)

    def _fit_lanes(self) -> None:
        """Give the lanes no more room than they fill, and less where there is little: then they scroll."""
        height = self.lanes.height() + 2 * theme.SPACE_4
        self._lanes.setMaximumHeight(height)
        most = self._split.height()
        lanes = min(height, most // 3)
        self._split.setSizes([(most - lanes) // 2, lanes, (most - lanes) // 2])

    # What is shown.

    def refresh(self, topics: frozenset[Topic]) -> None:
        part = self.context.store.jobs
        if not self.show_part(part, "Jobs", self._empty):
            return
        jobs = known(self.context.store)
        if topics & {Topic.JOBS, OLDER}:
            self.filters.offer(jobs.values())
            self.table.show_records(jobs)
            self.lanes.show_jobs(jobs)
            self._places.look()
        status = self.context.store.status
        self._lanes.setVisible(status is None or bool(status.gpus))
        if self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def showEvent(self, event: QShowEvent) -> None:
        self._places.wake(awake=True)
        super().showEvent(event)
        self._places.look()
        self.table.sort_again()
        self._show_chosen()

    def left(self) -> None:
        self._places.wake(awake=False)
        self.pane.left()

    def reload(self) -> None:
        self._asked_for = None
        super().reload()

    def main_table(self) -> RecordTable[JobBrief]:
        return self.table

    def filter_field(self) -> QLineEdit | None:
        return self.filters.words

    def escape(self) -> None:
        self.filters.clear()

    def show_thing(self, thing: str) -> bool:
        if not self.table.holds(thing):
            return False
        if not self.table.select(thing):
            self.filters.clear()
        return self.table.select(thing)

    def actions_here(self) -> list[Action]:
        places = frozenset({"title", "main", "menu", "palette"})
        return [
            Action("jobs.submit", "New job …", self.submit, places=places),
            *self.acts.actions(),
        ]

    def submit(self) -> None:
        """Open the form for a new job."""
        SubmitDialog(self, self.context).open()

    def _empty(self) -> Empty:
        text = "Training jobs will be here: waiting, running and done, each with its output and, where it failed, why."
        return Empty("No jobs yet", text, "New job …", self.submit, "mlops-desk jobs submit SPEC.yaml")

    def _chosen(self) -> JobBrief | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _chose(self, _key: str | None) -> None:
        self._show_chosen()

    def _show_chosen(self) -> None:
        job = self._chosen()
        self.lanes.choose_job(job.id if job is not None else None)
        self.acts.refresh()
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
            self._show_chosen()

    def enter(self) -> None:
        self.table.setFocus()
