"""Retrainings as graphs: where each stands, what each step found, and the hand that stops or goes on.

What a step of a pipeline found, as facts: whatever its record has, and nothing that it has not.

The tab of pipelines: the list above; below it the chosen one as a graph, what its step found, and the hand on it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar

from mlops_desk.automation.records.pipelines.comparison import ModelCost, ModelEvaluation
from mlops_desk.automation.records.pipelines.decision import DecisionWord
from mlops_desk.automation.records.pipelines.evidence import (
    DataCheck,
    DataManifest,
    EndpointMove,
    GateResult,
    StepEvidence,
)
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepName, StepState
from mlops_desk.automation.window import loads, words
from mlops_desk.automation.window.graph import BoxGraph, GraphBox, GraphPanel
from mlops_desk.automation.window.loads import SeenPipeline
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.facts import Fact, moment_fact
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words import numbers

_MOST = 60  # chosen: more of one kind than anybody reads; the command line tells all
_TEXT = 400  # characters: five lines of the pane
_PARTS = {"fixed": "the champion's test set", "newest": "the newest labelled rows"}


def step_facts(run: PipelineRun, step: PipelineStep) -> list[Fact]:
    """Return what is known of a step."""
    mark = words.step_mark(step)
    took = words.took(step)
    facts = [Fact("State", f"{mark.text}{f', took {took}' if took else ''}", mark.token)]
    if step.started_at is not None:
        facts.append(moment_fact("Begun", step.started_at))
    evidence = step.evidence
    if evidence.text:
        facts.append(Fact("Found", plain(evidence.text, _TEXT)))
    if evidence.hint:
        facts.append(Fact("What to do", plain(evidence.hint, _TEXT)))
    if step.name is StepName.APPROVE:
        facts.extend(said_facts(run.said))
    facts.extend(_of_data(evidence))
    if evidence.job_id:
        facts.append(Fact("Job", plain(evidence.job_id, 80), fixed=True))
    if evidence.version:
        facts.append(Fact("Version", f"{plain(run.model)} v{plain(evidence.version)}"))
    if evidence.same_as:
        facts.append(Fact("Trained before by", plain(evidence.same_as, 80), fixed=True))
    if evidence.evaluation is not None:
        facts.extend(evaluation_facts(evidence.evaluation))
    facts.extend(_gate(one) for one in evidence.gates[:_MOST])
    facts.extend(_move(one) for one in evidence.endpoints[:_MOST])
    return facts


def _of_data(evidence: StepEvidence) -> Iterator[Fact]:
    manifest = evidence.manifest
    if manifest is not None:
        yield Fact(
            "Data", data_told(manifest), tip="\n".join(plain(target, 100) for target in manifest.targets[:_MOST])
        )
        yield Fact("SHA-256", plain(manifest.sha256, 64), fixed=True)
    shown = sorted(evidence.checks, key=lambda one: one.passed is True)  # what did not pass comes first
    for check in shown[:_MOST]:
        yield _check(check)
    if len(shown) > _MOST:
        yield Fact("", f"{numbers.count(len(shown) - _MOST, 'check')} more")


def data_told(manifest: DataManifest) -> str:
    """Say how much was frozen; of a job without mounts nobody knows what it reads, which is not nothing."""
    if not manifest.targets and not manifest.files:
        return "nothing is mounted: what its command reads is not known"
    return f"{numbers.count(manifest.files, 'file')}, {numbers.size(manifest.size_bytes)}"


def _check(one: DataCheck) -> Fact:
    word, tone = _passed(passed=one.passed)
    column = f"{plain(one.column, 60)}: " if one.column else ""
    return Fact(f"Check: {plain(one.kind, 20)}", f"{word} {column}{plain(one.text, _TEXT)}", tone)


def _gate(one: GateResult) -> Fact:
    word, tone = _passed(passed=one.passed)
    if one.passed is None and one.limit is None:  # the rule sets none
        word = f"{numbers.IDLE} not asked:"
    return Fact(f"Gate: {plain(one.gate, 20)}", f"{word} {plain(one.text, _TEXT)}", tone)


def said_facts(said: Iterable[DecisionWord]) -> list[Fact]:
    """Return what people said to what asked for their word, and why."""
    facts = []
    for one in [*said][:_MOST]:
        word = "agreed" if one.agrees else "rejected"
        why = plain(one.why, _TEXT) or "without a reason"
        facts.append(Fact(f"{plain(one.user, 40)} {word}", why, tip=numbers.absolute(one.at), moment=one.at))
    return facts


def gate_facts(evidence: StepEvidence) -> list[Fact]:
    """Return whether a challenger may pass, by each rule."""
    return [_gate(one) for one in evidence.gates[:_MOST]]


def _passed(*, passed: bool | None) -> tuple[str, str]:
    if passed is None:
        return f"{numbers.UNKNOWN} not told:", "muted"
    return (f"{numbers.OK} passed:", "text") if passed else (f"{numbers.ALERT} not passed:", "alert")


def evaluation_facts(found: ModelEvaluation) -> Iterator[Fact]:
    """Yield how both models did on each part of the data, and what each takes."""
    for score in found.scores[:_MOST]:
        where = _PARTS.get(score.part, plain(score.part, 40))
        yield Fact(
            f"{plain(score.metric, 30)}, {where}",
            f"champion {words.scored(score.champion)}, challenger {words.scored(score.challenger)}, "
            f"difference {words.scored(score.difference)}",
            tip=f"{score.rows:,} of {score.read:,} rows of {plain(score.data, 200)}; {plain(score.method, 30)}",
        )
        for group in score.groups[:_MOST]:
            yield Fact(
                f"… {plain(group.column, 30)} = {plain(group.group, 30)}",
                f"champion {words.scored(group.champion)}, challenger {words.scored(group.challenger)} "
                f"({group.rows:,} rows)",
            )
    yield from beside_scores(found)


def beside_scores(found: ModelEvaluation) -> Iterator[Fact]:
    """Yield what an evaluation tells beside its scores: rows that there are none of, and what each model takes."""
    for missing in found.missing[:_MOST]:
        yield Fact("No rows", plain(missing, _TEXT), "muted")
    for title, cost in (("Champion takes", found.champion), ("Challenger takes", found.challenger)):
        if cost != ModelCost():
            yield Fact(title, _cost(cost))


def _cost(cost: ModelCost) -> str:
    size = numbers.size(cost.size_bytes)
    if cost.batch_seconds is None or cost.batch is None:
        return size
    return f"{size}, {numbers.seconds(cost.batch_seconds)} for {numbers.count(cost.batch, 'row')}"


def _move(one: EndpointMove) -> Fact:
    told = ", ".join(filter(None, (plain(one.state, 30), one.version and f"v{plain(one.version)}")))
    why = one.text or ("" if one.follows else "It does not follow the alias.")
    return Fact(f"Endpoint {plain(one.name, 60)}", plain(f"{told}: {why}" if why else told, _TEXT))


# The columns of the list of pipelines.
def _state(one: SeenPipeline) -> Cell:
    mark = words.PIPELINE_MARKS[one.brief.state]
    return Cell(mark.text, mark.word, mark.token, one.brief.text or "")


def _step(one: SeenPipeline) -> Cell:
    step = one.brief.step
    return Cell("" if step is None or one.brief.state.is_final else words.STEP_TITLES[step])


def _versions(one: SeenPipeline) -> Cell:
    brief = one.brief
    new = "…" if brief.challenger_version is None else f"v{plain(brief.challenger_version)}"
    return Cell(f"{plain(brief.model)} v{plain(brief.champion_version)} → {new}")


def _compared(one: SeenPipeline) -> Cell:
    found = one.brief.comparison
    if found is None:
        return Cell("")
    old, new = (numbers.number(side.value, 4) for side in (found.champion, found.challenger))
    tip = f"{found.metric} on {found.rows:,} rows: champion {words.scored(found.champion)}, "
    return Cell(f"{plain(found.metric)} {old} → {new}", tip=f"{tip}challenger {words.scored(found.challenger)}")


def _began(one: SeenPipeline) -> Cell:
    at = one.brief.created_at
    return Cell(numbers.ago(at), at, tip=numbers.absolute(at))


COLUMNS: tuple[Column[SeenPipeline], ...] = (
    Column("state", "State", _state),
    Column("model", "Champion → challenger", _versions, stretch=True),
    Column("step", "At", _step),
    Column("compared", "Compared", _compared, spare=True),
    Column("rule", "Rule", lambda one: Cell(plain(one.brief.rule), tip=one.brief.rule), spare=True),
    Column("began", "Began", _began, right=True),
)


# Where a pipeline stands: its steps, one after the other. All words are the desk's own but the times.
_QUIET = frozenset({StepState.WAITING, StepState.SKIPPED, StepState.CANCELLED})


class StepsGraph(BoxGraph):
    """Of a pipeline that goes on, the step under way is chosen until somebody chooses another."""

    def __init__(self) -> None:
        super().__init__("steps of the pipeline", "step")
        self._run: PipelineRun | None = None

    def show_run(self, run: PipelineRun | None) -> None:
        """Show a pipeline."""
        self._run = run
        steps = () if run is None else run.steps
        boxes = [_box(place, step) for place, step in enumerate(steps)]
        self.show_boxes(None if run is None else run.id, boxes, 0 if run is None else where(run))

    def step(self) -> PipelineStep | None:
        """Return the step that is chosen."""
        return None if self._run is None or self.place is None else self._run.steps[self.place]


def _box(place: int, step: PipelineStep) -> GraphBox:
    needs = (place - 1,) if place else ()
    return GraphBox(
        words.STEP_TITLES[step.name], words.step_mark(step), words.took(step), said(step), needs,
        is_quiet=step.state in _QUIET, is_over=step.state.is_over,
    )  # fmt: skip


def where(run: PipelineRun) -> int:
    """Return the step that one wants to see first: the one that went wrong, is under way or waits; else the last."""
    if run.state is PipelineState.PROMOTED:
        return len(run.steps) - 1
    ended = {StepState.FAILED, StepState.UNKNOWN, StepState.CANCELLED, StepState.RUNNING}
    found = next((place for place, step in enumerate(run.steps) if step.state in ended), None)
    if found is not None:
        return found
    begun = [place for place, step in enumerate(run.steps) if step.started_at is not None]
    return begun[-1] if begun else 0


def said(step: PipelineStep) -> str:
    """Return a step in words, for an assistive tool."""
    mark, took = words.step_mark(step), words.took(step)
    begun = "" if step.started_at is None else f"begun {numbers.day_and_clock(step.started_at)}"
    return ", ".join(filter(None, (words.STEP_TITLES[step.name], mark.word, took and f"took {took}", begun)))


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
        self.says.show_text("" if mark is None else f"{mark.opening}. {plain(text, 400)}".rstrip(". ") + ".")
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
