"""How far each column has moved beside how much it weighs: what is far up and far right is looked at first."""

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


class ColumnImportance(QWidget):
    """``opened`` carries the column to look into."""

    opened = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.chart = ScatterChart()
        self.chart.is_named = True
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
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
        across = axis("importance", "Importance", [weight for _, weight, _ in found])
        upwards = axis("score", "Score, in multiples of its limit", [over for _, _, over in found])
        if across is None or upwards is None:
            text = "A monitor that was created with the importance of its columns shows here which of them matter."
            self.state.show_empty(Empty("No importance is known", text))
            self._layers.setCurrentWidget(self.state)
            return
        self.chart.show_runs([SpaceRun(name, plain(name)) for name, _, _ in found], across, upwards, None, None)
        self._layers.setCurrentWidget(self._content)
        self._say()

    def _point(self, key: str | None) -> None:
        self.chart.light(key)
        self._say()

    def _say(self) -> None:
        self.says.show_text(
            self.chart.words()
            or "Score in multiples of its limit, over importance. Above 1 a column alarms; Enter or a click opens it."
        )


def _over(score: ColumnScore | None) -> float | None:
    """Return a score in multiples of its limit; None where either is not known."""
    if score is None or known(score.score) is None or score.score is None or not score.limit:
        return None
    over = score.score / score.limit
    return over if math.isfinite(over) else None
