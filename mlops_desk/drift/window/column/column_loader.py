"""Looking into a column: asks for its story and for the report of one window, and has the pane show what is known."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.drift.records.monitors import ColumnStory, JudgedWindow, MonitorStanding
from mlops_desk.drift.records.report import DriftReport
from mlops_desk.drift.records.rows import WindowRows
from mlops_desk.drift.records.sources import SourceKind
from mlops_desk.drift.window import cell_text, queries
from mlops_desk.drift.window.column.column_state import SeenColumn
from mlops_desk.drift.window.column.pane import ColumnPane
from mlops_desk.drift.window.heatmap.heatmap_data import HeatSheet
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# The rows of one window of a file, with the column that is looked at in front; the window is where one came from.
_CELL = 60  # characters of a value; the tip has more
Row = tuple[float, tuple[str | None, ...]]


class RowsView(QWidget):
    """``went_back``: somebody wants to see the column again."""

    went_back = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._wanted: tuple[MonitorStanding, JudgedWindow, str] | None = None
        self._task: Task | None = None
        self.back = Button("← The column", tip="Back to the column (Esc)")
        self.title = Label(points=theme.TITLE_POINTS, bold=True)
        self.says = Label(tone="muted", wrap=True)
        self.table: RecordTable[Row] = RecordTable("Rows of the window", _columns((), ""), context.memory)
        self.state = StateView(theme.LIST_WIDTH)
        self._layers = QStackedWidget()
        self._layers.addWidget(framed(self.table))
        self._layers.addWidget(self.state)
        self.back.clicked.connect(self.went_back)
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        head.addWidget(self.back)
        head.addWidget(self.title, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addLayout(head)
        whole.addWidget(self.says)
        whole.addWidget(self._layers, 1)

    def show_window(self, standing: MonitorStanding, window: JudgedWindow, column: str) -> None:
        """Ask for the rows of a window, and show ``column`` in front of the others."""
        self._wanted = standing, window, column
        self.title.show_text(f"Rows of {plain(standing.monitor.source.place)}")
        self.says.show_text(cell_text.of_window(window))
        self.table.show_records({})
        self._ask()

    def _ask(self) -> None:
        if self._wanted is None:
            return
        standing, window, _column = self._wanted
        self.left()
        self.state.show_loading("Reading the rows …", "", self._cancel)
        self._layers.setCurrentWidget(self.state)
        question = queries.rows(standing.monitor.id, window.id)
        self._task = self._context.ask("rows", question, self._got, self._failed)

    def left(self) -> None:
        """Wait for no rows any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _cancel(self) -> None:
        self.left()
        self._failed(DeskError("Reading was cancelled."))

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.state.show_error("The rows can't be shown", error, self._ask)
        self._layers.setCurrentWidget(self.state)

    def _got(self, found: WindowRows) -> None:
        self._task = None
        if self._wanted is None or self._wanted[1].id != found.window:
            return
        standing, window, column = self._wanted
        cut = f"The first {len(found.rows):,} of {found.n_found:,} rows." if len(found.rows) < found.n_found else ""
        self.says.show_text(" ".join(filter(None, (f"{cell_text.of_window(window)}.", cut, *map(plain, found.notes)))))
        if not found.rows:
            text = " ".join(map(plain, found.notes)) or "No row of the source has the time of this window any more."
            self.state.show_empty(Empty("The rows are not there any more", text))
            self._layers.setCurrentWidget(self.state)
            return
        arriving = next((theirs for theirs, ours in standing.monitor.renamed.items() if ours == column), column)
        self.table.show_columns(_columns(found.columns, arriving))
        rows = zip(found.moments, found.rows, strict=True)
        self.table.show_records({str(number): row for number, row in enumerate(rows)})
        self.table.select_first()
        self.table.setFocus(Qt.FocusReason.OtherFocusReason)
        self._layers.setCurrentIndex(0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.went_back.emit()
        else:
            super().keyPressEvent(event)


def _columns(names: tuple[str, ...], first: str) -> tuple[Column[Row], ...]:
    """Return the columns of a table of rows: the time, the one that is looked at, the others as they come."""
    ordered = sorted(range(len(names)), key=lambda at: (names[at] != first, at))
    return (
        Column("_time", "Time", lambda row: Cell(numbers.day_and_clock(row[0]), row[0], tip=numbers.absolute(row[0]))),
        *(_column(at, names[at]) for at in ordered),
    )


def _column(at: int, name: str) -> Column[Row]:
    def cell(row: Row) -> Cell:
        value = row[1][at]
        if value is None:
            return Cell(numbers.NOTHING, (0, 0.0, ""), "muted", "missing")
        return Cell(plain(value, _CELL), _order(value), tip=plain(value, 300))

    return Column(f"column.{name}", plain(name, _CELL), cell)


def _order(value: str) -> tuple[int, float, str]:
    """Order values: what is missing first, then numbers by their size, then texts."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    return (2, 0.0, value) if math.isnan(number) else (1, number, "")


class ColumnLook(QObject):
    """``ended``: the column is no longer there. ``stepped`` carries the column above or below that is wanted.

    ``meant`` carries the place of the window that was chosen, ``failed`` an error that the pane has no place for.
    ``rows_opened``: the rows of a window are to be shown in place of the column.
    """

    ended = Signal()
    stepped = Signal(str)
    meant = Signal(int)
    failed = Signal(object)
    rows_opened = Signal()

    def __init__(self, parent: QWidget, context: Context) -> None:
        super().__init__(parent)
        self._context = context
        self._standing: MonitorStanding | None = None
        self._sheet = HeatSheet()
        self.seen: SeenColumn | None = None
        self._story: Task | None = None
        self._report: Task | None = None
        self.pane, self.rows = ColumnPane(context), RowsView(context)
        self.pane.picked.connect(self._pick)
        self.pane.rows_wanted.connect(self._show_rows)
        self.pane.stepped.connect(self._step)

    def look_into(self, standing: MonitorStanding, sheet: HeatSheet, column: str, window: int) -> None:
        """Look into a column of a monitor, at the window that has this place."""
        place = sheet.place_of(column)
        if place is None or not 0 <= window < len(sheet.windows):
            self.ended.emit()
            return
        before, self._standing, self._sheet = self.seen, standing, sheet
        same = before is not None and before.name == column and before.windows == sheet.windows
        one, scores = sheet.windows[window], sheet.rows[place].scores
        self.seen = SeenColumn(
            column, sheet.windows, scores, window, cell_text.of_cell(column, scores[window], one),
            story=before.story if same and before is not None else None,
            waits_report=one.report_id is not None,
            no_report="" if one.report_id is not None else "The report of this window is not kept any more.",
            has_rows=_has_rows(standing),
        )  # fmt: skip
        self.pane.show_seen(self.seen)
        if self.seen.story is None:
            self._ask_story(standing, column)
        self._ask_report(one)

    def take(self, standing: MonitorStanding, sheet: HeatSheet) -> None:
        """Go on with newer windows: at the one that was looked at, at the newest where it was the newest."""
        seen, newest = self.seen, len(sheet.windows) - 1
        if seen is None:
            return
        kept = None if seen.window >= len(seen.windows) - 1 else seen.windows[seen.window].id
        window = next((at for at, one in enumerate(sheet.windows) if one.id == kept), newest)
        if seen.windows != sheet.windows:
            self.look_into(standing, sheet, seen.name, window)

    def forget(self) -> None:
        """Look into nothing, and hear no answer any more."""
        self.seen = None
        self.rows.left()
        for task in (self._story, self._report):
            if task is not None:
                task.cancel()

    # What is asked.

    def _ask_story(self, standing: MonitorStanding, column: str) -> None:
        if self._story is not None:
            self._story.cancel()
        first, last = self._sheet.windows[0], self._sheet.windows[-1]

        def got(story: ColumnStory) -> None:
            if self.seen is not None and self.seen.name == column:
                self._show(replace(self.seen, story=story))

        question = queries.story(standing.monitor.id, column, first.window_start, last.window_end)
        self._story = self._context.ask("column", question, got, self.failed.emit)

    def _ask_report(self, window: JudgedWindow) -> None:
        if self._report is not None:
            self._report.cancel()
        if window.report_id is None:
            return

        def got(report: DriftReport) -> None:
            if self.seen is not None:
                name = self.seen.name
                found = next((one for one in report.columns if one.name == name), None)
                why = "" if found is not None else "The report of this window does not have the column."
                self._show(replace(self.seen, report=found, waits_report=False, no_report=why))

        def failed(error: DeskError) -> None:
            if self.seen is not None:
                why = f"{error.message} {error.hint or ''}".strip()
                self._show(replace(self.seen, waits_report=False, no_report=why))

        self._report = self._context.ask("report", queries.report(window.report_id), got, failed)

    def _show(self, seen: SeenColumn) -> None:
        self.seen = seen
        self.pane.show_seen(seen)

    # What is chosen.

    def _pick(self, window: int) -> None:
        if self.seen is not None and self._standing is not None:
            self.meant.emit(window)
            self.look_into(self._standing, self._sheet, self.seen.name, window)

    def _step(self, by: int) -> None:
        place = self._sheet.place_of(self.seen.name) if self.seen is not None else None
        if place is not None and 0 <= place + by < len(self._sheet.rows):
            self.stepped.emit(self._sheet.rows[place + by].name)

    def _show_rows(self) -> None:
        """Go to the requests of the window that is looked at, or to its rows in a file."""
        seen, standing = self.seen, self._standing
        if seen is None or standing is None:
            return
        window = seen.windows[seen.window]
        if standing.monitor.source.kind is SourceKind.FILE:
            self.rows.show_window(standing, window, seen.name)
            self.rows_opened.emit()
            return
        if standing.monitor.endpoint is None:
            return
        self._context.axis.show(window.window_start, window.window_end)
        self._context.open_page("endpoints", f"requests:{standing.monitor.endpoint}")


def _has_rows(standing: MonitorStanding) -> bool:
    """Tell whether there is a place to go to for the rows of a window."""
    kind = standing.monitor.source.kind
    return kind is SourceKind.FILE or (kind is SourceKind.LOG and standing.monitor.endpoint is not None)
