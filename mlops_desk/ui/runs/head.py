"""The head of the table of runs: a click sorts, a drag orders columns anew, and widths stay with their columns."""

from functools import partial

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QHeaderView, QTableView

from mlops_desk.ui.look import theme
from mlops_desk.ui.runs.model import RunsModel
from mlops_desk.ui.tables.paint import PlainHeader
from mlops_desk.ui.tables.widths import column_width

NAME_WIDTH, COLUMN_WIDTH = 170, 104  # pixels: a run's name with its box; a number, or "3 min ago"
_MOST_WIDTH = 240  # pixels: what is longer is cut; the tool tip has it whole


class RunsHead(PlainHeader):
    """``ordered`` carries the columns in the order that they were dragged into, ``asked`` a section and a place."""

    ordered = Signal(object)
    asked = Signal(int, QPoint)

    def __init__(self, table: QTableView, runs: RunsModel) -> None:
        super().__init__()
        table.setHorizontalHeader(self)  # first of all: it takes the mark of the order away
        self._table = table
        self._runs = runs
        self._wide: dict[str, int] = {}
        self._silent = False
        self.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setHighlightSections(False)
        self.setMinimumSectionSize(theme.SPACE_24 * 2)
        self.setDefaultSectionSize(COLUMN_WIDTH)
        self.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.setSectionsClickable(True)
        self.setSectionsMovable(True)
        self.setFirstSectionMovable(False)
        self.setSortIndicatorShown(True)
        self.setSortIndicatorClearable(False)
        self.sectionMoved.connect(self._move)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(
            lambda place: self.asked.emit(self.logicalIndexAt(place), self.mapToGlobal(place))
        )

    def keep_widths(self) -> None:
        """Remember how wide the columns are, before there are others."""
        for number, column in enumerate(self._runs.columns, 1):
            self._wide[str(column)] = self.sectionSize(number)
        if self._runs.columns:
            self._wide[""] = self.sectionSize(0)

    def give_widths(self) -> None:
        """Give each column the width that it had, or one that fits what it shows."""
        self._silent = True
        for number in range(self.count()):
            self.moveSection(self.visualIndex(number), number)
        self._silent = False
        self.resizeSection(0, self._wide.get("", NAME_WIDTH))
        for number, column in enumerate(self._runs.columns, 1):
            self.resizeSection(number, self._wide.get(str(column)) or self._fitting(number))

    def _fitting(self, number: int) -> int:
        return column_width(self._table, partial(self._texts, number), limits=(COLUMN_WIDTH * 2 // 3, _MOST_WIDTH))

    def _texts(self, number: int, rows: range) -> list[str]:
        """Return what stands in a column, its title with the mark of the order among it."""
        title = f"{self._runs.headerData(number, Qt.Orientation.Horizontal)} ▾"
        return [title, *(self._runs.cell(place, number).text for place in rows)]

    def show_sort(self, column: str, descending: bool) -> None:
        """Mark the column by which the runs are sorted; none where it is not shown."""
        shown = [str(one) for one in self._runs.columns]
        number = 0 if column == "run_name" else shown.index(column) + 1 if column in shown else -1
        order = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
        self.setSortIndicator(number, order)

    def _move(self, _section: int, _old: int, _new: int) -> None:
        if self._silent:
            return
        order = [self.logicalIndex(place) - 1 for place in range(self.count())]
        columns = [self._runs.columns[number] for number in order if number >= 0]
        if columns != list(self._runs.columns):
            self.ordered.emit(columns)
