"""A short notice under the title row: fades in, stays long enough to be read, and never steals the focus."""

from PySide6.QtCore import QAbstractAnimation, QPropertyAnimation, Qt, QTimer
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QGraphicsOpacityEffect, QHBoxLayout, QWidget

from mlops_desk.ui import theme, words
from mlops_desk.ui.text import Label
from mlops_desk.ui.widgets.button import Button, CopyButton

READ_MILLISECONDS = {"info": 6000, "warning": 15_000}


class NoticeBar(QWidget):
    """Shows the newest notice; an alert stays until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self._tone = "info"
        self._mark = Label(bold=True)
        self._text = Label(wrap=True)
        close = Button("Close")
        close.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_16, theme.SPACE_8, theme.SPACE_12, theme.SPACE_8 + theme.SPACE_8)
        row.setSpacing(theme.SPACE_12)
        row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._text, 1)
        row.addWidget(CopyButton("Copy details", lambda: self._text.whole), 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignVCenter)
        self._effect = QGraphicsOpacityEffect(self)
        self._effect.setEnabled(False)
        self.setGraphicsEffect(self._effect)
        self._fade = QPropertyAnimation(self._effect, b"opacity", self)
        self._fade.setDuration(theme.FADE_MILLISECONDS)
        self._fade.finished.connect(self._faded)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def say(self, level: str, text: str) -> None:
        """Show a notice; ``level`` is info, warning or alert."""
        mark = words.NOTICE_MARKS.get(level, words.NOTICE_MARKS["info"])
        self._tone = mark.token
        self._mark.show_text(mark.text)
        self._mark.tint(mark.token)
        self._text.show_text(text)
        self.setAccessibleName(f"{mark.word}: {self._text.whole}")
        if level in READ_MILLISECONDS:
            self._timer.start(READ_MILLISECONDS[level])
        else:
            self._timer.stop()
        if not self.isVisible():
            self._effect.setEnabled(True)
            self._fade.setStartValue(0.0)
            self._fade.setEndValue(1.0)
            self._fade.start(QAbstractAnimation.DeletionPolicy.KeepWhenStopped)
        self.show()
        self.update()

    def _faded(self) -> None:
        self._effect.setEnabled(False)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        tint = theme.colour(self._tone)
        bar = self.rect().adjusted(0, 0, 0, -theme.SPACE_8)
        painter.fillRect(bar, theme.blended(theme.colour("surface"), tint, 0.10))
        painter.fillRect(0, 0, theme.SEVERITY_WIDTH, bar.height(), tint)
