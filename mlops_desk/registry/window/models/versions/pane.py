"""The versions: what they are of, the metric over them, the table; ticked ones are to be compared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.chart_painter import paint_line
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label, menu_text, set_tip
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.registry.records.version_hit import VersionHit
from mlops_desk.registry.window.models import metrics, words
from mlops_desk.registry.window.models.versions.rows import VersionLine, columns
from mlops_desk.registry.window.models.versions.table import VersionsTable

# A metric over the versions of a model, one point each, in the order in which they were registered.
# Left and Right go from one to the next; the chosen one is ringed and its value told. What has no number is a gap.
_DOTS = 60  # chosen: more points than that touch one another, and a line says it better
_DOT, _RING = 3.0, 6.0  # pixels
_NEAR = 24.0  # pixels: who clicks near a point means it
_LABEL = 14  # pixels: a line of the caption


@dataclass(frozen=True, slots=True)
class StripPoint:
    """A version's value (None: it has none), and the aliases that are written above it."""

    key: str
    title: str
    value: float | None
    aliases: tuple[str, ...] = ()


class VersionStrip(QWidget):
    """``chosen`` carries the key of the version whose point was chosen."""

    accessible_role = Role.Chart
    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._name = ""
        self._points: tuple[StripPoint, ...] = ()
        self._key: str | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumHeight(theme.CHART_MINIMUM_HEIGHT)
        self.show_points("", ())

    @property
    def points(self) -> tuple[StripPoint, ...]:
        """What is shown, the oldest first."""
        return self._points

    def show_points(self, name: str, points: Sequence[StripPoint]) -> None:
        """Show a metric of versions, the oldest first."""
        self._name, self._points = name, tuple(points)
        self._tell()
        self.update()

    def light(self, key: str | None) -> None:
        """Ring a version's point."""
        if key != self._key:
            self._key = key
            self._tell()
            self.update()

    def _tell(self) -> None:
        """Say what the chart shows to an assistive tool."""
        values = self._finite()
        self.setAccessibleName(f"Chart: {plain(self._name, 60)} by version")
        if not values:
            self.setAccessibleDescription("No version has a value.")
            return
        said = f"{len(values)} versions, from {words.metric(min(values))} to {words.metric(max(values))}."
        point = self._at(self._key)
        chosen = "" if point is None else f" {plain(point.title, 40)}: {words.metric(point.value)}."
        self.setAccessibleDescription(said + chosen)

    def _finite(self) -> list[float]:
        return [one.value for one in self._points if one.value is not None and math.isfinite(one.value)]

    def _at(self, key: str | None) -> StripPoint | None:
        return next((one for one in self._points if one.key == key), None)

    # Places.

    def _area(self) -> QRectF:
        return QRectF(self.rect()).adjusted(theme.AXIS_WIDTH, _LABEL + theme.SPACE_4, -theme.SPACE_16, -_LABEL)

    def _places(self) -> list[QPointF | None]:
        area, values = self._area(), self._finite()
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        scale = max(abs(low), abs(high), 1.0)  # so that 1e308 - -1e308 is a number, too
        span = high / scale - low / scale
        step = area.width() / max(len(self._points) - 1, 1)
        left = area.left() if len(self._points) > 1 else area.center().x()
        return [
            None if one.value is None or not math.isfinite(one.value)
            else QPointF(left + number * step,
                         area.bottom() - (((one.value / scale - low / scale) / span if span else 0.5) * area.height()))
            for number, one in enumerate(self._points)
        ]  # fmt: skip

    def _nearest(self, place: QPointF) -> StripPoint | None:
        found = [(abs(at.x() - place.x()), one) for at, one in zip(self._places(), self._points, strict=True) if at]
        near = min(found, key=lambda one: one[0], default=None)
        return near[1] if near is not None and near[0] <= _NEAR else None

    # Mouse and keys.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        point = self._nearest(event.position())
        if point is not None:
            self.chosen.emit(point.key)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        point = self._nearest(event.position())
        set_tip(self, "" if point is None else f"{point.title}: {self._name} {words.metric(point.value)}")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        keys = [one.key for one in self._points]
        if step is None or not keys:
            super().keyPressEvent(event)
            return
        now = keys.index(self._key) if self._key in keys else len(keys) - 1 if step < 0 else -1
        self.chosen.emit(keys[min(max(now + step, 0), len(keys) - 1)])

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.DETAIL_WIDTH, theme.CHART_MINIMUM_HEIGHT + theme.SPACE_24)

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        if self.hasFocus():
            painter.setPen(QPen(theme.colour("accent"), theme.RING))
            painter.drawRoundedRect(theme.edge(self.rect(), theme.RING), theme.RADIUS, theme.RADIUS)
        values = self._finite()
        if not values:
            painter.setPen(theme.colour("muted"))
            text = "No version has a value of this metric." if self._points else ""
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), text)
            return
        self._paint_axis(painter, min(values), max(values))
        places = self._places()
        for run in _runs(places):
            paint_line(painter, QPolygonF(run), theme.series(0))
        self._paint_points(painter, places)

    def _paint_axis(self, painter: QPainter, low: float, high: float) -> None:
        area = self._area()
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for value, y in ((high, area.top()), (low, area.bottom()))[: 1 if low == high else 2]:
            at = area.center().y() if low == high else y
            painter.setPen(QPen(theme.faded(theme.colour("border"), 0.55), 0))
            painter.drawLine(QPointF(area.left(), at), QPointF(area.right(), at))
            painter.setPen(theme.colour("muted"))
            place = QRectF(0, at - _LABEL / 2, area.left() - theme.SPACE_8, _LABEL)
            painter.drawText(place, right, words.metric(value))
        below = QRectF(area.left() - theme.SPACE_12, area.bottom() + 2, area.width() + theme.SPACE_24, _LABEL)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft), plain(self._points[0].title, 20))
        if len(self._points) > 1:
            painter.drawText(below, int(Qt.AlignmentFlag.AlignRight), plain(self._points[-1].title, 20))

    def _paint_points(self, painter: QPainter, places: list[QPointF | None]) -> None:
        few = len(self._points) <= _DOTS
        for at, one in zip(places, self._points, strict=True):
            chosen = one.key == self._key
            if at is None or not (few or chosen or one.aliases):
                continue
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.series(0))
            painter.drawEllipse(at, _DOT, _DOT)
            if chosen:
                painter.setPen(QPen(theme.colour("text"), theme.LINE))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawEllipse(at, _RING, _RING)
        self._paint_aliases(painter, places)

    def _paint_aliases(self, painter: QPainter, places: list[QPointF | None]) -> None:
        """Write aliases above their points, moved apart where they would touch; those without room are left out."""
        advance = painter.fontMetrics().horizontalAdvance
        said = [
            (at.x(), ", ".join(plain(alias, 20) for alias in one.aliases))
            for at, one in zip(places, self._points, strict=True)
            if at is not None and one.aliases
        ]
        lefts = beside([(x, float(advance(text))) for x, text in said], self.width() - theme.SPACE_8)
        painter.setPen(theme.colour("accent"))
        for left, (_, text) in zip(lefts, said, strict=True):
            if left >= 0:
                place = QRectF(left, 0, advance(text) + 1, _LABEL)
                painter.drawText(place, int(Qt.AlignmentFlag.AlignLeft), text)


def beside(wished: Sequence[tuple[float, float]], room: float) -> list[float]:
    """Return the left ends of texts (middle, width) in a row of ``room`` pixels; below 0 where one has no room."""
    bound = room
    lefts = []
    for middle, width in reversed(wished):
        left = min(middle - width / 2, bound - width)
        lefts.append(left)
        bound = left - theme.SPACE_8
    return lefts[::-1]


def _runs(places: Sequence[QPointF | None]) -> list[list[QPointF]]:
    """Return the points between gaps."""
    runs: list[list[QPointF]] = [[]]
    for at in places:
        if at is None:
            runs.append([])
        else:
            runs[-1].append(at)
    return [run for run in runs if len(run) > 1]


MOST_TICKED = 100  # as many as the agent compares
_MENU = 40  # chosen: a menu of more metrics is not read; they are found by typing a search


class VersionsPane(Card):
    """``chosen`` carries the key of the version whose row is chosen, or None; ``ticks_changed`` that others are."""

    chosen = Signal(object)
    ticks_changed = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__("Versions")
        self._context = context
        self._hits: dict[str, VersionHit] = {}
        self._endpoints: Mapping[str, Mapping[str, str]] = {}
        self._ticked: list[str] = []
        self._of_several = False
        self._subject = ""
        self.table = VersionsTable(context.memory)
        self.table.chosen.connect(self._chose)
        self.table.ticked.connect(self.tick)
        self.strip = VersionStrip()
        self.strip.chosen.connect(self.table.select)
        self.plotted = ChoiceBox("Metric of the chart")
        self.plotted.activated.connect(lambda _place: self._fill_strip())
        self.pick = Button("Metrics …", tip="Choose the metrics that have a column")
        self.pick.clicked.connect(self._open_metrics)
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._arrange()
        self.show_hits("", [], of_several=False)

    def _arrange(self) -> None:
        self.column.removeWidget(self.heading)
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        head.addWidget(self.plotted)
        head.addStretch(1)
        head.addWidget(self.pick)
        self._charted = QWidget()
        chart = QVBoxLayout(self._charted)
        chart.setContentsMargins(0, 0, 0, 0)
        chart.addWidget(self.strip)
        self.column.addWidget(self.heading)  # a line of its own: beside the others a name would be cut to nothing
        self.column.addLayout(head)
        self.column.addWidget(self._charted)
        self.column.addWidget(self.says)
        self.column.addWidget(self.table, 1)

    # What is shown.

    def show_hits(self, subject: str, hits: Sequence[VersionHit], *, of_several: bool) -> None:
        """Show versions; ``subject`` is the model, or what was searched for. Those of another forget their ticks."""
        if subject != self._subject or of_several is not self._of_several:
            self._subject, self._of_several, self._ticked = subject, of_several, []
        self._hits = {words.key_of(hit): hit for hit in hits}
        self._ticked = [key for key in self._ticked if key in self._hits]
        self._fill()

    def show_endpoints(self, endpoints: Mapping[str, Mapping[str, str]]) -> None:
        """Take what serves which version, by model and endpoint."""
        if endpoints != self._endpoints:
            self._endpoints = endpoints
            self._fill_table()

    def say(self, text: str) -> None:
        """Say above the table how it is: loading, why there is nothing, or how much is left out."""
        self.says.show_text(text)
        self.says.setVisible(bool(text))

    def hit(self) -> VersionHit | None:
        """Return the version whose row is chosen."""
        key = self.table.key()
        return self._hits.get(key) if key else None

    def hits(self) -> list[VersionHit]:
        """Return all versions that are listed."""
        return list(self._hits.values())

    def ticked(self) -> list[VersionHit]:
        """Return the versions that are to be compared, in the order of the table."""
        shown = {key: place for place, key in enumerate(self.table.records.order.keys)}
        keys = sorted(self._ticked, key=lambda key: shown.get(key, len(shown)))
        return [self._hits[key] for key in keys]

    def _fill(self) -> None:
        shown, every = metrics.offered(self._hits.values(), self._kept())
        self.table.show_columns(columns(shown, of_several=self._of_several))
        self._fill_table()
        self._offer_metrics([*shown, *(name for name in every if name not in shown)])
        self._fill_strip()

    def _fill_table(self) -> None:
        self.table.show_records(
            {key: VersionLine(hit, key in self._ticked, self._serving(hit)) for key, hit in self._hits.items()}
        )

    def _serving(self, hit: VersionHit) -> tuple[str, ...]:
        return words.serving(self._endpoints.get(hit.name, {}), hit.version)

    # Ticks.

    def tick(self, key: str) -> None:
        """Tick a version, or take its tick away."""
        if key in self._ticked:
            self._ticked.remove(key)
        elif len(self._ticked) >= MOST_TICKED:
            self._context.say("warning", f"At most {MOST_TICKED} versions can be compared at once.")
            return
        elif key in self._hits:
            self._ticked.append(key)
        self._fill_table()
        self.ticks_changed.emit()

    def clear_ticks(self) -> None:
        self._ticked = []
        self._fill_table()
        self.ticks_changed.emit()

    # Metrics.

    def _kept(self) -> list[str]:
        kept = self._context.memory.value(self._memory_key())
        return [str(name) for name in kept] if isinstance(kept, list) else []

    def _memory_key(self) -> str:
        subject = "search" if self._of_several else self._subject.replace("/", "_")
        return f"models/metrics/{subject or 'none'}"

    def _open_metrics(self) -> None:
        hits = list(self._hits.values())
        shown = metrics.chosen(hits, self._kept())
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        names = metrics.known(hits)
        for name in names[:_MENU]:
            action = menu.addAction(menu_text(name))
            action.setCheckable(True)
            action.setChecked(name in shown)
            action.toggled.connect(lambda on, name=name: self.show_metric(name, on=on))
        if len(names) > _MENU:
            menu.addAction(f"… and {len(names) - _MENU:,} more").setEnabled(False)
        menu.addSeparator()
        menu.addAction("Those that vary").triggered.connect(self._forget_metrics)
        menu.popup(self.pick.mapToGlobal(self.pick.rect().bottomLeft()))

    def show_metric(self, name: str, *, on: bool) -> None:
        """Give a metric a column, or take it away; it is remembered for this model."""
        kept = [one for one in metrics.chosen(list(self._hits.values()), self._kept()) if one != name]
        self._context.memory.setValue(self._memory_key(), [*kept, name] if on else kept)
        self._fill()

    def _forget_metrics(self) -> None:
        self._context.memory.remove(self._memory_key())
        self._fill()

    def _offer_metrics(self, names: Sequence[str]) -> None:
        """Offer metrics for the chart: those with a column first."""
        before = self.plotted.currentData()
        self.plotted.clear()
        for name in names:
            self.plotted.addItem(plain(name, 40), name)
        self.plotted.setCurrentIndex(max(self.plotted.findData(before), 0))
        self.pick.setVisible(bool(names))

    def _fill_strip(self) -> None:
        name = self.plotted.currentData()
        charted = name is not None and not self._of_several and len(self._hits) > 1
        self._charted.setVisible(charted)
        self.plotted.setVisible(charted)
        if charted:
            old_first = sorted(self._hits.items(), key=lambda one: words.version_number(one[1].version))
            self.strip.show_points(
                name,
                [StripPoint(key, f"v{hit.version}", hit.metrics.get(name), hit.aliases) for key, hit in old_first],
            )
            self.strip.light(self.table.key())

    def _chose(self, key: str | None) -> None:
        self.strip.light(key)
        self.chosen.emit(key)

    def title(self, text: str) -> None:
        """Say above everything what these versions are of."""
        self.heading.show_text(text)
        self.heading.setVisible(bool(text))
