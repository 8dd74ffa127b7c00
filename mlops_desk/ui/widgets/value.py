"""A value in words: wraps like any text, and breaks a name that is wider than its place instead of being cut off."""

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QTextLayout, QTextOption

from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label


class Value(Label):
    """Plain text that never asks for more width than a short word; ``fixed`` is for identifiers."""

    def __init__(self, text: str = "", *, tone: str = "text", fixed: bool = False) -> None:
        super().__init__(text, tone=tone, wrap=True, fixed=fixed)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), theme.SPACE_24 * 4), self.fontMetrics().height())

    def heightForWidth(self, width: int) -> int:
        if self._fits(width):
            return super().heightForWidth(width)
        return len(self._lines(width)) * self.fontMetrics().lineSpacing()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._fits(self.width()) or self.hasSelectedText():
            super().paintEvent(event)
            return
        painter = QPainter(self)
        painter.setPen(self._colour())
        metrics = self.fontMetrics()
        for number, line in enumerate(self._lines(self.width())):
            painter.drawText(QPointF(0, number * metrics.lineSpacing() + metrics.ascent()), line)

    def _fits(self, width: int) -> bool:
        return super().minimumSizeHint().width() <= width

    def _lines(self, width: int) -> list[str]:
        """Return the text broken between words where that is possible, within them where it is not."""
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        lines = []
        for paragraph in self.whole.splitlines():
            layout = QTextLayout(paragraph, self.font())
            layout.setTextOption(option)
            layout.beginLayout()
            while (line := layout.createLine()).isValid():
                line.setLineWidth(max(width, 1))
                begin = line.textStart()
                lines.append(paragraph[begin : begin + line.textLength()])
            layout.endLayout()
        return lines
