"""Variants as points, painted: how long an answer takes against how well it is; each has its words beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import Role
from mlops_desk.ui.words import numbers

_POINT = 4.5  # pixels: seen beside its words, which are 11 points high
_TRIES = 4  # chosen: three lines above or below; a name that is further away belongs to nothing
_ROOM = 0.12  # of the span, so that no point lies on the frame


@dataclass(frozen=True, slots=True)
class VariantSpot:
    """One variant: seconds for an answer, the share of rows that are answered well, its colour."""

    name: str
    seconds: float
    share: float
    slot: int
    is_advised: bool = False


class VariantScatter(QWidget):
    """Left is quicker, up is better; the advised one has a ring."""

    accessible_role = Role.Chart

    def __init__(self) -> None:
        super().__init__()
        self._spots: tuple[VariantSpot, ...] = ()
        self._meaning = ""
        self.setAccessibleName("Variants: latency against how well they answer")
        self.setMinimumSize(QSize(theme.TILE_MINIMUM_WIDTH, theme.TILE_HEIGHT))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_spots(self, spots: Sequence[VariantSpot], meaning: str) -> None:
        """Show variants; ``meaning`` is what the share is of."""
        self._spots, self._meaning = tuple(spots), meaning
        told = (f"{one.name}: {numbers.seconds(one.seconds)}, {numbers.percent(one.share)}" for one in spots)
        self.setAccessibleDescription("; ".join(told))
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        metrics = painter.fontMetrics()
        left = metrics.horizontalAdvance("100.0 %") + theme.SPACE_8
        plot = QRectF(self.rect()).adjusted(
            left, metrics.height() + theme.SPACE_8, -theme.SPACE_12, -2 * metrics.height()
        )
        painter.setPen(QPen(theme.colour("border"), theme.BORDER))
        painter.drawRect(plot)
        painter.setPen(theme.colour("muted"))
        painter.drawText(QPointF(plot.left(), metrics.ascent()), f"{self._meaning}, up is better")
        below = QRectF(plot.left(), plot.bottom() + theme.SPACE_4, plot.width(), metrics.height())
        if not self._spots:
            painter.drawText(plot, int(Qt.AlignmentFlag.AlignCenter), "Nothing is measured yet.")
            return
        painter.drawText(below, int(Qt.AlignmentFlag.AlignHCenter), "p50 of an answer, left is quicker")
        across = _span([one.seconds for one in self._spots], 0.0, None)
        upward = _span([one.share for one in self._spots], None, 1.0)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft), numbers.seconds(across[0]))
        painter.drawText(below, int(Qt.AlignmentFlag.AlignRight), numbers.seconds(across[1]))
        for share, y in ((upward[1], plot.top() + metrics.ascent()), (upward[0], plot.bottom())):
            area = QRectF(0, y - metrics.ascent(), left - theme.SPACE_8, metrics.height())
            painter.drawText(area, int(Qt.AlignmentFlag.AlignRight), f"{100 * share:.1f} %")
        taken: list[QRectF] = []
        for one in self._spots:
            at = QPointF(
                plot.left() + plot.width() * (one.seconds - across[0]) / (across[1] - across[0]),
                plot.bottom() - plot.height() * (one.share - upward[0]) / (upward[1] - upward[0]),
            )
            taken.append(QRectF(at.x() - _POINT, at.y() - _POINT, 2 * _POINT, 2 * _POINT))
            self._paint(painter, at, one)
        painter.setPen(theme.colour("text"))
        for one, place in zip(self._spots, list(taken), strict=True):
            area = _room_for(painter.fontMetrics().boundingRect(one.name).size(), place, plot, taken)
            taken.append(area)
            painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter), one.name)

    @staticmethod
    def _paint(painter: QPainter, at: QPointF, one: VariantSpot) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.series(one.slot))
        painter.drawEllipse(at, _POINT, _POINT)
        if one.is_advised:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.colour("text"), theme.LINE))
            painter.drawEllipse(at, 1.8 * _POINT, 1.8 * _POINT)


def _room_for(size: QSize, spot: QRectF, plot: QRectF, taken: Sequence[QRectF]) -> QRectF:
    """Return where a name of that size stands: beside its point, or the first place near it where nothing else is."""
    width, height = size.width() + theme.SPACE_4, float(size.height())
    x, y = spot.center().x(), spot.center().y()
    beside, level = 2 * _POINT + theme.SPACE_4, y - height / 2
    places = [(x + beside, level), (x - beside - width, level)]
    for step in range(1, _TRIES):
        away = step * height
        places += [(x - width / 2, level - away), (x - width / 2, level + away)]
        places += [(x + beside, level + away), (x - beside - width, level + away)]
    areas = [QRectF(left, top, width, height) for left, top in places]
    free = (area for area in areas if plot.contains(area) and not any(area.intersects(one) for one in taken))
    return next(free, areas[0])


def _span(values: Sequence[float], least: float | None, most: float | None) -> tuple[float, float]:
    """Return between what to draw: with room at both ends, but not beyond what a value can be."""
    low, high = min(values), max(values)
    room = (high - low) * _ROOM or abs(high) * _ROOM or 1.0
    start, end = low - room, high + room
    return (start if least is None else max(least, start)), (end if most is None else max(high, min(most, end)))
