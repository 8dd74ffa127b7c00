"""The job's run in the registry: the curves of its metrics as they are logged, its parameters, and what it has left.

Looked at again while the run goes on and is seen, and the less often the longer an answer takes.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.window.detail import metrics
from mlops_desk.jobs.window.detail.metrics import missing
from mlops_desk.jobs.window.detail.status import DetailView
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.deep_links import Destination
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.charts.metric_chart import MetricChart, MetricLine
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import set_tip
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button, CopyButton
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import datasets, numbers
from mlops_desk.registry.records.model import Artifact, DatasetInput, MetricCurve, Run

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# One look at a run: what of it is asked for each time, and what only once it has changed. No Qt here.
# The whole of a run's curves is read only when its newest values are others than at the look before; what it was
# given, and what it has left, at the first look and once it is over.
POINTS = 600  # chosen: a chart is hardly wider


@dataclass(frozen=True, slots=True)
class RunLook:
    """What is known of a run. ``untold``: why a part of it can't be told.

    ``read`` are the newest values when its curves were read, ``told`` its status when its files were; None: not yet.
    """

    run: Run
    curves: dict[str, MetricCurve] = field(default_factory=dict)
    datasets: tuple[DatasetInput, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    read: dict[str, str] | None = None
    told: str | None = None
    untold: str = ""


def look(desk: ClientLike, run_id: str, before: RunLook | None, wanted: Sequence[str]) -> RunLook:
    """Ask what has changed of a run since ``before``; ``wanted`` metrics have a curve even if they are far behind.

    Raises DeskError where the run itself can't be told.
    """
    now = RunLook(desk.runs.show(run_id)) if before is None else replace(before, run=desk.runs.show(run_id), untold="")
    newest = {name: repr(value) for name, value in now.run.metrics.items()}  # NaN is the same as NaN so
    try:
        if now.read != newest:
            curves = {curve.name: curve for curve in desk.runs.metrics(run_id, points=POINTS).curves}
            now = replace(now, curves=curves, read=newest)
        for name in missing([name for name in wanted if name in now.run.metrics], now.curves):
            found = desk.runs.metrics(run_id, name, points=POINTS).curves
            now = replace(now, curves={**now.curves, **{curve.name: curve for curve in found}})
        if now.told != now.run.status:
            given, left = tuple(desk.runs.datasets(run_id)), tuple(desk.runs.artifacts(run_id))
            now = replace(now, datasets=given, artifacts=left, told=now.run.status)
    except DeskError as error:
        return replace(now, untold=f"{error.message} {error.hint or ''}".strip())
    return now


# What is told of a run beside its curves: how it stands, what it was given, its tags, and what it has left.
_TEXT = 200  # chosen: characters of a tag; the command line has all of it
_MOST_TAGS, _MOST_FILES = 40, 40  # chosen: as one scrolls through
_OURS = "mlflow."
"""Begins the names of tags that MLflow keeps for itself."""


def facts_of(found: RunLook) -> list[Fact]:
    """Return the facts about a run."""
    run = found.run
    return [
        Fact("Name", run.name or numbers.NOTHING),
        Fact("Status", run.status.lower()),
        moment_fact("Began", _seconds(run.start_time)),
        *([moment_fact("Ended", _seconds(run.end_time))] if run.end_time else []),
        Fact("Id", run.run_id, fixed=True),
        *([Fact("Not told", found.untold, tone="warning")] if found.untold else []),
        *map(_dataset, found.datasets),
        *_artifacts(found.artifacts),
        *_tags(run),
    ]


def _dataset(one: DatasetInput) -> Fact:
    about = f" ({plain(one.context, _TEXT)})" if one.context else ""
    return Fact("Dataset", f"{plain(one.name, _TEXT)}{about}", tip=f"{one.digest} {datasets.place(one)}")


def _artifacts(found: tuple[Artifact, ...]) -> list[Fact]:
    if not found:
        return []
    lines = [
        f"{plain(one.path, _TEXT)}/" if one.is_folder else f"{plain(one.path, _TEXT)}  {numbers.size(one.size_bytes)}"
        for one in found[:_MOST_FILES]
    ]
    more = len(found) - _MOST_FILES
    return [Fact("Artifacts", "\n".join([*lines, *([f"and {more:,} more"] if more > 0 else [])]), fixed=True)]


def _tags(run: Run) -> list[Fact]:
    told = sorted((name, text) for name, text in run.tags.items() if not name.startswith(_OURS))
    shown = [Fact(plain(name, _TEXT), plain(text, _TEXT)) for name, text in told[:_MOST_TAGS]]
    more = len(told) - _MOST_TAGS
    return [*shown, *([Fact("More tags", f"{more:,}")] if more > 0 else [])]


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


AGAIN_MILLISECONDS = 5000  # chosen: a training logs every few seconds
_REST = 10  # chosen: a registry that takes a second is asked every ten
_DIGITS = 5  # significant ones: as a loss is compared


@dataclass(frozen=True, slots=True)
class _Value:
    """One metric or parameter; ``step`` is that of its newest value."""

    name: str
    text: str
    kind: str
    step: str = ""
    odd: bool = False


_COLUMNS: tuple[Column[_Value], ...] = (
    Column("name", "Name", lambda one: Cell(plain(one.name), one.name.lower(), tip=one.name), stretch=True),
    Column("value", "Value", lambda one: Cell(plain(one.text), token="alert" if one.odd else None), right=True),
    Column("step", "Step", lambda one: Cell(one.step), right=True),
    Column("kind", "Kind", lambda one: Cell(one.kind)),
)


class JobRunView(DetailView):
    """Shows the run of the job, or one of another id where a link led to it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.table = RecordTable("Metrics and parameters", _COLUMNS, context.memory)
        self.chart = MetricChart(context.tasks())
        self.log = CheckBox("Log scale")
        self.over = ChoiceBox("What the curves run over")
        self.over.addItem("Step", metrics.STEP)
        self.over.addItem("Time", metrics.TIME)
        self.facts = FactGrid()
        self.state = StateView(theme.LIST_WIDTH)
        self._run_id: str | None = None
        self._wanted: tuple[str | None, str] | None = None  # beside which job a link was followed, and to which run
        self._looked: RunLook | None = None
        self._task: Task | None = None
        self._asked_at = 0.0
        self._goes_on = False
        self._again = QTimer(self)
        self._again.setInterval(AGAIN_MILLISECONDS)
        self._again.timeout.connect(self._ask)
        self._arrange()
        self.table.chosen.connect(self._chose)
        self.log.toggled.connect(self._draw)
        self.over.activated.connect(self._draw)

    def _arrange(self) -> None:
        self.chart.head.addWidget(self.log)
        self.chart.head.addWidget(self.over)
        about = QWidget()
        facts = QVBoxLayout(about)
        facts.setContentsMargins(0, 0, 0, 0)
        facts.addWidget(self.facts)
        facts.addStretch()
        card = Card("Run")
        self.link = CopyButton("Copy link", self._address)
        set_tip(self.link, "The address by which anybody at this workstation finds this run")
        card.column.addWidget(scrolled(about, "The run"), 1)
        self.open = Button("Open in Runs", tip="Compare it with others, look at its files")
        self.open.clicked.connect(lambda _on=False: self.context.open_page("runs", self._run_id))
        foot = QHBoxLayout()
        foot.setSpacing(theme.SPACE_4)
        foot.addWidget(self.open)
        foot.addWidget(self.link)
        foot.addStretch()
        card.column.addLayout(foot)
        card.setFixedWidth(theme.LIST_WIDTH)
        self._content = QWidget()
        row = QHBoxLayout(self._content)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(framed(self.table), 2)
        row.addWidget(self.chart, 3)
        row.addWidget(card)
        self._nothing = Card()
        self._nothing.column.addWidget(self.state, 1)
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._content)
        self._layers.addWidget(self._nothing)

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
            self._begin(run_id)
        goes_on = run_id is not None and job is not None and not job.state.is_final and self.isVisible()
        if self._goes_on and not goes_on:
            self._ask()  # what was logged last
        self._goes_on = goes_on
        if goes_on:
            self._again.start()
        else:
            self._again.stop()

    def left(self) -> None:
        self._stop()
        self._run_id = None
        self._goes_on = False

    def _begin(self, run_id: str) -> None:
        self._stop()
        self._run_id, self._looked = run_id, None
        self._goes_on = False
        self.table.show_records({})
        self.state.show_loading("Loading the run …", "", None)
        self._layers.setCurrentWidget(self._nothing)
        self._ask()

    def _stop(self) -> None:
        self._again.stop()
        if self._task is not None:
            self._task.cancel()

    def _address(self) -> str:
        return str(Destination("run", self._run_id or ""))

    # Asking.

    def _ask(self) -> None:
        run_id = self._run_id
        if run_id is None or (self._task is not None and self._task.running):
            return
        before, wanted = self._looked, self._drawn()
        self._asked_at = time.monotonic()
        self._task = self.context.ask("run", lambda desk: look(desk, run_id, before, wanted), self._take, self._refused)

    def _take(self, found: RunLook) -> None:
        took = (time.monotonic() - self._asked_at) * 1000
        self._again.setInterval(max(AGAIN_MILLISECONDS, int(took * _REST)))
        self._looked = found
        self.table.show_records(_rows(found.run, found.curves))
        if self.table.key() is None:
            name = metrics.first_shown(found.run.metrics)
            if name is not None:
                self.table.select(f"m {name}")
        self.facts.show_facts(facts_of(found))
        self._layers.setCurrentWidget(self._content)
        self._draw()

    def _refused(self, error: DeskError) -> None:
        if self._layers.currentWidget() is self._content:
            return  # what was told before is still what is known of it; the next question may be answered
        self.state.show_error("The run can't be shown", error, self._ask)
        self._layers.setCurrentWidget(self._nothing)

    def _say(self, empty: Empty) -> None:
        self.state.show_empty(empty)
        self._layers.setCurrentWidget(self._nothing)

    # The curves.

    def _chose(self, _key: str | None) -> None:
        self._draw()
        if self._looked is not None and metrics.missing(self._drawn(), self._looked.curves):
            self._ask()

    def _drawn(self) -> list[str]:
        """Return the metrics that are drawn: the chosen one, and those of its family."""
        key, found = self.table.key(), self._looked
        if found is None or key is None or not key.startswith("m "):
            return []
        return metrics.together(key[2:], found.run.metrics)

    def _draw(self) -> None:
        names, found = self._drawn(), self._looked
        if found is None or not names:
            return  # a parameter is chosen: the curves stay
        curves = [found.curves[name] for name in names if name in found.curves]
        over = str(self.over.currentData())
        unit, unit_name = metrics.time_unit(curves)
        began = metrics.began(curves)
        lines = [
            MetricLine(curve.name, slot, metrics.places(curve, over, began, unit), curve.values)
            for slot, curve in enumerate(curves)
        ]
        axis = "Step" if over == metrics.STEP else f"Time ({unit_name})"
        title = plain(names[0] if len(names) == 1 else metrics.family(names[0]))
        self.chart.show_lines(title, lines, axis, log=self.log.isChecked())


def _rows(run: Run, curves: Mapping[str, MetricCurve]) -> dict[str, _Value]:
    def metric(name: str, value: float) -> _Value:
        curve = curves.get(name)
        step = f"{curve.steps[-1]:,}" if curve is not None and curve.steps else ""
        return _Value(name, _number(value), "metric", step, odd=not math.isfinite(value))

    told = {f"m {name}": metric(name, value) for name, value in sorted(run.metrics.items())}
    return told | {f"p {name}": _Value(name, text, "param") for name, text in sorted(run.params.items())}


def _no_run(job: JobBrief | None) -> Empty:
    if job is None:
        return Empty("No job is chosen", "")
    if job.state.is_final or job.started_at is not None:
        return Empty("No run", "This job records none: its file names no mlflow experiment.")
    return Empty("No run yet", "Its run is made when it starts, if its file names an mlflow experiment.")


def _number(value: float) -> str:
    return f"{value:.{_DIGITS}g}" if math.isfinite(value) else str(value)
