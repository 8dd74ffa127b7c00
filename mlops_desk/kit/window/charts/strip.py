"""The strip above a stack of charts: what time the cursor is at and who was there, flags for events, bars for users.

Painted by hand, as charts are; a bar or a flag that is pointed at is read in its first line, and a click opens it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.chart_header import HEAD_HEIGHT
from mlops_desk.kit.window.charts.event_overlay import Happened
from mlops_desk.kit.window.curves import event_marks, spans
from mlops_desk.kit.window.curves.event_marks import Flag, Occupant
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import set_tip

FLAG_HEIGHT, LANE_HEIGHT = 15, 17  # pixels: a flag, and a bar with its name
MOST_LANES, FEW_LANES = 3, 1  # chosen: bars of users above curves, where there is room and where not
ROOMY = 3 * theme.CHART_HEIGHT  # below it, more than one lane would take a chart's room
FLAGS_APART = 14  # pixels: as wide as a shape
TOLD_FLAGS = 6  # chosen: as many as one reads in a tip
JOB_SHARE, OUTSIDE_SHARE = 0.38, 0.22
"""Chosen: how much of a colour fills a bar; of a job more than of a process outside."""
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_CENTRE = int(Qt.AlignmentFlag.AlignCenter)

Thing = Occupant | Flag


@dataclass(frozen=True, slots=True)
class Placed:
    """A bar or the flag of some events, and where it stands."""

    area: QRectF
    thing: Thing
    together: tuple[Flag, ...] = ()


class HappeningsStrip(QWidget):
    """``opened`` carries what was clicked. ``across`` tells where the plots of the charts begin and end."""

    accessible_role = Role.Chart

    opened = Signal(object)

    def __init__(self, happened: Happened, across: Callable[[], tuple[float, float]]) -> None:
        super().__init__()
        self._happened = happened
        self._across = across
        self._span = Span(0.0, 60.0)
        self._now = 60.0
        self._moment: float | None = None
        self._pointed: Placed | None = None
        self._rows: list[list[Occupant]] = []
        self._lanes: list[list[Occupant]] = []
        self._flags: list[Flag] = []
        self._left_out = 0
        self._seen: list[tuple[int, int, int]] = []
        self._most = MOST_LANES
        self.narrowed = 0
        self.painted = 0
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("What happened, and who had it")
        happened.changed.connect(self._take)
        self._take()

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, self._height())

    def minimumSizeHint(self) -> QSize:
        return QSize(theme.TILE_MINIMUM_WIDTH, self._height())

    def _height(self) -> int:
        return self._lanes_top() + len(self._lanes) * LANE_HEIGHT + theme.SPACE_4

    def _lanes_top(self) -> int:
        return HEAD_HEIGHT + (FLAG_HEIGHT if self._flags else 0)

    def show_span(self, span: Span, now: float) -> None:
        """Show what happened in a span; ``now`` is where bars end that go on."""
        self._span, self._now = span, now
        if self.isVisible():
            self._arrange()
            seen = [(id(one.thing), round(one.area.left()), round(one.area.right())) for one in self.placed()]
            if seen != self._seen:  # a bar that fills the span looks the same at each tick
                self._seen = seen
                self.update()

    def read_at(self, moment: float | None) -> None:
        """Tell the time of the cursor and who was there then; None for none."""
        if moment != self._moment:
            self._moment = moment
            self.update()

    def fit(self, room: int) -> None:
        """Hear how high the whole stack is: in a low one, curves need the room of the lanes."""
        most = MOST_LANES if room >= ROOMY else FEW_LANES
        if most != self._most:
            self._most = most
            self._take()

    def _take(self) -> None:
        found = self._happened
        self._rows = event_marks.lanes(found.occupants, self._now)
        self._pointed = None
        self._arrange()
        self._describe()
        self.update()

    def _arrange(self) -> None:
        """Take the room that what is in sight needs: each keeps its row, rows with nothing in sight are left out."""
        seen = [found for row in self._rows if (found := [one for one in row if self._is_seen(one)])]
        self._lanes = seen[: self._most]
        self._left_out = sum(len(row) for row in seen[self._most :])
        self._flags = [flag for flag in self._happened.flags if self._span.holds(flag.at)]
        height = self._height()
        if height != self.height():
            self.setFixedHeight(height)

    def _is_seen(self, one: Occupant) -> bool:
        return one.start <= self._span.end and one.ended_by(self._now) >= self._span.start

    def _describe(self) -> None:
        told = [one.told(self._now) for one in self._happened.occupants[-TOLD_FLAGS:]]
        told += [flag.told(self._now) for flag in self._happened.flags[-TOLD_FLAGS:]]
        self.setAccessibleDescription("; ".join(told) or self._nothing())

    def _nothing(self) -> str:
        if self._happened.error is not None:
            return f"Who was there can't be shown: {self._happened.error.message}"
        return "nothing happened" if self._happened.known else "looking up what happened …"

    # Words.

    def said(self) -> str:
        """Return what the first line says: of what is pointed at, else of the time of the cursor, else of the end."""
        if self._pointed is not None:
            together = self._pointed.together
            more = f"  (+{len(together) - 1} more)" if len(together) > 1 else ""
            return self._pointed.thing.told(self._now) + more
        moment = self._moment
        if moment is None:
            return "" if self._lanes or self._flags else self._nothing()
        return f"{spans.moment_told(moment, self._span)}   {self.who(moment)}".strip()

    def who(self, moment: float) -> str:
        """Return who was there at a time."""
        there = event_marks.at_cursor(self._happened.occupants, moment, self._now)
        return ", ".join(one.title for one in there[:MOST_LANES]) + (" …" if len(there) > MOST_LANES else "")

    # Finding.

    def placed(self) -> list[Placed]:
        """Return everything that is seen, with its place; what lies on top comes last."""
        left, right = self._across()
        scale = (right - left) / self._span.seconds
        top = self._lanes_top()
        found: list[Placed] = []
        for number, row in enumerate(self._lanes):
            for one in row:
                begin = left + (max(one.start, self._span.start) - self._span.start) * scale
                end = left + (min(one.ended_by(self._now), self._span.end) - self._span.start) * scale
                place = QRectF(begin, top + number * LANE_HEIGHT, max(end - begin - 1, 2.0), LANE_HEIGHT - 2)
                found.append(Placed(place, one))
        for group in event_marks.clusters(self._flags, FLAGS_APART / max(scale, 1e-9)):
            shown = event_marks.gravest(group)
            x = left + (group[0].at - self._span.start) * scale
            place = QRectF(x - FLAGS_APART / 2, HEAD_HEIGHT, FLAGS_APART, FLAG_HEIGHT)
            found.append(Placed(place, shown, tuple(group)))
        return found

    def near(self, moment: float) -> Thing | None:
        """Return what stands at a time: a flag before a bar."""
        left, right = self._across()
        x = left + (moment - self._span.start) / self._span.seconds * (right - left)
        there = [one for one in self.placed() if one.area.left() - 1 <= x <= one.area.right() + 1]
        found = sorted(there, key=lambda one: isinstance(one.thing, Flag))
        return found[-1].thing if found else None

    def stops(self) -> Sequence[float]:
        """Return the times at which something begins, ends or happens, in order."""
        ends = (end for one in self._happened.occupants for end in (one.start, one.end) if end is not None)
        moments = [*(flag.at for flag in self._happened.flags), *ends]
        return sorted({moment for moment in moments if self._span.holds(moment)})

    # The pointer.

    def _at(self, place: QPointF) -> Placed | None:
        return next((one for one in reversed(self.placed()) if one.area.contains(place)), None)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        found = self._at(event.position())
        if found != self._pointed:
            self._pointed = found
            together = found.together if found is not None else ()
            # One thing is read in the first line, which covers no curve; several need more than a line.
            lines = [flag.told(self._now) for flag in together[:TOLD_FLAGS]] if len(together) > 1 else []
            set_tip(self, "\n".join(lines))
            self.setCursor(Qt.CursorShape.PointingHandCursor if found is not None else Qt.CursorShape.ArrowCursor)
            self.update()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if self._pointed is not None:
            self._pointed = None
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        found = self._at(event.position()) if event.button() is Qt.MouseButton.LeftButton else None
        if found is None:
            event.ignore()
        else:
            self.opened.emit(found.thing)

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        self.painted += 1
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("surface"))
        self._paint_head(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        left, right = self._across()
        for one in self.placed():
            if isinstance(one.thing, Flag):
                painter.setPen(theme.colour(one.thing.mark.token))
                painter.drawText(one.area, _CENTRE, one.thing.mark.shape)
            else:
                self._paint_bar(painter, one.area, one.thing)
            if self._pointed is not None and one.thing is self._pointed.thing:
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(theme.colour("accent"), theme.LINE))
                painter.drawRoundedRect(one.area, 2, 2)
        if self._moment is not None and self._span.holds(self._moment):
            x = round(left + (self._moment - self._span.start) / self._span.seconds * (right - left)) + 0.5
            painter.setPen(QPen(theme.colour("muted"), 0))
            painter.drawLine(QPointF(x, HEAD_HEIGHT), QPointF(x, self.height()))

    def _paint_head(self, painter: QPainter) -> None:
        painter.setFont(theme.font(theme.CAPTION_POINTS, bold=True))
        painter.setPen(theme.colour("muted"))
        title = "Events and users" + (f"  (+{self._left_out} not shown)" if self._left_out else "")
        painter.drawText(QRectF(theme.SPACE_12, 0, self.width(), HEAD_HEIGHT), _LEFT, title)
        taken = QFontMetrics(painter.font()).horizontalAdvance(title) + theme.SPACE_24
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("text"))
        room = QRectF(taken, 0, self.width() - taken - theme.SPACE_12 - self.narrowed, HEAD_HEIGHT)
        metrics = QFontMetrics(painter.font())
        text = metrics.elidedText(plain(self.said(), 300), Qt.TextElideMode.ElideRight, int(max(room.width(), 0)))
        painter.drawText(room, _RIGHT, text)

    def _paint_bar(self, painter: QPainter, area: QRectF, one: Occupant) -> None:
        of_job = one.job is not None
        tint = theme.colour("info" if of_job else "muted")
        fill = theme.blended(theme.colour("surface"), tint, JOB_SHARE if of_job else OUTSIDE_SHARE)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawRoundedRect(area, 2, 2)
        words = area.adjusted(theme.SPACE_4, 0, -theme.SPACE_4, 0)
        text = painter.fontMetrics().elidedText(one.title, Qt.TextElideMode.ElideRight, int(max(words.width(), 0)))
        if len(text) > 1:  # a lone ellipsis tells nothing
            painter.setPen(theme.colour("text"))
            painter.drawText(words, _LEFT, text)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()
