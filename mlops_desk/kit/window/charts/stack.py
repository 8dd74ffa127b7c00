"""Charts above one another on the window's one time axis, with one cursor; moved by pointer, wheel, pinch and keys.

Drag to go back, wheel or pinch to zoom, double click to be live again; drag with Shift to mark a span. Curves come by
a feed; a stack without a context only shares the cursor.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from mlops_desk.kit.window.charts import export
from mlops_desk.kit.window.charts.brush import SpanBrush
from mlops_desk.kit.window.charts.chart import Chart, align
from mlops_desk.kit.window.charts.chart_header import HEAD_HEIGHT
from mlops_desk.kit.window.charts.event_overlay import Happened
from mlops_desk.kit.window.charts.feed import Feed
from mlops_desk.kit.window.charts.strip import HappeningsStrip, Thing
from mlops_desk.kit.window.curves.event_marks import Flag
from mlops_desk.kit.window.curves.timeaxis import TimeAxis
from mlops_desk.kit.window.curves.traces import Drawn
from mlops_desk.kit.window.curves.track import Track
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.scroll import ScrollArea
from mlops_desk.kit.window.words import numbers
from mlops_desk.machine.records.metric import MetricState

ZOOM_STEP = 1.25  # chosen: three notches of a wheel double it
MOVE_SHARE, CURSOR_SHARE = 0.2, 0.01  # chosen: a notch is a fifth of the span, a step of the cursor a hundredth
DRAG_FROM_PIXELS = 4  # chosen: a hand that clicks trembles by less
REDRAW_PIXELS = 0.5  # chosen: less than half a pixel is not seen
RESCALE_TICKS, DESCRIBE_TICKS = 10, 5
"""Chosen: a scale that changes at every tick is not read, and a reader must not be interrupted at each."""
_ROOM_FOR_STRIP = 200  # pixels: two charts as low as they get, and the strip; below it curves and times need the room
MARKED_RANK = 2  # warnings and alerts: lines for everything would hide the curves


class ChartStack(Card):
    """The lowest chart that is shown has the times. ``axis`` is the window's unless another is given.

    ``brushed`` has the two times of a span that somebody marked, which all charts of the axis show then.
    """

    accessible_role = Role.Grouping

    brushed = Signal(float, float)

    def __init__(
        self,
        charts: Sequence[Chart],
        context: Context | None = None,
        name: str = "Charts",
        *,
        scrolls: bool = False,
        axis: TimeAxis | None = None,
    ) -> None:
        super().__init__()
        self._charts = list(charts)
        self._context = context
        self._axis = axis or (context.axis if context is not None else None)
        self.feed = Feed(context, self, self._axis) if context is not None else None
        self.happened = Happened(context, self, self._axis) if context is not None else None
        self.strip = HappeningsStrip(self.happened, self._across) if self.happened is not None else None
        self.subject = ""  # of what the charts are, where that changes; for who takes them along
        self._brush = SpanBrush(self)
        self._held: QPointF | None = None
        self._dragged = False
        self._drawn_at = 0.0
        self._ticks = 0
        self.setAccessibleName(name)
        self.column.setContentsMargins(1, theme.SPACE_4, 1, theme.SPACE_4)
        self.column.setSpacing(theme.SPACE_4)
        for chart in self._charts:
            chart.follow(self._read)
            chart.renamed.connect(self._dress)
        if self.strip is not None:
            self.column.addWidget(self.strip)
            self.strip.opened.connect(self._open)
        self._area = self._scrolled(name) if scrolls else None
        if self._area is None:
            for chart in self._charts:
                self.column.addWidget(chart, 1)
        self._more = Button("", symbol="more", tip="Copy or save what is shown")
        self._more.setParent(self)
        self._more.setVisible(context is not None)
        self._more.clicked.connect(self._open_export)
        if self._axis is not None and self.feed is not None and self.happened is not None:
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            self._axis.changed.connect(self._show_all)
            self.happened.changed.connect(self._mark)
            self._axis.cursor_moved.connect(self._point_at)
            self.feed.arrived.connect(self._show_all)
            self.feed.followed.connect(self._follow)
        self._dress()

    def _scrolled(self, name: str) -> ScrollArea:
        """Let the charts scroll where there is no room for all; the lowest one, which has the times, stays in sight."""
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        *above, lowest = self._charts
        for chart in above:
            column.addWidget(chart, 1)
        area = ScrollArea()
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys move the time; Tab goes from control to control
        area.setAccessibleName(name)
        area.setWidget(inner)
        area.setMinimumHeight(HEAD_HEIGHT)  # where all are squeezed, the times are what stays whole
        area.viewport().setAutoFillBackground(False)
        inner.setAutoFillBackground(False)
        self.column.addWidget(area, len(above) - 1)
        below = QVBoxLayout()
        below.addWidget(lowest)
        self.column.addLayout(below, 1)

        def make_room() -> None:
            """End the lowest chart where those above do, so that they have one axis."""
            below.setContentsMargins(0, 0, area.width() - area.viewport().width(), 0)

        area.roomed.connect(make_room)
        return area

    def _end_with_a_whole_chart(self) -> None:
        """Where charts scroll, show as many whole ones as there is room for; what is left over is the lowest one's."""
        area, shown = self._area, self.charts
        if area is None or not shown:
            return
        inside = self.contentsRect().marginsRemoved(self.column.contentsMargins())
        strip = [] if self.strip is None or self.strip.isHidden() else [self.strip]
        room = inside.height() - sum(one.minimumHeight() + theme.SPACE_4 for one in (shown[-1], *strip))
        area.end_with_a_whole([chart.minimumHeight() for chart in shown[:-1]], theme.SPACE_4, room)

    @property
    def charts(self) -> Sequence[Chart]:
        """The charts that are shown."""
        return [chart for chart in self._charts if not chart.isHidden()]

    @property
    def corner(self) -> int:
        """How wide the button is that stands at the right end of the first line."""
        return self._more.sizeHint().width()

    def _dress(self) -> None:
        """Give the times to the lowest chart, and room for the button to the strip above the highest."""
        shown = self.charts
        for chart in shown:
            chart.times = chart is shown[-1]
        if self.strip is not None:
            self.strip.narrowed = self.corner
        align(shown)

    # Curves.

    def look(self) -> None:
        """Hear that charts want other curves, or that others are shown."""
        self._dress()
        if self.feed is not None:
            self.feed.want(trace.key for chart in self.charts for trace in chart.traces)
            self._show_all()

    def reload(self) -> None:
        if self.feed is not None:
            self.feed.reload()

    def _show_all(self) -> None:
        feed, axis = self.feed, self._axis
        if feed is None or axis is None or not self.isVisible():
            return
        span = axis.span()
        self._drawn_at = axis.now
        for chart in self.charts:
            drawn = [Drawn(one.name, one.slot, feed.track(one.key) or _NOTHING) for one in chart.traces]
            chart.show_tracks(drawn, span, self._missing(chart))
        if self.strip is not None:
            self.strip.show_span(span, axis.now)

    def _missing(self, chart: Chart) -> list[MetricState]:
        feed = self.feed
        return [feed.state(trace.key) for trace in chart.traces] if feed is not None else []

    def _follow(self) -> None:
        """Draw what was added, unless it can't be seen yet; the head is read anyway."""
        axis = self._axis
        if axis is None or not self.isVisible():
            return
        self._ticks += 1
        pixel = axis.seconds / max(self.width(), 1)
        due = axis.now - self._drawn_at >= REDRAW_PIXELS * pixel
        if due:
            self._drawn_at = axis.now
        for chart in self.charts:
            if self._ticks % RESCALE_TICKS == 0 and due:
                chart.forget_scale()
            if self._ticks % DESCRIBE_TICKS == 0:
                chart.describe()
            if due and chart.stands:
                chart.move_on(axis.span(), self._missing(chart))
            else:
                chart.read_newest()
        if due and self.strip is not None:
            self.strip.show_span(axis.span(), axis.now)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.feed is not None:
            self.feed.wake(awake=True)
            self.look()
        if self.happened is not None:
            self.happened.wake(awake=True)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self.feed is not None:
            self.feed.wake(awake=False)
        if self.happened is not None:
            self.happened.wake(awake=False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._more.setFixedSize(self._more.sizeHint().width(), HEAD_HEIGHT)
        self._more.move(self.width() - self._more.width() - theme.SPACE_8, theme.SPACE_4)
        self._more.raise_()
        if self.strip is not None:
            has_room = self.height() >= _ROOM_FOR_STRIP
            self.strip.setVisible(has_room)
            self._more.setVisible(has_room)  # it stands on the strip; the menu of the pointer has the same
            self.strip.fit(self.height())
        self._end_with_a_whole_chart()

    # The cursor.

    def _read(self, moment: float | None) -> None:
        if self._dragged:
            return
        if self._axis is not None:
            self._axis.point_at(moment)
        else:
            self._point_at(moment)

    def _point_at(self, moment: float | None) -> None:
        for chart in self.charts:
            chart.read_at(moment)
        if self.strip is not None:
            self.strip.read_at(moment)

    def _step_cursor(self, sign: int) -> None:
        axis = self._axis
        if axis is None:
            return
        span = axis.span()
        at = axis.cursor if axis.cursor is not None else span.end
        self._put_cursor(min(max(at + sign * CURSOR_SHARE * span.seconds, span.start), span.end))

    def _put_cursor(self, moment: float) -> None:
        if self._axis is not None:
            self._axis.point_at(moment)
            self.setAccessibleDescription(self.told())

    def _jump_cursor(self, sign: int) -> None:
        """Go to where the next thing begins, ends or happened."""
        axis, strip = self._axis, self.strip
        if axis is None or strip is None:
            return
        at = axis.cursor if axis.cursor is not None else axis.span().end
        beyond = [moment for moment in strip.stops() if (moment - at) * sign > 0]
        if beyond:
            self._put_cursor(beyond[0] if sign > 0 else beyond[-1])

    def told(self) -> str:
        """Return in words what is read at the cursor, or now."""
        at = self._axis.cursor if self._axis is not None else None
        when = numbers.absolute(at) if at is not None else "now"
        parts = [f"{chart.title}: {', '.join(text for text, _ in chart.said) or 'no data'}" for chart in self.charts]
        there = self.strip.near(at) if self.strip is not None and at is not None and self._axis is not None else None
        happened = [there.told(self._axis.now)] if there is not None and self._axis is not None else []
        return f"{when}; {'; '.join([*happened, *parts])}"

    # What happened.

    def of(self, device: str | None, gpu: str | None = None) -> None:
        """Say whose events are marked, and of which GPU the users are shown; of all GPUs for None."""
        if self.happened is not None:
            self.happened.of(device, gpu)

    def _mark(self) -> None:
        """Draw lines through the charts where something went wrong."""
        flags = self.happened.flags if self.happened is not None else []
        moments = tuple((flag.at, flag.mark.token) for flag in flags if flag.rank >= MARKED_RANK)
        for chart in self._charts:
            chart.show_moments(moments)

    def _across(self) -> tuple[float, float]:
        """Return where the plots begin and end, in the strip."""
        lowest = self._charts[-1]
        area, strip = lowest.plot_area(), self.strip
        left = float((lowest.mapTo(self, QPoint()) - (strip.pos() if strip is not None else QPoint())).x())
        return left + area.left(), left + area.right()

    def _open(self, thing: Thing) -> None:
        """Go to where a thing is told of closer; to a process that has ended, at the time when it did."""
        context, axis = self._context, self._axis
        if context is None or axis is None:
            return
        if isinstance(thing, Flag):
            context.open_page(thing.page, thing.thing)
        elif thing.job is not None:
            context.open_page("jobs", thing.job)
        else:
            if thing.end is not None:
                axis.show(thing.start, thing.end)
            context.open_page("gpus", f"{thing.gpus[0]}/pid-{thing.pid}")

    # Moving and zooming.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton and self._axis is not None:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self._brush.begin(event.position().x())
                return
            self._held, self._dragged = event.position(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        axis = self._axis
        if self._brush.is_drawn:
            self._brush.go_to(event.position().x(), self.height())
            return
        if axis is None or self._held is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        gone = event.position().x() - self._held.x()
        if not self._dragged and abs(gone) < DRAG_FROM_PIXELS:
            return
        if not self._dragged:
            self._dragged = True
            axis.point_at(None)
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        axis.move(-gone * self._seconds_a_pixel())
        self._held = event.position()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if self._brush.is_drawn:
            self._mark_span(self._brush.end())
        self._held, self._dragged = None, False
        self.unsetCursor()

    def _mark_span(self, pixels: tuple[float, float] | None) -> None:
        """Show what lies between two pixels, and tell between which times that is."""
        axis = self._axis
        if axis is None or pixels is None:
            return
        lowest = self._charts[-1]
        from_left, plot = lowest.mapTo(self, QPoint()).x(), lowest.plot_area()
        inside = [min(max(x, from_left + plot.left()), from_left + plot.right()) for x in pixels]
        start, end = self._moment_at(inside[0]), self._moment_at(inside[1])
        if start is not None and end is not None and start < end:
            axis.show(start, end)
            self.brushed.emit(start, end)

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        if self._axis is not None:
            self._axis.go_live()

    def wheelEvent(self, event: QWheelEvent) -> None:
        axis = self._axis
        if axis is None:
            event.ignore()
            return
        turned, sideways = event.angleDelta().y(), event.angleDelta().x()
        if sideways and abs(sideways) > abs(turned):
            axis.move(-sideways / 120.0 * MOVE_SHARE * axis.seconds)
        elif turned:
            axis.zoom(ZOOM_STEP ** (-turned / 120.0), self._moment_at(event.position().x()))
        event.accept()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:  # the strip has another height, or other charts are shown
            self._end_with_a_whole_chart()
        if isinstance(event, QNativeGestureEvent) and event.gestureType() is Qt.NativeGestureType.ZoomNativeGesture:
            if self._axis is not None:
                self._axis.zoom(1.0 / max(1.0 + event.value(), 0.1), self._moment_at(event.position().x()))
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        axis, key = self._axis, event.key()
        shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if axis is not None and event.modifiers() & Qt.KeyboardModifier.ControlModifier and key in _SIGNS:
            self._jump_cursor(_SIGNS[key])
            return
        if key in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and axis is not None and axis.cursor is not None:
            thing = self.strip.near(axis.cursor) if self.strip is not None else None
            if thing is not None:
                self._open(thing)
            return
        if axis is not None and shifted and key in _SIGNS:
            self._step_cursor(_SIGNS[key])
            return
        if axis is not None and key == Qt.Key.Key_Escape and axis.cursor is not None:
            axis.point_at(None)
            return
        super().keyPressEvent(event)

    def _seconds_a_pixel(self) -> float:
        width = self._charts[-1].plot_area().width() if self._charts else 1.0
        return (self._axis.seconds if self._axis is not None else 0.0) / max(width, 1.0)

    def _moment_at(self, x: float) -> float | None:
        if not self._charts:
            return None
        lowest = self._charts[-1]
        return lowest.moment_at(x - lowest.mapTo(self, QPoint()).x())

    # Taking it along.

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if self._context is not None:
            self.export_menu().popup(event.globalPos())

    def _open_export(self) -> None:
        self.export_menu().popup(self._more.mapToGlobal(QPoint(0, self._more.height())))

    def export_menu(self) -> QMenu:
        """Return the menu that copies and saves what is shown."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        context = self._context
        if context is not None:
            for title, act in export.acts(context, self):
                menu.addAction(title).triggered.connect(act)
        return menu


_NOTHING = Track()
_SIGNS = {Qt.Key.Key_Left.value: -1, Qt.Key.Key_Right.value: 1}
