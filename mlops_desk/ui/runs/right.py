"""What stands beside the table: one run, its files, or many at once. Loaded after the first rows have been painted."""

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.registry.comparison import CodeDifference
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.artifacts.pane import ArtifactsPane
from mlops_desk.ui.parts.artifacts.source import ArtifactSource
from mlops_desk.ui.parts.compare.code import CodeView
from mlops_desk.ui.runs import asking
from mlops_desk.ui.runs.acts.acts import RunActs
from mlops_desk.ui.runs.detail.pane import RunDetail
from mlops_desk.ui.runs.many.comparison import RunComparison
from mlops_desk.ui.runs.many.importance import ImportanceView
from mlops_desk.ui.runs.many.space import ParallelView, ScatterView
from mlops_desk.ui.runs.question import KnownColumns, RunQuestion
from mlops_desk.ui.runs.ticked.ticks import FEWEST, Ticked
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.tabs import Tabs

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

        self.context.ask("code", lambda desk: asking.code_of(desk, first.run_id, last.run_id, uri), done, failed)


def files_of(run_id: str, title: str, uri: str | None) -> ArtifactSource:
    """Return how the files of a run are asked for."""
    return ArtifactSource(
        f"{uri} {run_id}",
        title,
        lambda desk, folder: desk.runs.artifacts(run_id, folder, uri),
        partial(asking.file_view, run_id=run_id, uri=uri),
        partial(asking.saved_file, run_id=run_id, uri=uri),
    )
