"""The job's run in the registry: its metrics as they are logged, and its parameters; asked again while it goes on."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.model import Run
from mlops_desk.ui.jobs.detail.view import DetailView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty, StateView
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

AGAIN_MILLISECONDS = 5000  # chosen: a training logs every few seconds, and each question reads its whole run
_DIGITS = 5  # significant ones: as a loss is compared


@dataclass(frozen=True, slots=True)
class _Value:
    """One metric or parameter."""

    name: str
    text: str
    kind: str


_COLUMNS: tuple[Column[_Value], ...] = (
    Column("name", "Name", lambda one: Cell(plain(one.name), one.name.lower())),
    Column("value", "Value", lambda one: Cell(plain(one.text)), right=True),
    Column("kind", "Kind", lambda one: Cell(one.kind), stretch=True),
)


class JobRunView(DetailView):
    """Shows the run of the job, or one of another id where a link led to it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.table = RecordTable("Metrics and parameters", _COLUMNS, context.memory)
        self.facts = FactGrid()
        self.state = StateView(theme.LIST_WIDTH)
        self._run_id: str | None = None
        self._wanted: tuple[str | None, str] | None = None  # beside which job a link was followed, and to which run
        self._task: Task | None = None
        self._again = QTimer(self)
        self._again.setInterval(AGAIN_MILLISECONDS)
        self._again.timeout.connect(self._ask)
        about = QWidget()
        facts = QVBoxLayout(about)
        facts.setContentsMargins(0, 0, 0, 0)
        facts.addWidget(self.facts)
        facts.addStretch()
        card = Card("Run")
        card.column.addWidget(scrolled(about, "The run"), 1)
        card.setFixedWidth(theme.LIST_WIDTH)
        self._content = QWidget()
        row = QHBoxLayout(self._content)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(card)
        row.addWidget(framed(self.table), 1)
        nothing = Card()
        nothing.column.addWidget(self.state, 1)
        self._nothing = nothing
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._content)
        self._layers.addWidget(nothing)

    def want(self, run_id: str) -> None:
        """Show this run, whichever job is chosen, until another one is."""
        self._wanted = None, run_id

    def show_job(self, job: JobBrief | None, whole: Job | None) -> None:  # noqa: ARG002 - the brief one names the run
        key = job.id if job is not None else None
        if self._wanted is not None and self._wanted[0] not in {None, key}:
            self._wanted = None  # another job was chosen since
        elif self._wanted is not None:
            self._wanted = key, self._wanted[1]
        run_id = self._wanted[1] if self._wanted is not None else (job.mlflow_run_id if job is not None else None)
        if run_id is None:
            self._stop()
            self._run_id = None
            self._say(_no_run(job))
        elif run_id != self._run_id:
            self._run_id = run_id
            self.table.show_records({})
            self.state.show_loading("Loading the run …", "", None)
            self._layers.setCurrentWidget(self._nothing)
            self._ask()
        if run_id is not None and job is not None and not job.state.is_final and self.isVisible():
            self._again.start()
        else:
            self._again.stop()

    def left(self) -> None:
        self._stop()
        self._run_id = None

    def _stop(self) -> None:
        self._again.stop()
        if self._task is not None:
            self._task.cancel()

    def _ask(self) -> None:
        run_id = self._run_id
        if run_id is None or (self._task is not None and self._task.running):
            return
        self._task = self.context.ask("run", lambda desk: desk.runs.show(run_id), self._take, self._refused)

    def _take(self, run: Run) -> None:
        metrics = {f"m {name}": _Value(name, _number(value), "metric") for name, value in sorted(run.metrics.items())}
        params = {f"p {name}": _Value(name, text, "parameter") for name, text in sorted(run.params.items())}
        self.table.show_records({**metrics, **params})
        self.facts.show_facts(
            [
                Fact("Name", run.name or numbers.NOTHING),
                Fact("Status", run.status.lower()),
                moment_fact("Began", _seconds(run.start_time)),
                *([moment_fact("Ended", _seconds(run.end_time))] if run.end_time else []),
                Fact("Id", run.run_id, fixed=True),
            ]
        )
        self._layers.setCurrentWidget(self._content)

    def _refused(self, error: DeskError) -> None:
        if self._layers.currentWidget() is self._content:
            return  # what was told before is still what is known of it; the next question may be answered
        self.state.show_error("The run can't be shown", error, self._ask)
        self._layers.setCurrentWidget(self._nothing)

    def _say(self, empty: Empty) -> None:
        self.state.show_empty(empty)
        self._layers.setCurrentWidget(self._nothing)


def _no_run(job: JobBrief | None) -> Empty:
    if job is None:
        return Empty("No job is chosen", "")
    if job.state.is_final or job.started_at is not None:
        return Empty("No run", "This job records none: its file names no mlflow experiment.")
    return Empty("No run yet", "Its run is made when it starts, if its file names an mlflow experiment.")


def _number(value: float) -> str:
    return f"{value:.{_DIGITS}g}" if math.isfinite(value) else str(value)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
