"""A box for several lines that are typed: round, with the edge of a field, and its ring while keys mean it."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor, QFocusEvent, QPainter, QPalette, QPen
from PySide6.QtWidgets import QFrame, QPlainTextEdit

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.scroll import thin


class TextBox(QPlainTextEdit):
    """Lines of one width, not wrapped; Tab goes on to the next widget, as everywhere."""

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(text)
        thin(self)
        self.setAccessibleName(name)
        self.setFont(theme.fixed_font())
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setTabChangesFocus(True)
        # The frame is room for the edge, painted in ``event`` with the ground, which is round too.
        self.setFrameStyle(int(QFrame.Shape.Box) | int(QFrame.Shadow.Plain))
        self.setLineWidth(theme.RING)
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Base, QColor(0, 0, 0, 0))
        self.setPalette(palette)

    def event(self, event: QEvent) -> bool:
        """Paint the frame, which a scrolling widget is asked for here and not in ``paintEvent``."""
        if event.type() is not QEvent.Type.Paint:
            return super().event(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        focused = self.hasFocus()
        line = theme.RING if focused else theme.BORDER
        painter.setBrush(theme.colour("surface"))
        painter.setPen(QPen(theme.colour("accent" if focused else "outline"), line, Qt.PenStyle.SolidLine))
        painter.drawRoundedRect(theme.edge(self.rect(), line), theme.RADIUS, theme.RADIUS)
        return True

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()
