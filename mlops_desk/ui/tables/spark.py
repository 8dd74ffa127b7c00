"""A curve in a cell beside the limit that it is held against: no axes, a gap is a gap."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF

from mlops_desk.ui.look import theme
from mlops_desk.ui.tables.order import Spark

_AIR = 4.0  # pixels between the curve and the next row's


def paint_spark(painter: QPainter, area: QRectF, spark: Spark) -> None:
    """Paint the curve in an ink that is seen on both grounds, and its limit as a thin dashed line."""
    known = [value for value in spark.values if value is not None]
    if not known or len(spark.values) < 2:
        return
    low, high = min(*known, spark.limit), max(*known, spark.limit)
    inside = area.adjusted(0, _AIR, 0, -_AIR)
    span = high - low or 1.0
    step = inside.width() / (len(spark.values) - 1)

    def place(value: float) -> float:
        return inside.bottom() - (value - low) / span * inside.height()

    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(theme.colour("muted"), theme.BORDER, Qt.PenStyle.DashLine))
    limit = round(place(spark.limit)) + 0.5
    painter.drawLine(QPointF(inside.left(), limit), QPointF(inside.right(), limit))
    painter.setPen(QPen(theme.colour("accent"), theme.LINE))
    for run in _runs(spark.values):
        points = [QPointF(inside.left() + place_in * step, place(value)) for place_in, value in run]
        if len(points) > 1:
            painter.drawPolyline(QPolygonF(points))
        else:
            painter.drawPoint(points[0])
    painter.restore()


def _runs(values: tuple[float | None, ...]) -> list[list[tuple[int, float]]]:
    """Return the stretches without a gap, each value with its place."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(values):
        if value is not None:
            runs[-1].append((place, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
