"""What charts that are painted by hand have below their values: lines at the marks with their words, and the focus."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QWidget

from mlops_desk.kit.window.look import theme

FAINT = 0.55  # chosen: lines stand behind what is drawn on them
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


def paint_marks(
    painter: QPainter,
    area: QRectF,
    marks: Sequence[float],
    place: Callable[[float], float],
    word: Callable[[float], str],
) -> None:
    """Paint a line across the area at each mark, and its word left of it; ``place`` gives a mark's pixel from above."""
    height = float(painter.fontMetrics().height())
    for mark in marks:
        y = round(place(mark)) + 0.5
        painter.setPen(QPen(theme.faded(theme.colour("border"), FAINT), 0))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(theme.colour("muted"))
        painter.drawText(QRectF(0, y - height / 2, area.left() - theme.SPACE_4, height), _RIGHT, word(mark))


def paint_focus(painter: QPainter, widget: QWidget) -> None:
    """Paint the ring of the widget that has the keyboard."""
    if widget.hasFocus():
        painter.setPen(QPen(theme.colour("accent"), theme.RING))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(theme.edge(widget.rect(), theme.RING))
