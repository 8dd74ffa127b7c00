"""Two distributions side by side, as bars in percent: the reference and what is seen now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QPen, QShowEvent
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

REFERENCE_SLOT, CURRENT_SLOT = 7, 1  # of theme.series: gray for what was, orange for what is
MOST_LABELS = 12  # chosen: as many as stand side by side


@dataclass(frozen=True, slots=True)
class Bars:
    """Shares (0-1) of both sides in the same bins; ``names`` has one text for each bin."""

    reference: Sequence[float]
    current: Sequence[float]
    names: Sequence[str]


class BarChart(Card):
    """Draws bars once the library is there."""

    accessible_role = Role.Chart

    def __init__(self, tasks: Tasks, title: str) -> None:
        super().__init__(title)
        self._tasks = tasks
        self._bars: Bars | None = None
        self._plot: Any = None
        self._waits = False
        self._legend = [LegendLabel("reference", REFERENCE_SLOT), LegendLabel("current", CURRENT_SLOT)]
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_12)
        self.column.removeWidget(self.heading)
        head.addWidget(self.heading, 1)
        for label in self._legend:
            head.addWidget(label)
        self.column.addLayout(head)
        self._says = Label(tone="muted", wrap=True)
        self._says.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.column.addWidget(self._says, 1)
        self._place = QVBoxLayout()
        self.column.addLayout(self._place, 8)
        self.setMinimumHeight(theme.CHART_HEIGHT)

    def show_bars(self, title: str, bars: Bars | None, nothing: str = "") -> None:
        """Show bars, or say why there are none."""
        self.heading.show_text(title)
        self._bars = bars
        self._says.show_text(nothing)
        self._says.setVisible(bars is None)
        for label in self._legend:
            label.setVisible(bars is not None)
        self.setAccessibleName(f"Chart: {title}")
        self.setAccessibleDescription(_told(bars) if bars else nothing)
        if self._plot is not None:
            self._draw()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._plot is None and not self._waits:
            self._waits = True
            Library.want(self._tasks, self, self._build)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._plot is not None:
            self._draw()

    def _build(self) -> None:
        self._plot = Library.module.PlotWidget(background=None)
        for part in (self._plot, self._plot.viewport()):
            part.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._plot.setAccessibleName(self.accessibleName())
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        for axis in ("left", "bottom"):
            self._plot.getAxis(axis).setStyle(tickFont=theme.font(theme.CAPTION_POINTS), tickLength=0)
        self._plot.getAxis("left").setWidth(theme.AXIS_WIDTH)
        self._place.addWidget(self._plot)
        self._draw()

    def _draw(self) -> None:
        self._plot.setVisible(self._bars is not None)
        self._plot.clear()
        if self._bars is None:
            return
        self._plot.setBackground(theme.colour("surface"))
        self._plot.showGrid(x=False, y=True, alpha=0.25)
        for shares, slot, shift in (
            (self._bars.reference, REFERENCE_SLOT, -0.21),
            (self._bars.current, CURRENT_SLOT, 0.21),
        ):
            tint = theme.series(slot)
            places = [number + shift for number in range(len(shares))]
            heights = [share * 100 for share in shares]
            fill = theme.faded(tint, 0.85)
            self._plot.addItem(
                Library.module.BarGraphItem(x=places, height=heights, width=0.42, brush=fill, pen=QPen(tint, 0))
            )
        most = max([*self._bars.reference, *self._bars.current], default=0.0) * 100
        self._plot.setYRange(0, most * 1.08 or 1.0, padding=0)
        self._plot.setXRange(-0.6, len(self._bars.names) - 0.4, padding=0)
        self._label_axes()

    def _label_axes(self) -> None:
        bars = self._bars
        if bars is None:
            return
        every = max(1, -(-len(bars.names) // MOST_LABELS))
        ticks = [(number, plain(name, 14)) for number, name in enumerate(bars.names) if number % every == 0]
        bottom, left = self._plot.getAxis("bottom"), self._plot.getAxis("left")
        bottom.setTicks([ticks])
        left.setTicks(None)
        left.setLabel(
            text="% of rows", **{"color": theme.colour("muted").name(), "font-size": f"{theme.CAPTION_POINTS}pt"}
        )
        for axis in (bottom, left):
            axis.setPen(theme.colour("border"))
            axis.setTextPen(theme.colour("muted"))


def _told(bars: Bars) -> str:
    pairs = zip(bars.names, bars.reference, bars.current, strict=False)
    return "; ".join(f"{name}: {numbers.percent(r)} then, {numbers.percent(c)} now" for name, r, c in list(pairs)[:40])
