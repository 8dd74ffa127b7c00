"""Jobs: the queue as a table, below it the chosen job: state and reason, what it was asked to do, its output."""

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.ui.actions import Action
from mlops_desk.ui.jobs import words
from mlops_desk.ui.jobs.submit_form import SubmitDialog
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.output import OutputPane, OutputSource
from mlops_desk.ui.parts.page import Page
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.widgets.facts import FactGrid
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty

LOG_TAIL = 2000  # chosen: a training of some hundred steps
_WAITING = frozenset({JobState.QUEUED, JobState.BLOCKED})


class JobsPage(Page):
    """Table above, the chosen job below."""

    stale: ClassVar[str] = "These states are"
    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.JOBS, Topic.CONNECTION})
    loads: ClassVar[tuple[Topic, ...]] = (Topic.JOBS,)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.table = RecordTable("Jobs", words.COLUMNS, context.memory)
        self.table.sort_by_key("submitted", Qt.SortOrder.DescendingOrder)
        self.table.chosen.connect(self._chose)
        self._filter = filter_field("Filter jobs")
        self._filter.textChanged.connect(self.table.narrow)
        self._facts = FactGrid()
        self._cancel = Button("Stop job …", harmful=True)
        self._cancel.clicked.connect(self._ask_to_stop)
        self._output = OutputPane(context, "Output of the job")
        self.log = self._output.log
        self._shown: tuple[str, int, bool] | None = None
        self._asked_for: JobBrief | None = None
        self._whole: Job | None = None
        self._arrange()

    def _arrange(self) -> None:
        facts = Card("Job")
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._facts)
        column.addStretch()
        facts.column.addWidget(scrolled(inner, "Details of the job"), 1)
        facts.column.addWidget(self._cancel)
        below = QSplitter(Qt.Orientation.Horizontal)
        below.addWidget(facts)
        below.addWidget(self._output)
        below.setSizes([theme.DETAIL_WIDTH, theme.READING_WIDTH])
        below.setStretchFactor(1, 1)
        below.setHandleWidth(theme.SPACE_8)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(framed(self.table))
        split.addWidget(below)
        split.setSizes([theme.DIALOG_TALL // 2, theme.DIALOG_TALL // 2])
        split.setHandleWidth(theme.SPACE_8)
        row = QHBoxLayout()
        row.addWidget(self._filter, 1)
        row.addStretch(1)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addLayout(row)
        whole.addWidget(split, 1)

    # What is shown.

    def refresh(self, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - one thing is shown, whatever changed
        part = self.context.store.jobs
        if not self.show_part(part, "Jobs", self._empty):
            return
        self.table.show_records(part.value or {})
        if self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._shown = None
        self._show_chosen()

    def left(self) -> None:
        self._output.stop()

    def reload(self) -> None:
        self._shown = self._asked_for = None
        super().reload()

    def main_table(self) -> RecordTable[JobBrief]:
        return self.table

    def filter_field(self) -> QLineEdit | None:
        return self._filter

    def actions_here(self) -> list[Action]:
        places = frozenset({"title", "main", "menu", "palette"})
        return [
            Action("jobs.submit", "Submit a job …", self.submit, places=places),
            Action("jobs.cancel", "Stop the chosen job …", self._ask_to_stop, when=self._can_stop),
        ]

    def submit(self) -> None:
        """Open the form for a new job."""
        SubmitDialog(self, self.context).open()

    def _empty(self) -> Empty:
        text = "Training jobs will be here: waiting, running and done, each with its output and, where it failed, why."
        return Empty("No jobs yet", text, "Submit a job …", self.submit, "mlops-desk jobs submit SPEC.yaml")

    def _chosen(self) -> JobBrief | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _chose(self, _key: str | None) -> None:
        self._show_chosen()

    def _show_chosen(self) -> None:
        job = self._chosen()
        self._cancel.setVisible(self._can_stop())
        if job is None:
            self._facts.show_facts([])
            self._output.say("")
            self._shown = None
            return
        whole = self._whole_of(job)
        self._facts.show_facts(words.facts_of(job, whole, self.context.store))
        now = (job.id, job.attempts, job.state in _WAITING)
        if self._shown != now and self.isVisible():
            self._shown = now
            self._show_output(job)

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

    def enter(self) -> None:
        self.table.setFocus()

    def _show_output(self, job: JobBrief) -> None:
        if job.state in _WAITING:
            self._output.say("It has not started, so there is no output yet.")
            return
        identifier = job.id
        self._output.read(
            OutputSource(
                identifier,
                lambda desk, follow: desk.jobs.logs(identifier, follow=follow, tail=LOG_TAIL),
                follow=not job.state.is_final,
            )
        )

    # Acts.

    def _can_stop(self) -> bool:
        job = self._chosen()
        return job is not None and not job.state.is_final and not job.cancel_requested

    def _ask_to_stop(self) -> None:
        job = self._chosen()
        if job is None or not self._can_stop():
            return
        if job.state in _WAITING:
            title, act = f"Take {job.name} out of the queue?", "Take out of queue"
            text = "It has not started, so nothing is lost. Submit it again to put it back at the end."
        else:
            title, act = f"Stop {job.name}?", "Stop job"
            text = "Its container is asked to end and gets some time to save; what it hasn't saved by then is lost."
        identifier = job.id
        ask(self, title, text, act, lambda: self._stop(identifier))

    def _stop(self, identifier: str) -> None:
        self._cancel.setEnabled(False)

        def done(_answer: object) -> None:
            self._cancel.setEnabled(True)

        def failed(error: DeskError) -> None:
            self._cancel.setEnabled(True)
            self.context.complain(error)

        self.context.ask("stop job", lambda desk: desk.jobs.cancel(identifier), done, failed)
