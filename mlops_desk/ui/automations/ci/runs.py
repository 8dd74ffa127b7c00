"""Runs of repositories' pipelines: the list above; below it the chosen one as a graph, and what its stage found."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLineEdit, QSplitter

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.ci.run import CiRun
from mlops_desk.ui.actions import Action
from mlops_desk.ui.automations import loads
from mlops_desk.ui.automations.ci import words
from mlops_desk.ui.automations.ci.columns import RUNS
from mlops_desk.ui.automations.ci.evidence import stage_facts
from mlops_desk.ui.automations.ci.graph import StagesGraph
from mlops_desk.ui.automations.loads import SeenCi
from mlops_desk.ui.automations.panel import AutomationPanel
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.acts_beside import ActsBeside
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.widgets.facts import FactGrid
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

_NOTHING = (
    "What a repository's mlops-desk.yaml says (build, train, evaluate, gate, register) is run as leased jobs, and will "
    "be here as a graph of its stages. A rule that waits for a push begins a run too."
)


class CiRuns(AutomationPanel):
    """A run that no announcement told of is asked for whole when it is chosen."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._task: Task | None = None
        self._asked: dict[str, CiRun] = {}
        self.list: RecordTable[SeenCi] = RecordTable("Runs of pipelines", RUNS, context.memory)
        self.list.chosen.connect(lambda _key: self._show_chosen())
        self.list.takes_key = self.take_key
        self.list.sort_by_key("began", Qt.SortOrder.DescendingOrder)
        self.narrowing = filter_field("Filter runs")
        self.narrowing.textChanged.connect(self.list.narrow)
        self.says = Label(bold=True, wrap=True)
        self.graph = StagesGraph()
        self.graph.chosen.connect(lambda _place: self._show_stage())
        self.facts = FactGrid()
        self.job = Button("Job", tip="Go to the job of the chosen stage (J)")
        self.job.clicked.connect(self.open_job)
        self.cancel = Button("Cancel …", harmful=True, asks=True)
        self.cancel.clicked.connect(self.ask_to_cancel)
        self._arrange()

    def _arrange(self) -> None:
        self._card = Card()
        self._head = ActsBeside(self.says, (self.job, self.cancel), first_grows=True)
        self._card.column.addLayout(self._head)
        self._card.column.addWidget(self.graph)
        self._card.column.addWidget(scrolled(self.facts, "What the stage found"), 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.list))
        split.addWidget(self._card)
        split.setSizes([theme.DIALOG_TALL // 3, 2 * theme.DIALOG_TALL // 3])
        self.body.addWidget(split, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._head.fold(self.width() - theme.DETAIL_WIDTH)

    # What is shown.

    def refresh(self, store: Store, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - the base's
        command = "mlops-desk ci run FOLDER"
        empty = Empty("No pipeline of a repository has run yet", _NOTHING, command=command)
        if not self.show_part(loads.CI_RUNS, "Runs", lambda: empty):
            return
        self.list.show_records(loads.ci_runs(store))
        if self.list.key() is None:
            self.list.select_first()
        self._show_chosen()

    def chosen(self) -> SeenCi | None:
        """Return the run whose row is chosen."""
        key = self.list.key()
        return self.list.records.record(key) if key else None

    def run(self) -> CiRun | None:
        """Return the chosen one whole; None while it is asked for."""
        one = self.chosen()
        if one is None:
            return None
        asked = self._asked.get(one.brief.id)
        if one.run is None or (asked is not None and asked.revision > one.run.revision):
            return asked
        return one.run

    def _show_chosen(self) -> None:
        one, run = self.chosen(), self.run()
        if one is not None and run is None:
            self._ask(one.brief.id)
        mark = None if one is None else words.RUN_MARKS[one.brief.state]
        self.says.show_text(words.why(run) if run is not None else "" if mark is None else f"{mark.text}.")
        self.says.tint("text" if mark is None else mark.token)
        self.graph.show_run(run)
        self._show_stage()

    def _show_stage(self) -> None:
        run, stage = self.run(), self.graph.stage()
        self.facts.show_facts([] if run is None or stage is None else stage_facts(run, stage))
        self.job.setVisible(stage is not None and stage.job_id is not None)
        self.cancel.setVisible(run is not None and not run.state.is_final)
        self._head.fold(self.width() - theme.DETAIL_WIDTH)

    def _ask(self, identifier: str) -> None:
        if self._task is not None and self._task.running and self._task.name == f"run {identifier}":
            return
        self.left()
        self._task = self.context.ask(
            f"run {identifier}", lambda desk: desk.ci.show(identifier), self._got, self._failed
        )

    def _got(self, run: CiRun) -> None:
        self._task = None
        self._asked = {run.id: run}
        self._show_chosen()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text(f"Its stages can't be shown: {error.message} {error.hint or ''}".strip())
        self.says.tint("alert")

    # What can be done.

    def open_job(self) -> None:
        """Go to the job of the chosen stage."""
        stage = self.graph.stage()
        if stage is not None and stage.job_id is not None:
            self.context.open_page("jobs", stage.job_id)

    def ask_to_cancel(self) -> None:
        """Ask before the chosen run is ended."""
        run = self.run()
        if run is None or run.state.is_final:
            return
        identifier = run.id
        text = "Its jobs are cancelled, and what they leased is free. What its stages found stays."
        ask(self, f"Cancel the run of {plain(run.name)}?", text, "Cancel run", lambda: self._cancel(identifier))

    def _cancel(self, identifier: str) -> None:
        self.context.ask("cancel run", lambda desk: desk.ci.cancel(identifier), self._cancelled)

    def _cancelled(self, run: CiRun) -> None:
        """Wait for the announcement; what is shown of the chosen one is read from there."""
        self._asked.pop(run.id, None)

    def table(self) -> RecordTable[SeenCi]:
        return self.list

    def filter_field(self) -> QLineEdit | None:
        return self.narrowing

    def left(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def actions_here(self) -> list[Action]:
        def has_job() -> bool:
            stage = self.graph.stage()
            return stage is not None and stage.job_id is not None

        def goes_on() -> bool:
            run = self.run()
            return run is not None and not run.state.is_final

        return [
            Action("ci.job", "Go to the job of the chosen stage", self.open_job, "J", when=has_job, gentle=True),
            Action("ci.cancel", "Cancel the chosen run …", self.ask_to_cancel, when=goes_on, asks=True),
        ]
