"""What is measured beside the traffic: logged requests against another revision, variants against one another.

Logged requests against a revision that gets none: which, how many, and how its answers and latencies differ.

Variants of the version that answers, measured on this machine: a table, points, and one sentence of advice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QSplitter, QVBoxLayout, QWidget

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.task_progress import UndertakingBar
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records import processor_words
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.test_request import ReplayDifference
from mlops_desk.serving.records.variants import Variant
from mlops_desk.serving.window import words

if TYPE_CHECKING:
    from mlops_desk.serving.records.test_request import LatencyFigures, Replayed
    from mlops_desk.serving.records.variants import VariantComparison

_SINCE = (("Of the last hour", 3600.0), ("Of the last 24 hours", 86_400.0), ("Of the last 7 days", 7 * 86_400.0))
_COUNTS = (50, 200, 1000, 5000)
"""Chosen: a first look, a difference in one of a hundred, of five hundred; the last is as many as the agent sends."""
_RATE = 20.0  # chosen: a second; beside the traffic it takes a model little, and 200 are sent in ten seconds
_ASK = "Logged requests are sent to a revision that is kept and gets none: nobody sees its answers."


class ReplayPanel(QWidget):
    """What was found stays until another replay, or another endpoint."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.revision = ChoiceBox("Revision that is asked")
        self.since = ChoiceBox("Requests of which time")
        for title, seconds in _SINCE:
            self.since.addItem(title, seconds)
        self.since.setCurrentIndex(1)
        self.count = ChoiceBox("How many requests")
        for count in _COUNTS:
            self.count.addItem(f"the newest {count:,}", count)
        self.count.setCurrentIndex(1)
        self.start = Button("Replay", main=True, tip="Send them one after the other, twenty a second", asks=True)
        self.under_way = UndertakingBar(context, "How far the replay is")
        self.says = Label(_ASK, wrap=True)
        self.table: RecordTable[ReplayDifference] = RecordTable("Largest differences", _COLUMNS, context.memory)
        self._endpoint: Endpoint | None = None
        self._offered: tuple[object, ...] = ()
        asked = QWidget()
        flow = FlowLayout(asked)
        for widget in (self.revision, self.since, self.count, self.start):
            flow.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        for part in (asked, self.under_way, self.says):
            column.addWidget(part)
        column.addWidget(framed(self.table), 1)
        self.start.clicked.connect(self._begin)
        self.under_way.moved.connect(self._enable)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        """Offer the revisions that can be asked; the newest that does not answer all requests first."""
        before, self._endpoint = self._endpoint, endpoint
        if before is not None and (endpoint is None or endpoint.name != before.name):
            self.table.show_records({})
            self._say(_ASK, "text")
        kept = [one for one in reversed(endpoint.revisions) if one.is_kept] if endpoint is not None else []
        kept.sort(key=lambda one: endpoint is not None and one.revision == endpoint.revision)
        now = (endpoint.name if endpoint is not None else None, *((one.revision, one.state) for one in kept))
        if now != self._offered:
            self._offered = now
            chosen = self.revision.currentData()
            self.revision.clear()
            for one in kept:
                state = words.REVISION_MARKS[one.state].text
                self.revision.addItem(
                    f"revision {one.revision}, version {plain(one.model.version, 20)} ({state})", one.revision
                )
            self.revision.setCurrentIndex(max(0, self.revision.findData(chosen)))
        self._enable()

    def _enable(self) -> None:
        self.start.setEnabled(self.revision.count() > 0 and not self.under_way.is_busy)

    def _begin(self) -> None:
        endpoint, revision = self._endpoint, self.revision.currentData()
        if endpoint is None or revision is None or self.under_way.is_busy:
            return
        name, limit = endpoint.name, self.count.currentData()
        since = agent_clock.now() - self.since.currentData()
        self._say(f"Revision {revision} of {name} is asked …", "text")
        self.under_way.begin(
            "replay",
            lambda desk, ticket: desk.endpoints.replay(
                name, revision=revision, since=since, limit=limit, rate=_RATE, ticket=ticket
            ),
            self._got,
            self._failed,
        )

    def _got(self, done: "Replayed") -> None:
        if self._endpoint is None or self._endpoint.name != done.endpoint:
            return
        is_same = not done.different and not done.errors
        mark = numbers.OK if is_same else numbers.WARNING
        self._say(f"{mark} {told(done)}", "ok" if is_same else "warning")
        self.table.show_records({f"{one.request_id}#{one.row}#{one.output}": one for one in done.worst})

    def _failed(self, error: DeskError) -> None:
        self._say(f"{numbers.WARNING} {error.message} {error.hint or ''}".rstrip(), "warning")

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)


def told(done: "Replayed") -> str:
    """Say how alike the answers are, and how long they took."""
    parts = [f"{done.same:,} same", f"{done.close:,} close", f"{done.different:,} different"]
    errors = ", ".join(f"{count:,} × {plain(word, 20)}" for word, count in sorted(done.errors.items()))
    skipped = f" {done.skipped:,} were skipped: the log has not all of them." if done.skipped else ""
    latency = ""
    if done.latency is not None and done.logged_latency is not None:
        latency = f" Latency: {_latency(done.latency)}; logged were {_latency(done.logged_latency)}."
    return (
        f"{numbers.count(done.requests, 'request')} to revision {done.revision}: {', '.join(parts)}"
        f"{', errors ' + errors if errors else ''}.{skipped}{latency}"
    )


def _latency(one: "LatencyFigures") -> str:
    return f"p50 {numbers.seconds(one.p50)}, p99 {numbers.seconds(one.p99)}"


def _gap(one: ReplayDifference) -> Cell:
    return Cell(
        numbers.NOTHING if one.gap is None else f"{100 * one.gap:.3g}{numbers.THIN}%",
        -1.0 if one.gap is None else one.gap,
    )


_COLUMNS: tuple[Column[ReplayDifference], ...] = (
    Column("gap", "Apart", _gap, right=True),
    Column("output", "Output", lambda one: Cell(plain(one.output, 60) or "answer")),
    Column("logged", "Logged", lambda one: Cell(plain(one.logged, 120)), right=True),
    Column("replayed", "Now", lambda one: Cell(plain(one.replayed, 120)), right=True),
    Column("row", "Row", lambda one: Cell(str(one.row), one.row), right=True),
    Column("request", "Request", lambda one: Cell(plain(one.request_id, 80)), fixed=True, stretch=True),
)  # fmt: skip


# Variants as points, painted: how long an answer takes against how well it is; each has its words beside it.
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


NAMES = ("float32", "float16", "int8")
_VARIANTS_ASK = (
    "An ONNX model is measured as float32, float16 and int8, any other as it is, in a container beside everything else."
)


class VariantsPanel(QWidget):
    """What was found stays until another version is measured."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.names = {name: CheckBox(name) for name in NAMES}
        for box in self.names.values():
            box.setChecked(True)
        self.names[NAMES[0]].setEnabled(False)  # the others are compared with it
        self.threads = Field("Threads", "Threads: 1 and all, or 1,2,4")
        self.threads.setFixedWidth(theme.TILE_MINIMUM_WIDTH)
        self.start = Button("Measure", main=True, tip="It takes a minute or two, and keeps processors busy", asks=True)
        self.under_way = UndertakingBar(context, "How far the comparison is")
        self.says = Label(_VARIANTS_ASK, wrap=True)
        self.table: RecordTable[Variant] = RecordTable("Variants", _VARIANTS_COLUMNS, context.memory)
        self.scatter = VariantScatter()
        self._endpoint: Endpoint | None = None
        self._arrange()
        self.start.clicked.connect(self._begin)
        self.under_way.moved.connect(self._enable)

    def _arrange(self) -> None:
        asked = QWidget()
        flow = FlowLayout(asked)
        for widget in (*self.names.values(), self.threads, self.start):
            flow.addWidget(widget)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.table))
        split.addWidget(framed(self.scatter))
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        for part in (asked, self.under_way, self.says):
            column.addWidget(part)
        column.addWidget(split, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        """Know which version is meant."""
        before, self._endpoint = self._endpoint, endpoint
        if before is not None and (endpoint is None or endpoint.model != before.model):
            self.table.show_records({})
            self.scatter.show_spots([], "")
            self._ask()
        elif before is None:
            self._ask()
        self._enable()

    def _ask(self) -> None:
        able = "" if self._endpoint is None else f" Processor: {processor_words.told(self._endpoint.processor)}."
        self._say(f"{_VARIANTS_ASK}{able}", "text")

    def _enable(self) -> None:
        is_model = self._endpoint is not None and self._endpoint.runtime != "image"
        self.start.setEnabled(is_model and not self.under_way.is_busy)

    def _begin(self) -> None:
        endpoint = self._endpoint
        if endpoint is None or self.under_way.is_busy:
            return
        model = f"{endpoint.model.name}/{endpoint.model.version}"
        variants = ",".join(name for name, box in self.names.items() if box.isChecked())
        threads = self.threads.text().strip()
        self._say(f"Variants of {model} are measured …", "text")
        self.under_way.begin(
            "comparison",
            lambda desk, ticket: desk.endpoints.compare(model, variants=variants, threads=threads, ticket=ticket),
            self._got,
            self._failed,
        )

    def _got(self, found: "VariantComparison") -> None:
        known = self._endpoint.model if self._endpoint is not None else None
        if known is None or (known.name, known.version) != (found.model, found.version):
            return
        able = f" Processor: {', '.join(map(plain, found.processor))}." if found.processor else ""
        note = "" if found.note is None else f" {plain(found.note)}"
        self._say(f"{numbers.INFO} {plain(found.advice)}{note}{able}", "info")
        self.table.show_records({f"{one.variant}#{one.threads}": one for one in found.variants})
        self.scatter.show_spots(*spots(found))

    def _failed(self, error: DeskError) -> None:
        self._say(f"{numbers.WARNING} {error.message} {error.hint or ''}".rstrip(), "warning")

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)


def spots(found: "VariantComparison") -> tuple[list[VariantSpot], str]:
    """Return the variants whose latency and quality are known as points, and what the quality is."""
    has_labels = any(one.accuracy is not None for one in found.variants)
    order = {name: slot for slot, name in enumerate(dict.fromkeys(one.variant for one in found.variants))}
    drawn = []
    for one in found.variants:
        share = one.accuracy if has_labels else one.agreement
        if one.p50_seconds is None or share is None:
            continue
        name = f"{plain(one.variant, 20)} × {one.threads}"
        is_advised = found.advice.startswith(f"Take {one.variant} on {one.threads} thread")
        drawn.append(VariantSpot(name, one.p50_seconds, share, order[one.variant], is_advised))
    return drawn, "Rows answered right" if has_labels else "Rows answered as float32 does"


def _number(value: float | None, told: Callable[[float], str]) -> Cell:
    return Cell(numbers.NOTHING if value is None else told(value), -1.0 if value is None else value)


def _share(value: float) -> str:
    return f"{100 * value:.1f}{numbers.THIN}%"


def _name(one: Variant) -> Cell:
    if one.error is None:
        return Cell(plain(one.variant, 40))
    return Cell(f"{numbers.WARNING} {plain(one.variant, 40)}: {plain(one.error, 200)}", token="warning")  # noqa: S106 - a colour


_VARIANTS_COLUMNS: tuple[Column[Variant], ...] = (
    Column("variant", "Variant", _name),
    Column("threads", "Threads", lambda one: Cell(str(one.threads), one.threads), right=True),
    Column("p50", "p50", lambda one: _number(one.p50_seconds, numbers.seconds), right=True),
    Column("p95", "p95", lambda one: _number(one.p95_seconds, numbers.seconds), right=True, hidden=True),
    Column("rows", "Rows/s", lambda one: _number(one.rows_per_second, lambda value: f"{value:,.0f}"), right=True),
    Column("memory", "Memory", lambda one: _number(one.memory_bytes, numbers.size), right=True),
    Column("file", "File", lambda one: _number(one.size_bytes, numbers.size), right=True),
    Column("same", "Same", lambda one: _number(one.agreement, _share), right=True),
    Column("accuracy", "Right", lambda one: _number(one.accuracy, _share), right=True, stretch=True),
)  # fmt: skip
