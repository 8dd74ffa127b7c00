"""Parallel coordinates: each run a line over the axes; a drag on an axis keeps the runs that pass there.

Left and Right choose an axis: L makes it logarithmic, F turns it round, Shift with Up and Down narrows what is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QMenu

from mlops_desk.kit.window.charts.space import axis as axes
from mlops_desk.kit.window.charts.space import scatter
from mlops_desk.kit.window.charts.space.axis import MISSING, SpaceAxis
from mlops_desk.kit.window.charts.space.chart import NEAR, SpaceChart, SpaceRun
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import menu_text

_TOP, _BOTTOM, _SIDE = 44, 40, 60  # pixels: a title and the upper end; the lower one; half of a title
_LANE = 9.0  # pixels: from the bottom, where the lines pass of runs that have no value; below the ends of the axes
_SCALE_WIDTH = 4.0  # pixels: of the axis that gives the lines their colours
_BRUSH_WIDTH = 14.0  # pixels: what is dragged on an axis
_SOFT = 150  # chosen: so many lines are drawn with soft edges; of more nobody sees them
_FAINT, _QUIET = 0.55, 0.07  # chosen: of a line among some, and of one that is not kept
_FAINTEST = 0.12  # chosen: of one among a thousand, where several on one another are still told from one
_GROUND = 0.8  # chosen: of the ground of a text that lies on lines
_LIT_WIDTH = 2.5  # pixels
_TENTH = 0.1  # chosen: a step of the keyboard, and the narrowest that it makes a brush
_SMALLEST = 0.01  # chosen: a shorter drag is a click, which takes the brush away


@dataclass(frozen=True, slots=True)
class Brush:
    """Which part of an axis is kept, in shares of its height."""

    low: float
    high: float

    def holds(self, share: float) -> bool:
        return self.low <= share <= self.high


class ParallelChart(SpaceChart):
    """``brushed``: other runs are kept."""

    brushed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.DefaultContextMenu)
        self.axes: list[SpaceAxis] = []
        self.brushes: dict[str, Brush] = {}
        self._chosen = 0
        self._kept: list[int] = []
        self._picture: QPixmap | None = None
        self._dragged: tuple[int, float] | None = None

    def show_runs(self, runs: Sequence[SpaceRun], shown: Sequence[SpaceAxis]) -> None:
        """Show runs over axes; what was set of an axis that is still there stays."""
        known = {one.name: one for one in self.axes}
        self.runs = tuple(runs)
        self.axes = [self._as_before(one, known.get(one.name)) for one in shown]
        self.brushes = {name: brush for name, brush in self.brushes.items() if name in {one.name for one in self.axes}}
        self._chosen = min(self._chosen, max(len(self.axes) - 1, 0))
        self._keep()

    @staticmethod
    def _as_before(new: SpaceAxis, old: SpaceAxis | None) -> SpaceAxis:
        if old is None or old.is_number is not new.is_number:
            return new
        return axes.axis(new.name, new.title, new.values, log=old.log, flipped=old.flipped) or new

    def kept(self) -> list[SpaceRun]:
        """Return the runs that pass all brushes."""
        return [self.runs[place] for place in self._kept]

    # What is set of an axis.

    def flip(self, place: int) -> None:
        self._replace(place, replace(self.axes[place], flipped=not self.axes[place].flipped))

    def set_log(self, place: int) -> None:
        """Make an axis logarithmic, or straight again."""
        one = self.axes[place]
        made = axes.axis(one.name, one.title, one.values, log=not one.log, flipped=one.flipped)
        if made is not None and (one.can_log or one.log):
            self._replace(place, made)

    def _replace(self, place: int, new: SpaceAxis) -> None:
        self.axes[place] = new
        self.brushes.pop(new.name, None)
        self._keep()

    def brush(self, place: int, low: float, high: float) -> None:
        """Keep the runs that pass an axis between two shares of its height; a short span takes the brush away."""
        low, high = sorted((low, high))
        name = self.axes[place].name
        if high - low < _SMALLEST:
            self.brushes.pop(name, None)
        else:
            self.brushes[name] = Brush(max(low, 0.0), min(high, 1.0))
        self._keep()

    def clear(self) -> None:
        """Keep all runs."""
        self.brushes = {}
        self._keep()

    def _keep(self) -> None:
        brushes = [(one, self.brushes[one.name]) for one in self.axes if one.name in self.brushes]
        self._kept = [
            run for run in range(len(self.runs)) if all(brush.holds(one.share(run)) for one, brush in brushes)
        ]
        self._picture = None
        titles = ", ".join(one.title for one in self.axes)
        self.setAccessibleName(f"Chart: {len(self.runs)} runs over {titles}")
        self.setAccessibleDescription(f"{len(self._kept)} runs are kept")
        self.update()
        self.brushed.emit()

    # Places.

    def _x(self, place: int) -> float:
        room = self.width() - 2 * _SIDE
        return _SIDE + (room * place / (len(self.axes) - 1) if len(self.axes) > 1 else room / 2)

    def _y(self, share: float) -> float:
        if share == MISSING:
            return self.height() - _LANE
        return self.height() - _BOTTOM - share * (self.height() - _TOP - _BOTTOM)

    def _share(self, y: float) -> float:
        return (self.height() - _BOTTOM - y) / max(self.height() - _TOP - _BOTTOM, 1)

    def _line(self, run: int) -> QPolygonF:
        return QPolygonF([QPointF(self._x(place), self._y(one.share(run))) for place, one in enumerate(self.axes)])

    def _axis_at(self, x: float) -> int | None:
        near = [(abs(self._x(place) - x), place) for place in range(len(self.axes))]
        least, place = min(near, default=(NEAR + 1, 0))
        return place if least <= NEAR else None

    def nearest(self, x: float, y: float) -> int | None:
        """Return the kept run whose line passes nearest to a pixel."""
        if len(self.axes) < 2:
            return None
        step = (self.width() - 2 * _SIDE) / (len(self.axes) - 1)
        left = min(max(int((x - _SIDE) / max(step, 1.0)), 0), len(self.axes) - 2)
        along = (x - self._x(left)) / max(step, 1.0)
        first, last = self.axes[left], self.axes[left + 1]
        found, least = None, NEAR
        for run in self._kept:
            one, two = first.share(run), last.share(run)
            apart = abs(self._y(one + (two - one) * along) - y)
            if apart < least:
                found, least = run, apart
        return found

    # Paint.

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("surface"))
        if self._picture is None or self._picture.size() != self.size() * self.devicePixelRatioF():
            self._picture = self._painted()
        painter.drawPixmap(0, 0, self._picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        lit = self.lit_place()
        if lit is not None and self.axes:
            painter.setPen(QPen(self._colour(lit), _LIT_WIDTH))
            painter.drawPolyline(self._line(lit))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for place in range(len(self.axes)):
            self._paint_axis(painter, place)
        if any(one.has_missing for one in self.axes):
            painter.setFont(theme.font(theme.CAPTION_POINTS))
            painter.setPen(theme.colour("muted"))
            beside = QRectF(theme.SPACE_4, self._y(MISSING) - 8, _SIDE - theme.SPACE_8, 16)
            painter.drawText(beside, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), "none")

    def _colour(self, run: int) -> QColor:
        return scatter.of_run(self.axes[-1] if self.axes else None, run, self.runs[run].slot)

    def _painted(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        made = QPixmap(self.size() * ratio)
        made.setDevicePixelRatio(ratio)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=len(self.runs) <= _SOFT)
        kept = set(self._kept)
        faint = max(_FAINTEST, _FAINT * min(1.0, _SOFT / max(len(kept), 1)))
        pen = QPen()
        pen.setCosmetic(True)
        if len(self.axes) > 1:
            for run in [*(run for run in range(len(self.runs)) if run not in kept), *self._kept]:
                ticked = self.runs[run].slot is not None
                tint = self._colour(run) if run in kept else theme.colour("muted")
                pen.setColor(theme.faded(tint, 1.0 if ticked and run in kept else faint if run in kept else _QUIET))
                pen.setWidthF(theme.LINE if ticked else 1.0)
                painter.setPen(pen)
                painter.drawPolyline(self._line(run))
        painter.end()
        return made

    def _paint_axis(self, painter: QPainter, place: int) -> None:
        one, x = self.axes[place], round(self._x(place)) + 0.5
        painter.setPen(QPen(theme.colour("accent" if self.hasFocus() and place == self._chosen else "outline"), 1.0))
        painter.drawLine(QPointF(x, self._y(1.0)), QPointF(x, self._y(0.0)))
        if one.is_number and place == len(self.axes) - 1:
            self._paint_scale(painter, one, x)
        brush = self.brushes.get(one.name)
        if brush is not None:
            top, bottom = self._y(brush.high), self._y(brush.low)
            area = QRectF(x - _BRUSH_WIDTH / 2, top, _BRUSH_WIDTH, bottom - top)
            painter.fillRect(area, theme.faded(theme.colour("accent"), 0.25))
            painter.drawRect(area)
        painter.setFont(theme.font(theme.CAPTION_POINTS, bold=True))
        painter.setPen(theme.colour("text"))
        marks = " log" * one.log + " ▾" * one.flipped
        wide = (self.width() - 2 * _SIDE) / max(len(self.axes) - 1, 1) - theme.SPACE_8
        self._write(painter, x, 2.0, f"{one.title}{marks}", min(wide, 2.0 * _SIDE))
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("muted"))
        if one.is_number:
            least, most = one.ends()
            self._write(painter, x, self._y(1.0) - 18, most, wide)
            self._write(painter, x, self._y(0.0) + 4, least, wide)
            return
        last = place == len(self.axes) - 1
        for text in one.categories:
            room = wide - theme.SPACE_4 if not last else _SIDE - theme.SPACE_8
            area = QRectF(x + theme.SPACE_4, self._y(one.share_of(text)) - 8, room, 16)
            painter.fillRect(_around(painter, area, text), theme.faded(theme.colour("surface"), _GROUND))
            words = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(area.width()))
            painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), words)

    def _paint_scale(self, painter: QPainter, one: SpaceAxis, x: float) -> None:
        """Paint which colour stands for which value along the axis that gives them."""
        shades = QLinearGradient(0.0, self._y(0.0), 0.0, self._y(1.0))
        ends = (0.0, 1.0) if not one.flipped else (1.0, 0.0)
        shades.setColorAt(ends[0], theme.series(scatter.LOW_SLOT))
        shades.setColorAt(ends[1], theme.series(scatter.HIGH_SLOT))
        painter.fillRect(QRectF(x - _SCALE_WIDTH / 2, self._y(1.0), _SCALE_WIDTH, self._y(0.0) - self._y(1.0)), shades)

    @staticmethod
    def _write(painter: QPainter, x: float, top: float, text: str, wide: float) -> None:
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(wide))
        taken = min(float(painter.fontMetrics().horizontalAdvance(shown)), wide)
        painter.fillRect(QRectF(x - taken / 2, top, taken, 16), theme.faded(theme.colour("surface"), _GROUND))
        painter.drawText(QRectF(x - wide / 2, top, wide, 16), int(Qt.AlignmentFlag.AlignCenter), shown)

    # Mouse and keys.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self._axis_at(event.position().x())
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        if place is not None:
            self._chosen = place
            self._dragged = place, self._share(event.position().y())
            self.update()
        else:
            self.pick_at(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragged is not None:
            self.brush(self._dragged[0], self._dragged[1], self._share(event.position().y()))
            return
        self.point_at(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        dragged, self._dragged = self._dragged, None
        if dragged is not None:
            self.brush(dragged[0], dragged[1], self._share(event.position().y()))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        place = self._axis_at(event.position().x())
        if place is not None:
            self.flip(place)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        place = self._axis_at(event.pos().x())
        if place is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        one = self.axes[place]
        menu.addAction(menu_text(f"Turn {one.title} round")).triggered.connect(lambda: self.flip(place))
        if one.can_log or one.log:
            title = "straight" if one.log else "logarithmic"
            menu.addAction(menu_text(f"Make {one.title} {title}")).triggered.connect(lambda: self.set_log(place))
        menu.addAction("Keep all runs").triggered.connect(self.clear)
        menu.popup(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        sideways = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(key)
        upwards = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(key)
        if not self.axes:
            super().keyPressEvent(event)
        elif sideways is not None:
            self._chosen = (self._chosen + sideways) % len(self.axes)
            self.update()
        elif upwards is not None and shift:
            now = self.brushes.get(self.axes[self._chosen].name, Brush(0.0, 1.0))
            self.brush(self._chosen, min(max(now.low - upwards * _TENTH, 0.0), now.high - _TENTH), now.high)
        elif upwards is not None and self._kept:
            self.walk(self._kept, upwards)
        elif key == Qt.Key.Key_L:
            self.set_log(self._chosen)
        elif key == Qt.Key.Key_F:
            self.flip(self._chosen)
        elif key == Qt.Key.Key_Escape and self.brushes:
            self.clear()
        elif not self.pick_lit(event):
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._picture = None

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._picture = None


def _around(painter: QPainter, area: QRectF, text: str) -> QRectF:
    """Return what a text takes of an area."""
    return QRectF(
        area.left(), area.top(), min(painter.fontMetrics().horizontalAdvance(text), area.width()), area.height()
    )
