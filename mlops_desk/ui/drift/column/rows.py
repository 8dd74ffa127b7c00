"""The rows of one window of a file, with the column that is looked at in front; the window is where one came from."""

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.drift.monitors import JudgedWindow, MonitorStanding
from mlops_desk.records.drift.rows import WindowRows
from mlops_desk.ui.drift import asking, telling
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import framed
from mlops_desk.ui.widgets.states import Empty, StateView
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

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
        self.says.show_text(telling.of_window(window))
        self.table.show_records({})
        self._ask()

    def _ask(self) -> None:
        if self._wanted is None:
            return
        standing, window, _column = self._wanted
        self.left()
        self.state.show_loading("Reading the rows …", "", self._cancel)
        self._layers.setCurrentWidget(self.state)
        question = asking.rows(standing.monitor.id, window.id)
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
        self.says.show_text(" ".join(filter(None, (f"{telling.of_window(window)}.", cut, *map(plain, found.notes)))))
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
