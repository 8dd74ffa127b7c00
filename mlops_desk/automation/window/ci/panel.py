"""The tab of repositories: runs of their pipelines, and those that rules watch."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit

from mlops_desk.automation.records.ci.gaps import code_gaps
from mlops_desk.automation.records.ci.repository_watch import WatchedRepository
from mlops_desk.automation.records.ci.run import CiCheck, CiRun, CiStage, CiStageState
from mlops_desk.automation.window import loads
from mlops_desk.automation.window.ci import words
from mlops_desk.automation.window.graph import BoxGraph, GraphBox, GraphPanel
from mlops_desk.automation.window.loads import SeenCi
from mlops_desk.automation.window.panel import AutomationPanel
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.lazy_view import AskedView
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.facts import Fact, moment_fact
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import numbers


# The columns of the lists of runs and of watched repositories.
def _state(one: SeenCi) -> Cell:
    mark = words.RUN_MARKS[one.brief.state]
    return Cell(mark.text, mark.word, mark.token, one.brief.text)


def _passed(one: SeenCi) -> Cell:
    stage = "" if one.brief.stage is None else f", at {plain(one.brief.stage, 60)}"
    return Cell(f"{one.brief.passed} of {one.brief.stages}{stage}", one.brief.passed)


def _repository(one: SeenCi) -> Cell:
    return Cell(_short(one.brief.repository), one.brief.repository, tip=one.brief.repository)


def _short(repository: str) -> str:
    """Return the end of a path or address, by which people tell repositories apart."""
    return plain("/".join(repository.rstrip("/").split("/")[-2:]), 80)


def _began(one: SeenCi) -> Cell:
    at = one.brief.created_at
    return Cell(numbers.ago(at), at, tip=numbers.absolute(at))


RUNS: tuple[Column[SeenCi], ...] = (
    Column("state", "State", _state),
    Column("name", "Pipeline", lambda one: Cell(plain(one.brief.name), tip=one.brief.name)),
    Column("repository", "Repository", _repository, stretch=True),
    Column("ref", "For", lambda one: Cell("" if one.brief.ref is None else words.ref(one.brief.ref))),
    Column("commit", "Commit", lambda one: Cell(words.commit(one.brief.commit, is_dirty=one.brief.dirty)), spare=True),
    Column("passed", "Stages passed", _passed),
    Column("by", "By", lambda one: Cell(plain(one.brief.user)), spare=True),
    Column("began", "Began", _began, right=True),
)


def _watched(one: WatchedRepository) -> Cell:
    mark = words.watched_mark(one)
    return Cell(mark.text, mark.word, mark.token, one.trouble or "")


def _seen(one: WatchedRepository) -> Cell:
    lines = [f"{words.ref(seen.ref)} {seen.commit}" for seen in one.seen]
    since = [] if one.seen_at is None else [f"since {numbers.absolute(one.seen_at)}"]
    return Cell(words.refs(one.seen) or plain(one.trouble or "", 200), tip="\n".join([*lines, *since]))


def _pushed(one: WatchedRepository) -> Cell:
    if one.pushed_at is None:
        return Cell("none yet", 0.0)
    tip = "\n".join([numbers.absolute(one.pushed_at), *(f"{words.ref(ref.ref)} {ref.commit}" for ref in one.pushed)])
    return Cell(f"{words.refs(one.pushed)}, {numbers.ago(one.pushed_at)}", one.pushed_at, tip=tip)


WATCHED: tuple[Column[WatchedRepository], ...] = (
    Column("state", "State", _watched),
    Column("repository", "Repository", lambda one: Cell(_short(one.repository), tip=one.repository), stretch=True),
    Column("ref", "Waits for", lambda one: Cell(words.ref(one.ref))),
    Column("seen", "Is at", _seen, spare=True),
    Column("pushed", "Last push", _pushed),
    Column("rule", "Rule", lambda one: Cell(plain(one.rule), tip=one.rule)),
)


# The stages of a run, each right of those that it needs.
_SEEN_FIRST = (CiStageState.FAILED, CiStageState.UNKNOWN, CiStageState.RUNNING, CiStageState.CANCELLED)


class StagesGraph(BoxGraph):
    """Of a run that goes on, the stage under way is chosen until somebody chooses another."""

    def __init__(self) -> None:
        super().__init__("stages of the run", "stage")
        self._run: CiRun | None = None

    def show_run(self, run: CiRun | None) -> None:
        """Show a run."""
        self._run = run
        if run is None:
            self.show_boxes(None, (), 0)
            return
        at = {stage.name: place for place, stage in enumerate(run.stages)}
        self.show_boxes(run.id, [_box(stage, at) for stage in run.stages], where(run))

    def stage(self) -> CiStage | None:
        """Return the stage that is chosen."""
        return None if self._run is None or self.place is None else self._run.stages[self.place]


def _box(stage: CiStage, at: dict[str, int]) -> GraphBox:
    needs = tuple(at[name] for name in stage.needs if name in at)
    return GraphBox(
        plain(stage.name, 60), words.STAGE_MARKS[stage.state], words.took(stage), words.said(stage), needs,
        is_quiet=words.is_quiet(stage), is_over=stage.state is CiStageState.PASSED,
    )  # fmt: skip


def where(run: CiRun) -> int:
    """Return the stage that one wants to see first: the one that went wrong or is under way; else the last begun."""
    for state in _SEEN_FIRST:
        found = next((place for place, stage in enumerate(run.stages) if stage.state is state), None)
        if found is not None:
            return found
    begun = [place for place, stage in enumerate(run.stages) if stage.started_at is not None]
    return begun[-1] if begun else 0


# The repositories that rules watch: asked for when they are seen, as no event tells of a look that found nothing.
_NOTHING = (
    "A rule that waits for a push and runs what is pushed watches a repository: it will be here with its newest commit "
    "and run. What is run says the repository itself, in its mlops-desk.yaml."
)
_BEGIN = """apiVersion: mlops-desk/v1
kind: Rule
name: run-what-is-pushed
when:
  push: /srv/git/churn.git
  ref: main
then:
- ci: mlops-desk.yaml
"""


class WatchedView(AskedView[list[WatchedRepository]]):
    """One row for each part of a rule that waits for a push; ``make_rule`` opens the form with a document."""

    def __init__(self, context: Context, make_rule: Callable[[str], None]) -> None:
        super().__init__(context, "Watched repositories", lambda desk: desk.ci.watched())
        self._make_rule = make_rule
        self.table: RecordTable[WatchedRepository] = RecordTable("Watched repositories", WATCHED, context.memory)
        self.table.activated.connect(lambda _index: self.open_rule())
        self.content.addWidget(self.table, 1)

    def take(self, value: list[WatchedRepository]) -> None:
        self.table.show_records({f"{one.rule} {one.repository} {one.ref}": one for one in value})
        if self.table.key() is None:
            self.table.select_first()

    def nothing(self, value: list[WatchedRepository]) -> Empty | None:
        if value:
            return None
        return Empty("No repository is watched", _NOTHING, "New rule …", lambda: self._make_rule(_BEGIN))

    def chosen(self) -> WatchedRepository | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def open_rule(self) -> None:
        """Go to the rule that watches."""
        one = self.chosen()
        if one is not None:
            self.context.open_page("automations", f"rule:{one.rule}")

    def open_run(self) -> None:
        """Go to the newest run of the repository."""
        one = self.chosen()
        if one is not None and one.run_id is not None:
            self.context.open_page("automations", f"ci:{one.run_id}")


# What a stage of a run found, as facts: whatever its record has, and nothing that it has not.
_TEXT = 400  # characters: five lines of the pane
_MOST = 60  # chosen: more of one kind than anybody reads; the command line tells all


def stage_facts(run: CiRun, stage: CiStage) -> list[Fact]:
    """Return what is known of a stage, and after it of the run that it is of."""
    return [*_of_stage(stage), *_of_run(run)]


def _of_stage(stage: CiStage) -> Iterator[Fact]:
    mark, took = words.STAGE_MARKS[stage.state], words.took(stage)
    yield Fact("Stage", f"{plain(stage.name, 60)}: {words.KINDS[stage.kind]}")
    yield Fact("State", f"{mark.text}{f', took {took}' if took else ''}", mark.token)
    if stage.started_at is not None:
        yield moment_fact("Begun", stage.started_at)
    if stage.needs:
        yield Fact("Needs", plain(", ".join(stage.needs), _TEXT))
    if stage.text:
        yield Fact("Found", plain(stage.text, _TEXT))
    if stage.hint:
        yield Fact("What to do", plain(stage.hint, _TEXT))
    for check in stage.checks[:_MOST]:
        yield _check(check)
    if stage.version:
        yield Fact("Version", f"v{plain(stage.version, 40)}")
    if stage.job_id:
        yield Fact("Job", plain(stage.job_id, 80), fixed=True)


def _check(one: CiCheck) -> Fact:
    limits = [
        f"{word} {numbers.number(limit, 4)}"
        for word, limit in (("at least", one.at_least), ("at most", one.at_most))
        if limit is not None
    ]
    wanted = f" (wanted: {' and '.join(limits)})" if limits else ""
    if one.value is None or one.passed is None:
        return Fact(plain(one.metric, 60), f"{numbers.UNKNOWN} not told{wanted}", "unknown")
    word, tone = (numbers.OK, "text") if one.passed else (numbers.ALERT, "alert")
    return Fact(plain(one.metric, 60), f"{word} {numbers.number(one.value, 4)}{wanted}", tone)


def _of_run(run: CiRun) -> Iterator[Fact]:
    for gap in code_gaps(run):
        yield Fact("Not in its code", plain(f"{numbers.WARNING} {gap.text} {gap.hint}", _TEXT), "warning")
    yield Fact("Run", run.id, fixed=True)
    yield Fact("Repository", plain(run.repository, _TEXT))
    sha = words.commit(run.commit, is_dirty=run.dirty)
    of = "" if run.ref is None else f", {plain(run.ref_kind or 'branch', 10)} {words.ref(run.ref)}"
    yield Fact("Commit", f"{sha}{of}", tip=run.commit or "")
    yield Fact("Begun by", plain(run.user, 60))
    yield moment_fact("Began", run.created_at)
    if run.hint:
        yield Fact("Next", plain(run.hint, _TEXT))


# Runs of repositories' pipelines: the list above; below it the chosen one as a graph, and what its stage found.
_NOTHING_runs = (
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
        return Empty("No pipeline of a repository has run yet", _NOTHING_runs, command=command)

    def ask_whole(self, identifier: str) -> Callable[[ClientLike], CiRun]:
        return lambda desk: desk.ci.show(identifier)

    def show_run(self, one: SeenCi | None, run: CiRun | None) -> None:
        mark = None if one is None else words.RUN_MARKS[one.brief.state]
        self.says.show_text(words.why(run) if run is not None else "" if mark is None else f"{mark.opening}.")
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


_VIEWS = (("runs", "Runs"), ("watched", "Watched repositories"))


class CiTab(AutomationPanel):
    """Two views: what ran, and what is waited for; ``make_rule`` opens the form of a rule with a document."""

    def __init__(self, context: Context, make_rule: Callable[[str], None]) -> None:
        super().__init__(context)
        self.views = Tabs("What is shown of repositories", _VIEWS)
        self.runs = CiRuns(context)
        self.watched = WatchedView(context, make_rule)
        self._card = Card()
        self._card.column.addWidget(self.watched, 1)
        self.body.setSpacing(theme.SPACE_8)
        self.body.addWidget(self.views, 0, Qt.AlignmentFlag.AlignLeft)
        self.body.addWidget(self.runs, 1)
        self.body.addWidget(self._card, 1)
        self.runs.narrowing.textChanged.connect(self.watched.table.narrow)
        self.views.chosen.connect(self._turn)
        self.views.choose("runs")

    def _turn(self, key: str) -> None:
        self.runs.setVisible(key == "runs")
        self._card.setVisible(key == "watched")

    @property
    def _sees_runs(self) -> bool:
        return self.views.current() == "runs"

    def refresh(self, store: Store, topics: frozenset[Topic]) -> None:
        self.runs.refresh(store, topics)

    def look(self) -> None:
        self.watched.look()

    def table(self) -> RecordTable[Any]:
        return self.runs.table() if self._sees_runs else self.watched.table

    def filter_field(self) -> QLineEdit | None:
        return self.runs.filter_field()

    def reveal(self, key: str) -> bool:
        self.views.choose("runs")
        return self.runs.reveal(key)

    def left(self) -> None:
        self.runs.left()

    def actions_here(self) -> list[Action]:
        if self._sees_runs:
            return self.runs.actions_here()

        def has_run() -> bool:
            one = self.watched.chosen()
            return one is not None and one.run_id is not None

        def has() -> bool:
            return self.watched.chosen() is not None

        return [
            Action("ci.rule", "Go to the rule that watches the chosen repository", self.watched.open_rule, when=has),
            Action("ci.newest", "Go to the newest run of the chosen repository", self.watched.open_run, when=has_run),
        ]
