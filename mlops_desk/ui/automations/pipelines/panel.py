"""The tab of pipelines: the list above; below it the chosen one as a graph, what its step found, and the hand on it."""

from collections.abc import Callable
from typing import ClassVar

from mlops_desk.base.text import plain
from mlops_desk.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.ui.actions import Action
from mlops_desk.ui.automations import loads, words
from mlops_desk.ui.automations.graph.panel import GraphPanel
from mlops_desk.ui.automations.loads import SeenPipeline
from mlops_desk.ui.automations.pipelines.columns import COLUMNS
from mlops_desk.ui.automations.pipelines.evidence import step_facts
from mlops_desk.ui.automations.pipelines.graph import StepsGraph
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.verbs.desk import ClientLike

_NOTHING = (
    "Each retraining will be here as a graph: data frozen and validated, trained, evaluated beside the champion, "
    "gates, approval, shadow, canary, champion. Fire a rule that retrains to begin one."
)
_AGAIN = frozenset({PipelineState.FAILED, PipelineState.UNKNOWN, PipelineState.CANCELLED, PipelineState.ROLLED_BACK})


class PipelinesTab(GraphPanel[SeenPipeline, PipelineRun]):
    """What can be done with the chosen one is offered while it makes sense."""

    topic: ClassVar[Topic] = loads.PIPELINES
    title: ClassVar[str] = "Pipelines"
    what: ClassVar[str] = "pipeline"
    part: ClassVar[str] = "step"
    command: ClassVar[str] = "mlops-desk pipelines list --limit 10000"

    def __init__(self, context: Context) -> None:
        super().__init__(context, COLUMNS, "Pipelines", "Filter pipelines")
        self.graph = StepsGraph()
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
        acts = (self.decide, self.job, self.pause, self.retry, self.cancel)
        self.arrange(self.graph, acts)

    # What is shown.

    def known(self, store: Store) -> dict[str, SeenPipeline]:
        return loads.pipelines(store)

    def empty(self) -> Empty:
        return Empty("Nothing was retrained yet", _NOTHING)

    def ask_whole(self, identifier: str) -> Callable[[ClientLike], PipelineRun]:
        return lambda desk: desk.pipelines.show(identifier)

    def show_run(self, one: SeenPipeline | None, run: PipelineRun | None) -> None:
        mark = None if one is None else words.PIPELINE_MARKS[one.brief.state]
        text = "" if one is None else one.brief.text or ""
        self.says.show_text("" if mark is None else f"{mark.text}. {plain(text, 400)}".rstrip(". ") + ".")
        self.says.tint("text" if mark is None else mark.token)
        self.graph.show_run(run)
        self._offer(run)

    def show_part_of(self, run: PipelineRun | None) -> None:
        step = self.graph.step()
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
        self.fold()

    # What can be done.

    def pause_or_resume(self) -> None:
        """Begin no further step of the chosen one, or go on."""
        run = self.run()
        if run is None:
            return
        identifier = run.id
        if run.state is PipelineState.PAUSED:
            self.context.ask("resume pipeline", lambda desk: desk.pipelines.resume(identifier), self.changed)
        elif run.state is PipelineState.RUNNING:
            self.context.ask("pause pipeline", lambda desk: desk.pipelines.pause(identifier), self.changed)

    def try_again(self) -> None:
        """Begin the chosen one again where it did not end well."""
        run = self.run()
        if run is not None and run.state in _AGAIN:
            identifier = run.id
            self.context.ask("retry pipeline", lambda desk: desk.pipelines.retry(identifier), self.changed)

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
        self.context.ask("cancel pipeline", lambda desk: desk.pipelines.cancel(identifier), self.changed)

    def _open_job(self) -> None:
        run = self.run()
        if run is not None and run.job_id is not None:
            self.context.open_page("jobs", run.job_id)

    def _open_approval(self) -> None:
        run = self.run()
        if run is not None:
            self.context.open_page("automations", f"approval:{run.id}")

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
