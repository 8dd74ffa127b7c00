"""The tab of pipelines: the list above; below it the chosen one as a graph, what its step found, and the hand on it."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLineEdit, QSplitter

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.ui.actions import Action
from mlops_desk.ui.automations import loads, words
from mlops_desk.ui.automations.loads import SeenPipeline
from mlops_desk.ui.automations.panel import AutomationPanel
from mlops_desk.ui.automations.pipelines.columns import COLUMNS
from mlops_desk.ui.automations.pipelines.evidence import step_facts
from mlops_desk.ui.automations.pipelines.graph import StepsGraph
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
    "Each retraining will be here as a graph: data frozen and validated, trained, evaluated beside the champion, "
    "gates, approval, shadow, canary, champion. Fire a rule that retrains to begin one."
)
_AGAIN = frozenset({PipelineState.FAILED, PipelineState.UNKNOWN, PipelineState.CANCELLED, PipelineState.ROLLED_BACK})


class PipelinesTab(AutomationPanel):
    """A pipeline that no announcement told of is asked for whole when it is chosen."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._task: Task | None = None
        self._asked: dict[str, PipelineRun] = {}
        self.list: RecordTable[SeenPipeline] = RecordTable("Pipelines", COLUMNS, context.memory)
        self.list.chosen.connect(lambda _key: self._show_chosen())
        self.list.sort_by_key("began", Qt.SortOrder.DescendingOrder)
        self.narrowing = filter_field("Filter pipelines")
        self.narrowing.textChanged.connect(self.list.narrow)
        self.says = Label(bold=True, wrap=True)
        self.graph = StepsGraph()
        self.graph.chosen.connect(lambda _step: self._show_step())
        self.facts = FactGrid()
        self.pause = Button("Pause", tip="Begin no further step", asks=True)
        self.pause.clicked.connect(self.pause_or_resume)
        self.retry = Button("Retry", tip="Begin again where it did not end well", asks=True)
        self.retry.clicked.connect(self.try_again)
        self.cancel = Button("Cancel …", harmful=True, asks=True)
        self.cancel.clicked.connect(self.ask_to_cancel)
        self.job = Button("Job", tip="Go to the job that trains")
        self.job.clicked.connect(self._open_job)
        self.decide = Button("Decide …", main=True, tip="Go to the comparison, and approve or reject")
        self.decide.clicked.connect(self._open_approval)
        self._arrange()

    def _arrange(self) -> None:
        self._card = Card()
        acts = (self.decide, self.job, self.pause, self.retry, self.cancel)
        self._head = ActsBeside(self.says, acts, first_grows=True)
        self._card.column.addLayout(self._head)
        self._card.column.addWidget(self.graph)
        self._card.column.addWidget(scrolled(self.facts, "What the step found"), 1)
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
        if not self.show_part(loads.PIPELINES, "Pipelines", lambda: Empty("Nothing was retrained yet", _NOTHING)):
            return
        self.list.show_records(loads.pipelines(store))
        if self.list.key() is None:
            self.list.select_first()
        self._show_chosen()

    def chosen(self) -> SeenPipeline | None:
        """Return the pipeline whose row is chosen."""
        key = self.list.key()
        return self.list.records.record(key) if key else None

    def run(self) -> PipelineRun | None:
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
        mark = None if one is None else words.PIPELINE_MARKS[one.brief.state]
        text = "" if one is None else one.brief.text or ""
        self.says.show_text("" if mark is None else f"{mark.text}. {plain(text, 400)}".rstrip(". ") + ".")
        self.says.tint("text" if mark is None else mark.token)
        self.graph.show_run(run)
        self._offer(run)
        self._show_step()

    def _show_step(self) -> None:
        run, step = self.run(), self.graph.step()
        self.facts.show_facts([] if run is None or step is None else step_facts(run, step))

    def _offer(self, run: PipelineRun | None) -> None:
        state = None if run is None else run.state
        self.pause.setVisible(state in {PipelineState.RUNNING, PipelineState.PAUSED})
        self.pause.show_title("Resume" if state is PipelineState.PAUSED else "Pause")
        self.pause.updateGeometry()
        self.retry.setVisible(state in _AGAIN)
        self.cancel.setVisible(state is not None and not state.is_final)
        self.decide.setVisible(state is PipelineState.WAITING_FOR_APPROVAL)
        self.job.setVisible(run is not None and run.job_id is not None)
        self._head.fold(self.width() - theme.DETAIL_WIDTH)

    def _ask(self, identifier: str) -> None:
        if self._task is not None and self._task.running and self._task.name == f"pipeline {identifier}":
            return
        self.left()
        self._task = self.context.ask(
            f"pipeline {identifier}", lambda desk: desk.pipelines.show(identifier), self._got, self._failed
        )

    def _got(self, run: PipelineRun) -> None:
        self._task = None
        self._asked = {run.id: run}
        self._show_chosen()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text(f"Its steps can't be shown: {error.message} {error.hint or ''}".strip())
        self.says.tint("alert")

    # What can be done.

    def pause_or_resume(self) -> None:
        """Begin no further step of the chosen one, or go on."""
        run = self.run()
        if run is None:
            return
        identifier = run.id
        if run.state is PipelineState.PAUSED:
            self.context.ask("resume pipeline", lambda desk: desk.pipelines.resume(identifier), self._changed)
        elif run.state is PipelineState.RUNNING:
            self.context.ask("pause pipeline", lambda desk: desk.pipelines.pause(identifier), self._changed)

    def try_again(self) -> None:
        """Begin the chosen one again where it did not end well."""
        run = self.run()
        if run is not None and run.state in _AGAIN:
            identifier = run.id
            self.context.ask("retry pipeline", lambda desk: desk.pipelines.retry(identifier), self._changed)

    def ask_to_cancel(self) -> None:
        """Ask before the chosen one is ended."""
        run = self.run()
        if run is None or run.state.is_final:
            return
        identifier = run.id
        text = "Its job is cancelled, and no endpoint gets its challenger. What it found stays; it can be retried."
        ask(self, f"Cancel the retraining of {plain(run.model)}?", text, "Cancel pipeline",
            lambda: self._cancel(identifier))  # fmt: skip

    def _cancel(self, identifier: str) -> None:
        self.context.ask("cancel pipeline", lambda desk: desk.pipelines.cancel(identifier), self._changed)

    def _changed(self, run: PipelineRun) -> None:
        """Wait for the announcement; what is shown of the chosen one is read from there."""
        self._asked.pop(run.id, None)

    def _open_job(self) -> None:
        run = self.run()
        if run is not None and run.job_id is not None:
            self.context.open_page("jobs", run.job_id)

    def _open_approval(self) -> None:
        run = self.run()
        if run is not None:
            self.context.open_page("automations", f"approval:{run.id}")

    def table(self) -> RecordTable[SeenPipeline]:
        return self.list

    def filter_field(self) -> QLineEdit | None:
        return self.narrowing

    def left(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def actions_here(self) -> list[Action]:
        def is_in(*states: PipelineState) -> bool:
            run = self.run()
            return run is not None and run.state in states

        return [
            Action("pipelines.pause", "Pause or resume the chosen pipeline", self.pause_or_resume,
                   when=lambda: is_in(PipelineState.RUNNING, PipelineState.PAUSED), asks=True),
            Action("pipelines.retry", "Retry the chosen pipeline", self.try_again,
                   when=lambda: is_in(*_AGAIN), asks=True),
            Action("pipelines.cancel", "Cancel the chosen pipeline …", self.ask_to_cancel,
                   when=lambda: (run := self.run()) is not None and not run.state.is_final, asks=True),
            Action("pipelines.decide", "Decide on the chosen pipeline", self._open_approval,
                   when=lambda: is_in(PipelineState.WAITING_FOR_APPROVAL)),
        ]  # fmt: skip
