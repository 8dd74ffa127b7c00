"""Metrics of a run over its steps or its time, one curve each: read under the pointer or by the arrow keys.

pyqtgraph draws it, for it changes only when a run is looked at again. What is no number (NaN, an infinity) is no gap
that nobody sees: it has a mark at the foot of the chart.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPen, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.chart_header import LegendLabel
from mlops_desk.kit.window.charts.pyqtgraph_loader import Library
from mlops_desk.kit.window.live.tasks import Tasks
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.words import numbers

_NAME_LIMIT = 30  # chosen: a name in the legend
_DIGITS = 5  # significant ones: as a loss is compared
_MARK_PIXELS = 9  # chosen: seen between two steps of a long curve
_STEPS = {Qt.Key.Key_Left.value: -1, Qt.Key.Key_Right.value: 1}


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One curve: ``ys`` may be NaN or infinite; ``slot`` is its colour."""

    name: str
    slot: int
    xs: tuple[float, ...]
    ys: tuple[float, ...]


class MetricChart(Card):
    """``show_lines`` says what; ``read`` is what the chosen place tells."""

    accessible_role = Role.Chart

    def __init__(self, tasks: Tasks) -> None:
        super().__init__("Metrics")
        self._tasks = tasks
        self._lines: tuple[MetricLine, ...] = ()
        self._axis, self._log = "", False
        self._plot: Any = None
        self._cursor: Any = None
        self._at: float | None = None
        self._waits = False
        self.column.removeWidget(self.heading)
        self.head = QHBoxLayout()
        self.head.setSpacing(theme.SPACE_12)
        self._legend = QHBoxLayout()
        self._legend.setSpacing(theme.SPACE_12)
        self.head.addWidget(self.heading)
        self.head.addLayout(self._legend, 1)
        self.column.addLayout(self.head)
        self.read = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.column.addWidget(self.read)
        self._place = QVBoxLayout()
        self.column.addLayout(self._place, 1)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(theme.CHART_MINIMUM_HEIGHT)

    def show_lines(self, title: str, lines: Sequence[MetricLine], axis: str, *, log: bool) -> None:
        """Show curves over ``axis`` (its name, with the unit)."""
        if (title, tuple(lines), axis, log) == (self.heading.whole, self._lines, self._axis, self._log):
            return
        if axis != self._axis or title != self.heading.whole:
            self._at = None
            self._see_all()
        self.heading.show_text(title)
        self._lines, self._axis, self._log = tuple(lines), axis, log
        self._name_lines()
        self.setAccessibleName(f"Chart: {title} over {axis}")
        self.setAccessibleDescription("; ".join(map(_told, self._lines)))
        self._draw()

    def _name_lines(self) -> None:
        while self._legend.count():
            item = self._legend.takeAt(0)
            label = item.widget() if item is not None else None
            if label is not None:
                label.hide()
                label.deleteLater()
        for line in self._lines if len(self._lines) > 1 else ():
            self._legend.addWidget(LegendLabel(plain(line.name, _NAME_LIMIT), line.slot))
        self._legend.addStretch(1)

    # Reading.

    def point_at(self, x: float | None) -> None:
        """Read all curves at the point that is nearest to ``x``; None: at the newest."""
        self._at = x
        self.read.show_text(self._words())
        if self._cursor is not None:
            self._cursor.setVisible(x is not None)
            if x is not None:
                self._cursor.setValue(x)

    def _words(self) -> str:
        places = [(line, _nearest(line.xs, self._at)) for line in self._lines if line.xs]
        if not places:
            return "Nothing was logged yet."
        first, place = places[0]
        told = [f"{plain(line.name, _NAME_LIMIT)} {_value(line.ys[at])}" for line, at in places]
        left_out = sum(y <= 0 for line in self._lines for y in line.ys) if self._log else 0
        note = f" · {numbers.count(left_out, 'value')} at or below 0, not on a log scale" if left_out else ""
        return f"{self._axis} {first.xs[place]:.6g}: {' · '.join(told)}{note}"

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go from point to point by the arrows, Home sees all again, Esc is at the newest."""
        key, xs = event.key(), self._lines[0].xs if self._lines else ()
        if key in _STEPS and xs:
            place = _nearest(xs, self._at) + _STEPS[key]
            self.point_at(xs[min(max(place, 0), len(xs) - 1)])
            self.setAccessibleDescription(self.read.whole)
        elif key == Qt.Key.Key_Home:
            self._see_all()
        elif key == Qt.Key.Key_Escape and self._at is not None:
            self.point_at(None)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.point_at(None)

    def _moved(self, place: QPointF) -> None:
        if self._plot.sceneBoundingRect().contains(place):
            self.point_at(float(self._plot.plotItem.vb.mapSceneToView(place).x()))

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if not self.hasFocus():
            self.point_at(None)

    # Drawing.

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._plot is None and not self._waits:
            self._waits = True
            Library.want(self._tasks, self, self._build)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _build(self) -> None:
        plot = self._plot = Library.module.PlotWidget(background=None)
        for part in (plot, plot.viewport()):
            part.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        for axis in ("left", "bottom"):
            plot.getAxis(axis).setStyle(tickFont=theme.font(theme.CAPTION_POINTS), tickLength=0)
        plot.getAxis("left").setWidth(theme.AXIS_WIDTH)
        plot.scene().sigMouseMoved.connect(self._moved)
        self._place.addWidget(plot)
        self._draw()

    def _see_all(self) -> None:
        if self._plot is not None:
            self._plot.plotItem.vb.enableAutoRange()

    def _draw(self) -> None:
        plot = self._plot
        if plot is None:
            return
        plot.clear()
        plot.setAccessibleName(self.accessibleName())
        plot.setBackground(theme.colour("surface"))
        plot.showGrid(x=False, y=True, alpha=0.25)
        plot.setLogMode(x=False, y=self._log)
        for axis in (plot.getAxis("left"), plot.getAxis("bottom")):
            axis.setPen(theme.colour("border"))
            axis.setTextPen(theme.colour("muted"))
        foot = self._foot()
        for line in self._lines:
            self._draw_line(line, foot)
        self._cursor = Library.module.InfiniteLine(angle=90, pen=QPen(theme.colour("muted"), 0))
        plot.addItem(self._cursor, ignoreBounds=True)
        self.point_at(self._at)

    def _draw_line(self, line: MetricLine, foot: float) -> None:
        seen = [y if math.isfinite(y) and (y > 0 or not self._log) else math.nan for y in line.ys]
        pen = QPen(theme.series(line.slot), theme.LINE)
        pen.setCosmetic(True)
        # One point alone makes no line.
        lone = {"symbol": "o", "symbolSize": 4, "symbolBrush": theme.series(line.slot), "symbolPen": None}
        self._plot.plot(list(line.xs), seen, pen=pen, connect="finite", **(lone if _is_lonely(seen) else {}))
        marks = [x for x, y in zip(line.xs, line.ys, strict=True) if not math.isfinite(y)]
        if marks:
            ink = QPen(theme.colour("alert"), theme.LINE)
            ink.setCosmetic(True)
            self._plot.plot(
                marks, [foot] * len(marks), pen=None, symbol="x", symbolSize=_MARK_PIXELS,
                symbolPen=ink, symbolBrush=None,
            )  # fmt: skip

    def _foot(self) -> float:
        """Return where marks stand: at the least value that is seen."""
        seen = [y for line in self._lines for y in line.ys if math.isfinite(y) and (y > 0 or not self._log)]
        return min(seen, default=1.0)


def _is_lonely(ys: Sequence[float]) -> bool:
    """Tell whether a finite value has no finite neighbour anywhere: it would be no line."""
    return not any(math.isfinite(one) and math.isfinite(two) for one, two in pairwise(ys))


def _nearest(xs: Sequence[float], x: float | None) -> int:
    """Return the place of the point that is nearest to ``x``; None: of the newest."""
    if x is None:
        return len(xs) - 1
    after = bisect_left(xs, x)
    near = [place for place in (after - 1, after) if 0 <= place < len(xs)]
    return min(near, key=lambda place: abs(xs[place] - x))


def _value(value: float) -> str:
    return f"{value:.{_DIGITS}g}" if math.isfinite(value) else f"{numbers.WARNING} {value}"


def _told(line: MetricLine) -> str:
    """Return a curve as a sentence."""
    if not line.ys:
        return f"{plain(line.name, _NAME_LIMIT)}: nothing yet"
    bad = sum(not math.isfinite(y) for y in line.ys)
    odd = f", {numbers.count(bad, 'value')} that are no numbers" if bad else ""
    return f"{plain(line.name, _NAME_LIMIT)}: from {_value(line.ys[0])} to {_value(line.ys[-1])}{odd}"
