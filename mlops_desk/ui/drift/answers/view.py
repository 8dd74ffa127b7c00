"""The answers of a monitor's windows: a figure as it turned out beside what was expected, and below it the numbers."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.drift.answers import MonitorPerformance, ScoredWindow
from mlops_desk.records.drift.monitors import MonitorStanding
from mlops_desk.ui.curves.spans import Span
from mlops_desk.ui.drift import asking
from mlops_desk.ui.drift.answers import points, told
from mlops_desk.ui.drift.answers.chart import AnswersChart
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.states import StateView
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task


class AnswersView(QWidget):
    """Asks when it is seen and another monitor or another end of the time is wanted, or newer labels are told of.

    ``wanted``: somebody wants to say which column tells how answers turn out.
    """

    wanted = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._standing: MonitorStanding | None = None
        self._until: float | None = None
        self._asked: tuple[object, ...] | None = None
        self._task: Task | None = None
        self.performance: MonitorPerformance | None = None
        self.says = Label(wrap=True)
        self.trouble = Label(tone="warning", bold=True, wrap=True)
        self.figure = ChoiceBox("Figure")
        self.chart = AnswersChart()
        self.legend = Label(told.LEGEND, points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.table: RecordTable[ScoredWindow] = RecordTable("Scored windows", told.columns_of("", ""), context.memory)
        self.table.sort_by_key("window", Qt.SortOrder.DescendingOrder)
        self.state = StateView(theme.STATE_WIDTH)
        self._arrange()
        self._wire()

    def _wire(self) -> None:
        self.figure.currentIndexChanged.connect(lambda _index: self._show_figure())
        self.table.chosen.connect(self._mean_row)
        self.chart.picked.connect(self._mean)
        self.chart.hovered.connect(self._read)
        self._context.axis.cursor_moved.connect(self._hear_cursor)

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        head.addWidget(self.figure)
        head.addWidget(self.says, 1)
        upper = QWidget()
        column = QVBoxLayout(upper)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addLayout(head)
        column.addWidget(self.trouble)
        column.addWidget(self.chart, 1)
        column.addWidget(self.legend)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(upper)
        split.addWidget(self.table)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        self._content = split
        self._layers = QStackedLayout(self)
        self._layers.addWidget(split)
        self._layers.addWidget(self.state)
        self.trouble.hide()

    # Asking.

    def show_standing(self, standing: MonitorStanding, until: float | None) -> None:
        """Show a monitor's answers up to a Unix time, or the newest; what is there stays until others have come."""
        before = self._standing
        self._standing, self._until = standing, until
        if before is None or before.monitor.id != standing.monitor.id:
            self.performance, self._asked = None, None
            self.trouble.hide()
        self.look()

    def look(self, *, again: bool = False) -> None:
        """Ask, if it is seen and something else is wanted than is there."""
        standing = self._standing
        if standing is None or not self.isVisible():
            return
        wanted = (standing.monitor, self._until, standing.newest_window_end, standing.answers, standing.checked_at)
        if wanted == self._asked and not again:
            return
        self.left()
        self._asked = wanted
        if self.performance is None:
            self.state.show_loading("Loading the answers …", "", self._cancel)
            self._layers.setCurrentWidget(self.state)
        question = asking.performance(standing.monitor.id, self._until)
        self._task = self._context.ask("answers", question, self._answered, self._refused)

    def left(self) -> None:
        """Wait for no answer any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = self._asked = None

    def _cancel(self) -> None:
        self.left()
        self._refused(DeskError("Loading was cancelled.", "Press F5 to try again."))

    def _refused(self, error: DeskError) -> None:
        self._task, self._asked = None, None
        if self.performance is not None and self.performance.windows:
            self.trouble.show_text(f"{numbers.WARNING} {error.message} {error.hint or ''} What is shown is older.")
            self.trouble.show()
            return
        self.state.show_error("The answers can't be shown", error, lambda: self.look(again=True))
        self._layers.setCurrentWidget(self.state)

    def _answered(self, performance: MonitorPerformance) -> None:
        standing = self._standing
        self._task = None
        if standing is None or performance.monitor != standing.monitor.id:
            return
        self.trouble.hide()
        self.performance = performance
        if not told.is_shown(performance):
            self.state.show_empty(told.nothing(performance, standing, self.wanted.emit))
            self._layers.setCurrentWidget(self.state)
            return
        self._layers.setCurrentWidget(self._content)
        mark = told.STATE_MARKS[performance.standing.state]
        standing_told = performance.standing
        notes = " ".join(filter(None, (standing_told.sentence, standing_told.hint, *performance.notes)))
        self.says.show_text(f"{mark.text}: {notes}" if notes else mark.text)
        self.says.tint(mark.token)
        self._offer(points.figures_of(performance))
        self.table.show_records({one.id: one for one in performance.windows})
        self.chart.show_spans(
            [Span(one.window_start, max(one.window_end, one.window_start)) for one in self._windows()]
        )
        self._show_figure()
        if self.table.key() is None:
            self.table.select_first()

    # What is shown.

    def _windows(self) -> tuple[ScoredWindow, ...]:
        return self.performance.windows if self.performance is not None else ()

    def _offer(self, figures: list[str]) -> None:
        """Offer the figures there are; the one that is looked at stays."""
        known = [self.figure.itemData(place) for place in range(self.figure.count())]
        if known == figures:
            return
        chosen = self.figure.currentData()
        blocked = self.figure.blockSignals(True)
        self.figure.clear()
        for name in figures:
            self.figure.addItem(points.title_of(name), name)
        self.figure.setCurrentIndex(figures.index(chosen) if chosen in figures else 0)
        self.figure.blockSignals(blocked)

    def _show_figure(self) -> None:
        name, performance = self.figure.currentData(), self.performance
        if name is None or performance is None:
            return
        expected_by = points.expected_by(performance.kind)
        self.chart.show_title(points.title_of(name))
        self.chart.show_points(
            points.points_of(performance.windows, name), points.baseline_of(performance, name), points.unit_of(name),
            expected_by,
        )  # fmt: skip
        self.table.show_columns(told.columns_of(name, expected_by))

    # One window is meant, in the chart and in the table; one crosshair is read in all charts of the window.

    def _mean(self, window: int) -> None:
        windows = self._windows()
        if window < len(windows):
            self.table.select(windows[window].id)

    def _mean_row(self, key: str | None) -> None:
        place = next((at for at, one in enumerate(self._windows()) if one.id == key), None)
        self.chart.mean(place)

    def _read(self, window: int | None) -> None:
        spans = self.chart.places.spans
        span = spans[window] if window is not None and window < len(spans) else None
        self._context.axis.point_at(None if span is None else (span.start + span.end) / 2)
        self.chart.read_at(window)

    def _hear_cursor(self, moment: float | None) -> None:
        if self.isVisible():
            self.chart.read_at(None if moment is None else self.chart.places.holding(moment))
