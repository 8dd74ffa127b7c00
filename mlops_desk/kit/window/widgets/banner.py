"""One verdict, across the page: colour, shape, sentence, and what it rests on."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QSizePolicy, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.form import Paragraph

_LINES = 2  # chosen: what takes more beside the title stands below it, where lines are twice as long


class Banner(QWidget):
    """Says one thing; it is as high as its words need, so that nothing is laid over them."""

    def __init__(self) -> None:
        super().__init__()
        self._tone = "muted"
        self._title = Label(points=theme.TITLE_POINTS, bold=True)
        self._title.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._text = Paragraph(tone="muted")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._row.setContentsMargins(theme.SPACE_16, theme.SPACE_8, theme.SPACE_16, theme.SPACE_8)
        self._row.addWidget(self._title, 0, Qt.AlignmentFlag.AlignVCenter)
        self._row.addWidget(self._text, 1)
        self._turn()

    def say(self, tone: str, shape: str, title: str, text: str) -> None:
        self._tone = tone
        self._title.show_text(f"{shape} {title}")
        self._title.setMinimumWidth(self._title.sizeHint().width())
        self._title.tint(tone)
        self._text.show_text(text)
        self._text.setVisible(bool(text))
        self._turn()
        self.setAccessibleName(f"{title}. {text}")
        self.update()

    def _turn(self) -> None:
        """Put what it rests on beside the title, or below it where it is long."""
        beside = self.width() - self._title.sizeHint().width() - 3 * theme.SPACE_16
        whole = self._text.fontMetrics().horizontalAdvance(self._text.whole)
        below = whole > _LINES * beside
        self._row.setDirection(QBoxLayout.Direction.TopToBottom if below else QBoxLayout.Direction.LeftToRight)
        self._row.setSpacing(theme.SPACE_4 if below else theme.SPACE_16)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._turn()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tint = theme.colour(self._tone)
        painter.setBrush(theme.blended(theme.colour("surface"), tint, 0.08))
        painter.setPen(QPen(theme.blended(theme.colour("border"), tint, 0.4), theme.BORDER))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), theme.RADIUS, theme.RADIUS)
