"""The box of what is ticked, painted alike wherever one stands: beside a word, in a list, in a table."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from mlops_desk.kit.window.look import theme

_TICK = ((0.22, 0.52), (0.42, 0.72), (0.78, 0.3))  # shares of the box


def paint_box(painter: QPainter, box: QRectF, tint: QColor | None, edge: QColor) -> None:
    """Paint a box: ticked and filled with ``tint``, or empty (None) with an edge alone."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(theme.colour("surface") if tint is None else tint)
    painter.setPen(QPen(edge if tint is None else tint, theme.BORDER))
    painter.drawRoundedRect(box, theme.SPACE_4, theme.SPACE_4)
    if tint is not None:
        paint_tick(painter, box)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)


def paint_tick(painter: QPainter, box: QRectF) -> None:
    painter.setPen(QPen(theme.colour("window" if theme.is_dark() else "surface"), theme.LINE + 0.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline(
        QPolygonF([QPointF(box.left() + x * box.width(), box.top() + y * box.height()) for x, y in _TICK])
    )
