"""One column of a monitor: how its values are spread, how they went over time, its measures and its quality.

What is drawn over time is the column's story; distribution, measures and quality are those of one window, which is
chosen in the charts over time. Each part says for itself what it waits for or lacks.
"""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.drift import ColumnDrift
from mlops_desk.records.drift.monitors import ColumnStory, ColumnWindow
from mlops_desk.ui.curves.spans import Span
from mlops_desk.ui.drift.column import by_segment, quality
from mlops_desk.ui.drift.column.distribution import DistributionChart, SpreadMode
from mlops_desk.ui.drift.column.seen import SeenColumn, marks_told, quantiles_of, scores_of, shares_of, unit_of
from mlops_desk.ui.drift.column.spread import spread_of
from mlops_desk.ui.drift.over_time.ribbon import RibbonChart
from mlops_desk.ui.drift.over_time.score import ScoreChart
from mlops_desk.ui.drift.over_time.shares import SharesChart
from mlops_desk.ui.drift.words import MEASURE_COLUMNS, about_column, measure_title
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.tabs import Tabs

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
        self.segments: RecordTable[by_segment.SegmentRow] = RecordTable(
            "The column by segment", by_segment.COLUMNS, context.memory
        )
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
        split = by_segment.rows_of(seen.windows[seen.window], seen.name)
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
