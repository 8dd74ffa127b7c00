"""A chart of curves over time, painted by hand (``plotting`` says why).

Lines without markers, few ticks in local time, gaps as gaps, the extremes of each bucket as a faint band, limits as
thin dashed lines with a label, hatched where the source is missing. A chart in a stack shows the window's time axis;
one that is handed points (``show_lines``) shows their own newest seconds.
"""

import math
from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QHelpEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts import chart_painter, scale
from mlops_desk.kit.window.charts.chart_header import HEAD_HEIGHT, paint_head
from mlops_desk.kit.window.charts.chart_painter import Outline
from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.curves.traces import Drawn, Limit, NamedCurve, Trace
from mlops_desk.kit.window.curves.track import Track, of_points
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import set_tip
from mlops_desk.kit.window.words import numbers
from mlops_desk.machine.records.metric import MetricState

LIMIT_HEADROOM, LIMIT_ROOM = 1.12, 17.0
"""A limit's name stands above its line: a line, two pixels off, and what rounding adds; an eighth of a small chart."""
LATE_STEPS = 3.5  # its length, that of the next one, and until somebody asks again
SILENT_SECONDS = 3.5  # chosen: three ticks and a little; one that is late is no silence
NAME_LIMIT, NAMES_WIDEST = (
    28,
    112,
)  # chosen: letters and pixels; the curves need the rest
TIMES_HEIGHT, MARK_HEIGHT = 18, 26  # pixels: a line of the caption; each so many have a mark
ABOVE = 5  # pixels; chosen: the top line of the grid is not cut


class Chart(QWidget):
    """One chart with its title and newest values above. ``said`` is what the head shows.

    ``decades_from`` is the lowest value of a logarithmic scale, for values that span decades. ``mean_seconds`` is over
    what the head tells the mean, where that is not the newest value.
    ``beside`` is the room at the right for the names of curves; ``align`` makes it the same for charts on one axis.
    """

    accessible_role = Role.Chart

    renamed = Signal()

    def __init__(
        self,
        title: str,
        unit: numbers.Written,
        *,
        top: float | None = None,
        step: float = 1.0,
        about: str = "",
        stacked: bool = False,
        decades_from: float | None = None,
        mean_seconds: float = 0.0,
        nothing: str = "",
        marks: int | None = None,
    ) -> None:
        super().__init__()
        self.title = title
        self._unit = unit
        self._top = top
        self._binary = step >= 1024 and step % 1024 == 0
        self._about = about
        self._stacked = stacked
        self._decades_from = decades_from
        self._mean_seconds = mean_seconds
        self._decades_to = 0.0
        self._nothing = nothing
        self._marks = marks
        self.traces: tuple[Trace, ...] = ()
        self.limits: tuple[Limit, ...] = ()
        self._drawn: list[Drawn] = []
        self._outlines: list[Outline] = []
        self._missing: list[MetricState] = []
        self._span = Span(0.0, 60.0)
        self._scale: scale.Scale | None = None
        self._moment: float | None = None
        self._moments: Sequence[tuple[float, str]] = ()
        self._follower: Callable[[float | None], None] | None = None
        self._strong: str | None = None
        self.times = True
        self.narrowed = 0
        self.beside = 0
        self._blank = False
        self._order: list[str] = []
        self.said: list[tuple[str, int]] = []
        self.painted = 0
        self.setMouseTracking(True)
        self.setMinimumHeight(theme.CHART_MINIMUM_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName(f"Chart: {title}")

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, theme.CHART_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(theme.TILE_MINIMUM_WIDTH, theme.CHART_MINIMUM_HEIGHT)

    def follow(self, follower: Callable[[float | None], None]) -> None:
        """Call ``follower`` with the time under the pointer, None when it leaves."""
        self._follower = follower

    # What to show.

    def show_lines(self, lines: Sequence[NamedCurve], seconds: float, limits: Sequence[Limit] = ()) -> None:
        """Show curves of points over their newest ``seconds``."""
        drawn = [Drawn(line.name, line.slot, of_points(line.points)) for line in lines]
        last = max((one.track.times[-1] for one in drawn if len(one.track)), default=0.0)
        self.limits = tuple(limits)
        self.show_tracks(drawn, Span(last - seconds, last), [MetricState.OK] * len(drawn))

    def show_traces(self, traces: Sequence[Trace], limits: Sequence[Limit] = ()) -> bool:
        """Say which curves are wanted; the stack brings them. True when they are others than before."""
        changed = self.traces != tuple(traces)
        if changed:
            self._decades_to = 0.0
        self.traces = tuple(traces)
        if self.limits != tuple(limits):
            self.limits = tuple(limits)
            self._scale = None
            self.update()
        return changed

    def show_tracks(self, drawn: Sequence[Drawn], span: Span, missing: Sequence[MetricState]) -> None:
        """Show curves over ``span``; ``missing`` says of each why it has no newest value."""
        if [one.track for one in drawn] != [one.track for one in self._drawn]:
            self._outlines = [Outline() for _ in drawn]
        renamed = [one.name for one in drawn] != [one.name for one in self._drawn]
        self._drawn, self._missing = list(drawn), list(missing)
        if renamed:
            self.beside = self.names_width()
            self.renamed.emit()
        self._span = span
        self._scale = None
        self._describe()
        self.move_on(span, self._missing)

    @property
    def stands(self) -> bool:
        """Whether what is drawn is what is wanted; other curves come a moment after they were asked for."""
        return [one.name for one in self._drawn] == [one.name for one in self.traces]

    def move_on(self, span: Span, missing: Sequence[MetricState]) -> None:
        """Show what was added to the same curves; draws only when it is seen."""
        self._span, self._missing = span, list(missing)
        if not self.isVisible():
            self._scale = None
            return
        if self._scale is not None and self._is_over(self._scale):
            self._scale = None
        self._read()
        self.update()

    def read_newest(self) -> None:
        """Show newest values in the head without drawing the curves anew."""
        before = self.said
        self._read()
        if before != self.said:
            self.update(0, 0, self.width(), HEAD_HEIGHT)

    def forget_scale(self) -> None:
        """Let the scale shrink again where the curves have."""
        self._scale = None

    def read_at(self, moment: float | None) -> None:
        """Show the values at a time (the cursor's), or the newest for None."""
        if moment != self._moment:
            self._moment = moment
            self._read()
            self.update()

    def show_moments(self, moments: Sequence[tuple[float, str]]) -> None:
        """Draw a line at each time, in a token's colour."""
        if moments != self._moments:
            self._moments = moments
            self.update()

    def point_out(self, metric: str | None) -> None:
        """Draw the curve of ``metric`` before the others, and those fainter; None ends it."""
        if metric != self._strong:
            self._strong = metric
            self.update()

    @property
    def drawn(self) -> Sequence[Drawn]:
        """The curves that are shown."""
        return self._drawn

    @property
    def span(self) -> Span:
        return self._span

    @property
    def unit(self) -> numbers.Written:
        return self._unit

    def plot_area(self) -> QRectF:
        """Return where the curves are."""
        below = TIMES_HEIGHT if self.times else ABOVE
        right = theme.SPACE_12 + (self.beside + theme.SPACE_4 if self.beside else 0)
        area = QRectF(self.rect()).adjusted(theme.AXIS_WIDTH, HEAD_HEIGHT + ABOVE, -right, -below)
        return area if area.width() > 1 and area.height() > 1 else QRectF(area.left(), area.top(), 1.0, 1.0)

    def names_width(self) -> int:
        """Return how wide the longest name beside a curve is; 0 where none is needed."""
        if self._stacked or len(self._drawn) < 2:
            return 0
        metrics = QFontMetrics(theme.font(theme.CAPTION_POINTS))
        wide = max(metrics.horizontalAdvance(plain(one.name, NAME_LIMIT)) for one in self._drawn)
        return min(wide + 1, NAMES_WIDEST)

    def frame(self) -> chart_painter.PlotArea:
        """Return where values stand now."""
        area = self.plot_area()
        if self._scale is None:
            self._scale = self._fit(self._marks or max(2, int(area.height() / MARK_HEIGHT)), area.height())
        return chart_painter.PlotArea(area, self._span, self._scale)

    def in_decades(self) -> bool:
        return self._scale is not None and self._scale.decades

    # Words.

    def _read(self) -> None:
        self.said = []
        if not any(len(one.track) for one in self._drawn):
            return
        for number, (one, why) in enumerate(zip(self._drawn, self._missing, strict=True)):
            value = self._value(one)
            if self._stacked and not value:
                continue
            missing = value is None and self._moment is None and why is not MetricState.OK
            text = numbers.missing(why) if missing else self._unit(value)
            self.said.append(
                (f"{plain(one.name, NAME_LIMIT)} {text}".strip(), -1 if self._is_quiet(number) else one.slot)
            )

    def _is_quiet(self, number: int) -> bool:
        return number < len(self.traces) and self.traces[number].quiet

    def _value(self, one: Drawn) -> float | None:
        """Return a curve's value at the cursor, or the newest within the span."""
        return self._newest(one) if self._moment is None else one.track.value_at(self._moment)

    def _newest(self, one: Drawn) -> float | None:
        beyond = len(one.track) > 0 and one.track.times[-1] > self._span.end
        if self._mean_seconds and len(one.track):
            end = self._span.end if beyond else one.track.times[-1]
            return one.track.figures(end - self._mean_seconds, end).mean
        return one.track.value_at(self._span.end if beyond else None)

    def _describe(self) -> None:
        told = []
        for one in self._drawn:
            figures = one.track.figures(self._span.start, self._span.end)
            if figures.last is not None:
                last, mean, most = (self._unit(value) for value in (figures.last, figures.mean, figures.most))
                told.append(f"{plain(one.name, NAME_LIMIT)} last {last}, mean {mean}, max {most}".strip())
        said = "; ".join(told) or "no data"
        self.setAccessibleDescription(f"{said}, over {spans.range_title(self._span.seconds)}")
        steps = [one.track.step for one in self._drawn if len(one.track)]
        window = "each sample" if not steps or max(steps) <= 1.0 else f"mean over {numbers.duration(max(steps))}"
        band = "; the band is from the lowest to the highest sample" if any(s > 2.0 for s in steps) else ""
        unit = numbers.UNITS.get(self._unit)
        shown = f"Shown: {window}{band}." + (f" Unit: {unit.said}." if unit else "")
        set_tip(self, "\n".join(part for part in (self.title, self._about, shown) if part))

    def describe(self) -> None:
        """Tell a screen reader what is shown now."""
        self._describe()

    # The scale.

    def _extremes(self) -> tuple[float, float] | None:
        found = [one.track.extremes(self._span.start, self._span.end) for one in self._drawn]
        known = [pair for pair in found if pair is not None]
        if not known:
            return None
        if self._stacked:
            return 0.0, sum(high for _, high in known)
        return min(low for low, _ in known), max(high for _, high in known)

    def _fit(self, marks: int, height: float) -> scale.Scale:
        self._blank = False
        if self._top is not None:
            return scale.fixed(self._top, marks)
        extremes = self._extremes()
        self._blank = extremes is None and not self.limits
        _, most = extremes or (0.0, 0.0)
        if self._decades_from is not None:
            # Never linear, and never lower while it is watched: a scale that turns over tells of what has not changed.
            self._decades_to = max(self._decades_to, most, self._decades_from * scale.DECADES_FROM)
            return scale.decades(self._decades_from, self._decades_to, marks)
        # As much above the highest limit as its label needs, so that it lies over no curve.
        headroom = max(LIMIT_HEADROOM, height / max(height - LIMIT_ROOM, LIMIT_ROOM))
        least = max((limit.value for limit in self.limits), default=0.0) * headroom
        return scale.fitting(most, marks, binary=self._binary, at_least=least)

    def _is_over(self, held: scale.Scale) -> bool:
        newest = list(filter(math.isfinite, (one.track.high[-1] for one in self._drawn if len(one.track))))
        over = sum(newest) if self._stacked else max(newest, default=0.0)
        return self._top is None and over > held.high

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        self.painted += 1
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("surface"))
        frame = self.frame()
        title = self.title + ("  (log)" if self.in_decades() else "")
        said = self.said or [(self._empty_words(), -1)]
        right = self.width() - theme.SPACE_12 - self.narrowed
        paint_head(painter, title, said, theme.SPACE_12, right, dots=len(self._drawn) > 1)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        chart_painter.paint_grid(painter, frame, self._unit, times=self.times, values=not self._blank)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(frame.area.adjusted(0, -1, 1, 1))
        chart_painter.paint_moments(painter, frame, self._moments)
        if self._stacked:
            self._paint_stack(painter, frame)
        else:
            self._paint_curves(painter, frame)
        self._paint_holes(painter, frame)
        limits = [(f"{limit.name} {self._unit(limit.value)}", limit.value) for limit in self.limits]
        chart_painter.paint_limits(painter, frame, limits)
        if self._moment is not None and frame.span.holds(self._moment):
            self._paint_cursor(painter, frame, self._moment)
        if self.beside and self.names_width():
            painter.setClipping(False)
            self._paint_names(painter, frame)

    def _empty_words(self) -> str:
        if any(len(one.track) for one in self._drawn):
            return self._nothing
        return "no data yet" if not self.limits or not self._drawn else "no data"

    def _paint_curves(self, painter: QPainter, frame: chart_painter.PlotArea) -> None:
        alone = len(self._drawn) == 1 and not frame.scale.decades
        for number in reversed(range(len(self._drawn))):
            one, outline = self._drawn[number], self._outlines[number]
            if not len(one.track):
                continue
            outline.follow(one.track, decades=frame.scale.decades)
            tint = theme.series(one.slot)
            if self._strong and number < len(self.traces) and self.traces[number].metric != self._strong:
                tint = theme.faded(tint, 0.35)
            chart_painter.paint_outline(painter, frame, outline, tint, area=alone)

    def _paint_stack(self, painter: QPainter, frame: chart_painter.PlotArea) -> None:
        longest = max((one.track for one in self._drawn), key=len, default=None)
        if longest is None or not len(longest):
            return
        inside = longest.places(self._span.start, self._span.end)
        times = longest.times[inside.start : inside.stop]
        layers = []
        for number, one in enumerate(self._drawn):
            if self._is_quiet(number):
                continue
            values = one.track.mean[inside.start : inside.stop]
            if len(one.track) != len(longest) or not any(value > 0 for value in values):
                continue
            layers.append((theme.series(one.slot), [value if value > 0 else 0.0 for value in values]))
        if layers:
            chart_painter.paint_stack(painter, frame, layers, times)

    def _paint_holes(self, painter: QPainter, frame: chart_painter.PlotArea) -> None:
        tracks = [one.track for one in self._drawn if len(one.track)]
        if not self._drawn or self._span.end <= 0:
            return
        known = [at for at in (track.last_known() for track in tracks) if at is not None]
        last = max(known, default=None)
        patience = max([SILENT_SECONDS, *map(_patience, tracks)])
        if last is not None and self._span.end - last <= patience:
            return
        why = next((why for why in self._missing if why is not MetricState.OK), None)
        begin = frame.area.left() if last is None else max(frame.x(last), frame.area.left())
        text = numbers.missing(why) if why is not None else "no data"
        if last is not None and (why is None or why in {MetricState.STALE, MetricState.LOST, MetricState.ERROR}):
            text = f"{text} since {spans.moment_told(last, self._span)}"
        area = QRectF(frame.area)
        area.setLeft(begin)
        chart_painter.paint_hole(painter, area, text)

    def _paint_names(self, painter: QPainter, frame: chart_painter.PlotArea) -> None:
        ends = [(one.name, value, one.slot) for one in self._drawn if (value := self._newest(one)) is not None]
        named = {name: (plain(name, NAME_LIMIT), value, theme.series_ink(slot)) for name, value, slot in ends if name}
        heights = {name: frame.y(value) for name, (_, value, _) in named.items()}
        self._order = chart_painter.settled(self._order, heights)
        chart_painter.paint_names(painter, frame, [named[name] for name in self._order], self.beside)

    def _paint_cursor(self, painter: QPainter, frame: chart_painter.PlotArea, moment: float) -> None:
        values = [(one.track.value_at(moment), theme.series(one.slot)) for one in self._drawn]
        dots = [] if self._stacked else [(value, tint) for value, tint in values if value is not None]
        chart_painter.paint_cursor(painter, frame, moment, dots)

    # The pointer; what it does to the axis is the stack's.

    def moment_at(self, x: float) -> float | None:
        """Return the time at a pixel, None beside the plot."""
        area = self.plot_area()
        if not area.left() <= x <= area.right():
            return None
        return chart_painter.PlotArea(area, self._span, scale.fixed(1.0, 2)).moment(x)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._follower is not None:
            self._follower(self.moment_at(event.position().x()))
        event.ignore()

    def event(self, event: QEvent) -> bool:
        """Explain the chart at its title alone: over the plot, an explanation would cover what is read there."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip and event.pos().y() > HEAD_HEIGHT:
            QToolTip.hideText()
            return True
        return super().event(event)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if self._follower is not None:
            self._follower(None)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()


def _patience(track: Track) -> float:
    """Return after how many seconds without a point a track is silent; a point comes when its stretch is over."""
    return LATE_STEPS * track.usual_step() if track.fine else 2 * track.step


def align(charts: Sequence[Chart]) -> None:
    """Give charts that stand above one another the same room for names, so that their times do too."""
    beside = max((chart.names_width() for chart in charts), default=0)
    for chart in charts:
        if chart.beside != beside:
            chart.beside = beside
            chart.update()
