"""Reference and current values of a column in the same bins: as shares or counts, summed up, or as parts of PSI.

Painted by hand like all charts that are walked through bin by bin: what is read stands in the head.
"""

from collections.abc import Sequence
from enum import StrEnum

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.drift.window.column.histogram_data import Spread, below, psi_parts
from mlops_desk.kit.window.charts import scale
from mlops_desk.kit.window.charts.chart_header import HEAD_HEIGHT, paint_head
from mlops_desk.kit.window.charts.gridlines import paint_focus, paint_marks
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.words import numbers

REFERENCE_SLOT, CURRENT_SLOT = 7, 1  # of theme.series: gray for what was, orange for what is
_FOOT = 18.0  # pixels: one line of the caption
_MARK_PIXELS = 36.0  # chosen: one mark at the left needs so much room
_LABEL = 64.0  # pixels: a number or the beginning of a name
_FILL = 0.85  # chosen: the grid is seen through it
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_MIDDLE = int(Qt.AlignmentFlag.AlignCenter)


class SpreadMode(StrEnum):
    """How a spread is drawn."""

    SHARES = "shares"
    COUNTS = "counts"
    BELOW = "below"
    PSI = "psi"


class DistributionChart(QWidget):
    """Draws a spread in one of its modes."""

    accessible_role = Role.Chart

    def __init__(self) -> None:
        super().__init__()
        self.spread: Spread | None = None
        self.mode = SpreadMode.SHARES
        self.bin: int | None = None
        self._nothing = ""
        self._sides: tuple[list[float], list[float]] = ([], [])
        self._scale = scale.fixed(1.0, 2)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(theme.CHART_HEIGHT)
        self.setAccessibleName("Chart: reference and current values")

    def sizeHint(self) -> QSize:
        return QSize(theme.LIST_WIDTH, theme.CHART_HEIGHT)

    def show_spread(self, spread: Spread | None, nothing: str) -> None:
        """Show a spread, or say why there is none."""
        self.spread, self._nothing, self.bin = spread, nothing, None
        self._prepare()

    def show_mode(self, mode: SpreadMode) -> None:
        self.mode = mode
        self._prepare()

    def _prepare(self) -> None:
        """Make the values that the mode shows."""
        one = self.spread
        if one is None:
            self._sides = ([], [])
        elif self.mode is SpreadMode.COUNTS:
            self._sides = ([p * one.n_reference for p in one.reference], [q * one.n_current for q in one.current])
        elif self.mode is SpreadMode.BELOW:
            self._sides = (below(one.reference), below(one.current))
        elif self.mode is SpreadMode.PSI:
            self._sides = ([], psi_parts(one.reference, one.current))
        else:
            self._sides = (list(one.reference), list(one.current))
        total = self.mode is SpreadMode.PSI
        most = sum(self._sides[1]) if total else max([*self._sides[0], *self._sides[1]], default=1.0)
        marks = max(int(self._area().height() / _MARK_PIXELS), 1)
        self._scale = scale.fixed(1.0, marks) if self.mode is SpreadMode.BELOW else scale.fitting(most, marks)
        self._tell()
        self.update()

    # Words.

    def _word(self, value: float) -> str:
        if self.mode in {SpreadMode.SHARES, SpreadMode.BELOW}:
            return numbers.percent(value, 0 if value == 0 or value >= 0.1 else 1)
        return f"{value:,.0f}" if self.mode is SpreadMode.COUNTS else numbers.number(value)

    def said(self) -> Sequence[tuple[str, int]]:
        """Return what stands in the head: the bin that is read, else what the colours mean."""
        one, at = self.spread, self.bin
        if one is None:
            return []
        if self.mode is SpreadMode.PSI:
            if at is None:
                return [(f"PSI of these bins {numbers.number(sum(self._sides[1]))}", CURRENT_SLOT)]
            return [(f"{one.names[at]} adds {numbers.number(self._sides[1][at])}", CURRENT_SLOT)]
        if at is None:
            return [("reference", REFERENCE_SLOT), ("current", CURRENT_SLOT)]
        lead = "up to " if self.mode is SpreadMode.BELOW else ""
        then, now = (self._word(side[at]) for side in self._sides)
        name = one.names[at].split(" – ")[-1] if lead and one.edges else one.names[at]
        return [(f"{then} then", REFERENCE_SLOT), (f"{now} now", CURRENT_SLOT), (f"{lead}{name}", -1)]

    def _tell(self) -> None:
        one = self.spread
        if one is None:
            self.setAccessibleDescription(self._nothing)
            return
        self.setAccessibleDescription(", ".join(text for text, _slot in self.said()))

    # Painting.

    def _area(self) -> QRectF:
        wide = max(self.width() - theme.AXIS_WIDTH - theme.SPACE_8, 1.0)
        return QRectF(theme.AXIS_WIDTH, HEAD_HEIGHT, wide, max(self.height() - HEAD_HEIGHT - _FOOT, 1.0))

    def _cell(self) -> float:
        return self._area().width() / max(len(self._sides[1]), 1)

    def _y(self, value: float) -> float:
        area = self._area()
        return area.bottom() - self._scale.share(value) * area.height()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        titles = {SpreadMode.BELOW: "Share of values below", SpreadMode.PSI: "PSI by bin", SpreadMode.COUNTS: "Rows"}
        title = titles.get(self.mode, "Share of rows")
        paint_head(painter, title, self.said(), theme.SPACE_4, self.width() - theme.SPACE_8, dots=True)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        area = self._area()
        if self.spread is None:
            painter.setPen(theme.colour("muted"))
            painter.drawText(QRectF(self.rect()), _MIDDLE | int(Qt.TextFlag.TextWordWrap), self._nothing)
        else:
            self._paint_axes(painter, area, self.spread)
            if self.mode is SpreadMode.BELOW:
                self._paint_lines(painter, area)
            elif self.mode is SpreadMode.PSI:
                self._paint_fall(painter, area)
            else:
                self._paint_bars(painter, area)
            self._paint_read(painter, area)
        paint_focus(painter, self)

    def _paint_axes(self, painter: QPainter, area: QRectF, spread: Spread) -> None:
        paint_marks(painter, area, self._scale.marks, self._y, self._word)
        painter.setPen(theme.colour("muted"))
        cell = self._cell()
        every = max(1, -(-int(_LABEL) // max(int(cell), 1)))
        room = cell * every - theme.SPACE_4
        metrics = painter.fontMetrics()
        texts = [numbers.number(edge) for edge in spread.edges[:-1]] if spread.edges else list(spread.names)
        for at in range(0, len(texts), every):
            text = metrics.elidedText(texts[at], Qt.TextElideMode.ElideRight, int(room))
            left = area.left() + at * cell
            flags, wide = (_LEFT, room) if spread.edges or every > 1 else (_MIDDLE, cell)
            painter.drawText(QRectF(left, area.bottom(), wide, _FOOT), flags, text)

    def _paint_bars(self, painter: QPainter, area: QRectF) -> None:
        cell = self._cell()
        wide = cell * 0.42  # chosen: two bars and a gap
        for side, slot, shift in ((0, REFERENCE_SLOT, 0.06), (1, CURRENT_SLOT, 0.52)):
            for at, value in enumerate(self._sides[side]):
                top = self._y(value)
                bar = QRectF(area.left() + (at + shift) * cell, top, wide, area.bottom() - top)
                painter.fillRect(bar, theme.faded(theme.series(slot), _FILL))

    def _paint_lines(self, painter: QPainter, area: QRectF) -> None:
        cell = self._cell()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for side, slot in ((0, REFERENCE_SLOT), (1, CURRENT_SLOT)):
            points = [QPointF(area.left(), area.bottom())]
            points += [QPointF(area.left() + (at + 1) * cell, self._y(v)) for at, v in enumerate(self._sides[side])]
            painter.setPen(QPen(theme.series(slot), theme.LINE))
            painter.drawPolyline(QPolygonF(points))

    def _paint_fall(self, painter: QPainter, area: QRectF) -> None:
        """Paint what each bin adds on top of those before it."""
        cell, sum_before = self._cell(), 0.0
        for at, part in enumerate(self._sides[1]):
            bottom, top = self._y(sum_before), self._y(sum_before + part)
            left = area.left() + at * cell
            bar = QRectF(left + 0.1 * cell, top, 0.8 * cell, max(bottom - top, 1.0))
            painter.fillRect(bar, theme.faded(theme.series(CURRENT_SLOT), _FILL))
            painter.setPen(QPen(theme.colour("muted"), 0))
            painter.drawLine(QPointF(left + 0.9 * cell, top), QPointF(left + 1.1 * cell, top))
            sum_before += part

    def _paint_read(self, painter: QPainter, area: QRectF) -> None:
        if self.bin is not None:
            cell = self._cell()
            place = QRectF(area.left() + self.bin * cell, area.top(), cell, area.height())
            painter.fillRect(place, theme.faded(theme.colour("accent"), 0.14))

    # Pointer and keys.

    def _read(self, at: int | None) -> None:
        if at != self.bin:
            self.bin = at
            self._tell()
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        area, count = self._area(), len(self._sides[1])
        at = int((event.position().x() - area.left()) // self._cell())
        self._read(at if 0 <= at < count else None)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._read(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Read the next bin by Left and Right."""
        by = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        last = len(self._sides[1]) - 1
        if by is None or last < 0:
            super().keyPressEvent(event)
        else:
            self._read(min(max((-1 if by > 0 else last + 1) + by if self.bin is None else self.bin + by, 0), last))
