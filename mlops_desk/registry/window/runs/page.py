"""Runs: experiments | a table of any number of runs, filtered while one types | one run, or many compared."""

from functools import partial
from importlib import import_module
from typing import Any, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QVBoxLayout

from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.widgets.states import Empty, starting
from mlops_desk.registry.records.tracker import Tracker
from mlops_desk.registry.window.runs import cells, queries
from mlops_desk.registry.window.runs.acts import OfferedActs
from mlops_desk.registry.window.runs.columns import LearnedColumns
from mlops_desk.registry.window.runs.experiments import ExperimentList
from mlops_desk.registry.window.runs.feature import COMPARED, EXPERIMENTS, REGISTRY_OF_RUNS, SEEN
from mlops_desk.registry.window.runs.layout import RunPlaces
from mlops_desk.registry.window.runs.query import KnownColumns, RunQuestion
from mlops_desk.registry.window.runs.row_loader import RowLoader
from mlops_desk.registry.window.runs.rows import CHUNK
from mlops_desk.registry.window.runs.selection import MOST, Ticking, Ticks
from mlops_desk.registry.window.runs.table import RunsTable
from mlops_desk.registry.window.runs.toolbar import export
from mlops_desk.registry.window.runs.toolbar.top import TopBar

_SEEN_KEPT = 500  # runs: what the palette can go to


class AllRunsPage(Page):
    """The table is asked for a question (``RunQuestion``); what changes it asks anew."""

    stale: ClassVar[str] = "These runs are"
    topics: ClassVar[frozenset[Topic]] = frozenset({EXPERIMENTS, Topic.REGISTRIES, Topic.CONNECTION})
    loads: ClassVar[tuple[Topic, ...]] = (EXPERIMENTS,)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.loader = RowLoader(context)
        self.ticks = Ticks()
        self.ticking = Ticking(context, self.loader, self.ticks)
        self.table = RunsTable(self.loader, self.ticks)
        self.bar = TopBar(context, self.table)
        self.experiments = ExperimentList()
        self.right: Any = None
        self.groups: Any = None
        self._acts = OfferedActs(self, self.bar, self.table, self.ticks, self.loader, lambda: self.right)
        self._columns = LearnedColumns(context, self.loader, self._learned)
        self._awaited_run: str | None = None
        self.places = RunPlaces(self.experiments, self.table)
        self._arrange()
        self._wire()

    def _arrange(self) -> None:
        self.places.fit(self.width(), wide=False)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addWidget(self.bar)
        whole.addWidget(self.places, 1)

    def _wire(self) -> None:
        self.loader.begun.connect(self._begun)
        self.loader.resized.connect(self._say_counts)
        self.loader.arrived.connect(self._arrived)
        self.loader.refused.connect(self._refused)
        self.bar.changed.connect(self._ask)
        self.bar.turned.connect(self._list_trackers)
        self.experiments.changed.connect(self._ask)
        self.table.chosen.connect(self._chose)
        self.table.ticked.connect(self._ticked)
        self.ticking.changed.connect(self._ticked)
        self.table.sorted_by.connect(self.bar.sort_by_section)
        self.table.moved.connect(self.bar.show_columns)
        self.table.head_asked.connect(self._acts.open_head)
        self.table.opened.connect(self._open)
        self.table.fill_menu = self._acts.fill_menu
        self.table.pointed.connect(self._light)
        if self.context.store.connection.state != "live":
            self._await_agent()

    # What is asked.

    def question(self) -> RunQuestion:
        """Return what is asked for now."""
        return self.bar.question(self.experiments.names())

    def reload(self) -> None:
        super().reload()
        self._columns.forget()
        self._list_trackers()
        self._ask()

    def _list_trackers(self) -> None:
        self.context.ask("registries", lambda desk: desk.registry.list(), self._take_trackers, self.bar.miss_trackers)

    def _take_trackers(self, trackers: list[Tracker]) -> None:
        self.bar.show_trackers(trackers)
        if self.places.is_troubled and self.loader.error is not None:
            self._refused(self.loader.error)  # whose registry it is decides how it is said

    def refresh(self, topics: frozenset[Topic]) -> None:
        if Topic.REGISTRIES in topics:
            self._list_trackers()
        part = self.context.store.part(EXPERIMENTS)
        if EXPERIMENTS not in topics or part.loading:
            return
        self.experiments.show_experiments(part.value or ())
        if self.loader.question == self.question():
            self.loader.refresh()
            if self.groups is not None:
                self.groups.look()
            if self.right is not None:
                self.right.detail.look()

    def _ask(self) -> None:
        """Ask for what is chosen; other columns and runs of the same registry."""
        if self.context.store.connection.state != "live":
            self._await_agent()
            return
        question = self.question()
        part = self.context.store.part(REGISTRY_OF_RUNS)
        if part.value != question.uri:
            part.value = question.uri
            self._forget_registry()
            self.context.load(EXPERIMENTS)
        if self.loader.window is None or question.uri != self.loader.question.uri:
            self.places.trouble.show_loading("Reading the runs …", "", None)
            self.places.show_trouble()
            self.bar.say_nothing()
        self.loader.ask(question)
        self._show_groups(question)
        self._columns.learn(question)

    def _forget_registry(self) -> None:
        """Let go of what was chosen and ticked in another registry: its runs are not those of this one."""
        self._awaited_run = None
        self.table.untick_all()
        self.table.forget()
        if self.right is not None:
            self.right.show_run(None, "", None)

    def _show_groups(self, question: RunQuestion) -> None:
        """Show groups in the place of the table, or the table in theirs."""
        by = self.bar.group_by()
        if by is not None and self.groups is None:
            from mlops_desk.registry.window.runs.groups import GroupsView  # noqa: PLC0415 - few people group

            self.groups = GroupsView(self.context, self.ticks.__contains__)
            self.places.add_beside_table(self.groups)
            self.groups.toggled.connect(self.ticking.toggle)
            self.groups.filtered.connect(self._open_group)
            self.groups.overlaid.connect(self._overlay)
        self.table.setVisible(by is None)
        if self.groups is not None:
            self.groups.setVisible(by is not None)
            if by is not None:
                self.groups.show_question(question, by)

    def _open_group(self, words: str) -> None:
        """Show the runs of a group one by one."""
        self.bar.groups.choose(None)
        self._narrow(words)

    def _overlay(self, groups: dict[str, str], band: str) -> None:
        """Compare runs of groups, drawn as groups."""
        self.ticking.replace(tuple(groups))
        if self.right is not None:
            self.right.tabs.choose("compare")
            self.right.comparison.group_as(groups, band)

    def _await_agent(self) -> None:
        """Say why there is nothing to see yet; what was seen before stays."""
        connection = self.context.store.connection
        if self.loader.window is not None:
            return
        if connection.state == "lost" and connection.error is not None:
            self.places.trouble.show_error("The agent is not reachable", connection.error, self.reload)
        else:
            self.places.trouble.show_loading(*starting("Runs"), None)
        self.places.show_trouble()

    def _learned(self, known: KnownColumns) -> None:
        self.bar.show_known(known)
        if self.right is not None:
            self.right.show_question(self.loader.question, known)

    def _catch_up(self) -> None:
        """Ask again for what was refused while the registry was opened."""
        self._columns.catch_up()
        part = self.context.store.part(EXPERIMENTS)
        if self.loader.window is not None and part.error is not None and not part.loading:
            self.context.load(EXPERIMENTS)

    # What was answered.

    def _begun(self) -> None:
        self.bar.say_error(None, "")
        window = self.loader.window
        if window is not None and window.n_runs == 0 and not window.is_loading:
            self.places.trouble.show_empty(self._no_runs())
            self.places.show_trouble()
        else:
            self.places.show_rows()
        self._arrived(0, CHUNK - 1)
        if self._awaited_run is not None:
            self._await_run(self._awaited_run)
        elif self.table.key() is None:
            self.table.select_first()
        else:
            self._look_for_shown()
        if self.right is None:
            self._want_right()
        else:
            self.right.show_question(self.loader.question, self._columns.known)

    def _look_for_shown(self) -> None:
        """Ask whether the run in the detail is one of the list; those that are loaded are some of it."""
        run_id, question = self._awaited_run or self.table.key(), self.loader.question
        if run_id is None or self.loader.rows.place_of(run_id) is not None or self.loader.window is None:
            return
        self.context.ask(
            "whether a run is listed",
            lambda desk: queries.is_listed(desk, question, run_id),
            lambda listed: None if listed or self.loader.question != question else self._not_listed(run_id),
            lambda _error: None,  # the table says why the runs can't be shown
        )

    def _not_listed(self, run_id: str) -> None:
        """Let go of a run that the list leaves out; one that was gone to is shown, and said to be none of it."""
        if run_id == self._awaited_run:
            if self.right is not None:
                self.right.detail.say_unlisted(run_id)
        elif self._awaited_run is None and run_id == self.table.key():
            self.table.forget()
            self.table.select_first()
            self._show_run()

    def _no_runs(self) -> Empty:
        command = "mlops-desk jobs submit SPEC.yaml"
        if self.question().experiments:
            return Empty("No runs in these experiments", "What training programs log there will be here.")
        text = "What training programs log will be here: each run with its metrics, parameters and files."
        return Empty("No runs yet", text, "Look again", self.reload, command)

    def _refused(self, error: DeskError) -> None:
        """Say what is wrong with a filter under it, and what is wrong with the registry above what is known of it."""
        if self.context.store.connection.state != "live":
            self._await_agent()  # the stale line says it of what is shown already
            return
        if error.place is None and (self.loader.window is None or self.places.is_troubled):
            if isinstance(error, NotFound) and self.bar.is_own() and not self.loader.question.experiments:
                self.places.trouble.show_empty(self._no_runs())  # the desk makes its own one when a first run is logged
            else:
                self.places.trouble.show_error("The runs can't be shown", error, self.reload)
            self.places.show_trouble()
            self.bar.say_error(None, "")  # it is said where the rows would be
            return
        self.places.show_rows()
        self.bar.say_error(error, self.loader.question.filter)

    def _say_counts(self) -> None:
        if self.loader.window is not None:
            self.bar.say_counts(self.loader.window, len(self.ticks))
        self._catch_up()

    def _arrived(self, first: int, last: int) -> None:
        """Note what the rows that are new here are called, for the palette."""
        self._say_counts()
        seen = self.context.store.part(SEEN)
        rows = [row for place in range(first, last + 1) if (row := self.loader.rows.row(place)) is not None]
        names_by_id = {row.run_id: plain(cells.name(row), 80) for row in rows}
        kept = {**names_by_id, **(seen.value or {})}
        seen.value = dict(list(kept.items())[:_SEEN_KEPT])

    # The right side, which is loaded once rows are seen.

    def _want_right(self) -> None:
        self.context.tasks().run(
            "load what stands beside runs",
            partial(import_module, "mlops_desk.registry.window.runs.detail_area"),
            self._build_right,
            self.context.complain,
        )

    def _build_right(self, module: Any) -> None:
        if self.right is not None:
            return
        right = self.right = module.RightPane(self.context)
        self.places.put_right(right)
        right.detail.experiment = self._experiment
        right.pointed.connect(self._light)
        right.opened.connect(self.open_run)
        right.turned.connect(lambda key: self.places.fit(self.width(), wide=key in module.WIDE))
        right.filtered.connect(self._narrow)
        right.show_question(self.loader.question, self._columns.known)
        self._show_run()
        right.show_ticked(self.ticks.all(), self.loader.question.uri)

    def _experiment(self, experiment_id: str | None) -> str | None:
        every = self.context.store.part(EXPERIMENTS).value or ()
        return next((one.name for one in every if one.experiment_id == experiment_id), None)

    def _chose(self, _run_id: object) -> None:
        self._awaited_run = None
        self._show_run()

    def _show_run(self) -> None:
        row = self.table.current_row()
        run_id = self._awaited_run or self.table.key()
        if self.right is not None:
            title = cells.name(row) if row is not None and row.run_id == run_id else (run_id or "")[:8]
            self.right.show_run(run_id, title, self.loader.question.uri)
            if self._awaited_run is None:
                self.right.detail.unlisted.hide()

    def _ticked(self, has_room: bool) -> None:
        self.table.viewport().update()
        if not has_room:
            self.context.say("info", f"{MOST} runs are ticked: more can't be compared at once.")
        self._say_counts()
        if self.groups is not None:
            self.groups.tell_ticks()
        if self.right is not None:
            self.right.show_ticked(self.ticks.all(), self.loader.question.uri)

    def _light(self, run_id: object) -> None:
        if self.right is not None:
            self.right.light(run_id if isinstance(run_id, str) else None)

    def _narrow(self, words: str) -> None:
        """Put words into the filter, behind those that are there."""
        before = self.bar.filter.text().strip()
        self.bar.filter.show_filter(f"{before} and {words}" if before else words)

    def _open(self) -> None:
        """Go to what is shown of the run."""
        if self.right is not None:
            self.right.tabs.choose("run")
            self.right.detail.table.setFocus(Qt.FocusReason.OtherFocusReason)

    # A run that is gone to.

    def open_run(self, run_id: str) -> None:
        """Show a run, wherever it stands in the table, or where it doesn't."""
        self._await_run(run_id)
        if self.right is not None:
            self.right.tabs.choose("run")

    def show_thing(self, thing: str) -> bool:
        """Show a run by its id; of another registry than the one that is seen as ``REGISTRY/run-ID``."""
        registry, mark, run_id = thing.rpartition("/run-")
        if mark and registry:
            self.bar.choose_registry(registry)
        wanted = run_id if mark else thing
        if wanted.startswith(COMPARED):
            self.ticking.replace(wanted.removeprefix(COMPARED).split(","))
        else:
            self.open_run(wanted)
        return True

    def _await_run(self, run_id: str) -> None:
        """Choose a run in the table once it is there; until then it is shown beside it."""
        self._awaited_run = run_id
        if self.loader.window is not None and self.table.select(run_id):
            self._awaited_run = None
        self._show_run()
        if self._awaited_run is not None:
            self._look_for_shown()

    # Acts.

    def actions_here(self) -> list[Action]:
        return self._acts.here(self.save_csv)

    def save_csv(self) -> None:
        """Ask where to, and save the runs that pass the filter, or their groups."""
        if self.bar.group_by() is not None and self.groups is not None:
            export.ask_where_groups(self, self.context, self.groups.as_table())
        else:
            self.bar.save_csv()

    def main_table(self) -> Any:
        """Return None: the table walks by itself, and takes the focus when the page is gone to."""
        return None

    def enter(self) -> None:
        is_grouped = self.groups is not None and self.bar.group_by() is not None
        (self.groups.table if is_grouped else self.table).setFocus(Qt.FocusReason.OtherFocusReason)

    def filter_field(self) -> QLineEdit | None:
        return self.bar.filter

    def escape(self) -> None:
        """Clear the filter, or else take the ticks away."""
        if self.bar.filter.text():
            self.bar.filter.clear()
        elif len(self.ticks):
            self.table.untick_all()

    def reword(self) -> None:
        super().reword()
        self.table.viewport().update()

    def connected(self) -> None:
        super().connected()
        self.loader.window = None

    def left(self) -> None:
        self.loader.stop()
        if self.right is not None:
            self.right.left()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self.loader.refresh()
