"""A chart of curves over time, drawn by pyqtgraph, which is loaded in a worker thread when the first chart is shown.

Lines without markers, few ticks in local time, gaps as gaps, limits as thin dashed lines with a label,
at most two points for each pixel. Charts in one stack share the time axis and one crosshair.
"""

import importlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QPen, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget
from shiboken6 import isValid

from mlops_desk.base.errors import DeskError
from mlops_desk.ui import theme, words
from mlops_desk.ui.tasks import Tasks
from mlops_desk.ui.text import Label
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.curves import Point, reduced, runs_of

Formatter = Callable[[float | None], str]
HEADROOM, LIMIT_HEADROOM = 1.08, 1.25


@dataclass(frozen=True, slots=True)
class Line:
    """A curve with the name that stands beside its newest value, and its colour slot."""

    name: str
    points: Sequence[Point]
    slot: int


@dataclass(frozen=True, slots=True)
class Limit:
    """A dashed line across the chart."""

    name: str
    value: float


class Library:
    """pyqtgraph, once it is loaded. Charts wait for it without blocking anybody."""

    module: Any = None
    _waiting: list[tuple[QWidget, Callable[[], None]]] = []  # noqa: RUF012 - one process has one library, and one list that waits for it
    _under_way = False

    @classmethod
    def want(cls, tasks: Tasks, owner: QWidget, then: Callable[[], None]) -> None:
        """Call ``then`` when the library is there, at once if it is already, unless ``owner`` is gone by then."""
        if cls.module is not None:
            then()
            return
        cls._waiting.append((owner, then))
        if not cls._under_way:
            cls._under_way = True
            tasks.run("chart library", _load, cls._loaded, cls._missing)

    @classmethod
    def _loaded(cls, module: Any) -> None:
        module.setConfigOptions(antialias=True)
        cls.module, cls._under_way = module, False
        waiting, cls._waiting = cls._waiting, []
        for number, (owner, then) in enumerate(waiting):
            # One chart a turn of the event loop: building eight in one go would be felt.
            if isValid(owner):
                QTimer.singleShot(number, owner, then)

    @classmethod
    def _missing(cls, _error: DeskError) -> None:
        cls._under_way = False


def _load() -> Any:
    return importlib.import_module("pyqtgraph")


class Chart(Card):
    """One chart with its title and newest values above."""

    def __init__(
        self, tasks: Tasks, title: str, unit: Formatter, *, top: float | None = None, step: float = 1.0
    ) -> None:
        super().__init__(title)
        self._tasks = tasks
        self._name = title
        self._unit = unit
        self._top = top
        self._step = step
        self._lines: Sequence[Line] = ()
        self._limits: Sequence[Limit] = ()
        self._seconds = 60.0
        self._plot: Any = None
        self._items: list[Any] = []
        self._limit_items: list[Any] = []
        self._cross: Any = None
        self._follower: Callable[[float | None], None] | None = None
        self._values = Label(points=theme.CAPTION_POINTS)
        self._values.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        head = QHBoxLayout()
        self.column.removeWidget(self.heading)
        head.addWidget(self.heading)
        head.addWidget(self._values, 1)
        self.column.addLayout(head)
        self._place = QVBoxLayout()
        self.column.addLayout(self._place, 1)
        self.column.setContentsMargins(theme.SPACE_12, theme.SPACE_4, theme.SPACE_12, theme.SPACE_4)
        self.column.setSpacing(theme.SPACE_4)
        self.setMinimumHeight(theme.CHART_MINIMUM_HEIGHT)
        self._waits = False

    def follow(self, follower: Callable[[float | None], None]) -> None:
        """Call ``follower`` with the time under the pointer, None when it leaves."""
        self._follower = follower

    def show_lines(self, lines: Sequence[Line], seconds: float, limits: Sequence[Limit] = ()) -> None:
        """Show curves over the newest ``seconds``."""
        self._lines, self._limits, self._seconds = lines, limits, seconds
        self._describe()
        if self._plot is not None and self.isVisible():
            self._draw()

    def read_at(self, moment: float | None) -> None:
        """Show the values at a time (the crosshair's), or the newest for None."""
        if self._cross is not None:
            self._cross.setVisible(moment is not None)
            if moment is not None:
                self._cross.setPos(moment)
        self._values.show_text(self._reading(moment))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._plot is None and not self._waits:
            self._waits = True
            Library.want(self._tasks, self, self._build)
        elif self._plot is not None:
            self._draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._plot is not None:
            self._colour()
            self._draw()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if self._follower is not None:
            self._follower(None)

    def _describe(self) -> None:
        told = []
        for line in self._lines:
            values = [value for _, value in line.points if value is not None]
            if values:
                last, mean, most = (self._unit(v) for v in (values[-1], sum(values) / len(values), max(values)))
                told.append(f"{line.name} last {last}, mean {mean}, max {most}")
        said = "; ".join(told) or "no data"
        self.setAccessibleName(f"Chart: {self._name}")
        self.setAccessibleDescription(f"{said}, over {self._seconds:.0f} s")
        self._values.show_text(self._reading(None))

    def _reading(self, moment: float | None) -> str:
        parts = []
        if not any(line.points for line in self._lines):
            return "no data yet"
        for line in self._lines:
            value = _value_at(line.points, moment)
            name = f"{line.name} " if line.name else ""
            parts.append(f"{name}{self._unit(value)}")
        at = f"{words.clock(moment)}   " if moment is not None else ""
        return at + "   ".join(parts)

    # The plot.

    def _build(self) -> None:
        library = Library.module
        axes = {"left": _axis(library, self._unit, self._step), "bottom": _clock_axis(library)}
        self._plot = library.PlotWidget(background=None, axisItems=axes)
        self._plot.setAccessibleName(f"Chart: {self._name}")
        self._plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        self._plot.getAxis("left").setWidth(theme.AXIS_WIDTH)
        for axis in ("left", "bottom"):
            self._plot.getAxis(axis).setStyle(tickFont=theme.font(theme.CAPTION_POINTS), tickLength=0)
        self._cross = library.InfiniteLine(angle=90, movable=False)
        self._cross.setVisible(False)
        self._plot.addItem(self._cross, ignoreBounds=True)
        self._plot.scene().sigMouseMoved.connect(self._moved)
        self._place.addWidget(self._plot)
        self._colour()
        self._draw()

    def _colour(self) -> None:
        muted, faint = theme.colour("muted"), theme.faded(theme.colour("border"), 0.9)
        for axis in ("left", "bottom"):
            item = self._plot.getAxis(axis)
            item.setPen(faint)
            item.setTextPen(muted)
        self._plot.setBackground(theme.colour("surface"))
        self._plot.showGrid(x=False, y=True, alpha=0.25)
        self._cross.setPen(QPen(muted, 0))

    def _draw(self) -> None:
        self._fit(self._items, len(self._lines), lambda: self._plot.plot(connect="finite"))
        width = max(self._plot.width() - theme.AXIS_WIDTH, 100)
        last = max((line.points[-1][0] for line in self._lines if line.points), default=time.time())
        most = 0.0
        for item, line in zip(self._items, self._lines, strict=True):
            xs, ys = _broken(line.points, self._seconds, width)
            most = max([most, *(y for y in ys if math.isfinite(y))])
            pen = QPen(theme.series(line.slot), theme.LINE)
            pen.setCosmetic(True)
            item.setData(xs, ys, pen=pen, connect="finite")
        self._draw_limits()
        limits = [limit.value for limit in self._limits]
        top = self._top or max([most * HEADROOM, *(limit * LIMIT_HEADROOM for limit in limits)]) or 1.0
        self._plot.setXRange(last - self._seconds, last, padding=0)
        self._plot.setYRange(0, top, padding=0.02)

    def _draw_limits(self) -> None:
        library = Library.module
        for item in self._limit_items:
            self._plot.removeItem(item)
        pen = QPen(theme.colour("muted"), 0, Qt.PenStyle.DashLine)
        self._limit_items = [
            library.InfiniteLine(
                limit.value,
                angle=0,
                pen=pen,
                label=f"{limit.name} {self._unit(limit.value)}",
                labelOpts={"position": 0.02, "anchors": [(0, 1), (0, 1)], "color": theme.colour("muted")},
            )
            for limit in self._limits
        ]
        for item in self._limit_items:
            item.label.setFont(theme.font(theme.CAPTION_POINTS))
            self._plot.addItem(item, ignoreBounds=True)

    def _fit(self, items: list[Any], count: int, make: Callable[[], Any]) -> None:
        while len(items) < count:
            items.append(make())
        while len(items) > count:
            self._plot.removeItem(items.pop())

    def _moved(self, place: Any) -> None:
        if self._follower is not None and self._plot.sceneBoundingRect().contains(place):
            self._follower(self._plot.getViewBox().mapSceneToView(place).x())


class ChartStack(QWidget):
    """Charts above one another with one crosshair."""

    def __init__(self, charts: Sequence[Chart]) -> None:
        super().__init__()
        self._charts = charts
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        for chart in charts:
            chart.follow(self._read)
            column.addWidget(chart, 1)

    def _read(self, moment: float | None) -> None:
        for chart in self._charts:
            chart.read_at(moment)


def _broken(points: Sequence[Point], seconds: float, width: float) -> tuple[list[float], list[float]]:
    """Return coordinates with a NaN between the runs."""
    xs: list[float] = []
    ys: list[float] = []
    for run in runs_of(points):
        if xs:
            xs.append(xs[-1])
            ys.append(math.nan)
        for at, value in reduced(run, seconds, width):
            xs.append(at)
            ys.append(value)
    return xs, ys


def _value_at(points: Sequence[Point], moment: float | None) -> float | None:
    if not points:
        return None
    if moment is None:
        return points[-1][1]
    return min(points, key=lambda point: abs(point[0] - moment))[1]


def _axis(library: Any, unit: Formatter, step: float) -> Any:
    class Axis(library.AxisItem):  # type: ignore[misc]
        """Says values in words."""

        def tickStrings(self, values: Sequence[float], _scale: float, _spacing: float) -> list[str]:
            return [unit(value) for value in values]

        def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
            major, offset = super().tickSpacing(low / step, high / step, size)[0]
            return [(major * step, offset * step)]

    return Axis("left")


def _clock_axis(library: Any) -> Any:
    class ClockAxis(library.AxisItem):  # type: ignore[misc]
        """Says times of day, few of them."""

        def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
            spacing = next(
                (step for step in (5, 10, 15, 30, 60, 120, 300, 600) if (high - low) / step <= max(size / 110, 2)), 1800
            )
            first = math.ceil(low / spacing) * spacing
            return [(spacing, [first + n * spacing for n in range(int((high - first) // spacing) + 1)])]

        def tickStrings(self, values: Sequence[float], _scale: float, _spacing: float) -> list[str]:
            return [words.clock(value) for value in values]

    return ClockAxis("bottom")
