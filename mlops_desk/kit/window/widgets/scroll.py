"""A thin scroll bar: a rounded handle on nothing, as wide as it needs to be to be caught."""

from collections.abc import Iterable
from itertools import accumulate

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QEnterEvent, QFocusEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QScrollArea, QScrollBar, QStyle, QStyleOptionSlider, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role

_NO_LIMIT = (1 << 24) - 1  # pixels: Qt's own word for as high as one likes, which has no name in Python


class ThinBar(QScrollBar):
    """Scrolls one way."""

    _has_keys = False

    def show_keys(self, *, has_keys: bool) -> None:
        """Show whether the keys scroll by it."""
        self._has_keys = has_keys
        self.update()

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        if self.orientation() is Qt.Orientation.Vertical:
            return QSize(theme.SCROLL_WIDTH, hint.height())
        return QSize(hint.width(), theme.SCROLL_WIDTH)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        handle = self.style().subControlRect(
            QStyle.ComplexControl.CC_ScrollBar, option, QStyle.SubControl.SC_ScrollBarSlider, self
        )
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if self._has_keys:
            painter.setBrush(theme.colour("accent"))
        else:
            strong = self.underMouse() or self.isSliderDown()
            painter.setBrush(theme.faded(theme.colour("text"), 0.45 if strong else 0.25))
        area = QRectF(handle).adjusted(2, 2, -2, -2)
        painter.drawRoundedRect(area, theme.SCROLL_WIDTH / 4, theme.SCROLL_WIDTH / 4)


def thin(area: QAbstractScrollArea) -> None:
    """Give a scrolling widget thin bars."""
    area.setVerticalScrollBar(ThinBar(Qt.Orientation.Vertical))
    area.setHorizontalScrollBar(ThinBar(Qt.Orientation.Horizontal))


class ScrollArea(QScrollArea):
    """Scrolls up and down; what it holds keeps some distance from the bar, and none where there is no bar.

    Tab stops at it where there is something to scroll, and its bar shows that the keys are its. ``roomed`` tells that
    what it holds is as wide as it will be.
    """

    accessible_role = Role.Pane

    roomed = Signal()

    def __init__(self) -> None:
        super().__init__()
        thin(self)
        self._bar = ThinBar(Qt.Orientation.Vertical)
        self.setVerticalScrollBar(self._bar)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Not at once: it is told of while Qt fits what is inside, which would then stay as wide as it was before.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._make_room)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.verticalScrollBar().rangeChanged.connect(lambda *_range: self._soon.start())

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._bar.show_keys(has_keys=True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._bar.show_keys(has_keys=False)

    def _make_room(self) -> None:
        bar = self.verticalScrollBar()
        scrolls = bar.maximum() > bar.minimum()
        if scrolls or not self.hasFocus():  # which is not taken away from under somebody
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if scrolls else Qt.FocusPolicy.NoFocus)
        room = theme.SPACE_4 if scrolls else 0
        if self.viewportMargins().right() != room:
            self.setViewportMargins(0, 0, room, 0)
        self.roomed.emit()

    def end_with_a_whole(self, heights: Iterable[int], gap: int, room: int) -> None:
        """Be as high as so many whole things of ``heights`` that ``room`` has, or as one likes where all have room."""
        ends = [end - gap for end in accumulate(height + gap for height in heights)]
        whole = [end for end in ends if end <= room]
        self.setMaximumHeight(whole[-1] if 0 < len(whole) < len(ends) else _NO_LIMIT)


def scrolled(inner: QWidget, name: str) -> QScrollArea:
    """Return ``inner`` in an area that scrolls up and down and has no ground of its own."""
    area = ScrollArea()
    area.setWidget(inner)
    area.viewport().setAutoFillBackground(False)
    inner.setAutoFillBackground(False)
    area.setAccessibleName(name)
    return area
