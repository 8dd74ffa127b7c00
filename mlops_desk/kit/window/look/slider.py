"""A slider that shows when the keys are its: the style paints it alike with and without the focus."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSlider

from mlops_desk.kit.window.look import theme


class Slider(QSlider):
    """Goes from left to right."""

    def __init__(self, name: str) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setAccessibleName(name)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(theme.colour("accent"), theme.RING))
            painter.drawRoundedRect(theme.edge(self.rect(), theme.RING), theme.RADIUS, theme.RADIUS)
