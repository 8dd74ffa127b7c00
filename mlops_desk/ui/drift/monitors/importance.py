"""How far each column has moved beside how much it weighs: what is far up and far right is looked at first.

That corner begins where a column alarms, and where it weighs at least as much as all would that weigh the same.
"""

import math

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.drift.monitors import ColumnScore, MonitorStanding
from mlops_desk.ui.charts.space.axis import axis
from mlops_desk.ui.charts.space.chart import SpaceRun
from mlops_desk.ui.charts.space.scatter import ScatterChart
from mlops_desk.ui.drift.heat.sheet import HeatSheet
from mlops_desk.ui.drift.telling import known
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.states import Empty, StateView
from mlops_desk.ui.words import numbers

_NAMED = 3  # chosen: the highest; the points have their names


class ColumnImportance(QWidget):
    """``opened`` carries the column to look into; ``wanted``: somebody wants to say how much columns weigh."""

    opened = Signal(str)
    wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.chart = ScatterChart()
        self.chart.is_named = True
        self.chart.noun = "columns"
        self._not_drawn = 0
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.state = StateView(theme.LIST_WIDTH)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.says)
        column.addWidget(self.chart, 1)
        self._layers = QStackedLayout(self)
        self._content = content
        self._layers.addWidget(content)
        self._layers.addWidget(self.state)
        self.chart.pointed.connect(self._point)
        self.chart.picked.connect(self.opened)

    def show_standing(self, standing: MonitorStanding | None, sheet: HeatSheet) -> None:
        """Show the newest score of each column that has an importance."""
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
            text = "A monitor that knows the importance of its columns shows here which of them matter."
            self.state.show_empty(Empty("No importance is known", text, "Edit the monitor …", self.wanted.emit))
            self._layers.setCurrentWidget(self.state)
            return
        even = sum(weight for _, weight, _ in found) / len(found)
        self.chart.corner = even, 1.0
        self.chart.show_runs([SpaceRun(name, plain(name)) for name, _, _ in found], across, upwards, None, None)
        self._layers.setCurrentWidget(self._content)
        self._say()

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
        self.says.show_text(self.chart.words() or told)


def _over(score: ColumnScore | None) -> float | None:
    """Return a score in multiples of its limit; None where either is not known."""
    if score is None or known(score.score) is None or score.score is None or not score.limit:
        return None
    over = score.score / score.limit
    return over if math.isfinite(over) else None
