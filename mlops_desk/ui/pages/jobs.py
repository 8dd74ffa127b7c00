"""Jobs: the queue as a table, below it the chosen job: state and reason, what it was asked to do, its output."""

from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.job import Attempt, Job, JobSpec, JobState
from mlops_desk.ui import theme, words
from mlops_desk.ui.actions import Action
from mlops_desk.ui.context import Context
from mlops_desk.ui.dialogs.confirm import ask
from mlops_desk.ui.dialogs.submit import SubmitDialog
from mlops_desk.ui.page import Page
from mlops_desk.ui.store import Store, Topic
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.facts import Fact, Facts, moment_fact
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.logview import LogView
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty

if TYPE_CHECKING:
    from mlops_desk.ui.tasks import Task

REWORD_MILLISECONDS = 20_000
LOG_TAIL = 2000
MOST_READERS = 6
_WAITING = frozenset({JobState.QUEUED, JobState.BLOCKED})
CHOOSE_MILLISECONDS = 150


class JobsPage(Page):
    """Table above, the chosen job below."""

    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.JOBS, Topic.CONNECTION})
    loads: ClassVar[tuple[Topic, ...]] = (Topic.JOBS,)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.table = RecordTable("Jobs", _COLUMNS, context.memory)
        self.table.chosen.connect(self._chose)
        self._filter = filter_field("Filter jobs")
        self._filter.textChanged.connect(self.table.narrow)
        self._facts = Facts()
        self._cancel = Button("Stop job …", harmful=True)
        self._cancel.clicked.connect(self._ask_to_stop)
        self.log = LogView("Output of the job")
        self._reading: Task | None = None
        self._left_over: list[Task] = []
        self._shown: tuple[str, int, bool] | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(CHOOSE_MILLISECONDS)
        self._soon.timeout.connect(self._read_log)
        self._reword = QTimer(self)
        self._reword.setInterval(REWORD_MILLISECONDS)
        self._reword.timeout.connect(self.table.records.reword)
        self._arrange()

    def _arrange(self) -> None:
        facts = Card("Job")
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, theme.SPACE_8, 0)
        column.addWidget(self._facts)
        column.addStretch()
        facts.column.addWidget(scrolled(inner, "Details of the job"), 1)
        facts.column.addWidget(self._cancel)
        output = Card("Output")
        output.column.addWidget(self.log, 1)
        below = QSplitter(Qt.Orientation.Horizontal)
        below.addWidget(facts)
        below.addWidget(output)
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
        self._reword.start()
        self.table.records.reword()
        self._shown = None
        self._show_chosen()

    def left(self) -> None:
        self._reword.stop()
        self._stop_reading()

    def reload(self) -> None:
        self._shown = None
        super().reload()

    def reveal(self, thing: str) -> None:
        if not self.table.select(thing):
            self._filter.clear()
            self.table.select(thing)

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

    def _chosen(self) -> Job | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _chose(self, _key: str | None) -> None:
        self._show_chosen()

    def _show_chosen(self) -> None:
        job = self._chosen()
        self._cancel.setVisible(self._can_stop())
        if job is None:
            self._facts.show_facts([])
            self._stop_reading()
            self.log.clear("")
            self._shown = None
            return
        self._facts.show_facts(facts_of(job, self.context.store))
        now = (job.id, len(job.attempts), job.state in _WAITING)
        if self._shown != now and self.isVisible():
            self._shown = now
            self._stop_reading()
            self.log.clear("Loading the output …")
            self._soon.start()

    # Output.

    def _read_log(self) -> None:
        job = self._chosen()
        if job is None:
            return
        if job.state in _WAITING:
            self.log.clear("It has not started, so there is no output yet.")
            return
        # A reader that was cancelled waits for its job's next line before it ends: don't pile them up.
        self._left_over = [task for task in self._left_over if not task.ended]
        identifier, follow = job.id, not job.state.is_final and len(self._left_over) < MOST_READERS
        self._reading = self.context.read(
            f"output of {identifier}",
            lambda desk: desk.jobs.logs(identifier, follow=follow, tail=LOG_TAIL),
            self._got_lines,
            self._log_ended,
            self._log_failed,
        )

    def _got_lines(self, lines: list[str]) -> None:
        self.log.say("")
        self.log.append(lines)

    def _log_ended(self, _nothing: None) -> None:
        self.log.say("" if self.log.line_count() else "It has written nothing.")

    def _log_failed(self, error: DeskError) -> None:
        self.log.say(f"{error.message} {error.hint or ''}".strip())

    def _stop_reading(self) -> None:
        self._soon.stop()
        if self._reading is not None:
            self._reading.cancel()
            self._left_over.append(self._reading)
            self._reading = None

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


# Words for a job.


def facts_of(job: Job, store: Store) -> list[Fact]:
    """Return what is known of a job, the most important first."""
    mark = words.JOB_MARKS[job.state]
    state = mark.text + (" (asked to stop)" if job.cancel_requested and not job.state.is_final else "")
    facts = [Fact("State", state, mark.token)]
    if job.reason is not None:
        facts.append(Fact("Why", job.reason.text))
        if job.reason.evidence:
            facts.append(Fact("Evidence", job.reason.evidence, fixed=True))
        if job.reason.hint:
            facts.append(Fact("What next", job.reason.hint, "accent"))
    facts += [
        Fact("Id", job.id, fixed=True),
        Fact("By", job.user),
        moment_fact("Submitted", job.submitted_at),
        *([moment_fact("Started", job.started_at)] if job.started_at else []),
        *([moment_fact("Ended", job.ended_at)] if job.ended_at else []),
        *([Fact("Exit code", str(job.exit_code))] if job.exit_code is not None else []),
        *([Fact("GPUs", ", ".join(gpu_names(job.gpus, store)))] if job.gpus else []),
        *([Fact("MLflow run", job.mlflow_run_id, fixed=True)] if job.mlflow_run_id else []),
        *([Fact("Because of", job.origin)] if job.origin else []),
        *(_attempt_fact(attempt) for attempt in job.attempts),
    ]
    return [*facts, *_spec_facts(job.spec, job.image_id)]


def _attempt_fact(attempt: Attempt) -> Fact:
    mark = words.JOB_MARKS[attempt.state]
    code = f", exit code {attempt.exit_code}" if attempt.exit_code is not None else ""
    return Fact(f"Attempt {attempt.number}", f"{mark.text}{code}\n{attempt.container}", mark.token)


def _spec_facts(spec: JobSpec, image_id: str | None) -> list[Fact]:
    asked = spec.resources
    wishes = [
        words.count(asked.gpus, "GPU"),
        *([f"{words.size(asked.gpu_memory_bytes)} each"] if asked.gpu_memory_bytes else []),
        *([f"{asked.cpus:g} CPUs"] if asked.cpus else []),
        *([f"{words.size(asked.memory_bytes)} memory"] if asked.memory_bytes else []),
        *([f"{words.size(asked.shm_bytes)} shared memory"] if asked.shm_bytes else []),
    ]
    return [
        Fact("Image", spec.image + (f"\n{image_id[:19]}" if image_id else ""), fixed=True),
        Fact("Command", " ".join(spec.command) or "the image's own", fixed=True),
        Fact("May use", ", ".join(wishes)),
        *([Fact("Environment", "\n".join(f"{k}={v}" for k, v in spec.env.items()), fixed=True)] if spec.env else []),
        *(
            [Fact("Mounts", "\n".join(f"{m.source} → {m.target} ({m.mode})" for m in spec.mounts), fixed=True)]
            if spec.mounts
            else []
        ),
        *([Fact("Experiment", spec.mlflow.experiment)] if spec.mlflow else []),
    ]


def gpu_names(uuids: tuple[str, ...], store: Store) -> list[str]:
    """Return the numbers by which people know these GPUs; a UUID where the machine has it no more."""
    known = {gpu.uuid: f"GPU {gpu.index}" for gpu in store.status.gpus} if store.status else {}
    return [known.get(uuid, uuid) for uuid in uuids]


def _state_cell(job: Job) -> Cell:
    mark = words.JOB_MARKS[job.state]
    return Cell(mark.text, mark.word, mark.token, plain(job.reason.text) if job.reason else "")


def _when(at: float | None) -> Cell:
    return Cell(words.ago(at), -(at or 0.0), tip=words.absolute(at) if at else "")


def _ran(job: Job) -> Cell:
    if job.started_at is None:
        return Cell(words.NOTHING, -1.0)
    if job.ended_at is not None:
        length = job.ended_at - job.started_at
        return Cell(words.duration(length), length)
    if job.state.is_final:
        return Cell(words.NOTHING, -1.0, tip="Nobody saw how it ended")
    return Cell(f"since {words.clock(job.started_at)[:5]}", 1e12 - job.started_at, tip=words.absolute(job.started_at))


def _why(job: Job) -> Cell:
    text = plain(job.reason.text) if job.reason else ""
    return Cell(text, tip=f"{job.reason.text}\n{job.reason.hint or ''}".strip() if job.reason else "")


_COLUMNS: tuple[Column[Job], ...] = (
    Column("name", "Job", lambda job: Cell(plain(job.name), tip=job.name)),
    Column("state", "State", _state_cell),
    Column("user", "By", lambda job: Cell(plain(job.user))),
    Column("gpus", "GPUs", lambda job: Cell(str(job.spec.resources.gpus), job.spec.resources.gpus), right=True),
    Column("submitted", "Submitted", lambda job: _when(job.submitted_at), right=True),
    Column("ran", "Ran", _ran, right=True),
    Column("why", "Why", _why, stretch=True),
    Column("image", "Image", lambda job: Cell(plain(job.spec.image), tip=job.spec.image), hidden=True),
    Column("id", "Id", lambda job: Cell(job.id[:12]), fixed=True, hidden=True),
)
