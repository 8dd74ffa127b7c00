"""What stands beside the table: one run, its files, or many at once. Loaded after the first rows have been painted.

What a metric hangs on: asked for when it is seen, for takes the agent a moment to find out.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.space.importance import ImportanceBars
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.artifacts.pane import ArtifactsPane
from mlops_desk.kit.window.parts.artifacts.source import ArtifactSource
from mlops_desk.kit.window.parts.compare.code import CodeView
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.comparison import CodeDifference
from mlops_desk.registry.records.run_window import Importance
from mlops_desk.registry.window.runs import queries
from mlops_desk.registry.window.runs.acts import RunActs
from mlops_desk.registry.window.runs.detail.pane import RunDetail
from mlops_desk.registry.window.runs.detail.values import first_metric
from mlops_desk.registry.window.runs.many.comparison import RunComparison
from mlops_desk.registry.window.runs.many.space import ParallelView, ScatterView
from mlops_desk.registry.window.runs.names import METRICS
from mlops_desk.registry.window.runs.query import KnownColumns, RunQuestion
from mlops_desk.registry.window.runs.selection import FEWEST, Ticked

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

_MOST_METRICS = 2000  # chosen: in a list to choose from


class ImportanceView(QWidget):
    """Of the runs that pass the filter, whichever are in the table's window."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.which = ChoiceBox("Metric")
        self.bars = ImportanceBars()
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.state = StateView(theme.LIST_WIDTH)
        self._metrics: list[str] = []
        self._question: RunQuestion | None = None
        self._asked: tuple[object, ...] | None = None
        self._task: Task | None = None
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.says)
        column.addWidget(scrolled(self.bars, "What the metric hangs on"), 1)
        head = QHBoxLayout()
        head.addWidget(self.which)
        head.addStretch()
        self._layers = QStackedLayout()
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addLayout(head)
        whole.addLayout(self._layers, 1)
        self._layers.addWidget(self._content)
        self._layers.addWidget(self.state)
        self.which.activated.connect(lambda _place: self.look())

    def show_question(self, question: RunQuestion, known: KnownColumns) -> None:
        """Hear which runs the table shows, and which metrics there are."""
        metrics = known.of(METRICS)[:_MOST_METRICS]
        if metrics != self._metrics:
            before, self._metrics = self.which.currentData(), metrics
            self.which.clear()
            for name in metrics:
                self.which.addItem(plain(name), name)
            chosen = before if before in metrics else first_metric(metrics)
            self.which.setCurrentIndex(max(self.which.findData(chosen), 0))
        self._question = question
        self.look()

    def look(self) -> None:
        """Ask, if it is seen and other runs or another metric are meant."""
        question, metric = self._question, self.which.currentData()
        if question is None or not self.isVisible():
            return
        if metric is None:
            self.state.show_empty(Empty("No metrics", "These runs have logged no metric."))
            self._layers.setCurrentWidget(self.state)
            return
        asked = (question.uri, question.experiments, question.filter, metric)
        if asked == self._asked:
            return
        self._asked = asked
        if self._task is not None:
            self._task.cancel()
        self.state.show_loading("Finding out what matters …", "A forest of trees is fitted to the runs.", None)
        self._layers.setCurrentWidget(self.state)
        self._task = self.context.ask(
            "importance", lambda desk: queries.importance(desk, question, metric), self._take, self._refused
        )

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.look()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self._task is not None and self._task.running:
            self._task.cancel()
            self._asked = None

    def _take(self, found: list[Importance]) -> None:
        metric = str(self.which.currentData())
        if not found:
            self.state.show_empty(Empty("No parameters", "These runs have logged no parameter."))
            self._layers.setCurrentWidget(self.state)
            return
        n_runs = max(one.n_runs for one in found)
        text = f"How much of {plain(metric, 60)} each parameter accounts for, among {numbers.count(n_runs, 'run')}. "
        self.says.show_text(text + "Blue rises with it, orange falls. What hangs together shares its weight.")
        self.bars.show_bars(metric, found)
        self._layers.setCurrentWidget(self._content)

    def _refused(self, error: DeskError) -> None:
        self._asked = None
        self.state.show_error("It can't be told what matters", error, self.look)
        self._layers.setCurrentWidget(self.state)


RUN, FILES, COMPARE, CODE = "run", "files", "compare", "code"
PARALLEL, SCATTER, IMPORTANCE = "parallel", "scatter", "importance"
_TABS = ((RUN, "Run"), (FILES, "Files"), (COMPARE, "Compare"), (CODE, "Code"), (PARALLEL, "Parallel"),
         (SCATTER, "Scatter"), (IMPORTANCE, "Importance"))  # fmt: skip
_OF_TICKED = frozenset({COMPARE, CODE})
_TABS_WIDTH = 384  # pixels: what the narrow pane has; at its right edge they stay under the pointer as it grows wide
WIDE = frozenset({FILES, COMPARE, CODE, PARALLEL, SCATTER, IMPORTANCE})
"""The views that take the room of the experiments too."""


class RightPane(Card):
    """``pointed`` carries the id of a run that is meant, or None; ``opened`` of one to show; ``turned`` the view.

    ``filtered`` carries words for the filter.
    """

    pointed = Signal(object)
    opened = Signal(str)
    turned = Signal(str)
    filtered = Signal(str)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.tabs = Tabs("What is shown beside the table", _TABS, wrap=True)
        self.detail = RunDetail(context)
        self.files = ArtifactsPane(context)
        self.comparison = RunComparison(context)
        self.code = CodeView()
        self._views = QStackedWidget()
        self.parallel, self.scatter = ParallelView(context), ScatterView(context)
        self.importance = ImportanceView(context)
        self._by_key = {
            RUN: self.detail, FILES: self.files, COMPARE: self.comparison, CODE: self.code,
            PARALLEL: self.parallel, SCATTER: self.scatter, IMPORTANCE: self.importance,
        }  # fmt: skip
        self._question: RunQuestion | None = None
        self._run: tuple[str | None, str, str | None] = (None, "", None)
        self._ticked: tuple[Ticked, ...] = ()
        self._uri: str | None = None
        self._code_of: tuple[str, str] | None = None
        self.tabs.setFixedWidth(_TABS_WIDTH)
        row = QHBoxLayout()  # not aligned by the column: that would leave room for the first line of tabs alone
        row.addStretch(1)
        row.addWidget(self.tabs)
        self.column.addLayout(row)
        for view in self._by_key.values():
            self._views.addWidget(view)
        self.column.addWidget(self._views, 1)
        self.tabs.chosen.connect(self._turn)
        self.comparison.pointed.connect(self.pointed)
        self.comparison.opened.connect(self.opened)
        self.detail.wanted.connect(self.opened)
        for space in (self.parallel, self.scatter):
            space.pointed.connect(self._point)
            space.picked.connect(self.opened)
        self.parallel.filtered.connect(self.filtered)
        self.tabs.choose(RUN)

    def show_run(self, run_id: str | None, title: str, uri: str | None) -> None:
        """Show a run, whichever view is seen."""
        self._run = run_id, title, uri
        self.detail.show_run(run_id, uri)
        if self.tabs.current() == FILES:
            self._show_files()

    def show_ticked(self, ticked: Sequence[Ticked], uri: str | None) -> None:
        """Show the runs that are ticked; the first two or more turn to their comparison."""
        before = len(self._ticked)
        self._ticked, self._uri = tuple(ticked), uri
        self.tabs.count(COMPARE, len(ticked) or None)
        self.comparison.show_runs(ticked, uri)
        if self._question is not None:
            self.parallel.show_question(self._question, self._ticked)
            self.scatter.show_question(self._question, self._ticked)
        if self.tabs.current() == CODE:
            self._show_code()
        if before < FEWEST <= len(ticked) and self.tabs.current() == RUN:
            self.tabs.choose(COMPARE)
        elif len(ticked) == 0 and before and self.tabs.current() in _OF_TICKED:
            self.tabs.choose(RUN)

    def acts(self, changed: Callable[[], None]) -> RunActs:
        """Return what can be done with runs; ``changed`` is called once something has."""
        return RunActs(self, self.context, changed)

    def show_question(self, question: RunQuestion, known: KnownColumns) -> None:
        """Hear which runs the table shows."""
        self._question = question
        self.parallel.show_question(question, self._ticked)
        self.scatter.show_question(question, self._ticked)
        self.importance.show_question(question, known)

    def light(self, run_id: str | None) -> None:
        self.comparison.light(run_id)
        self.parallel.light(run_id)
        self.scatter.light(run_id)

    def _point(self, run_id: object) -> None:
        self.light(run_id if isinstance(run_id, str) else None)
        self.pointed.emit(run_id)

    def left(self) -> None:
        self.files.left()

    def _turn(self, key: str) -> None:
        self._views.setCurrentWidget(self._by_key[key])
        if key == FILES:
            self._show_files()
        elif key == CODE:
            self._show_code()
        self.turned.emit(key)

    def _show_files(self) -> None:
        run_id, title, uri = self._run
        if run_id is None:
            self.files.show_why_not("No run is chosen", "Choose one in the table to see its files.")
        else:
            self.files.show_source(files_of(run_id, title, uri))

    def _show_code(self) -> None:
        """Compare the code of the first two that are ticked."""
        if len(self._ticked) < FEWEST:
            self._code_of = None
            self.code.show_text("Tick two runs to see how their code differs.")
            return
        first, last = self._ticked[0], self._ticked[-1]
        if self._code_of == (first.run_id, last.run_id):
            return
        self._code_of = first.run_id, last.run_id
        self.code.show_loading()
        uri = self._uri

        def done(difference: CodeDifference) -> None:
            self.code.show_difference(difference, first.title, last.title)

        def failed(error: DeskError) -> None:
            self._code_of = None
            self.code.show_error(error)

        self.context.ask("code", lambda desk: queries.code_of(desk, first.run_id, last.run_id, uri), done, failed)


def files_of(run_id: str, title: str, uri: str | None) -> ArtifactSource:
    """Return how the files of a run are asked for."""
    return ArtifactSource(
        f"{uri} {run_id}",
        title,
        lambda desk, folder: desk.runs.artifacts(run_id, folder, uri),
        partial(queries.file_view, run_id=run_id, uri=uri),
        partial(queries.saved_file, run_id=run_id, uri=uri),
    )
