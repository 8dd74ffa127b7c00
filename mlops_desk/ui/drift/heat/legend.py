"""What the colours and marks of a heat map mean: below it, in one line."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.records.drift import Verdict
from mlops_desk.ui.drift.heat.cells import paint_mark
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import Role
from mlops_desk.ui.words import marks

_RAMP = 96.0  # pixels: ten colours that are still told apart
_HEIGHT = 18  # pixels: one line of the caption
_TOLD = (Verdict.WARNING, Verdict.DRIFT, Verdict.CRITICAL, Verdict.INSUFFICIENT_DATA)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


class HeatLegend(QWidget):
    """The scale from nothing over the limit to twice of it, then each mark with its word."""

    accessible_role = Role.StaticText

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        words = ", ".join(marks.VERDICT_MARKS[one].word for one in _TOLD)
        self.setAccessibleName(f"Colours from 0 over the limit to twice of it; marks: {words}")

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(theme.font(theme.CAPTION_POINTS))
        words = sum(metrics.horizontalAdvance(marks.VERDICT_MARKS[one].word) + theme.SPACE_24 for one in _TOLD)
        ends = metrics.horizontalAdvance("0 2 × limit") + 4 * theme.SPACE_8
        return QSize(int(_RAMP) + words + ends, _HEIGHT)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        x = self._write(painter, 0.0, "0")
        steps = int(_RAMP)
        for step in range(steps):
            painter.fillRect(QRectF(x + step, 4, 1, _HEIGHT - 8), theme.heat(step / (steps - 1)))
        x = self._write(painter, x + _RAMP + theme.SPACE_4, "2 × limit") + theme.SPACE_8
        for verdict in _TOLD:
            paint_mark(painter, QRectF(x, 0, theme.SPACE_12, _HEIGHT), verdict, theme.colour("text"))
            x = self._write(painter, x + theme.SPACE_16, marks.VERDICT_MARKS[verdict].word)

    def _write(self, painter: QPainter, x: float, text: str) -> float:
        painter.setPen(theme.colour("muted"))
        painter.drawText(QRectF(x, 0, self.width() - x, _HEIGHT), _LEFT, text)
        return x + painter.fontMetrics().horizontalAdvance(text) + theme.SPACE_8
