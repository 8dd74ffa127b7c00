"""A table of records: cells are prepared once a record, only changed rows are announced, ``data`` only looks up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel, Qt

from mlops_desk.base.text import NAME_LIMIT, plain
from mlops_desk.ui import theme
from mlops_desk.ui.text import tip_text

T = TypeVar("T")
Index = QModelIndex | QPersistentModelIndex

CELL_LIMIT = 2 * NAME_LIMIT
SORT_ROLE = Qt.ItemDataRole.UserRole
KEY_ROLE = Qt.ItemDataRole.UserRole + 1
BAR_ROLE = Qt.ItemDataRole.UserRole + 2
_NO_PARENT = QModelIndex()


@dataclass(frozen=True, slots=True)
class Cell:
    """A prepared cell: what is shown (made plain here, whatever it is), its sort key, colour and tool tip.

    ``bar`` (0-1) draws how full it is under the text.
    """

    text: str
    sort: Any = None
    token: str | None = None
    tip: str = ""
    bar: float | None = None

    def __post_init__(self) -> None:
        if not (self.text.isprintable() and len(self.text) <= NAME_LIMIT):
            object.__setattr__(self, "text", plain(self.text, CELL_LIMIT))


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column: its key (remembered), its title, and how a record becomes its cell."""

    key: str
    title: str
    cell: Callable[[T], Cell]
    right: bool = False
    stretch: bool = False
    fixed: bool = False
    hidden: bool = False


class RecordModel(QAbstractTableModel, Generic[T]):
    """Rows in the order of the records."""

    def __init__(self, columns: tuple[Column[T], ...], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.columns = columns
        self._keys: list[str] = []
        self._records: dict[str, T] = {}
        self._cells: dict[str, tuple[Cell, ...]] = {}

    def show_records(self, records: Mapping[str, T]) -> bool:
        """Take the new records; True when rows came or went."""
        if list(records) == self._keys:
            self._update(records)
            return False
        gone = [key for key in self._keys if key not in records]
        if len(gone) > len(self._keys) // 2 or not self._keys:
            self._reset(records)
            return True
        for key in gone:
            self._remove(key)
        self._update(records)
        self._insert(records)
        return True

    def _reset(self, records: Mapping[str, T]) -> None:
        self.beginResetModel()
        self._keys = list(records)
        self._records = dict(records)
        self._cells = {key: self._prepare(record) for key, record in records.items()}
        self.endResetModel()

    def _remove(self, key: str) -> None:
        row = self._keys.index(key)
        self.beginRemoveRows(_NO_PARENT, row, row)
        del self._keys[row], self._records[key], self._cells[key]
        self.endRemoveRows()

    def _update(self, records: Mapping[str, T]) -> None:
        last = len(self.columns) - 1
        for row, key in enumerate(self._keys):
            record = records[key]
            if record is self._records[key]:
                continue
            self._records[key] = record
            cells = self._prepare(record)
            if cells != self._cells[key]:
                self._cells[key] = cells
                self.dataChanged.emit(self.index(row, 0), self.index(row, last))

    def _insert(self, records: Mapping[str, T]) -> None:
        new = [key for key in records if key not in self._records]
        if not new:
            return
        first = len(self._keys)
        self.beginInsertRows(_NO_PARENT, first, first + len(new) - 1)
        for key in new:
            self._keys.append(key)
            self._records[key] = records[key]
            self._cells[key] = self._prepare(records[key])
        self.endInsertRows()

    def reword(self) -> None:
        """Prepare all cells anew, because time has passed ("3 min ago"); announce those that differ."""
        last = len(self.columns) - 1
        for row, key in enumerate(self._keys):
            cells = self._prepare(self._records[key])
            if cells != self._cells[key]:
                self._cells[key] = cells
                self.dataChanged.emit(self.index(row, 0), self.index(row, last))

    def _prepare(self, record: T) -> tuple[Cell, ...]:
        return tuple(column.cell(record) for column in self.columns)

    def record(self, key: str) -> T | None:
        return self._records.get(key)

    def row_of(self, key: str) -> int | None:
        return self._keys.index(key) if key in self._records else None

    def cells_of(self, row: int) -> tuple[Cell, ...]:
        return self._cells[self._keys[row]]

    # Qt's side.

    def rowCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._keys)

    def columnCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(self.columns[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        key = self._keys[index.row()]
        if role == KEY_ROLE:
            return key
        answer = _ANSWERS.get(role)
        number = index.column()
        return None if answer is None else answer(self._cells[key][number], self.columns[number])


def _alignment(column: Column[Any]) -> int:
    side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
    return int(side | Qt.AlignmentFlag.AlignVCenter)


_ANSWERS: dict[int, Callable[[Cell, Column[Any]], Any]] = {
    Qt.ItemDataRole.DisplayRole: lambda cell, _column: cell.text,
    Qt.ItemDataRole.ForegroundRole: lambda cell, _column: theme.colour(cell.token) if cell.token else None,
    Qt.ItemDataRole.TextAlignmentRole: lambda _cell, column: _alignment(column),
    Qt.ItemDataRole.FontRole: lambda _cell, column: theme.fixed_font() if column.fixed else None,
    Qt.ItemDataRole.ToolTipRole: lambda cell, _column: tip_text(cell.tip) if cell.tip else None,
    BAR_ROLE: lambda cell, _column: cell.bar,
    SORT_ROLE: lambda cell, _column: cell.text.lower() if cell.sort is None else cell.sort,
}


class Narrowed(QSortFilterProxyModel):
    """Sorts by the cells' own values and keeps rows in which every typed word is found."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._words: list[str] = []
        self.setSortRole(SORT_ROLE)
        # Rows keep their place while values change; they are sorted when rows come or somebody asks.
        self.setDynamicSortFilter(False)

    def narrow(self, text: str) -> None:
        wanted = plain(text).lower().split()
        if hasattr(self, "beginFilterChange"):  # Qt 6.10 and newer, where invalidateFilter is deprecated
            self.beginFilterChange()
            self._words = wanted
            self.endFilterChange(QSortFilterProxyModel.Direction.Rows)
        else:
            self._words = wanted
            self.invalidateFilter()

    def filterAcceptsRow(self, row: int, _parent: Index) -> bool:
        if not self._words:
            return True
        model = self.sourceModel()
        if not isinstance(model, RecordModel):
            return True
        text = " ".join(cell.text for cell in model.cells_of(row)).lower()
        return all(word in text for word in self._words)

    def lessThan(self, left: Index, right: Index) -> bool:
        one, two = left.data(SORT_ROLE), right.data(SORT_ROLE)
        return bool(one < two) if type(one) is type(two) else str(one) < str(two)
