"""Runs of repositories' pipelines: the list above; below it the chosen one as a graph, and what its stage found."""

from collections.abc import Callable
from typing import ClassVar

from mlops_desk.base.text import plain
from mlops_desk.records.ci.run import CiRun
from mlops_desk.ui.actions import Action
from mlops_desk.ui.automations import loads
from mlops_desk.ui.automations.ci import words
from mlops_desk.ui.automations.ci.columns import RUNS
from mlops_desk.ui.automations.ci.evidence import stage_facts
from mlops_desk.ui.automations.ci.graph import StagesGraph
from mlops_desk.ui.automations.graph.panel import GraphPanel
from mlops_desk.ui.automations.loads import SeenCi
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.verbs.desk import ClientLike

_NOTHING = (
    "What a repository's mlops-desk.yaml says (build, train, evaluate, gate, register) is run as leased jobs, and will "
    "be here as a graph of its stages. A rule that waits for a push begins a run too."
)


class CiRuns(GraphPanel[SeenCi, CiRun]):
    """A run can be ended, and of a stage one goes to its job."""

    topic: ClassVar[Topic] = loads.CI_RUNS
    title: ClassVar[str] = "Runs"
    what: ClassVar[str] = "run"
    part: ClassVar[str] = "stage"
    command: ClassVar[str] = "mlops-desk ci list --limit 10000"

    def __init__(self, context: Context) -> None:
        super().__init__(context, RUNS, "Runs of pipelines", "Filter repositories")
        self.graph = StagesGraph()
        self.job = Button("Job", tip="Go to the job of the chosen stage (J)")
        self.job.clicked.connect(self.open_job)
        self.cancel = Button("Cancel …", harmful=True, asks=True)
        self.cancel.clicked.connect(self.ask_to_cancel)
        acts = (self.job, self.cancel)
        self.arrange(self.graph, acts)

    # What is shown.

    def known(self, store: Store) -> dict[str, SeenCi]:
        return loads.ci_runs(store)

    def empty(self) -> Empty:
        command = "mlops-desk ci run FOLDER"
        return Empty("No pipeline of a repository has run yet", _NOTHING, command=command)

    def ask_whole(self, identifier: str) -> Callable[[ClientLike], CiRun]:
        return lambda desk: desk.ci.show(identifier)

    def show_run(self, one: SeenCi | None, run: CiRun | None) -> None:
        mark = None if one is None else words.RUN_MARKS[one.brief.state]
        self.says.show_text(words.why(run) if run is not None else "" if mark is None else f"{mark.text}.")
        self.says.tint("text" if mark is None else mark.token)
        self.graph.show_run(run)

    def show_part_of(self, run: CiRun | None) -> None:
        stage = self.graph.stage()
        self.facts.show_facts([] if run is None or stage is None else stage_facts(run, stage))
        self.job.setVisible(stage is not None and stage.job_id is not None)
        self.cancel.setVisible(run is not None and not run.state.is_final)
        self.fold()

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
        self.context.ask("cancel run", lambda desk: desk.ci.cancel(identifier), self.changed)

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
