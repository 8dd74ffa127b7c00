"""The tiles of the overview: one for each GPU, one for each thing of the host. Painted in one go."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter

from mlops_desk.ui.charts.sparkline import paint_baseline, paint_curve
from mlops_desk.ui.curves.points import Point
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import set_tip
from mlops_desk.ui.widgets.card import CardButton
from mlops_desk.ui.words.numbers import Mark

WINDOW_SECONDS = 60.0  # chosen: the newest minute
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, slots=True)
class TileCurve:
    """A curve of a tile: its points, what stands at the top of the scale, and its colour slot."""

    points: Sequence[Point]
    top: float
    slot: int


@dataclass(frozen=True, slots=True)
class TileView:
    """All that a tile shows, ready to paint."""

    title: str
    number: str
    unit: str
    aside: str = ""
    lead: str = ""
    mark: Mark | None = None
    note: str = ""
    meter: float | None = None
    curves: tuple[TileCurve, ...] = ()
    lines: tuple[str, ...] = ()
    foot: str = ""
    tip: str = ""
    dim: bool = False


class Tile(CardButton):
    """Shows a view; paints nothing when the view is the same."""

    def __init__(self, height: int) -> None:
        super().__init__()
        self._view = TileView("", "", "")
        self.setFixedHeight(height)

    def show_view(self, view: TileView) -> None:
        if view == self._view:
            return
        self._view = view
        state = f", {view.mark.word}" if view.mark else ""
        numbers = f"{view.number} {view.unit} {view.aside}".strip()
        self.setAccessibleName(f"{view.lead} {view.title}{state}: {numbers}. {view.foot}".strip())
        self.setAccessibleDescription(", ".join(view.lines))
        set_tip(self, view.tip)
        self.update()

    @property
    def view(self) -> TileView:
        return self._view

    def sizeHint(self) -> QSize:
        return QSize(theme.TILE_MINIMUM_WIDTH, self.height())

    def paint(self, painter: QPainter, area: QRectF) -> None:
        view = self._view
        row = self._paint_head(painter, area, view)
        row = self._paint_number(painter, area, row, view)
        foot = 0.0
        if view.foot:
            foot = self._paint_foot(painter, area, view)
        self._paint_curves(painter, QRectF(area.left(), row, area.width(), area.bottom() - foot - row), view)

    def _paint_head(self, painter: QPainter, area: QRectF, view: TileView) -> float:
        painter.setFont(theme.font(theme.CAPTION_POINTS, bold=True))
        metrics = painter.fontMetrics()
        line = QRectF(area.left(), area.top(), area.width(), metrics.height())
        taken = 0.0
        if view.mark:
            painter.setPen(theme.colour(view.mark.token))
            painter.drawText(line, int(_RIGHT), view.mark.text)
            taken = metrics.horizontalAdvance(view.mark.text) + theme.SPACE_8
        elif view.note:
            painter.setFont(theme.font(theme.CAPTION_POINTS))
            painter.setPen(theme.colour("muted"))
            painter.drawText(line, int(_RIGHT), view.note)
            taken = metrics.horizontalAdvance(view.note) + theme.SPACE_8
        if view.lead:
            painter.setPen(theme.colour("text"))
            painter.drawText(line, int(_LEFT), view.lead)
            line = line.adjusted(metrics.horizontalAdvance(view.lead) + theme.SPACE_4, 0, 0, 0)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("muted"))
        _draw(painter, line.adjusted(0, 0, -taken, 0), view.title)
        return line.bottom() + theme.SPACE_4

    def _paint_number(self, painter: QPainter, area: QRectF, top: float, view: TileView) -> float:
        painter.setFont(theme.font(theme.NUMBER_POINTS))
        metrics = painter.fontMetrics()
        line = QRectF(area.left(), top, area.width(), metrics.height())
        painter.setPen(theme.colour("muted" if view.dim else "text"))
        painter.drawText(line, int(_LEFT), view.number)
        wide = metrics.horizontalAdvance(view.number)
        painter.setFont(theme.font())
        painter.setPen(theme.colour("muted"))
        small = painter.fontMetrics()
        drop = (metrics.ascent() - small.ascent()) / 2 - 1
        unit = line.adjusted(wide + 3, drop, 0, drop)
        painter.drawText(unit, int(_LEFT), view.unit)
        room = unit.adjusted(small.horizontalAdvance(view.unit) + theme.SPACE_8, 0, 0, 0)
        painter.setPen(theme.colour("muted" if view.dim else "text"))
        if small.horizontalAdvance(view.aside) > room.width():
            painter.setFont(theme.font(theme.CAPTION_POINTS))
        _draw(painter, room, view.aside, right=True)
        if view.meter is not None:
            self._paint_meter(painter, QRectF(area.left(), line.bottom(), area.width(), theme.METER_HEIGHT), view)
            return line.bottom() + theme.METER_HEIGHT + theme.SPACE_8
        return line.bottom() + theme.SPACE_4

    def _paint_meter(self, painter: QPainter, bar: QRectF, view: TileView) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.faded(theme.colour("text"), 0.10))
        painter.drawRoundedRect(bar, 2, 2)
        share = min(max(view.meter or 0.0, 0.0), 1.0)
        if share > 0:
            painter.setBrush(self._tint(view))
            painter.drawRoundedRect(QRectF(bar.left(), bar.top(), max(bar.width() * share, 3.0), bar.height()), 2, 2)

    def _paint_curves(self, painter: QPainter, area: QRectF, view: TileView) -> None:
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        metrics = painter.fontMetrics()
        words = max((metrics.horizontalAdvance(line) for line in view.lines), default=0)
        chart = area.adjusted(0, 0, -(words + theme.SPACE_8) if words else 0, -1)
        if chart.height() > theme.SPACE_8 and chart.width() > theme.SPACE_24:
            paint_baseline(painter, chart)
            for curve in view.curves:
                tint = theme.colour("muted") if view.dim else theme.series(curve.slot)
                paint_curve(
                    painter, chart, curve.points, WINDOW_SECONDS, curve.top, tint, filled=curve == view.curves[0]
                )
        painter.setPen(theme.colour("muted" if view.dim else "text"))
        for number, line in enumerate(reversed(view.lines)):
            bottom = area.bottom() - number * metrics.height()
            painter.drawText(
                QRectF(area.left(), bottom - metrics.height(), area.width(), metrics.height()), int(_RIGHT), line
            )

    def _paint_foot(self, painter: QPainter, area: QRectF, view: TileView) -> float:
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        height = painter.fontMetrics().height()
        painter.setPen(theme.colour("muted"))
        _draw(painter, QRectF(area.left(), area.bottom() - height + 2, area.width(), height), view.foot)
        return height + theme.SPACE_4

    def _tint(self, view: TileView) -> QColor:
        if view.dim or not view.curves:
            return theme.colour("muted")
        return theme.series(view.curves[0].slot)


def _draw(painter: QPainter, area: QRectF, text: str, *, right: bool = False) -> None:
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(area.width()))
    painter.drawText(area, int(_RIGHT if right else _LEFT), shown)
