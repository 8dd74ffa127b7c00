"""The answers of a monitor's windows: a figure as it turned out beside what was expected, and below it the numbers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.drift.records.answers import AnswersState, MonitorPerformance, ScoredWindow
from mlops_desk.drift.records.monitors import MonitorStanding
from mlops_desk.drift.records.sources import SourceKind
from mlops_desk.drift.window import cell_text, queries
from mlops_desk.drift.window.answers import points
from mlops_desk.drift.window.answers.chart import AnswersChart
from mlops_desk.drift.window.answers.points import AnswerPoint, points_of, title_of, unit_of
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import hints, numbers
from mlops_desk.kit.window.words.numbers import Mark

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# How a monitor's answers stand, in words and cells; and what is said where there are none to show. No Qt here.
STATE_MARKS = {
    AnswersState.UNWATCHED: Mark("muted", numbers.IDLE, "not watched"),
    AnswersState.UNLABELLED: Mark("muted", numbers.IDLE, "no labels yet"),
    AnswersState.INSUFFICIENT: Mark("unknown", numbers.UNKNOWN, "too few labels"),
    AnswersState.NO_REFERENCE: Mark("info", numbers.INFO, "nothing to compare with"),
    AnswersState.FINE: Mark("ok", numbers.OK, "fine"),
    AnswersState.OUTSIDE: Mark("warning", numbers.WARNING, "outside"),
    AnswersState.TURNED: Mark("alert", numbers.ALERT, "turned"),
    AnswersState.UNKNOWN: Mark("unknown", numbers.UNKNOWN, "unknown"),
}
_ALARMS = Mark("alert", numbers.ALERT, "alarms")
LEGEND = (
    f"{numbers.ALERT} alarms   {numbers.IDLE} left the reference   ▨ labels still lack   ◆ labels came late   "
    "line: as it turned out, with its 95 % interval   dashed: as expected before, gray: in the reference"
)


def is_shown(performance: MonitorPerformance) -> bool:
    """Tell whether there is a figure in any window, as it turned out or as it was expected."""
    return any(
        point.value is not None or point.expected is not None
        for name in {name for one in performance.windows for name in (*one.figures, *one.expected)}
        for point in points_of(performance.windows, name)
    )


def nothing(performance: MonitorPerformance, monitor: MonitorStanding, edit: Callable[[], None]) -> Empty:
    """Return what is said in place of figures, with what to do."""
    standing = performance.standing
    sentence, command = hints.parts(standing.hint, standing.command)
    told = f"{standing.sentence} {sentence}".strip()
    if monitor.monitor.source.kind is not SourceKind.LOG:
        text = (
            "Labels come by request id, so that the answers of an endpoint alone are scored. Of files they are told by:"
        )
        scored = "mlops-desk drift performance --data FILE --label COLUMN"
        return Empty("Answers of files are scored once", text, None, None, scored)
    if standing.state is AnswersState.UNWATCHED:
        text = "Say which column of the feedback tells what turned out. Figures are there as soon as labels come."
        return Empty("Nobody says yet how answers turn out", text, "Edit the monitor …", edit, command)
    if standing.state is AnswersState.UNLABELLED:
        return Empty("No labels have come yet", told, None, None, command)
    if standing.state is AnswersState.INSUFFICIENT:
        return Empty("Too few rows have a label", told, None, None, command)
    if standing.state is AnswersState.UNKNOWN:
        return Empty("The answers can't be scored", told, None, None, command)
    return Empty("No window was scored yet", told, None, None, command)


def window_mark(window: ScoredWindow) -> Mark:
    """Return how a window stands: an alarm before what it is made of."""
    return _ALARMS if window.alarm else STATE_MARKS[window.state]


def columns_of(figure: str, expected_by: str) -> tuple[Column[ScoredWindow], ...]:
    """Return the columns of a table of windows, for one figure."""
    written = unit_of(figure)

    def point(window: ScoredWindow) -> AnswerPoint:
        return points_of([window], figure)[0]

    def value(window: ScoredWindow) -> Cell:
        one = point(window)
        token = "warning" if one.is_outside else None
        return Cell(written(one.value), one.value if one.value is not None else float("-inf"), token)

    def interval(window: ScoredWindow) -> Cell:
        one = point(window)
        if one.low is None or one.high is None:
            return Cell(numbers.NOTHING, float("-inf"))
        return Cell(f"{written(one.low)} – {written(one.high)}", one.low)

    def expected(window: ScoredWindow) -> Cell:
        one = point(window)
        between = ""
        if one.expected_low is not None and one.expected_high is not None:
            between = f"{written(one.expected_low)} – {written(one.expected_high)}"
        return Cell(written(one.expected), one.expected if one.expected is not None else float("-inf"), tip=between)

    return (
        Column("window", "Window", _window),
        Column("state", "State", _state, stretch=True),
        Column(f"value_{figure}", title_of(figure), value, right=True),
        Column(f"interval_{figure}", "95 % interval", interval, right=True),
        Column(f"expected_{figure}", f"{expected_by} expected", expected, right=True),
        Column(f"error_{figure}", "Off by", lambda one: _off(one, figure), right=True),
        Column("labelled", "Labelled", _labelled, right=True),
        Column("late", "Late", _late, right=True),
    )


def _window(window: ScoredWindow) -> Cell:
    told = numbers.day_and_clock(window.window_start)
    return Cell(told, window.window_start, tip=cell_text.of_span(window.window_start, window.window_end, window.n_rows))


def _state(window: ScoredWindow) -> Cell:
    mark = window_mark(window)
    said = _said(window)
    return Cell(f"{mark.text}{said}", list(STATE_MARKS).index(window.state), mark.token, plain(window.why, 500))


def _said(window: ScoredWindow) -> str:
    """Say that labels which came late have changed what was said first."""
    if window.alarm_said is None or window.alarm_said == window.alarm:
        return ""
    return ", first said to alarm" if window.alarm_said else ", first said to be calm"


def _off(window: ScoredWindow, figure: str) -> Cell:
    """Return by how much what was expected is off, once it is known."""
    found = window.expected.get(figure)
    error = cell_text.known(found.error) if found is not None else None
    if error is None:
        return Cell(numbers.NOTHING, float("-inf"))
    return Cell(f"{'+' if error > 0 else ''}{unit_of(figure)(error)}", abs(error))


def _labelled(window: ScoredWindow) -> Cell:
    counts = window.counts
    if counts is None:
        return Cell(numbers.NOTHING, -1.0)
    n_labelled = counts.n_rows - counts.n_unlabelled
    told = [f"{counts.n_used:,} scored", f"{counts.n_unlabelled:,} without label"]
    told += [f"{counts.n_unreadable:,} labels can't be read"] if counts.n_unreadable else []
    told += [f"{counts.n_unanswered:,} without an answer"] if counts.n_unanswered else []
    return Cell(f"{n_labelled:,} of {counts.n_rows:,}", float(n_labelled), tip=", ".join(told))


def _late(window: ScoredWindow) -> Cell:
    if not window.n_late:
        return Cell(numbers.NOTHING, 0.0)
    told = [
        f"{numbers.day_and_clock(one.at)}: {one.n_used:,} labels, {STATE_MARKS[one.state].word}"
        f"{', alarms' if one.alarm else ''}"
        for one in window.said
    ]
    return Cell(f"◆ {window.n_late:,}", float(window.n_late), "info", "\n".join(told))


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
        self.legend = Label(LEGEND, points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.table: RecordTable[ScoredWindow] = RecordTable("Scored windows", columns_of("", ""), context.memory)
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
        question = queries.performance(standing.monitor.id, self._until)
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
        if not is_shown(performance):
            self.state.show_empty(nothing(performance, standing, self.wanted.emit))
            self._layers.setCurrentWidget(self.state)
            return
        self._layers.setCurrentWidget(self._content)
        mark = STATE_MARKS[performance.standing.state]
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
        self.table.show_columns(columns_of(name, expected_by))

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
