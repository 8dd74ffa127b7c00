"""Charts whose ground are the windows of a monitor, one place each.

Where the windows of a monitor stand in a chart: one place each, in their order, whatever time each of them took.

By time a night without requests would take half of the width, and a busy hour's windows would lie on one pixel. So all
charts of a monitor share these places, and tell times below them.

The ground of every chart over the windows of a monitor: its head, values at the left, times below, what is read.

A chart stands on the places of the heat map above it, or, where it stands alone, on its own in which all windows fit.

One value for each window: the score of a column with where it begins to alarm, or the share of drifted columns.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.drift.records.monitors import ColumnScore
from mlops_desk.drift.window.cell_text import known
from mlops_desk.kit.window.charts import scale
from mlops_desk.kit.window.charts.chart_header import HEAD_HEIGHT, paint_head
from mlops_desk.kit.window.charts.gridlines import FAINT, paint_focus, paint_marks
from mlops_desk.kit.window.charts.scale import Scale
from mlops_desk.kit.window.curves.spans import DAY, Span
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.words import numbers

_LABEL, _DAY_LABEL = 92.0, 52.0  # pixels: a date with its time, and without
_DAYS_FROM = 2.5 * DAY  # chosen: over more of them the clock tells nothing


@dataclass(frozen=True, slots=True)
class WindowPlaces:
    """``spans`` are the windows, oldest first; the first ``left`` pixels are names, then ``width`` pixels of windows.

    ``cell`` is the width of one in pixels, ``offset`` how many pixels of them are left of what is seen.
    """

    spans: tuple[Span, ...] = ()
    left: float = 0.0
    width: float = 1.0
    cell: float = 1.0
    offset: float = 0.0

    def x(self, place: int) -> float:
        """Return the left edge of a window in pixels; it may lie outside of what is seen."""
        return self.left + place * self.cell - self.offset

    def middle(self, place: int) -> float:
        return self.x(place) + self.cell / 2

    def at(self, x: float) -> int | None:
        """Return the window at a pixel, None where there is none."""
        if not self.left <= x < self.left + self.width:
            return None
        place = int((x - self.left + self.offset) // self.cell)
        return place if 0 <= place < len(self.spans) else None

    def seen(self) -> range:
        """Return the windows that are seen at least in part."""
        first = int(self.offset // self.cell)
        last = int((self.offset + self.width) // self.cell) + 1
        return range(max(first, 0), min(last, len(self.spans)))

    def holding(self, moment: float) -> int | None:
        """Return the window in which a moment lies: of two that touch there the later one."""
        return next((at for at in range(len(self.spans) - 1, -1, -1) if self.spans[at].holds(moment)), None)

    def within(self, span: Span) -> tuple[int, int] | None:
        """Return the first and the last window that touch a span of time; None where none does."""
        found = [at for at, one in enumerate(self.spans) if one.end >= span.start and one.start <= span.end]
        return (found[0], found[-1]) if found else None

    def ticks(self) -> list[tuple[float, str]]:
        """Return pixels and texts of a few times: the day where it begins, else the clock."""
        if not self.spans:
            return []
        seen = self.seen()
        if seen and self.spans[seen[-1]].end - self.spans[seen[0]].start > _DAYS_FROM:
            return self._days(seen)
        each = max(1, -(-int(_LABEL) // max(int(self.cell), 1)))
        found: list[tuple[float, str]] = []
        day = ""
        for place in seen:
            if place % each == 0:
                local = time.localtime(self.spans[place].start)
                today = time.strftime("%d %b", local)
                found.append((self.x(place), time.strftime("%H:%M" if today == day else "%d %b %H:%M", local)))
                day = today
        return found

    def _days(self, seen: range) -> list[tuple[float, str]]:
        """Return the first window of each day that has room for its name."""
        found: list[tuple[float, str]] = []
        day, free = "", self.left
        for place in seen:
            today = time.strftime("%d %b", time.localtime(self.spans[place].start))
            if today != day and self.x(place) >= free:
                found.append((self.x(place), today))
                free = self.x(place) + _DAY_LABEL
            day = today
        return found


def fitted(spans: Sequence[Span], left: float, width: float) -> WindowPlaces:
    """Return places in which all windows have room."""
    room = max(width, 1.0)
    return WindowPlaces(tuple(spans), left, room, room / max(len(spans), 1))


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


_DOTS_FROM = 8.0  # pixels; chosen: where windows are closer, a line tells more than its points
_BAND = 0.10  # chosen: the curve is read through it
_SQUARE = 3.0  # pixels: half of an alert's mark
_MISSING = "missing"
"""The measure that is the change of the share of missing values."""
_LABEL_GAP = 13.0  # pixels: one line of the caption


@dataclass(frozen=True, slots=True)
class WindowValue:
    """What one window has: a finite value or None, whether it alarms, and in words what is said of it beside."""

    value: float | None
    is_alarm: bool = False
    beside: str = ""


def value_of(score: ColumnScore | None) -> WindowValue:
    """Return what a score is in a chart: one that is no finite number is a gap."""
    if score is None:
        return WindowValue(None)
    p_value = known(score.p_adjusted)
    beside = "" if p_value is None else f"p {numbers.number(p_value, 2)}"
    return WindowValue(known(score.score), score.verdict.is_alarm, beside)


def values_of(scores: Sequence[ColumnScore | None]) -> tuple[list[WindowValue], float | None, str | None]:
    """Return the value of each window, where it begins to alarm, and by which measure: the one that decided last.

    Where another one decided the score is on another scale, and no value of this line.
    """
    newest = next((one for one in reversed(scores) if one is not None and one.measure), None)
    if newest is None:
        return [value_of(one) for one in scores], None, None
    return [_by_measure(one, newest) for one in scores], known(newest.limit), newest.measure


def _by_measure(score: ColumnScore | None, newest: ColumnScore) -> WindowValue:
    """Return a window's value by the newest's measure; how much is missing is known whatever decided."""
    if score is None or score.measure in {newest.measure, None}:
        return value_of(score)
    missing = known(score.missing_ratio) if newest.measure == _MISSING else None
    before = known(newest.before) or 0.0
    return WindowValue(None if missing is None else missing - before, score.verdict.is_alarm)


class ScoreChart(WindowChart):
    """A line with gaps where there is no value; what alarms is a square."""

    def __init__(
        self,
        title: str,
        nothing: str,
        slot: int,
        *,
        unit: numbers.Written = numbers.number,
        alone: bool = False,
        times: bool = True,
    ) -> None:
        super().__init__(title, nothing, alone=alone, times=times)
        self.unit = unit
        self._slot = slot
        self._values: Sequence[WindowValue] = ()
        self._limit: float | None = None
        self._at_least = 0.0

    def show_values(self, values: Sequence[WindowValue], limit: float | None, at_least: float = 0.0) -> None:
        """Show a value for each window of the places; ``limit`` is where they begin to alarm."""
        self._values, self._limit = values, limit
        self._at_least = at_least
        self._fit()
        self.tell()
        self.update()

    def _fit(self) -> None:
        known = [one.value for one in self._values if one.value is not None]
        most = max([*known, self._limit or 0.0], default=0.0)
        self.scale = scale.fitting(most, self.marks(), at_least=self._at_least)

    def said(self, window: int) -> Sequence[tuple[str, int]]:
        if window >= len(self._values):
            return []
        one = self._values[window]
        parts = [(f"{self.unit(one.value)}{' alarms' if one.is_alarm else ''}", self._slot)]
        if self._limit is not None:
            parts.append((f"limit {self.unit(self._limit)}", -1))
        return [*parts, (one.beside, -1)] if one.beside else parts

    def paint_values(self, painter: QPainter, area: QRectF) -> None:
        if self._limit is not None:
            self._paint_limit(painter, area, self._limit)
        seen = self.places.seen()
        tint = theme.series(self._slot)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(tint, theme.LINE))
        for run in _runs([one.value for one in self._values], seen):
            points = [QPointF(self.places.middle(at), self.up(value)) for at, value in run]
            if len(points) == 1 or self.places.cell >= _DOTS_FROM:
                for point in points:
                    painter.drawEllipse(point, 1.5, 1.5)
            painter.drawPolyline(QPolygonF(points))
        for at in seen:
            one = self._values[at] if at < len(self._values) else WindowValue(None)
            if one.is_alarm:
                y = area.top() + _SQUARE + 1 if one.value is None else self.up(one.value)
                square = QRectF(self.places.middle(at) - _SQUARE, y - _SQUARE, 2 * _SQUARE, 2 * _SQUARE)
                painter.fillRect(square, theme.colour("alert"))

    def _paint_limit(self, painter: QPainter, area: QRectF, limit: float) -> None:
        """Paint the band in which values alarm, and its lower edge."""
        y = round(self.up(limit)) + 0.5
        band = QRectF(area.left(), area.top(), area.width(), max(y - area.top(), 0.0))
        painter.fillRect(band, theme.faded(theme.colour("alert"), _BAND))
        painter.setPen(QPen(theme.colour("alert"), 0, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))


def _runs(values: Sequence[float | None], seen: range) -> list[list[tuple[int, float]]]:
    """Return the stretches without a gap among the windows that are seen, with one more at each side."""
    runs: list[list[tuple[int, float]]] = []
    going = False
    for at in range(max(seen.start - 1, 0), min(seen.stop + 1, len(values))):
        value = values[at]
        if value is None:
            going = False
            continue
        if not going:
            runs.append([])
        runs[-1].append((at, value))
        going = True
    return runs
