"""How lanes look: full up to now and hatched after it, fading where nobody knows the end; and where each bar stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetrics, QLinearGradient, QPainter, QPen

from mlops_desk.jobs.window.lanes.bars import BarKind, GpuLane, LaneBar
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.look import theme

LANE, HEAD, TIMES = 20, 20, 18  # pixels: a bar with its name; the line above; the clock below
LABELS, RIGHT = 116, 8  # pixels: a GPU's number and its state; the edge
_FADE = 72  # pixels; chosen: seen as going on
_JOB_SHARE, _OUTSIDE_SHARE, _EXPECTED_SHARE = 0.38, 0.22, 0.14
"""Chosen, as above charts: how much of a colour fills a bar; of a job more than of one outside, or only expected."""
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_CENTRE = int(Qt.AlignmentFlag.AlignCenter)


@dataclass(frozen=True, slots=True)
class PlacedBar:
    """A bar, its lane, and where it stands; from ``covered`` on the next one lies over it."""

    area: QRectF
    lane: GpuLane
    bar: LaneBar
    covered: float


@dataclass(frozen=True, slots=True)
class LanesSeen:
    """What is seen: the span, the time, the chosen job, the bar that is pointed at, and what the head says.

    ``bottom`` is how far down one sees: the clock stands there, over lanes that are scrolled to.
    """

    span: Span
    now: float
    job: str | None
    pointed: LaneBar | None
    said: str
    bottom: float


def plot_width(width: float) -> float:
    return max(width - LABELS - RIGHT, 1.0)


def moment_at(x: float, span: Span, width: float) -> float:
    """Return the time at a place."""
    return span.start + (x - LABELS) / plot_width(width) * span.seconds


def _x(at: float, span: Span, width: float) -> float:
    return LABELS + (at - span.start) / span.seconds * plot_width(width)


def placed(lanes: Sequence[GpuLane], span: Span, now: float, width: float) -> list[PlacedBar]:
    """Return every bar that is seen, with its place; one of which nobody knows the end goes on a little after now."""
    found = []
    for row, lane in enumerate(lanes):
        starts = [bar.start for bar in lane.bars[1:]]
        for bar, following in zip_longest(lane.bars, starts):
            left = max(_x(bar.start, span, width), LABELS)
            last = _x(max(bar.start, now), span, width) + _FADE if bar.end is None else _x(bar.end, span, width)
            right = min(last, width - RIGHT)
            if right > LABELS and left < width - RIGHT:
                area = QRectF(left, HEAD + row * LANE + 1, max(right - left, 2.0), LANE - 2)
                covered = right if following is None else min(_x(following, span, width), right)
                found.append(PlacedBar(area, lane, bar, covered))
    return found


def paint(painter: QPainter, area: QRectF, lanes: Sequence[GpuLane], look: LanesSeen, *, focused: bool) -> None:
    """Paint everything."""
    width = area.width()
    painter.fillRect(area, theme.colour("surface"))
    painter.setFont(theme.font(theme.CAPTION_POINTS))
    _paint_head(painter, width, look)
    _paint_grid(painter, area, lanes, look)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for one in placed(lanes, look.span, look.now, width):
        _paint_bar(painter, one, look, width)
    now = _x(look.now, look.span, width)
    if LABELS <= now <= width - RIGHT:
        painter.setPen(QPen(theme.colour("accent"), theme.LINE))
        painter.drawLine(QPointF(now, HEAD - 2), QPointF(now, HEAD + len(lanes) * LANE))
    _paint_clock(painter, area, look)
    if focused:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.colour("accent"), theme.RING))
        painter.drawRect(theme.edge(area, theme.RING))


def _paint_head(painter: QPainter, width: float, look: LanesSeen) -> None:
    painter.setPen(theme.colour("muted"))
    painter.setFont(theme.font(theme.CAPTION_POINTS, bold=True))
    title = "GPUs: who had them, and who is next"
    painter.drawText(QRectF(theme.SPACE_8, 0, width, HEAD), _LEFT, title)
    taken = QFontMetrics(painter.font()).horizontalAdvance(title) + theme.SPACE_24
    painter.setFont(theme.font(theme.CAPTION_POINTS))
    painter.setPen(theme.colour("text"))
    room = QRectF(taken, 0, max(width - taken - RIGHT, 0), HEAD)
    said = QFontMetrics(painter.font()).elidedText(
        plain(look.said, 300), Qt.TextElideMode.ElideRight, int(room.width())
    )
    painter.drawText(room, _RIGHT, said)


def _paint_grid(painter: QPainter, area: QRectF, lanes: Sequence[GpuLane], look: LanesSeen) -> None:
    """Paint the numbers and states of the GPUs, and thin lines."""
    width, bottom = area.width(), HEAD + len(lanes) * LANE
    for row, lane in enumerate(lanes):
        top = HEAD + row * LANE
        painter.setPen(QPen(theme.colour("border"), 0))
        painter.drawLine(QPointF(LABELS, top + LANE - 0.5), QPointF(width - RIGHT, top + LANE - 0.5))
        painter.setPen(theme.colour("text"))
        painter.drawText(QRectF(theme.SPACE_8, top, theme.SPACE_24, LANE), _LEFT, str(lane.index))
        painter.setPen(theme.colour(lane.mark.token))
        room = QRectF(theme.SPACE_24 + theme.SPACE_4, top, LABELS - theme.SPACE_24 - theme.SPACE_8, LANE)
        text = painter.fontMetrics().elidedText(lane.mark.text, Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, _LEFT, text)
    for tick in spans.ticks(look.span, plot_width(width)):
        x = _x(tick.at, look.span, width)
        painter.setPen(QPen(theme.colour("border"), 0))
        painter.drawLine(QPointF(x, HEAD), QPointF(x, bottom))


def _paint_clock(painter: QPainter, area: QRectF, look: LanesSeen) -> None:
    """Paint the times, at the lower end of what is seen."""
    width = area.width()
    place = QRectF(0, min(look.bottom, area.bottom()) - TIMES, width, TIMES)
    painter.fillRect(place, theme.colour("surface"))
    painter.setPen(theme.colour("muted"))
    half = spans.TICK_WIDTH / 2
    for tick in spans.ticks(look.span, plot_width(width)):
        x = _x(tick.at, look.span, width)
        if x - half > LABELS / 2 and x + half / 2 < width:
            painter.drawText(QRectF(x - half, place.top(), 2 * half, TIMES), _CENTRE, tick.text)


def _paint_bar(painter: QPainter, one: PlacedBar, look: LanesSeen, width: float) -> None:
    bar, area = one.bar, one.area
    tint = theme.colour("muted" if bar.kind is BarKind.OUTSIDE else "info")
    share = _OUTSIDE_SHARE if bar.kind is BarKind.OUTSIDE else _JOB_SHARE
    now = min(max(_x(look.now, look.span, width), area.left()), area.right())
    painter.setPen(Qt.PenStyle.NoPen)
    for part, fill in _parts(bar, area, now, tint, share):
        painter.setBrush(fill)
        painter.drawRoundedRect(part, 2, 2)
    words = area.adjusted(theme.SPACE_4, 0, one.covered - area.right() - theme.SPACE_4, 0)
    if bar.bad_end is not None and words.width() > LANE - 2 * theme.SPACE_4:
        painter.setPen(theme.colour(bar.bad_end.token))
        painter.drawText(words, _RIGHT, bar.bad_end.shape)
        words = words.adjusted(0, 0, -theme.SPACE_12, 0)
    text = painter.fontMetrics().elidedText(
        bar.title(look.now), Qt.TextElideMode.ElideRight, int(max(words.width(), 0))
    )
    if len(text) > 2:  # a letter and an ellipsis tell nothing
        painter.setPen(theme.colour("text"))
        painter.drawText(words, _LEFT, text)
    is_chosen = bar.job is not None and bar.job == look.job
    if is_chosen or bar == look.pointed:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.colour("accent" if is_chosen else "text"), theme.LINE))
        painter.drawRoundedRect(area, 2, 2)


def _parts(
    bar: LaneBar, area: QRectF, now: float, tint: QColor, share: float
) -> Iterable[tuple[QRectF, QBrush | QColor]]:
    """Yield the parts of a bar: what was is full; what is expected is hatched, and fades where it has no end."""
    full = theme.blended(theme.colour("surface"), tint, share)
    ahead = QRectF(QPointF(now, area.top()), area.bottomRight())
    if bar.kind is not BarKind.EXPECTED and now > area.left():
        yield QRectF(area.topLeft(), QPointF(now, area.bottom())), full
    if ahead.width() <= 1:
        return
    faint = theme.blended(theme.colour("surface"), tint, _EXPECTED_SHARE)
    if bar.end is None:
        fade = QLinearGradient(ahead.topLeft(), ahead.topRight())
        fade.setColorAt(0.0, faint if bar.kind is BarKind.EXPECTED else full)
        fade.setColorAt(1.0, theme.faded(faint, 0.0))
        yield ahead, QBrush(fade)
        return
    yield ahead, faint
    yield ahead, QBrush(theme.faded(tint, 0.5), Qt.BrushStyle.BDiagPattern)
