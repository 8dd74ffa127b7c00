"""A short notice in the bottom line: fades in, moves and covers nothing, stays long enough to be read, takes no focus.

One that is too long for a line is read in full at a press of a button: then, and only then, it grows upwards.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractAnimation, QEvent, QObject, QPropertyAnimation, QRect, QRectF, QTimer
from PySide6.QtGui import QEnterEvent, QHideEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QGraphicsOpacityEffect, QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button, CopyButton
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.desk.window.frame.status_bar import BottomLine

# As long as it takes to look up, and to read two lines; what is grave also stands on the overview and its own page.
READ_MILLISECONDS = {"info": 6000, "warning": 15_000, "alert": 60_000}
# What leads somewhere has to be decided upon, not only read.
OPEN_MILLISECONDS = 15_000


class NoticeBar(QWidget):
    """Shows the newest notice in the room that the bottom line lends.

    What is read by the pointer, or has the focus, does not go away. ``act`` is the button that leads to what the
    notice is about, ``read`` the one that shows all of a long text.
    """

    accessible_role = Role.AlertMessage

    def __init__(self, line: "BottomLine") -> None:
        super().__init__(line.parentWidget())
        self._line = line
        self._tone = "info"
        self._details = ""
        self._has_more = False
        self._copies = False
        self._callback: Callable[[], None] | None = None
        self._mark = Label(bold=True)
        self._text = Label()
        self._all = Label(wrap=True)
        self.act = Button("Open", main=True)
        self.act.clicked.connect(self._do)
        self.read = Button("Read all")
        self.read.clicked.connect(lambda: self._expand(wide=self._all.isHidden()))
        self.copy = CopyButton("Copy details", lambda: self._details)
        self._close = Button("Close")
        self._close.clicked.connect(self.hide)
        self._arrange()
        self._effect = QGraphicsOpacityEffect(self)
        self._effect.setEnabled(False)
        self.setGraphicsEffect(self._effect)
        self._fade = QPropertyAnimation(self._effect, b"opacity", self)
        self._fade.setDuration(theme.FADE_MILLISECONDS)
        self._fade.finished.connect(self._faded)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._read_it)
        line.installEventFilter(self)
        self.hide()

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_12, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._all, 1)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self._mark)
        row.addWidget(self._text, 1)
        row.addStretch()
        for button in (self.act, self.read, self.copy, self._close):
            button.setFont(theme.font(theme.CAPTION_POINTS))
            row.addWidget(button)
        column.addLayout(row)
        self._all.hide()

    def offer(self, text: str, act: str, do: Callable[[], None]) -> None:
        """Show what was done, and the button that undoes it or shows it."""
        self.say("info", text, "", do, act)

    def say(
        self,
        level: str,
        text: str,
        details: str = "",
        open_it: Callable[[], None] | None = None,
        act: str = "Open",
        *,
        copies: bool = False,
    ) -> None:
        """Show a notice; ``level`` is info, warning or alert, ``details`` what is copied, ``open_it`` goes there.

        With ``copies`` the details can be copied at once, not only where all of a long text is read.
        """
        mark = numbers.NOTICE_MARKS.get(level, numbers.NOTICE_MARKS["info"])
        self._tone = mark.token
        self._details = details or text
        self._copies = copies
        self._callback = open_it
        self.act.setVisible(open_it is not None)
        self.act.show_title(act)
        self.act.updateGeometry()
        self._mark.show_text(mark.text)
        self._mark.tint(mark.token)
        self._text.show_text(text)
        self._all.show_text(text)
        self._has_more = self._all.whole != self._text.whole
        self._all.show_text(f"{mark.text}: {text}")
        self.setAccessibleName(f"{mark.word}: {self._text.whole}")
        self._wait()
        if not self.isVisible():
            self._effect.setEnabled(True)
            self._fade.setStartValue(0.0)
            self._fade.setEndValue(1.0)
            self._fade.start(QAbstractAnimation.DeletionPolicy.KeepWhenStopped)
        self._line.lend(lent=True)
        self._expand(wide=False)
        self.show()
        self.raise_()
        self.update()

    def _wait(self) -> None:
        """Begin to count the time that it takes to read."""
        level = next((name for name, mark in numbers.NOTICE_MARKS.items() if mark.token == self._tone), "info")
        least = OPEN_MILLISECONDS if self._callback is not None else 0
        self._timer.start(max(READ_MILLISECONDS[level], least))

    def _read_it(self) -> None:
        """Go away, unless somebody points at it or goes through its buttons."""
        if self.underMouse() or self.isAncestorOf(self.window().focusWidget()):
            self._wait()
        else:
            self.hide()

    def _do(self) -> None:
        self.hide()
        if self._callback is not None:
            self._callback()

    def _faded(self) -> None:
        self._effect.setEnabled(False)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._line.lend(lent=False)

    # Its place.

    def _expand(self, *, wide: bool) -> None:
        """Show all of the text above the line, or one line of it."""
        self._all.setVisible(wide)
        self._text.setVisible(not wide)
        self._mark.setVisible(not wide)  # all of the text begins with it, and the buttons need the room
        self.copy.setVisible(wide or self._copies)
        self.read.show_title("Read less" if wide else "Read all")
        self._place()

    def _place(self) -> None:
        """Lie in the bottom line's room, as high as the words need where somebody reads all of them."""
        room = self._line.room()
        self._offer(room.width())
        layout = self.layout()
        high = room.height()
        if not self._all.isHidden() and layout is not None:
            high = max(layout.totalHeightForWidth(room.width()) + theme.SPACE_4, high)
        self.setGeometry(QRect(room.left(), room.bottom() + 1 - high, room.width(), high))

    def _offer(self, width: int) -> None:
        """Offer to read all where one line has no room for it."""
        shown = [button for button in (self.act, self.copy, self._close) if not button.isHidden()]
        taken = sum(button.sizeHint().width() + theme.SPACE_8 for button in shown)
        taken += self._mark.sizeHint().width() + theme.SPACE_12 + theme.SPACE_8
        words = self._text.fontMetrics().horizontalAdvance(self._text.whole)
        cut = words > width - taken or self._has_more
        self.read.setVisible(cut or not self._all.isHidden())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._line and event.type() in _MOVES and self.isVisible():
            QTimer.singleShot(0, self, self._place)  # once the line itself has been laid out
        return super().eventFilter(watched, event)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._timer.stop()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._wait()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tint = theme.colour(self._tone)
        painter.setBrush(theme.blended(theme.colour("surface"), tint, 0.10))
        painter.setPen(QPen(tint, theme.BORDER))
        painter.drawRoundedRect(theme.edge(QRectF(self.rect())), theme.RADIUS, theme.RADIUS)


_MOVES = frozenset({QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.LayoutRequest})
