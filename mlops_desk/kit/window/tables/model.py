"""A table of records: a row's cells are prepared when it is first seen, only changed rows are announced.

Sorting and filtering are done here in one go and not by a proxy, which would ask for each comparison: 1.1 s
for 10,000 rows (measured).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import tip_text
from mlops_desk.kit.window.tables.order import CELL_LIMIT, Cell, Column, Order, Spark

T = TypeVar("T")
Index = QModelIndex | QPersistentModelIndex

KEY_ROLE = Qt.ItemDataRole.UserRole + 1
BAR_ROLE = Qt.ItemDataRole.UserRole + 2
SPARK_ROLE = Qt.ItemDataRole.UserRole + 3
MOST_MOVES = 64  # chosen: more rows at once are laid out anew
CUT_FROM = 12  # chosen: shorter texts are not cut in any column
_NO_PARENT = QModelIndex()

__all__ = ["BAR_ROLE", "CELL_LIMIT", "KEY_ROLE", "SPARK_ROLE", "Cell", "Column", "RecordModel", "Spark"]


class RecordModel(QAbstractTableModel, Generic[T]):
    """Rows of records, sorted and narrowed here; ``order`` says which are shown and where."""

    def __init__(
        self,
        columns: tuple[Column[T], ...],
        parent: QObject | None = None,
        words: Callable[[T], str] | None = None,
        above: Callable[[T], str | None] | None = None,
    ) -> None:
        """``words`` is what a filter looks through of a record; without it all its cells, which are then prepared.

        ``above`` returns the key of the row that a record stands under, where there are such.
        """
        super().__init__(parent)
        self.columns = columns
        self._words = words
        self.order: Order[T] = Order(columns, above)
        self._records: dict[str, T] = {}
        self._cells: dict[str, tuple[Cell, ...]] = {}
        self.prepared = 0

    def show_records(self, records: Mapping[str, T]) -> bool:
        """Take the new records; True when rows came or went. Those that stay keep their place."""
        if not self._records and not records:
            return False
        gone = [key for key in self._records if key not in records]
        new = [key for key in records if key not in self._records]
        if not self._records or len(gone) + len(new) > MOST_MOVES:
            self._reset(records)
            return True
        for key in gone:
            self._remove(key)
        self._update(records)
        if new:
            self._insert(records, new)
        return bool(gone or new)

    def show_columns(self, columns: tuple[Column[T], ...]) -> None:
        """Show other columns of the same records; what was sorted by stays where it is still there."""
        sort = self.order.sort
        kept = None if sort is None else _place(columns, self.columns[sort[0]].key)
        self.beginResetModel()
        self.columns = columns
        self._cells = {}
        self.order.show_columns(columns)
        self.order.sort = None if sort is None or kept is None else (kept, sort[1])
        self.order.arrange(self._records, self._text)
        self.endResetModel()

    def _reset(self, records: Mapping[str, T]) -> None:
        self.beginResetModel()
        self._records = dict(records)
        self._cells = {}
        self.order.arrange(self._records, self._text)
        self.endResetModel()

    def _remove(self, key: str) -> None:
        row = self.order.row_of(key)
        if row is not None:
            self.beginRemoveRows(_NO_PARENT, row, row)
            self.order.remove(row)
        del self._records[key]
        self._cells.pop(key, None)
        if row is not None:
            self.endRemoveRows()

    def _update(self, records: Mapping[str, T]) -> None:
        changed = []
        for key, old in self._records.items():
            record = records[key]
            # Each sample brings new objects; most of them say what the old ones said.
            if record is old or record == old:
                continue
            changed.append(key)
        for key in changed:
            self._records[key] = records[key]
            self._cells.pop(key, None)
        # One that now belongs among those that are shown comes; one that does no more stays until it is narrowed anew.
        self._place(records, [key for key in changed if self.order.row_of(key) is None])
        self._tell(sorted(row for key in changed if (row := self.order.row_of(key)) is not None))

    def _tell(self, rows: list[int]) -> None:
        """Announce changed rows as few spans; the view asks anew only for those that are seen."""
        last = len(self.columns) - 1
        spans = _spans(rows)
        if len(spans) > MOST_MOVES:
            spans = [(rows[0], rows[-1])]
        for first, final in spans:
            self.dataChanged.emit(self.index(first, 0), self.index(final, last))

    def _insert(self, records: Mapping[str, T], new: list[str]) -> None:
        for key in new:
            self._records[key] = records[key]
        self._place(records, new)

    def _place(self, records: Mapping[str, T], keys: list[str]) -> None:
        for key in keys:
            row = self.order.place_of(key, self._records, records, self._text)
            if row is not None:
                self.beginInsertRows(_NO_PARENT, row, row)
                self.order.insert(row, key)
                self.endInsertRows()

    def reword(self) -> None:
        """Prepare all cells anew, because time has passed ("3 min ago") or names have changed."""
        self._cells = {}
        if self.order.keys:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.order.keys) - 1, len(self.columns) - 1))

    # Order.

    def sort_by(self, column: int, *, descending: bool) -> None:
        """Sort all rows now; later ones are put where they belong, and changed ones stay where they are."""
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        places = [(self.order.keys[index.row()], index.column()) for index in old]
        self.order.sort = (column, descending)
        self.order.arrange(self._records, self._text)
        new = [self.index(self.order.row_of(key) or 0, number) for key, number in places]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    def narrow(self, text: str) -> None:
        """Show only rows in which every word of ``text`` is found."""
        wanted = plain(text).lower().split()
        if wanted != self.order.words:
            self.order.words = wanted
            self._arrange()

    def keep(self, fits: Callable[[T], bool] | None) -> None:
        """Show only records of which ``fits`` says so; None: all."""
        self.order.fits = fits
        self._arrange()

    def _arrange(self) -> None:
        self.beginResetModel()
        self.order.arrange(self._records, self._text)
        self.endResetModel()

    def _text(self, key: str) -> str:
        if self._words is not None:
            return self._words(self._records[key]).lower()
        return " ".join(cell.text for cell in self._row(key)).lower()

    def _row(self, key: str) -> tuple[Cell, ...]:
        """Return a row's cells, prepared when somebody first asks for them."""
        cells = self._cells.get(key)
        if cells is None:
            self.prepared += 1
            record = self._records[key]
            cells = self._cells[key] = tuple(column.cell(record) for column in self.columns)
        return cells

    def texts(self, column: int, rows: Iterable[int]) -> list[str]:
        """Return what stands in a column of some rows that are shown."""
        return [self._row(self.order.keys[row])[column].text for row in rows]

    def known(self) -> int:
        """Return how many records there are, shown or not."""
        return len(self._records)

    def record(self, key: str) -> T | None:
        return self._records.get(key)

    def row_of(self, key: str) -> int | None:
        """Return the row of a record that is shown."""
        return self.order.row_of(key)

    # Qt's side.

    def rowCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self.order.keys)

    def columnCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            # Rows have no heads that are seen; an assistive tool asks for their names nonetheless.
            named = role == Qt.ItemDataRole.AccessibleTextRole
            return self._row(self.order.keys[section])[0].text if named else None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(self.columns[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        key = self.order.keys[index.row()]
        if role == KEY_ROLE:
            return key
        answer = _ANSWERS.get(role)
        number = index.column()
        return None if answer is None else answer(self._row(key)[number], self.columns[number])


def _place(columns: tuple[Column[T], ...], key: str) -> int | None:
    """Return where a column stands, None for one that is not there."""
    return next((number for number, one in enumerate(columns) if one.key == key), None)


def _spans(rows: list[int]) -> list[tuple[int, int]]:
    """Join neighbouring rows (sorted) to spans."""
    spans: list[tuple[int, int]] = []
    for row in rows:
        if spans and spans[-1][1] == row - 1:
            spans[-1] = (spans[-1][0], row)
        else:
            spans.append((row, row))
    return spans


def _tip(cell: Cell) -> str | None:
    """Return what stands in the tool tip: at least the whole of a text that may be cut in its cell."""
    text = cell.tip or (cell.text if len(cell.text) > CUT_FROM else "")
    return tip_text(text) if text else None


def _alignment(column: Column[Any]) -> int:
    side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
    return int(side | Qt.AlignmentFlag.AlignVCenter)


_ANSWERS: dict[int, Callable[[Cell, Column[Any]], Any]] = {
    Qt.ItemDataRole.DisplayRole: lambda cell, _column: cell.text,
    Qt.ItemDataRole.ForegroundRole: lambda cell, _column: theme.colour(cell.token) if cell.token else None,
    Qt.ItemDataRole.TextAlignmentRole: lambda _cell, column: _alignment(column),
    Qt.ItemDataRole.FontRole: lambda _cell, column: theme.fixed_font() if column.fixed else None,
    Qt.ItemDataRole.ToolTipRole: lambda cell, _column: _tip(cell),
    BAR_ROLE: lambda cell, _column: cell.bar,
    SPARK_ROLE: lambda cell, _column: cell.spark,
}
