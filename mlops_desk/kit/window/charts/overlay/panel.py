"""The plot of many curves with what one sets about it: the metric, over what, smoothing, scales, groups, the legend.

What is asked of the agent is the page's: it is told which metrics are wanted, and hands over what was answered.

The curves of a plot to take along: as a picture with its title, or as the values that are drawn.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QGuiApplication, QPainter, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts import export as files
from mlops_desk.kit.window.charts.overlay import legend as words
from mlops_desk.kit.window.charts.overlay.canvas import CurveCanvas
from mlops_desk.kit.window.charts.overlay.curve_data import CurveWish, Prepared, ToldCurves, prepare
from mlops_desk.kit.window.charts.overlay.grid import POWERS
from mlops_desk.kit.window.charts.overlay.legend import Legend
from mlops_desk.kit.window.charts.overlay.lines import DEVIATION, METRIC, RELATIVE, SPREAD, STEP, TIME, Array, RunLine
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.slider import Slider
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.tables import view
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

Shown = Callable[[], Prepared | None]


def acts(context: Context, plot: QWidget, shown: Shown) -> list[tuple[str, Callable[[], None]]]:
    """Return what can be done with the curves that are shown, by title."""

    def with_shown(do: Callable[[Prepared], None]) -> Callable[[], None]:
        def act() -> None:
            prepared = shown()
            if prepared is not None and prepared.lines:
                do(prepared)
            else:
                context.say("info", "There are no curves to take along.")

        return act

    return [
        ("Copy image", with_shown(lambda now: _copy_image(context, plot, now))),
        ("Save image …", with_shown(lambda now: _save_image(context, plot, now))),
        ("Copy values", with_shown(lambda now: _copy_values(context, now))),
        ("Save CSV …", with_shown(lambda now: _save_values(context, plot, now))),
    ]


def title_of(prepared: Prepared) -> str:
    """Return what is drawn, in words."""
    return f"{plain(prepared.wish.metric, 80)} over {plain(prepared.axes.x, 80).lower()}"


def picture(plot: QWidget, prepared: Prepared) -> QPixmap:
    """Return the plot as it is seen, with its legend, and above it what and of when it is."""
    ratio = plot.devicePixelRatioF()
    made = QPixmap(round(plot.width() * ratio), round((plot.height() + theme.TITLE_HEIGHT) * ratio))
    made.setDevicePixelRatio(ratio)
    made.fill(theme.colour("surface"))
    painter = QPainter(made)
    area = QRectF(theme.SPACE_12, 0, plot.width() - 2 * theme.SPACE_12, theme.TITLE_HEIGHT / 2)
    for text, font, token in (
        (title_of(prepared), theme.font(bold=True), "text"),
        (time.strftime("%Y-%m-%d %H:%M:%S %z"), theme.font(theme.CAPTION_POINTS), "muted"),
    ):
        painter.setFont(font)
        painter.setPen(theme.colour(token))
        painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)
        area.translate(0, theme.TITLE_HEIGHT / 2)
    painter.drawPixmap(0, theme.TITLE_HEIGHT, plot.grab())
    painter.end()
    return made


def table(prepared: Prepared) -> list[list[str]]:
    """Return one row for each point that is drawn; what the axes show as powers is told as the number itself."""
    has_raw = any(line.raw is not None for line in prepared.lines)
    has_band = any(line.low is not None for line in prepared.lines)
    metric = prepared.wish.metric
    head = ["curve", "key", prepared.axes.x, *([f"{metric} as logged"] if has_raw else []), metric]
    rows = [[*head, *(["low", "high"] if has_band else [])]]
    for line in prepared.lines:
        xs = _numbers(line.xs, powers=prepared.axes.x_kind == POWERS)
        columns = [_numbers(line.raw, powers=prepared.axes.y_kind == POWERS, count=len(xs))] if has_raw else []
        columns.append(_numbers(line.ys, powers=prepared.axes.y_kind == POWERS))
        if has_band:
            columns += [
                _numbers(edge, powers=prepared.axes.y_kind == POWERS, count=len(xs)) for edge in (line.low, line.high)
            ]
        of = [line.subject.title, line.subject.key]
        rows += [[*of, *cells] for cells in zip(xs, *columns, strict=True)]
    return rows


def _numbers(values: Array | None, *, powers: bool, count: int = 0) -> list[str]:
    if values is None:
        return [""] * count
    return ["" if math.isnan(value) else repr(10.0**value if powers else value) for value in values.tolist()]


def file_name(prepared: Prepared, ending: str) -> str:
    """Return a name that tells the metric and the time."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in prepared.wish.metric[:60])
    return f"curves-{words.strip('-') or 'metric'}-{time.strftime('%Y%m%d-%H%M%S')}.{ending}"


def _copy_image(context: Context, plot: QWidget, prepared: Prepared) -> None:
    QGuiApplication.clipboard().setPixmap(picture(plot, prepared))
    context.say("info", "The picture of the curves is in the clipboard.")


def _copy_values(context: Context, prepared: Prepared) -> None:
    QGuiApplication.clipboard().setText(view.as_text(table(prepared)))
    context.say("info", "The values of the curves are in the clipboard.")


def _save_image(context: Context, plot: QWidget, prepared: Prepared) -> None:
    image = picture(plot, prepared).toImage()

    def save(path: Path) -> None:
        files.write(context, path, lambda: files.write_image(image, path))

    files.ask(plot, "Save image", file_name(prepared, "png"), save)


def _save_values(context: Context, plot: QWidget, prepared: Prepared) -> None:
    def save(path: Path) -> None:
        files.write(context, path, lambda: files.write_table(table(prepared), path))

    files.ask(plot, "Save values", file_name(prepared, "csv"), save)


_MOST_READ = 6  # chosen: as many values as a line has room for
_MOST_METRICS = 2000  # chosen: in a list to choose from; the table has them all
_BRIEF_HEIGHT = 108  # pixels: five lines of the axis; a table and facts stand above it
_LETTERS = 9  # chosen: of a name in a closed choice; the list has it whole
_SINGLE = "single"
_BANDS = (("each run", _SINGLE), ("mean, least to largest", SPREAD), ("mean ± deviation", DEVIATION))


class OverlayPanel(QWidget):
    """``wanted``: other metrics are to be asked for, as ``wish`` tells; ``pointed`` and ``picked`` are the plot's."""

    wanted = Signal()
    pointed = Signal(object)
    picked = Signal(str)

    def __init__(self, context: Context, *, brief: bool = False) -> None:
        """``brief``: of one run, whose metric is chosen elsewhere; what is set of its axes stands in the menu."""
        super().__init__()
        self.context = context
        self._brief = brief
        self._told = ToldCurves()
        self._task: Task | None = None
        self._shown: Prepared | None = None
        self._metrics: tuple[str, ...] = ()
        self.canvas = CurveCanvas()
        self.legend = Legend()
        self.which = ChoiceBox("Metric")
        self.over = ChoiceBox("What the curves run over")
        self.smooth = Slider("Smoothing")
        self.log_x, self.log_y, self.cut = CheckBox("Log x"), CheckBox("Log y"), CheckBox("No outliers")
        self.band = ChoiceBox("Runs or groups")
        self.more = Button("", symbol="more", tip="Copy or save the curves")
        self.read = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.state = StateView(theme.LIST_WIDTH)
        self._dress()
        self._arrange()
        self._wire()

    def _dress(self) -> None:
        for title, over in (("over step", STEP), ("over time", TIME), ("since its start", RELATIVE)):
            self.over.addItem(title, over)
        for title, band in _BANDS:
            self.band.addItem(title, band)
        self.band.hide()
        if self._brief:
            self.canvas.setMinimumHeight(_BRIEF_HEIGHT)
            # A message has room where a curve has, and takes none from the table above it.
            self.state.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
            for widget in (self.which, *self._switches()):
                widget.hide()  # shown before it has a parent it would be a window
        self.smooth.setRange(0, 100)
        self.smooth.setFixedWidth(theme.COLUMN_MINIMUM // 3)
        set_tip(self.smooth, "Smoothing: the mean of the last values, exponentially weighted")
        set_tip(self.cut, "Leave out the outermost hundredth of the values when choosing what is seen")
        for box in (self.which, self.over, self.band):
            box.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(_LETTERS)

    def _arrange(self) -> None:
        bar = QWidget()
        self.flow = FlowLayout(bar)
        self.flow.setSpacing(theme.SPACE_8)
        smoothing = QWidget()
        row = QHBoxLayout(smoothing)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_4)
        row.addWidget(Label("Smooth", points=theme.CAPTION_POINTS, tone="muted"))
        row.addWidget(self.smooth)
        for widget in (self.which, self.over, self.band, smoothing, *self._switches(), self.more):
            self.flow.addWidget(widget)
        plot = QWidget()
        across = QHBoxLayout(plot)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(theme.SPACE_4)
        across.addWidget(self.canvas, 1)
        across.addWidget(self.legend)
        self.legend.setFixedWidth(theme.SIDEBAR_WIDTH - theme.SPACE_24)
        self._plot = plot
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(bar)
        column.addWidget(self.read)
        self._layers = QStackedLayout()
        column.addLayout(self._layers, 1)
        self._layers.addWidget(plot)
        self._layers.addWidget(self.state)

    def _switches(self) -> tuple[CheckBox, ...]:
        return self.log_x, self.log_y, self.cut

    def _wire(self) -> None:
        self.more.clicked.connect(
            lambda _on=False: self.menu().popup(self.more.mapToGlobal(QPoint(0, self.more.height())))
        )
        self.which.activated.connect(lambda _place: self.wanted.emit())
        self.over.activated.connect(lambda _place: self._change_over())
        self.band.activated.connect(lambda _place: self._prepare())
        self.smooth.valueChanged.connect(lambda _value: self._prepare())
        for box in (self.log_x, self.log_y, self.cut):
            box.toggled.connect(lambda _on: self._prepare())
        self.legend.changed.connect(self._prepare)
        self.legend.pointed.connect(self._point)
        self.canvas.pointed.connect(self._point)
        self.canvas.picked.connect(self.picked)
        self.canvas.read_at.connect(self._read)

    def menu(self) -> QMenu:
        """Return the menu of what is set, where it has no room beside the plot, and of what can be taken along."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for box in self._switches() if self._brief else ():
            action = menu.addAction(box.text())
            action.setCheckable(True)
            action.setChecked(box.isChecked())
            action.setEnabled(box.isEnabled())
            action.toggled.connect(box.setChecked)
        menu.addSeparator()
        for title, act in acts(self.context, self._plot, lambda: self._shown):
            menu.addAction(title).triggered.connect(act)
        return menu

    # What is wished.

    def offer_metrics(self, names: Sequence[str], chosen: str | None = None) -> None:
        """Offer metrics to choose from; the one that is chosen stays so where it is among them."""
        wanted, offered = chosen or self.which.currentData(), tuple(names)[:_MOST_METRICS]
        if offered != self._metrics:
            self._metrics = offered
            self._offer()
        self.which.setCurrentIndex(max(self.which.findData(wanted), 0))

    def _offer(self) -> None:
        over = self.over.currentData()
        self.which.clear()
        while self.over.count() > 3:
            self.over.removeItem(3)
        for name in self._metrics:
            self.which.addItem(plain(name), name)
            self.over.addItem(f"over {plain(name, 40)}", f"{METRIC} {name}")
        self.over.setCurrentIndex(max(self.over.findData(over), 0))

    def wish(self) -> CurveWish:
        """Return what is to be drawn."""
        over = str(self.over.currentData())
        kind, _, x_metric = over.partition(" ")
        band = str(self.band.currentData())
        return CurveWish(
            str(self.which.currentData() or ""), kind, x_metric, words.weight(self.smooth.value()),
            self.log_x.isChecked(), self.log_y.isChecked(), self.cut.isChecked(),
            None if band == _SINGLE or not self.band.isVisibleTo(self) else band,
        )  # fmt: skip

    def offer_groups(self, *, on: bool) -> None:
        """Say whether the runs are of groups."""
        self.band.setVisible(on)

    def choose_band(self, band: str) -> None:
        """Choose how the spread of groups is drawn, where runs are of groups."""
        self.band.setCurrentIndex(max(self.band.findData(band), 0))

    def _change_over(self) -> None:
        wish = self.wish()
        self.log_x.setEnabled(wish.over != TIME)
        if wish.over == METRIC and wish.x_metric != self._asked_x():
            self.wanted.emit()
        else:
            self._prepare()

    def _asked_x(self) -> str:
        return next((curve.metric for curve in self._told.xs_of.values()), "")

    # What is shown.

    def show_curves(self, told: ToldCurves) -> None:
        """Show curves of the metrics that were wished."""
        self._told = told
        self._prepare()

    def show_state(self) -> StateView:
        """Show a message instead of the plot; the caller words it."""
        self._layers.setCurrentWidget(self.state)
        return self.state

    def _prepare(self) -> None:
        """Make the curves ready in a worker thread; of several wishes the last one counts."""
        told, wish = self._told, self.wish()
        hidden = frozenset(one.key for one in told.subjects if not self.legend.is_shown(one.key))
        if wish.band is not None:
            hidden = frozenset()
        if self._task is not None:
            self._task.cancel()
        self._task = self.context.tasks().run("curves", lambda: prepare(told, wish, hidden), self._show, self._fail)

    def _fail(self, error: DeskError) -> None:
        self.show_state().show_error("The curves can't be drawn", error, self._prepare)

    def _show(self, prepared: Prepared) -> None:
        self._shown = prepared
        grouped = prepared.wish.band is not None
        drawn = {curve.run_id for curve in self._told.curves if curve.values}
        of_runs = [one for one in self._told.subjects if one.key in drawn]
        subjects = [line.subject for line in prepared.lines] if grouped else of_runs
        lines = [line for line in prepared.lines if not grouped or self.legend.is_shown(line.subject.key)]
        self.legend.show_subjects(subjects)
        self.legend.setVisible(len(subjects) > 1)
        self.canvas.show_lines(lines, prepared.axes, cut=prepared.wish.cut)
        title = f"{plain(prepared.wish.metric)} over {prepared.axes.x.lower()}"
        self.canvas.setAccessibleName(f"Chart: {title}")
        self.canvas.setAccessibleDescription("; ".join(words.told(line) for line in lines[:20]))
        self._read(None)
        if self._told.subjects and not any(curve.values for curve in self._told.curves):
            name = plain(prepared.wish.metric, 60)
            self.state.show_empty(Empty("No curve", f"No points of {name} were logged, or none is kept of them."))
            self._layers.setCurrentWidget(self.state)
            return
        self._layers.setCurrentWidget(self._plot)

    # What is pointed at.

    def light(self, key: str | None) -> None:
        """Light a run's curve, and in groups that of its group."""
        members = self._shown.members if self._shown is not None else ()
        key = next((f"group {one.group}" for one in members if key in one.keys), key)
        self.canvas.light(key)
        self.legend.light(key)

    def _point(self, key: object) -> None:
        self.light(key if isinstance(key, str) else None)
        self.pointed.emit(key)

    def _read(self, at: object) -> None:
        if self._shown is None:
            self.read.show_text("")
            return
        if not isinstance(at, float):
            self.read.show_text(self._summary(self._shown))
            return
        told = self.canvas.read(at)
        told.sort(key=self._rank)
        kind = self.canvas.axes.x_kind
        values = [f"{plain(line.subject.title, 24)} {self._value(y)}" for line, _x, y in told[:_MOST_READ]]
        more = f" · and {len(told) - _MOST_READ:,} more" if len(told) > _MOST_READ else ""
        self.read.show_text(f"{self.canvas.axes.x} {words.place(at, kind)}: {' · '.join(values)}{more}")

    def _rank(self, read: tuple[RunLine, float, float]) -> tuple[bool, float]:
        """Put the one that is lit first, then the highest."""
        return read[0].subject.key != self.canvas.lit, -read[2] if math.isfinite(read[2]) else math.inf

    def _value(self, y: float) -> str:
        if not math.isfinite(y):
            return numbers.NOTHING
        return f"{10.0**y if self.canvas.axes.y_kind == POWERS else y:.{words.DIGITS}g}"

    @staticmethod
    def _summary(prepared: Prepared) -> str:
        curves = numbers.count(len(prepared.lines), "group" if prepared.wish.band else "curve")
        odd = sum(line.odd.size for line in prepared.lines if line.odd is not None)
        parts = [f"{curves} of {numbers.count(prepared.n_points, 'point')}"]
        parts += [f"{numbers.WARNING} {numbers.count(odd, 'value')} that are no numbers (×)"] if odd else []
        parts += [f"{numbers.count(prepared.left_out, 'run has', 'runs have')} none of it"] if prepared.left_out else []
        return " · ".join(parts)
