"""One verdict, across the page: colour, shape, sentence, and what it rests on."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label


class Banner(QWidget):
    """Says one thing."""

    def __init__(self) -> None:
        super().__init__()
        self._tone = "muted"
        self._title = Label(points=theme.TITLE_POINTS, bold=True)
        self._title.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._text = Label(tone="muted", wrap=True)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_16, theme.SPACE_8, theme.SPACE_16, theme.SPACE_8)
        row.setSpacing(theme.SPACE_16)
        row.addWidget(self._title, 0, Qt.AlignmentFlag.AlignBaseline)
        row.addWidget(self._text, 1, Qt.AlignmentFlag.AlignBaseline)

    def say(self, tone: str, shape: str, title: str, text: str) -> None:
        self._tone = tone
        self._title.show_text(f"{shape} {title}")
        self._title.setMinimumWidth(self._title.sizeHint().width())
        self._title.tint(tone)
        self._text.show_text(text)
        self.setAccessibleName(f"{title}. {text}")
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tint = theme.colour(self._tone)
        painter.setBrush(theme.blended(theme.colour("surface"), tint, 0.08))
        painter.setPen(QPen(theme.blended(theme.colour("border"), tint, 0.4), theme.BORDER))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), theme.RADIUS, theme.RADIUS)
