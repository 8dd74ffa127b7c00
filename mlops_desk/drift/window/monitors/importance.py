"""How far each column has moved beside how much it weighs: what is far up and far right is looked at first.

That corner begins where a column alarms, and where it weighs at least as much as all would that weigh the same. How
much columns weigh somebody says, or the model: then it is told how that was found, and how sure it is.
"""

import math
from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.drift.records.importance_words import how, interval
from mlops_desk.drift.records.monitors import ColumnScore, Monitor, MonitorStanding
from mlops_desk.drift.window import queries
from mlops_desk.drift.window.cell_text import known
from mlops_desk.drift.window.heatmap.heatmap_data import HeatSheet
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.space.axis import axis
from mlops_desk.kit.window.charts.space.chart import SpaceRun
from mlops_desk.kit.window.charts.space.scatter import ScatterChart
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.parts.task_progress import UndertakingBar
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import CheckBox
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import numbers

_NAMED = 3  # chosen: the highest; the points have their names
_NAME = 60  # characters; chosen: three of them fit into the line


class ColumnImportance(QWidget):
    """``opened`` carries the column to look into; ``wanted``: somebody wants to say how much columns weigh."""

    opened = Signal(str)
    wanted = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._monitor: Monitor | None = None
        self.chart = ScatterChart()
        self.chart.is_named = True
        self.chart.noun = "columns"
        self._not_drawn = 0
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.how = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.compute = Button("Compute", tip="Find in a container of the model what its columns mean to it", asks=True)
        self.permute = CheckBox("By shuffling")
        set_tip(self.permute, "Also where the model says it itself: what it costs when a column is shuffled")
        self.under_way = UndertakingBar(context, "How far the weighing is")
        self.state = StateView(theme.LIST_WIDTH)
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.says)
        column.addWidget(self.chart, 1)
        self._arrange()
        self.chart.pointed.connect(self._point)
        self.chart.picked.connect(self.opened)
        self.compute.clicked.connect(self._compute)
        self.under_way.moved.connect(self._enable)

    def _arrange(self) -> None:
        asked = QWidget()
        line = QHBoxLayout(asked)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(theme.SPACE_8)
        line.addWidget(self.how, 1)
        line.addWidget(self.permute)
        line.addWidget(self.compute)
        shown = QWidget()
        self._layers = QStackedLayout(shown)
        self._layers.addWidget(self._content)
        self._layers.addWidget(self.state)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(asked)
        whole.addWidget(self.under_way)
        whole.addWidget(shown, 1)

    def show_standing(self, standing: MonitorStanding | None, sheet: HeatSheet) -> None:
        """Show the newest score of each column that has an importance."""
        before, self._monitor = self._monitor, None if standing is None else standing.monitor
        if before is None or self._monitor is None or before.id != self._monitor.id or before != self._monitor:
            self._tell_how()
        self._enable()
        weights = dict(standing.monitor.importance) if standing is not None else {}
        found = []
        for row in sheet.rows:
            newest = next((one for one in reversed(row.scores) if one is not None), None)
            over, weight = _over(newest), known(weights.get(row.name))
            if over is not None and weight is not None:
                found.append((row.name, weight, over))
        self._not_drawn = len(sheet.rows) - len(found)
        across = axis("importance", "Importance", [weight for _, weight, _ in found])
        upwards = axis("score", "Score, in multiples of its limit", [over for _, _, over in found])
        if across is None or upwards is None:
            self.state.show_empty(self._not_yet(weights))
            self._layers.setCurrentWidget(self.state)
            return
        even = sum(weight for _, weight, _ in found) / len(found)
        self.chart.corner = even, 1.0
        self.chart.show_runs([SpaceRun(name, plain(name)) for name, _, _ in found], across, upwards, None, None)
        self._layers.setCurrentWidget(self._content)
        self._say()

    def _not_yet(self, weights: Mapping[str, float]) -> Empty:
        """Return why there is nothing to draw: no column has a weight, or none that has one was ever judged."""
        there = sorted((-weight, name) for name in weights if (weight := known(weights[name])) is not None)
        if not there:
            text = (
                "Compute finds in the model what its columns mean to it, or say it yourself. What matters is then here."
            )
            return Empty("No importance is known", text, "Edit the monitor …", self.wanted.emit)
        heaviest = ", ".join(f"{plain(name, _NAME)} {numbers.number(-weight)}" for weight, name in there[:_NAMED])
        more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
        text = f"What weighs: {heaviest}{more}. How far each has moved stands beside it once a window was judged."
        return Empty("No score of these columns yet", text)

    def _tell_how(self) -> None:
        """Say how the weights were found."""
        monitor, text = self._monitor, ""
        if monitor is not None and monitor.computed is not None:
            text = f"{how(monitor.computed, monitor.model)} Computed {numbers.day_and_clock(monitor.computed.at)}."
        elif monitor is not None and monitor.importance:
            text = "As somebody gave it."
        self.how.show_text(text)
        self.how.tint("muted")

    def _enable(self) -> None:
        has_model = self._monitor is not None and (self._monitor.endpoint or self._monitor.model) is not None
        for one in (self.compute, self.permute):
            one.setEnabled(has_model and not self.under_way.is_busy)

    def _compute(self) -> None:
        """Have the model's columns weighed; what is found is announced, as what anybody changes."""
        monitor, permute = self._monitor, self.permute.isChecked()
        if monitor is None or self.under_way.is_busy:
            return
        key = monitor.id

        def failed(error: DeskError) -> None:
            if self._monitor is not None and self._monitor.id == key:
                self.how.show_text(f"{numbers.WARNING} {error.message} {error.hint or ''}".rstrip())
                self.how.tint("warning")

        self.under_way.begin("weighing", queries.weigh(key, permute=permute), _nothing, failed)

    def _point(self, key: str | None) -> None:
        self.chart.light(key)
        self._say()

    def _say(self) -> None:
        mattering = [self.chart.runs[place].title for place in self.chart.mattering()]
        more = f" and {len(mattering) - _NAMED} more" if len(mattering) > _NAMED else ""
        first = f"{numbers.ALERT} Drifted and important: {', '.join(mattering[:_NAMED])}{more}." if mattering else ""
        how = "Score in multiples of its limit, over importance; Enter or a click opens a column."
        n_out = numbers.count(self._not_drawn, "column")
        missing = f" {n_out} without a score or an importance not drawn." if self._not_drawn else ""
        told = f"{first or 'No important column has drifted.'} {how}{missing}"
        self.says.show_text(self._pointed() or told)

    def _pointed(self) -> str:
        """Return what the column that is pointed at has, with what was measured of it."""
        words, computed = self.chart.words(), None if self._monitor is None else self._monitor.computed
        measured = None if computed is None or self.chart.lit is None else computed.columns.get(self.chart.lit)
        return words if measured is None or computed is None else f"{words}, measured {interval(measured)}"


def _over(score: ColumnScore | None) -> float | None:
    """Return a score in multiples of its limit; None where either is not known."""
    if score is None or known(score.score) is None or score.score is None or not score.limit:
        return None
    over = score.score / score.limit
    return over if math.isfinite(over) else None


def _nothing(_answer: object) -> None:
    """Wait for the announcement: a page paints what the agent told, not what was asked for."""
