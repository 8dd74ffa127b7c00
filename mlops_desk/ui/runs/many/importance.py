"""What a metric hangs on: asked for when it is seen, for takes the agent a moment to find out."""

from typing import TYPE_CHECKING

from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.registry.run_window import Importance
from mlops_desk.ui.charts.space.importance import ImportanceBars
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.runs import asking
from mlops_desk.ui.runs.detail.values import first_metric
from mlops_desk.ui.runs.names import METRICS
from mlops_desk.ui.runs.question import KnownColumns, RunQuestion
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty, StateView
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task


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
            "importance", lambda desk: asking.importance(desk, question, metric), self._take, self._refused
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
