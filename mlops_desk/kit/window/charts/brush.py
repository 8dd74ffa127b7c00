"""A span that is marked in a stack of charts by dragging with Shift held: a band over all of them, then two times."""

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from mlops_desk.kit.window.look import theme

_FROM_PIXELS = 4.0  # chosen: a hand that clicks trembles by less
_TINT = 0.16  # chosen: the curves are read through it


class SpanBrush(QWidget):
    """The band: hidden while nothing is marked, and never in the way of the pointer."""

    def __init__(self, stack: QWidget) -> None:
        super().__init__(stack)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._from: float | None = None
        self._to = 0.0
        self.hide()

    @property
    def is_drawn(self) -> bool:
        """Whether somebody is marking a span."""
        return self._from is not None

    def begin(self, x: float) -> None:
        """Begin at a pixel of the stack."""
        self._from = self._to = x

    def go_to(self, x: float, height: int) -> None:
        """Reach to a pixel of the stack."""
        if self._from is None:
            return
        self._to = x
        left, right = sorted((self._from, x))
        self.setGeometry(QRect(round(left), 0, max(1, round(right - left)), height))
        self.raise_()
        self.show()

    def end(self) -> tuple[float, float] | None:
        """Return the pixels between which it lies, the left one first; None for a mere click."""
        begun, self._from = self._from, None
        self.hide()
        if begun is None or abs(self._to - begun) < _FROM_PIXELS:
            return None
        return min(begun, self._to), max(begun, self._to)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.faded(theme.colour("accent"), _TINT))
        painter.setPen(QPen(theme.colour("accent"), theme.LINE))
        painter.drawLine(0, 0, 0, self.height())
        painter.drawLine(self.width() - 1, 0, self.width() - 1, self.height())
