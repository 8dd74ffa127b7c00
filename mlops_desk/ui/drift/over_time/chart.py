"""The ground of every chart over the windows of a monitor: its head, values at the left, times below, what is read.

A chart stands on the places of the heat map above it, or, where it stands alone, on its own in which all windows fit.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.ui.charts import scale
from mlops_desk.ui.charts.ground import FAINT, paint_focus, paint_marks
from mlops_desk.ui.charts.head import HEAD_HEIGHT, paint_head
from mlops_desk.ui.charts.scale import Scale
from mlops_desk.ui.curves.spans import Span
from mlops_desk.ui.drift.over_time.places import WindowPlaces, fitted
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import Role
from mlops_desk.ui.words import numbers

_FOOT = 16.0  # pixels: one line of the caption
_MARK_PIXELS = 36.0  # chosen: one mark at the left needs so much room
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_MIDDLE = int(Qt.AlignmentFlag.AlignCenter)


class WindowChart(QWidget):
    """``hovered`` carries the window under the pointer or None, ``picked`` the one that was clicked or walked to."""

    accessible_role = Role.Chart
    hovered = Signal(object)
    picked = Signal(int)

    def __init__(self, title: str, nothing: str, *, alone: bool = False, times: bool = True) -> None:
        """``nothing`` is said where there are no windows; ``alone``: no heat map gives it its places.

        ``times``: they stand below it, and not below the next chart on the same places.
        """
        super().__init__()
        self.title, self._nothing, self._alone = title, nothing, alone
        self._foot = _FOOT if times else theme.SPACE_4
        self._times = times
        self.places = WindowPlaces()
        self.scale = scale.fixed(1.0, 2)
        self.unit: numbers.Written = numbers.number
        self.read: int | None = None
        self.meant: int | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if alone else Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(theme.CHART_MINIMUM_HEIGHT)
        self.setAccessibleName(f"Chart: {title}")

    def sizeHint(self) -> QSize:
        return QSize(theme.LIST_WIDTH, theme.CHART_HEIGHT)

    # What is shown.

    def show_places(self, places: WindowPlaces) -> None:
        """Stand on the places of another chart."""
        if places != self.places:
            self.places = places
            self.update()

    def show_spans(self, spans: Sequence[Span]) -> None:
        """Stand alone on some windows."""
        self.places = fitted(spans, theme.AXIS_WIDTH, self.width() - theme.AXIS_WIDTH - theme.SPACE_12)
        self.update()

    def show_title(self, title: str) -> None:
        self.title = title
        self.setAccessibleName(f"Chart: {title}")
        self.update()

    def read_at(self, window: int | None) -> None:
        """Read at a window; None: at the one that is meant."""
        if window != self.read:
            self.read = window
            self.update()

    def mean(self, window: int | None) -> None:
        """Mean a window: what is said beside is of it."""
        if window != self.meant:
            self.meant = window
            self.tell()
            self.update()

    def tell(self) -> None:
        """Say to an assistive tool what is shown."""
        at = self.window_read()
        self.setAccessibleDescription(self._nothing if at is None else ", ".join(text for text, _slot in self.said(at)))

    def window_read(self) -> int | None:
        """Return the window whose values stand in the head."""
        at = self.read if self.read is not None else self.meant
        last = len(self.places.spans) - 1
        return None if last < 0 else last if at is None or not 0 <= at <= last else at

    # What subclasses add.

    def said(self, window: int) -> Sequence[tuple[str, int]]:
        """Return the values of a window, each with the slot of its colour or -1."""
        raise NotImplementedError

    def paint_values(self, painter: QPainter, area: QRectF) -> None:
        """Paint the values of the windows that are seen."""
        raise NotImplementedError

    # Painting.

    def area(self) -> QRectF:
        """Return where values are."""
        high = max(self.height() - HEAD_HEIGHT - self._foot, 1.0)
        return QRectF(self.places.left, HEAD_HEIGHT, max(self.places.width, 1.0), high)

    def up(self, value: float) -> float:
        area = self.area()
        return area.bottom() - self.scale.share(value) * area.height()

    def marks(self) -> int:
        """Return how many marks the values have room for."""
        return max(int(self.area().height() / _MARK_PIXELS), 1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        at, area = self.window_read(), self.area()
        said = [] if at is None else self.said(at)
        paint_head(painter, self.title, said, theme.SPACE_4, self.width() - theme.SPACE_8, dots=True)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        if not self.places.spans:
            painter.setPen(theme.colour("muted"))
            painter.drawText(QRectF(self.rect()), _MIDDLE | int(Qt.TextFlag.TextWordWrap), self._nothing)
        else:
            self._paint_ground(painter, area)
            painter.setClipRect(area.adjusted(-1, -1, 1, 1))
            self.paint_values(painter, area)
            self._paint_read(painter, area)
            painter.setClipping(False)
        paint_focus(painter, self)

    def _paint_ground(self, painter: QPainter, area: QRectF) -> None:
        faint, muted = theme.faded(theme.colour("border"), FAINT), theme.colour("muted")
        paint_marks(painter, area, self.scale.marks, self.up, self.unit)
        metrics = QFontMetrics(painter.font())
        for x, text in self.places.ticks():
            if area.left() - 1 <= x and x + metrics.horizontalAdvance(text) <= self.width():
                painter.setPen(QPen(faint, 0))
                painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
                painter.setPen(muted)
                if self._times:
                    painter.drawText(QRectF(x, area.bottom(), self.width() - x, _FOOT), _LEFT, text)

    def _paint_read(self, painter: QPainter, area: QRectF) -> None:
        for window, token in ((self.meant, "accent"), (self.read, "muted")):
            if window is not None and window in self.places.seen():
                x = round(self.places.middle(window)) + 0.5
                painter.setPen(QPen(theme.faded(theme.colour(token), 0.7), 1.0))
                painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))

    # Pointer and keys.

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._alone:
            self.show_spans(self.places.spans)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.hovered.emit(self.places.at(event.position().x()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        window = self.places.at(event.position().x())
        if window is not None and event.button() is Qt.MouseButton.LeftButton:
            self.picked.emit(window)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.hovered.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go from window to window by Left and Right, to the first and the newest by Home and End."""
        last, at = len(self.places.spans) - 1, self.window_read()
        if at is None:
            super().keyPressEvent(event)
            return
        to = {Qt.Key.Key_Left: at - 1, Qt.Key.Key_Right: at + 1, Qt.Key.Key_Home: 0, Qt.Key.Key_End: last}
        window = to.get(Qt.Key(event.key()))
        if window is None:
            super().keyPressEvent(event)
        else:
            self.picked.emit(min(max(window, 0), last))


def around(values: Sequence[float], marks: int) -> Scale:
    """Return a scale that holds values which may be below zero and far from it, with a little room."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low >= 0 and low <= high / 2:  # chosen: zero is shown where it takes less than half of the height
        return scale.fitting(high, marks)
    room = (high - low) * 0.06 or abs(high) * 0.05 or 0.5  # chosen: no value lies on the frame
    low, high = low - room, high + room
    step = scale.fitting(high - low, marks).marks[1]
    first = -(-low // step)
    found = [(first + number) * step for number in range(int((high - first * step) // step) + 1)]
    return Scale(low, high, tuple(found))
