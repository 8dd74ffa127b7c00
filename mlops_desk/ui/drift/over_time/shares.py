"""How often each category came in each window: stacked bars, the reference's before them."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter

from mlops_desk.base.text import plain
from mlops_desk.ui.charts import scale
from mlops_desk.ui.curves.spans import Span
from mlops_desk.ui.drift.over_time.chart import WindowChart
from mlops_desk.ui.look import theme
from mlops_desk.ui.words import numbers

MOST = 7  # as many colours as a chart has, one of the eight left for the rest
_REST = 7  # the slot of theme.series that is gray
_FILL = 0.85  # chosen: the grid is seen through it
_CUT = 24  # characters of a category in the head
_REFERENCE_WIDTH = 26.0  # pixels: it is seen as a bar of its own


class SharesChart(WindowChart):
    """Categories from the most frequent one of the reference upwards; all further ones are the rest."""

    def __init__(self) -> None:
        super().__init__("Categories over time", "No window of this column has values yet.", alone=True)
        self.unit = numbers.percent
        self.scale = scale.fixed(1.0, 2)
        self.names: tuple[str, ...] = ()
        self._windows: Sequence[Mapping[str, float]] = ()
        self._reference: Mapping[str, float] = {}

    def show_shares(self, windows: Sequence[Mapping[str, float]], reference: Mapping[str, float]) -> None:
        """Show shares (0-1) of usable values; what lacks to 1 is the rest, an empty mapping is a gap."""
        self._windows, self._reference = windows, reference
        most: dict[str, float] = {}
        for one in (reference, *windows):
            for name, share in one.items():
                most[name] = max(most.get(name, 0.0), share)
        largest = sorted(most, key=lambda name: (-most[name], name))[:MOST]
        self.names = tuple(sorted(largest, key=lambda name: (-reference.get(name, 0.0), name)))
        self.tell()
        self.update()

    def show_spans(self, spans: Sequence[Span]) -> None:
        super().show_spans(spans)
        # The reference's bar stands before the first window.
        room = _REFERENCE_WIDTH + theme.SPACE_8
        left, width = self.places.left + room, max(self.places.width - room, 1.0)
        self.places = type(self.places)(self.places.spans, left, width, width / max(len(spans), 1))

    def said(self, window: int) -> Sequence[tuple[str, int]]:
        one = self._windows[window] if window < len(self._windows) else {}
        if not one:
            return [("no values", -1)]
        told = [
            (f"{plain(name, _CUT)} {numbers.percent(one.get(name, 0.0))}", at) for at, name in enumerate(self.names)
        ]
        rest = self._rest(one)
        return [*told, (f"others {numbers.percent(rest)}", _REST)] if rest else told

    def _rest(self, one: Mapping[str, float]) -> float:
        rest = 1.0 - sum(one.get(name, 0.0) for name in self.names)
        return rest if rest > 5e-4 else 0.0  # half of what a tenth of a per cent can show: rounding is no category

    def area(self) -> QRectF:
        whole = super().area()
        return whole.adjusted(-(_REFERENCE_WIDTH + theme.SPACE_8), 0, 0, 0)

    def paint_values(self, painter: QPainter, area: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        if self._reference:
            self._paint_bar(painter, QRectF(area.left(), area.top(), _REFERENCE_WIDTH, area.height()), self._reference)
        gap = 1.0 if self.places.cell > 8 else 0.0  # pixels; chosen: between narrower bars gaps are stripes
        for at in self.places.seen():
            if at < len(self._windows) and self._windows[at]:
                bar = QRectF(self.places.x(at), area.top(), self.places.cell - gap, area.height())
                self._paint_bar(painter, bar, self._windows[at])

    def _paint_bar(self, painter: QPainter, bar: QRectF, shares: Mapping[str, float]) -> None:
        bottom = bar.bottom()
        layers = [(shares.get(name, 0.0), slot) for slot, name in enumerate(self.names)]
        for share, slot in (*layers, (self._rest(shares), _REST)):
            high = share * bar.height()
            painter.fillRect(
                QRectF(bar.left(), bottom - high, bar.width(), high), theme.faded(theme.series(slot), _FILL)
            )
            bottom -= high
