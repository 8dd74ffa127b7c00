"""One column of a monitor: how its values are spread, how they went over time, its measures and its quality.

What is drawn over time is the column's story; distribution, measures and quality are those of one window, which is
chosen in the charts over time. Each part says for itself what it waits for or lacks.

How the values of a column are spread in each window: half of them in the inner ribbon, nine of ten in the outer.

How often each category came in each window: stacked bars, the reference's before them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.drift.records.monitors import QUANTILES, ColumnStory, ColumnWindow, JudgedWindow
from mlops_desk.drift.records.report import ColumnDrift
from mlops_desk.drift.records.segments import SegmentColumn
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window.cell_text import known
from mlops_desk.drift.window.column import quality
from mlops_desk.drift.window.column.column_state import (
    SeenColumn,
    marks_told,
    quantiles_of,
    scores_of,
    shares_of,
    unit_of,
)
from mlops_desk.drift.window.column.distribution import DistributionChart, SpreadMode
from mlops_desk.drift.window.column.histogram_data import spread_of
from mlops_desk.drift.window.over_time import ScoreChart, WindowChart, around
from mlops_desk.drift.window.segments import name_of, told_of_column
from mlops_desk.drift.window.words import MEASURE_COLUMNS, SEVERITY, about_column, measure_title
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts import scale
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import marks, numbers

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


_REFERENCE_SLOT, _SLOT = 7, 0  # of theme.series: gray for what was, blue for what is
_OUTER, _INNER = 0.18, 0.32  # chosen: the two are told apart, and the line of the middle stands out
_MIDDLE = len(QUANTILES) // 2
Quantiles = tuple[float, ...]


class RibbonChart(WindowChart):
    """Quantiles over windows; those of the reference are dashed lines."""

    def __init__(self) -> None:
        nothing = "No window of this column has values yet."
        super().__init__("Values over time", nothing, alone=True)
        self._windows: Sequence[Quantiles] = ()
        self._reference: Quantiles = ()

    def show_quantiles(self, windows: Sequence[Quantiles], reference: Quantiles, unit: numbers.Written) -> None:
        """Show the quantiles at ``QUANTILES`` of each window; an empty tuple is a gap."""
        self._windows, self._reference, self.unit = windows, reference, unit
        self.scale = around([value for one in (*windows, reference) for value in one], self.marks())
        self.tell()
        self.update()

    def said(self, window: int) -> Sequence[tuple[str, int]]:
        one = self._windows[window] if window < len(self._windows) else ()
        if not one:
            return [("no values", -1)]
        told = [(f"median {self.unit(one[_MIDDLE])}", _SLOT), (f"half {self.unit(one[1])} – {self.unit(one[-2])}", -1)]
        if self._reference:
            told.append((f"reference {self.unit(self._reference[_MIDDLE])}", _REFERENCE_SLOT))
        return told

    def paint_values(self, painter: QPainter, area: QRectF) -> None:
        tint = theme.series(_SLOT)
        for run in self._runs():
            painter.setPen(Qt.PenStyle.NoPen)
            for low, share in ((0, _OUTER), (1, _INNER)):
                painter.setBrush(theme.faded(tint, share))
                upper = self._line(run, len(QUANTILES) - 1 - low)
                painter.drawPolygon(QPolygonF([*self._line(run, low), *reversed(upper)]))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(tint, theme.LINE))
            painter.drawPolyline(QPolygonF(self._line(run, _MIDDLE)))
        for place, value in enumerate(self._reference):
            style = Qt.PenStyle.DashLine if place == _MIDDLE else Qt.PenStyle.DotLine
            painter.setPen(QPen(theme.series(_REFERENCE_SLOT), 1.0, style))
            y = round(self.up(value)) + 0.5
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))

    def _line(self, run: Sequence[int], quantile: int) -> list[QPointF]:
        """Return a quantile's line through some windows, as wide as they are."""
        ends = [(self.places.x(run[0]), run[0]), *((self.places.middle(at), at) for at in run)]
        ends.append((self.places.x(run[-1] + 1), run[-1]))
        return [QPointF(x, self.up(self._windows[at][quantile])) for x, at in ends]

    def _runs(self) -> list[list[int]]:
        runs: list[list[int]] = []
        for at, one in enumerate(self._windows):
            if len(one) != len(QUANTILES):
                continue
            if runs and runs[-1][-1] == at - 1:
                runs[-1].append(at)
            else:
                runs.append([at])
        return runs


# One column within each segment of a window, the worst first. No Qt here.
@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A column within a segment; ``column`` is None where the segment has too few rows, or does not have it."""

    name: str
    verdict: Verdict
    n_rows: int
    column: SegmentColumn | None = None


def rows_of(window: JudgedWindow, column: str) -> dict[str, SegmentRow]:
    """Return a column in each segment of a window; nothing where windows are judged as a whole."""
    segments = window.segments.segments if window.segments is not None else ()
    found = {}
    for one in segments:
        inside = next((each for each in one.columns if each.name == column), None)
        lacks = Verdict.NOT_COMPARED if one.columns else one.verdict
        name = name_of(one)
        found[name] = SegmentRow(name, inside.verdict if inside is not None else lacks, one.n_current, inside)
    return found


def _verdict(row: SegmentRow) -> Cell:
    mark = marks.VERDICT_MARKS[row.verdict]
    return Cell(mark.text, SEVERITY[row.verdict], mark.token, told_of_column(row.column))


def _effect(row: SegmentRow) -> Cell:
    effect = known(row.column.effect) if row.column is not None else None
    return Cell(numbers.number(effect), effect if effect is not None else float("-inf"))


def _p_value(row: SegmentRow) -> Cell:
    found = known(row.column.p_adjusted) if row.column is not None else None
    return Cell(numbers.number(found, 2), found if found is not None else float("inf"))


COLUMNS: tuple[Column[SegmentRow], ...] = (
    Column("segment", "Segment", lambda row: Cell(row.name, tip=row.name), stretch=True, whole=True),
    Column("verdict", "Verdict", _verdict),
    Column("effect", "Size", _effect, right=True),
    Column("p", "p", _p_value, right=True, spare=True),
    Column("rows", "Rows", lambda row: Cell(f"{row.n_rows:,}", row.n_rows), right=True, spare=True),
)


MODES = (
    (SpreadMode.SHARES, "Percent"),
    (SpreadMode.COUNTS, "Rows"),
    (SpreadMode.BELOW, "ECDF"),
    (SpreadMode.PSI, "PSI"),
)
_NARROW = 900  # pixels: three parts of 300 each, in which a histogram and a table are still read


class ColumnPane(QWidget):
    """``left`` is emitted to go back, ``picked`` with another window, ``rows_wanted`` to see the rows of the window."""

    went_back = Signal()
    picked = Signal(int)
    rows_wanted = Signal()
    stepped = Signal(int)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.back = Button("← All columns", tip="Back to all columns (Esc)")
        self.before = Button("▲", tip="The column above")
        self.after = Button("▼", tip="The column below")
        self.rows = Button("Rows of this window", tip="What came in the window that is chosen")
        self.title = Label(points=theme.TITLE_POINTS, bold=True)
        self.says = Label(tone="muted", wrap=True)
        self.modes = Tabs("How the values are drawn", MODES, wrap=True)
        self.spread = DistributionChart()
        self.ribbon, self.shares = RibbonChart(), SharesChart()
        self.score = ScoreChart("Score", "No windows yet.", 0, alone=True)
        self.about = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.measures = RecordTable("Measures of the column", MEASURE_COLUMNS, context.memory)
        self.quality: RecordTable[quality.QualityRow] = RecordTable(
            "Quality of the column", quality.COLUMNS, context.memory
        )
        self.segments: RecordTable[SegmentRow] = RecordTable("The column by segment", COLUMNS, context.memory)
        self.segments.sort_by_key("verdict", Qt.SortOrder.DescendingOrder)
        self._over_time = QStackedWidget()
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._wire()
        self._arrange()
        self.modes.choose(SpreadMode.SHARES)

    def _wire(self) -> None:
        self.back.clicked.connect(self.went_back)
        self.rows.clicked.connect(self.rows_wanted)
        self.before.clicked.connect(lambda: self.stepped.emit(-1))
        self.after.clicked.connect(lambda: self.stepped.emit(1))
        self.modes.chosen.connect(lambda key: self.spread.show_mode(SpreadMode(key)))
        for chart in (self.ribbon, self.shares, self.score):
            chart.picked.connect(self.picked)
            chart.hovered.connect(self._read)

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        for widget in (self.back, self.before, self.after):
            head.addWidget(widget)
        head.addWidget(self.title, 1)
        head.addWidget(self.rows)
        spread = Card()
        spread.column.addWidget(self.modes)
        spread.column.addWidget(self.spread, 1)
        self._over_time.addWidget(self.ribbon)
        self._over_time.addWidget(self.shares)
        time = Card()
        time.column.addWidget(self._over_time, 3)
        time.column.addWidget(self.score, 2)
        told = Card()
        told.column.addWidget(self.about)
        told.column.addWidget(self.measures, 3)
        told.column.addWidget(self.quality, 2)
        told.column.addWidget(self.segments, 2)
        self._split.setHandleWidth(theme.SPACE_8)
        self._split.setChildrenCollapsible(False)
        for card in (spread, time, told):
            self._split.addWidget(card)
        self._split.setSizes([theme.LIST_WIDTH, theme.LIST_WIDTH, theme.DETAIL_WIDTH])
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addLayout(head)
        whole.addWidget(self.says)
        whole.addWidget(scrolled(self._split, "The column"), 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Stack the parts where three of them find no room side by side; the view scrolls then."""
        super().resizeEvent(event)
        narrow = self.width() < _NARROW
        self._split.setOrientation(Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal)
        self._split.setMinimumHeight(3 * theme.DIALOG_TALL // 2 if narrow else theme.LIST_WIDTH)

    # What is shown.

    def show_seen(self, seen: SeenColumn) -> None:
        """Show a column; what is not known yet is said to be awaited."""
        self.title.show_text(plain(seen.name))
        self.says.show_text(seen.told)
        self.rows.setVisible(seen.has_rows)
        split = rows_of(seen.windows[seen.window], seen.name)
        self.segments.show_records(split)
        self.segments.setVisible(bool(split))
        self._show_story(seen)
        self._show_column(seen.report, seen.waits_report, seen.no_report)

    def _show_story(self, seen: SeenColumn) -> None:
        story = seen.story
        spans = [Span(one.window_start, max(one.window_end, one.window_start)) for one in seen.windows]
        for chart in (self.ribbon, self.shares, self.score):
            chart.show_spans(spans)
            chart.mean(seen.window)
        categories = story is not None and any(one.shares for one in _sides(story))
        self._over_time.setCurrentWidget(self.shares if categories else self.ribbon)
        reference = story.reference if story is not None else None
        if categories:
            self.shares.show_shares(shares_of(seen), reference.shares if reference is not None else {})
        else:
            about = reference.quantiles if reference is not None else ()
            self.ribbon.show_quantiles(quantiles_of(seen), about, unit_of(story))
        values, limit, measure = scores_of(seen)
        self.score.show_title(measure_title(measure) if measure else "Score")
        self.score.show_values(values, limit)

    def _show_column(self, column: ColumnDrift | None, waits: bool, why: str) -> None:
        if column is None:
            self.spread.show_spread(None, "Loading the report of this window …" if waits else why)
            self.about.show_text("" if waits else why)
            self.measures.show_records({})
            self.quality.show_records({})
            return
        self.modes.offer(SpreadMode.BELOW, shown=column.histogram is None or not column.histogram.labels)
        spread = spread_of(column.histogram, column.n_reference, column.n_current)
        self.spread.show_spread(spread, "This column has no values that could be drawn.")
        self.about.show_text(f"{about_column(column)} {marks_told(column)}".strip())
        self.measures.show_records({name: (name, measure) for name, measure in column.measures.items()})
        self.quality.show_records(quality.rows_of(column))

    def _read(self, window: int | None) -> None:
        for chart in (self.ribbon, self.shares, self.score):
            chart.read_at(window)


def _sides(story: ColumnStory) -> list[ColumnWindow]:
    return [one for one in (story.reference, *story.windows) if one is not None]
