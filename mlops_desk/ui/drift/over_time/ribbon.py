"""How the values of a column are spread in each window: half of them in the inner ribbon, nine of ten in the outer."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF

from mlops_desk.records.drift.monitors import QUANTILES
from mlops_desk.ui.drift.over_time.chart import WindowChart, around
from mlops_desk.ui.look import theme
from mlops_desk.ui.words import numbers

_REFERENCE_SLOT, _SLOT = 7, 0  # of theme.series: gray for what was, blue for what is
_OUTER, _INNER = 0.18, 0.32  # chosen: the two are told apart, and the line of the middle stands out
_MIDDLE = len(QUANTILES) // 2
Quantiles = tuple[float, ...]


class RibbonChart(WindowChart):
    """Quantiles over windows; those of the reference are dashed lines."""

    def __init__(self) -> None:
        nothing = "No window of this column has values yet."
        super().__init__("Values over time", nothing, alone=True)
        self._windows: Sequence[Quantiles] = ()
        self._reference: Quantiles = ()

    def show_quantiles(self, windows: Sequence[Quantiles], reference: Quantiles, unit: numbers.Written) -> None:
        """Show the quantiles at ``QUANTILES`` of each window; an empty tuple is a gap."""
        self._windows, self._reference, self.unit = windows, reference, unit
        self.scale = around([value for one in (*windows, reference) for value in one], self.marks())
        self.tell()
        self.update()

    def said(self, window: int) -> Sequence[tuple[str, int]]:
        one = self._windows[window] if window < len(self._windows) else ()
        if not one:
            return [("no values", -1)]
        told = [(f"median {self.unit(one[_MIDDLE])}", _SLOT), (f"half {self.unit(one[1])} – {self.unit(one[-2])}", -1)]
        if self._reference:
            told.append((f"reference {self.unit(self._reference[_MIDDLE])}", _REFERENCE_SLOT))
        return told

    def paint_values(self, painter: QPainter, area: QRectF) -> None:
        tint = theme.series(_SLOT)
        for run in self._runs():
            painter.setPen(Qt.PenStyle.NoPen)
            for low, share in ((0, _OUTER), (1, _INNER)):
                painter.setBrush(theme.faded(tint, share))
                upper = self._line(run, len(QUANTILES) - 1 - low)
                painter.drawPolygon(QPolygonF([*self._line(run, low), *reversed(upper)]))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(tint, theme.LINE))
            painter.drawPolyline(QPolygonF(self._line(run, _MIDDLE)))
        for place, value in enumerate(self._reference):
            style = Qt.PenStyle.DashLine if place == _MIDDLE else Qt.PenStyle.DotLine
            painter.setPen(QPen(theme.series(_REFERENCE_SLOT), 1.0, style))
            y = round(self.up(value)) + 0.5
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))

    def _line(self, run: Sequence[int], quantile: int) -> list[QPointF]:
        """Return a quantile's line through some windows, as wide as they are."""
        ends = [(self.places.x(run[0]), run[0]), *((self.places.middle(at), at) for at in run)]
        ends.append((self.places.x(run[-1] + 1), run[-1]))
        return [QPointF(x, self.up(self._windows[at][quantile])) for x, at in ends]

    def _runs(self) -> list[list[int]]:
        runs: list[list[int]] = []
        for at, one in enumerate(self._windows):
            if len(one) != len(QUANTILES):
                continue
            if runs and runs[-1][-1] == at - 1:
                runs[-1].append(at)
            else:
                runs.append([at])
        return runs
