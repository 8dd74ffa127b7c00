"""How the cells of a heat map are painted: heat as ground, and each verdict as a mark that needs no colour.

The grounds are an image of one pixel a cell, which is painted in one go: 10,000 cells with 1,000 marks take 6 ms of
processor time so, and 11 where each cell is filled by itself (medians of 15 turns each, on a map of 1200 x 800 pixels).
"""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from mlops_desk.drift.records.monitors import ColumnScore
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window.heatmap.heatmap_data import HeatRow, HeatSheet, heat_of
from mlops_desk.kit.window.look import theme

_STEPS = 64  # chosen: as many colours as one could tell apart
_ABSENT, _NO_HEAT = _STEPS, _STEPS + 1  # the colours behind them: a window without the column, one that can't be judged
_MARK = 3.5  # pixels: half of a mark, where the cell has room for it
_DIM = 0.12  # chosen: it is seen that there is something, and that it has no heat


class HeatImage:
    """One pixel a cell, and the cells that have a mark."""

    def __init__(self, sheet: HeatSheet) -> None:
        rows, windows = len(sheet.rows), len(sheet.windows)
        padded = -(-windows // 4) * 4  # an image's lines begin at every fourth byte
        lines = b"".join(bytes(map(_ground, row.scores)).ljust(padded, b"\0") for row in sheet.rows)
        self._bytes = lines  # the image looks into it and keeps no copy
        self.image = QImage(lines, windows, rows, padded, QImage.Format.Format_Indexed8) if lines else QImage()
        self.steps = [lines[row * padded : row * padded + windows] for row in range(rows)]
        self.marks = [_marks(row) for row in sheet.rows]

    def paint(self, painter: QPainter, to: QRectF, cells: QRectF) -> None:
        """Paint the grounds of some cells (in windows and rows) into an area."""
        grounds = [theme.heat(step / (_STEPS - 1)).rgb() for step in range(_STEPS)]
        surface = theme.colour("surface")
        dim = theme.blended(surface, theme.colour("muted"), _DIM)
        self.image.setColorTable([*grounds, surface.rgb(), dim.rgb()])
        painter.drawImage(to, self.image, cells)

    def paint_mark(self, painter: QPainter, area: QRectF, row: int, window: int, verdict: Verdict) -> None:
        """Paint the mark of a cell in the ink that stands out on its ground."""
        step = self.steps[row][window]
        ink = theme.colour("muted") if step >= _STEPS else theme.on_heat(step / (_STEPS - 1))
        paint_mark(painter, area, verdict, ink)


def _ground(score: ColumnScore | None) -> int:
    """Return the colour of a cell by its place in the table of colours."""
    if score is None:
        return _ABSENT
    heat = heat_of(score)
    return _NO_HEAT if heat is None else round(heat * (_STEPS - 1))


def _marks(row: HeatRow) -> tuple[tuple[int, Verdict], ...]:
    """Return the windows of a row of which more is to be said than that they are fine."""
    told = enumerate(row.scores)
    quiet = {Verdict.OK, Verdict.NOT_COMPARED}
    return tuple((at, one.verdict) for at, one in told if one is not None and one.verdict not in quiet)


def paint_mark(painter: QPainter, area: QRectF, verdict: Verdict, ink: QColor) -> None:
    """Paint a verdict's shape: a triangle warns, a square has drifted, one that is crossed out gives nothing usable."""
    half = max(min(_MARK, area.width() / 2 - 1, area.height() / 2 - 1), 1.0)
    middle = area.center()
    mark = QRectF(middle.x() - half, middle.y() - half, 2 * half, 2 * half)
    if verdict is Verdict.DRIFT:
        painter.fillRect(mark, ink)
        return
    painter.setPen(QPen(ink, 1.0))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if verdict is Verdict.CRITICAL:
        painter.drawRect(mark)
        painter.drawLine(mark.topLeft(), mark.bottomRight())
        painter.drawLine(mark.topRight(), mark.bottomLeft())
    elif verdict is Verdict.WARNING:
        painter.setBrush(ink)
        top = QPointF(middle.x(), mark.top())
        painter.drawPolygon(QPolygonF([top, mark.bottomRight(), mark.bottomLeft()]))
    elif verdict is Verdict.INSUFFICIENT_DATA:
        painter.drawEllipse(middle, half * 0.6, half * 0.6)
