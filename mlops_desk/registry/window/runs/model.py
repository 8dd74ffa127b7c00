"""The table of runs as Qt asks for it: as many rows as there are, of which those near the screen are known."""

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import tip_text
from mlops_desk.kit.window.tables.model import KEY_ROLE, Index
from mlops_desk.kit.window.tables.order import Cell
from mlops_desk.registry.records.run_window import RunRow
from mlops_desk.registry.window.runs import cells, names
from mlops_desk.registry.window.runs.names import ColumnName
from mlops_desk.registry.window.runs.rows import SeenRows

ROW_ROLE = Qt.ItemDataRole.UserRole + 10
AWAITED = Cell("…", None, "muted", "This row is being fetched")
_NOTHING = Cell("")
_NO_PARENT = QModelIndex()


class RunsModel(QAbstractTableModel):
    """The first column has the run's name, the others what was chosen."""

    def __init__(self, rows: SeenRows, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows = rows
        self.columns: tuple[ColumnName, ...] = ()
        self._titles: list[str] = []
        self._count = 0
        self.made = 0
        """How many cells were made: those that were seen, and no more."""

    def begin(self, columns: tuple[ColumnName, ...]) -> None:
        """Take other rows, with other columns."""
        self.beginResetModel()
        self.columns = columns
        self._titles = names.titles(columns)
        self._count = self.rows.count
        self.endResetModel()

    def resize(self) -> None:
        """Let rows come or go at the end; what is where changes with them, but not which row one looks at."""
        count = self.rows.count
        if count > self._count:
            self.beginInsertRows(_NO_PARENT, self._count, count - 1)
            self._count = count
            self.endInsertRows()
        elif count < self._count:
            self.beginRemoveRows(_NO_PARENT, count, self._count - 1)
            self._count = count
            self.endRemoveRows()

    def tell(self, first: int, last: int) -> None:
        """Announce that rows are here."""
        last = min(last, self._count - 1)
        if first <= last:
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(self.columns)))

    def row(self, place: int) -> RunRow | None:
        return self.rows.row(place)

    def rowCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else self._count

    def columnCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else 1 + len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return self.cell(section, 0).text if role == Qt.ItemDataRole.AccessibleTextRole else None
        column = self.columns[section - 1] if 0 < section <= len(self.columns) else None
        if role == Qt.ItemDataRole.DisplayRole:
            return Cell(self._titles[section - 1]).text if column is not None else names.TITLES["run_name"]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.ToolTipRole and column is not None:
            return tip_text(column.about)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        place, number = index.row(), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self.cell(place, number).text
        if role == Qt.ItemDataRole.ForegroundRole:
            token = self.cell(place, number).token
            return theme.colour(token) if token else None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(self.columns[number - 1] if number else None)
        if role == Qt.ItemDataRole.ToolTipRole:
            cell = self.cell(place, number)
            return tip_text(cell.tip or cell.text)
        if role in {KEY_ROLE, ROW_ROLE}:
            row = self.rows.row(place)
            return row if role == ROW_ROLE or row is None else row.run_id
        return None

    def cell(self, place: int, number: int) -> Cell:
        row = self.rows.row(place)
        if row is None:
            return AWAITED if number == 0 else _NOTHING
        self.made += 1
        if number == 0:
            return Cell(cells.name(row), tip=f"{row.name or 'without a name'}\n{row.run_id}")
        at = number - 1
        # Rows of the last question may still be here while their columns have changed.
        return cells.cell(row, self.columns[at], row.values[at] if at < len(row.values) else None)


def _alignment(column: ColumnName | None) -> int:
    right = column is not None and column.is_number
    side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    return int(side | Qt.AlignmentFlag.AlignVCenter)
