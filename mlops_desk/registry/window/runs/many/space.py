"""All runs that pass the filter at once: over parallel axes or in a plane. The axes are the table's columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.charts.space import axis as axes
from mlops_desk.kit.window.charts.space.axis import SpaceAxis
from mlops_desk.kit.window.charts.space.chart import SpaceRun
from mlops_desk.kit.window.charts.space.parallel import ParallelChart
from mlops_desk.kit.window.charts.space.scatter import ScatterChart
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.run_window import RunWindow
from mlops_desk.registry.window.runs import cells, names, words
from mlops_desk.registry.window.runs.detail.values import first_metric
from mlops_desk.registry.window.runs.query import RunQuestion
from mlops_desk.registry.window.runs.row_loader import ask_shown
from mlops_desk.registry.window.runs.selection import Ticked

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# Runs laid out on axes, one for each column that tells them apart: done by the worker that asks. No Qt here.
MOST_RUNS = 1000  # the most that the agent gives in one answer, and more lines than are told apart
_MOST_AXES = 12  # chosen: more have no room side by side


@dataclass(frozen=True, slots=True)
class LaidOut:
    """The first runs of ``n_matching``: each id with its title, and where they stand on which axes."""

    n_matching: int
    runs: tuple[tuple[str, str], ...]
    axes: tuple[SpaceAxis, ...]


def ask_laid_out(question: RunQuestion) -> Callable[[ClientLike], LaidOut]:
    """Return what asks the agent for runs and lays them out."""
    ask = ask_shown(question, 0, MOST_RUNS)
    return lambda desk: laid_out(ask(desk), question.sort[0])


def laid_out(window: RunWindow, sorted_by: str) -> LaidOut:
    """Return runs on axes: parameters first, then what came of them; the metric that is likely meant stands last."""
    columns = [names.read(name) for name in window.columns]
    made = []
    for number, (column, title) in enumerate(zip(columns, names.titles(columns), strict=True)):
        if column.kind == names.ATTRIBUTES and column.key != "duration":
            continue
        values = [row.values[number] for row in window.rows]
        one = axes.axis(str(column), title, values, log=axes.spans_decades(values))
        if one is not None and one.tells_apart:
            made.append(one)
    metrics = [one.name for one in made if one.name.startswith(names.METRICS)]
    goal = sorted_by if sorted_by in metrics else first_metric(metrics)
    made.sort(key=lambda one: _rank(one, goal))
    runs = tuple((row.run_id, plain(cells.name(row), 60)) for row in window.rows)
    return LaidOut(window.n_matching, runs, tuple(made[:_MOST_AXES]))


def _rank(one: SpaceAxis, goal: str | None) -> tuple[int, bool]:
    """Put metrics behind what is no metric: the last axis gives the lines their colours."""
    order = 0 if one.name.startswith(names.PARAMS) else 2 if one.name.startswith(names.METRICS) else 1
    return order, one.name == goal


_LEAST = ("loss", "error", "err", "rmse", "mae", "mse", "latency", "duration", "seconds", "perplexity", "time")
"""Words in the names of metrics of which less is better."""


class RunSpace(QWidget):
    """Asks for the runs when it is seen; ``draw`` shows them. ``pointed`` and ``picked`` are the chart's."""

    pointed = Signal(object)
    picked = Signal(str)

    def __init__(self, context: Context, chart: ParallelChart | ScatterChart) -> None:
        super().__init__()
        self.context = context
        self.axes: list[SpaceAxis] = []
        self.runs: list[SpaceRun] = []
        self.told: LaidOut | None = None
        self._question: RunQuestion | None = None
        self._asked: RunQuestion | None = None
        self._ticked: tuple[Ticked, ...] = ()
        self._task: Task | None = None
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.state = StateView(theme.LIST_WIDTH)
        bar = QWidget()
        self.flow = FlowLayout(bar)
        self.flow.setSpacing(theme.SPACE_8)
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(bar)
        column.addWidget(self.says)
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._content)
        self._layers.addWidget(self.state)
        self._place, self._column = chart, column
        chart.pointed.connect(self.pointed)
        chart.picked.connect(self.picked)

    def _add(self, *settings: QWidget) -> None:
        """Put what is set above the chart: Tab goes through it first, for the chart is put in after it."""
        for widget in settings:
            self.flow.addWidget(widget)
        self._column.addWidget(self._place, 1)

    def show_question(self, question: RunQuestion, ticked: Sequence[Ticked]) -> None:
        """Hear which runs and columns the table shows, and which are ticked."""
        self._question = question
        changed = tuple(ticked) != self._ticked
        self._ticked = tuple(ticked)
        if question != self._asked:
            self.look()
        elif changed and self.told is not None:
            self._show(self.told)

    def look(self) -> None:
        """Ask for the runs, if it is seen."""
        question = self._question
        if question is None or not self.isVisible():
            return
        if self._task is not None:
            self._task.cancel()
        self._asked = question
        if self.told is None:
            self.state.show_loading("Reading the runs …", "", None)
            self._layers.setCurrentWidget(self.state)
        self._task = self.context.ask("runs", ask_laid_out(question), self._show, self._refused)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._asked != self._question or self.told is None:
            self.look()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self._task is not None and self._task.running:
            self._task.cancel()
            self._asked = None

    def _refused(self, error: DeskError) -> None:
        self._asked = None
        if self.told is None or error.place is None:
            self.state.show_error("The runs can't be shown", error, self.look)
            self._layers.setCurrentWidget(self.state)

    def _show(self, told: LaidOut) -> None:
        self.told = told
        slots = {one.run_id: one.slot for one in self._ticked}
        self.runs = [SpaceRun(run_id, title, slots.get(run_id)) for run_id, title in told.runs]
        self.axes = list(told.axes)
        if len(self.axes) < 2 or not self.runs:
            text = "Show at least two columns of parameters or metrics that differ: they are the axes here."
            self.state.show_empty(Empty("Too few columns", text))
            self._layers.setCurrentWidget(self.state)
            return
        self._layers.setCurrentWidget(self._content)
        self.draw()

    def counted(self) -> str:
        """Return how many runs are shown, of how many."""
        n_all = 0 if self.told is None else self.told.n_matching
        of = f" of {n_all:,}: the first by the table's order" if n_all > len(self.runs) else ""
        return f"{numbers.count(len(self.runs), 'run')}{of}"

    # What subclasses add.

    def draw(self) -> None:
        """Show runs and axes."""
        raise NotImplementedError


class ParallelView(RunSpace):
    """``filtered`` carries the words of a filter that keeps what the brushes keep."""

    filtered = Signal(str)

    def __init__(self, context: Context) -> None:
        self.chart = ParallelChart()
        super().__init__(context, self.chart)
        self.apply = Button("Filter the table by this", tip="Put what is kept on the axes into the filter")
        self.clear = Button("Keep all")
        self._add(self.apply, self.clear)
        self.apply.clicked.connect(lambda _on=False: self.filtered.emit(self.words()))
        self.clear.clicked.connect(lambda _on=False: self.chart.clear())
        self.chart.brushed.connect(self._say)

    def draw(self) -> None:
        self.chart.show_runs(self.runs, self.axes)

    def light(self, key: str | None) -> None:
        self.chart.light(key)

    def _say(self) -> None:
        kept, on = len(self.chart.kept()), bool(self.chart.brushes)
        how = "drag on an axis to keep what passes there; L log, F flip"
        self.says.show_text(f"{kept:,} kept of {self.counted()}" if on else f"{self.counted()} · {how}")
        self.apply.setEnabled(on)
        self.clear.setEnabled(on)

    def words(self) -> str:
        """Return the brushes as a filter."""
        parts = []
        for one in self.chart.axes:
            brush = self.chart.brushes.get(one.name)
            if brush is None:
                continue
            if one.is_number:
                low, high = sorted((one.value_at(brush.low), one.value_at(brush.high)))
                parts.append(words.between(names.read(one.name), low, high))
            else:
                kept = [text for text in one.categories if brush.holds(one.share_of(text))]
                others = [text for text in one.categories if text not in kept]
                parts.append(words.one_of(names.read(one.name), kept, others))
        return " and ".join(parts)


class ScatterView(RunSpace):
    """Two columns, a third as the colour, and the front of those that no other run beats."""

    def __init__(self, context: Context) -> None:
        self.chart = ScatterChart()
        super().__init__(context, self.chart)
        self.across, self.upwards, self.colour = ChoiceBox("X axis"), ChoiceBox("Y axis"), ChoiceBox("Colour")
        self.log_x, self.log_y, self.front = CheckBox("Log x"), CheckBox("Log y"), CheckBox("Front")
        self.more_x, self.more_y = ChoiceBox("Better x"), ChoiceBox("Better y")
        self.front.setChecked(True)
        for box, word in ((self.more_x, "x"), (self.more_y, "y")):
            box.addItem(f"less {word} is better", False)
            box.addItem(f"more {word} is better", True)
        for box in (self.across, self.upwards, self.colour):
            box.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(11)
        self._add(self.across, self.upwards, self.colour, self.log_x, self.log_y, self.front, self.more_x, self.more_y)
        for box in (self.across, self.upwards):
            box.activated.connect(lambda _place: self._choose())
        for box in (self.colour, self.more_x, self.more_y):
            box.activated.connect(lambda _place: self._draw())
        for check in (self.log_x, self.log_y, self.front):
            check.toggled.connect(lambda _on: self._draw())
        self._names: list[str] = []

    def draw(self) -> None:
        """Offer the axes; those that are chosen stay so where they are still there."""
        offered = [one.name for one in self.axes]
        if offered != self._names:
            self._names = offered
            before = [box.currentData() for box in (self.across, self.upwards, self.colour)]
            metrics = [one.name for one in self.axes if one.name.startswith(names.METRICS)]
            first = next((one.name for one in self.axes if one.name not in metrics), offered[0])
            goal = self._goal(metrics) or offered[0]
            wanted = [first, goal, next((name for name in metrics if name != goal), "")]
            for box, old, new in zip((self.across, self.upwards, self.colour), before, wanted, strict=True):
                box.clear()
                if box is self.colour:
                    box.addItem("one colour", "")
                for one in self.axes:
                    box.addItem(f"colour: {one.title}" if box is self.colour else one.title, one.name)
                place = box.findData(old) if old is not None else -1
                box.setCurrentIndex(place if place >= 0 else max(box.findData(new), 0))
            self._choose()
        else:
            self._draw()

    def _goal(self, metrics: Sequence[str]) -> str | None:
        """Return the metric that is likely meant: what the runs are sorted by, else the one that is drawn first."""
        sorted_by = self._question.sort[0] if self._question is not None else ""
        return sorted_by if sorted_by in metrics else first_metric(list(metrics))

    def _choose(self) -> None:
        """Take the scale that fits the chosen axes, and which way they are better."""
        for box, log, more in ((self.across, self.log_x, self.more_x), (self.upwards, self.log_y, self.more_y)):
            one = self._axis(box)
            log.blockSignals(True)
            log.setChecked(one is not None and one.log)
            log.setEnabled(one is not None and one.is_number)
            log.blockSignals(False)
            less = one is None or any(word in one.name.lower() for word in _LEAST) or one.name.startswith(names.PARAMS)
            more.setCurrentIndex(0 if less else 1)
        self._draw()

    def _axis(self, box: ChoiceBox) -> SpaceAxis | None:
        return next((one for one in self.axes if one.name == box.currentData()), None)

    def _draw(self) -> None:
        x, y = self._axis(self.across), self._axis(self.upwards)
        if x is None or y is None:
            return
        x = axes.axis(x.name, x.title, x.values, log=self.log_x.isChecked()) or x
        y = axes.axis(y.name, y.title, y.values, log=self.log_y.isChecked()) or y
        more = bool(self.more_x.currentData()), bool(self.more_y.currentData())
        on = self.front.isChecked() and x.is_number and y.is_number
        for box in (self.more_x, self.more_y):
            box.setVisible(on)
        self.chart.show_runs(self.runs, x, y, self._axis(self.colour), more if on else None)
        self._say()

    def light(self, key: str | None) -> None:
        self.chart.light(key)
        self._say()

    def _say(self) -> None:
        self.says.show_text(" · ".join(part for part in (self.counted(), self.chart.words()) if part))
