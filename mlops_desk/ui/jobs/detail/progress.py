"""How far something is, as a thin bar with its words beside it."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label


class ProgressLine(QWidget):
    """Hidden while nothing is known. Without a share only the words are shown: an empty bar would say nought."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._bar = _Bar()
        self.words = Label()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_12)
        row.addWidget(self._bar, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.words, 1)
        self.hide()

    def show_progress(self, share: float | None, words: str) -> None:
        """Show how far it is (0-1); without words nothing is shown."""
        self.setVisible(bool(words))
        self._bar.setVisible(share is not None)
        if share is not None:
            self._bar.show_share(share)
        self.words.show_text(words)
        self.setAccessibleName(f"{self._name}: {words}")

    def share(self) -> float | None:
        return None if self._bar.isHidden() else self._bar.share


class _Bar(QWidget):
    """The bar; paints nothing while it stays."""

    def __init__(self) -> None:
        super().__init__()
        self.share = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_share(self, share: float) -> None:
        share = min(max(share, 0.0), 1.0)
        if share != self.share:
            self.share = share
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.COLUMN_MINIMUM, 2 * theme.METER_HEIGHT)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        whole = QRectF(self.rect())
        painter.setBrush(theme.faded(theme.colour("text"), 0.12))
        painter.drawRoundedRect(whole, theme.METER_HEIGHT, theme.METER_HEIGHT)
        painter.setBrush(theme.colour("accent"))
        done = QRectF(whole.left(), whole.top(), whole.width() * self.share, whole.height())
        painter.drawRoundedRect(done, theme.METER_HEIGHT, theme.METER_HEIGHT)
