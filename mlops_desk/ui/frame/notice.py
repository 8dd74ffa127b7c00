"""A short notice over the foot of the page: fades in, moves nothing, stays long enough to be read, takes no focus."""

from collections.abc import Callable

from PySide6.QtCore import (
    QAbstractAnimation,
    QEvent,
    QObject,
    QPoint,
    QPropertyAnimation,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
)
from PySide6.QtGui import QEnterEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QGraphicsOpacityEffect, QHBoxLayout, QWidget

from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.button import Button, CopyButton
from mlops_desk.ui.words import numbers

READ_MILLISECONDS = {"info": 6000, "warning": 15_000}


class NoticeBar(QWidget):
    """Lies over the foot of ``ground`` and shows the newest notice; an alert stays until it is closed.

    What is read by the pointer does not go away. ``act`` is the button that leads to what the notice is about.
    """

    def __init__(self, ground: QWidget) -> None:
        super().__init__(ground.parentWidget())
        self._ground = ground
        self._tone = "info"
        self._details = ""
        self._callback: Callable[[], None] | None = None
        self._mark = Label(bold=True)
        self._text = Label(wrap=True)
        self.act = Button("Open", main=True)
        self.act.clicked.connect(self._do)
        self._close = Button("Close")
        self._close.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_16, theme.SPACE_8, theme.SPACE_12, theme.SPACE_8)
        row.setSpacing(theme.SPACE_12)
        row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._text, 1)
        for button in (self.act, CopyButton("Copy details", lambda: self._details), self._close):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        self._effect = QGraphicsOpacityEffect(self)
        self._effect.setEnabled(False)
        self.setGraphicsEffect(self._effect)
        self._fade = QPropertyAnimation(self._effect, b"opacity", self)
        self._fade.setDuration(theme.FADE_MILLISECONDS)
        self._fade.finished.connect(self._faded)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._read)
        ground.installEventFilter(self)
        self.hide()

    def say(self, level: str, text: str, details: str = "", open_it: Callable[[], None] | None = None) -> None:
        """Show a notice; ``level`` is info, warning or alert, ``details`` what is copied, ``open_it`` goes there."""
        mark = numbers.NOTICE_MARKS.get(level, numbers.NOTICE_MARKS["info"])
        self._tone = mark.token
        self._details = details or text
        self._callback = open_it
        self.act.setVisible(open_it is not None)
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
        self._place()
        self.raise_()
        self.update()

    def _read(self) -> None:
        """Go away, unless somebody points at it."""
        if self.underMouse():
            return
        self.hide()

    def _do(self) -> None:
        self.hide()
        if self._callback is not None:
            self._callback()

    def _faded(self) -> None:
        self._effect.setEnabled(False)

    def _place(self) -> None:
        """Lie over the foot of the ground, as high as the words need."""
        ground = self._ground.geometry()
        width = min(ground.width() - 2 * theme.SPACE_16, theme.NOTICE_WIDTH)
        layout = self.layout()
        height = layout.totalHeightForWidth(width) if layout is not None else 0
        # At the right: the buttons of pages stand at the left of their foot.
        place = ground.bottomRight() - QPoint(width + theme.SPACE_16, height + theme.SPACE_16)
        self.setGeometry(QRect(place, QSize(width, height)))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._ground and event.type() in {QEvent.Type.Resize, QEvent.Type.Move} and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._timer.stop()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        level = next((name for name, mark in numbers.NOTICE_MARKS.items() if mark.token == self._tone), "")
        if level in READ_MILLISECONDS:
            self._timer.start(READ_MILLISECONDS[level])

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tint = theme.colour(self._tone)
        painter.setBrush(theme.blended(theme.colour("raised"), tint, 0.10))
        painter.setPen(QPen(theme.blended(theme.colour("border"), tint, 0.6), theme.LINE))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.RADIUS, theme.RADIUS)
