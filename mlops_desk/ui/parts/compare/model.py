"""The table of a comparison as Qt asks for it: a cell is made when it is first seen.

Things stand in columns, their values in rows below the headings of their groups; transposed it is the other way.
"""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from mlops_desk.base.text import plain
from mlops_desk.records.registry.comparison import ComparedGroup, ComparedValue
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import tip_text
from mlops_desk.ui.parts.compare import comparison
from mlops_desk.ui.parts.compare.comparison import Compared, Row
from mlops_desk.ui.tables.model import Index
from mlops_desk.ui.tables.order import Cell

_NO_PARENT = QModelIndex()


class ComparisonModel(QAbstractTableModel):
    """Shows ``rows`` of ``things``; the first column has the names."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.things: tuple[Compared, ...] = ()
        self.values: list[ComparedValue] = []
        self.transposed = False
        self._rows: list[Row] = []
        self._baseline: int | None = None
        self._cells: dict[tuple[int, int], Cell] = {}

    def show_values(
        self, things: Sequence[Compared], values: list[ComparedValue], *, transposed: bool, baseline: int | None
    ) -> None:
        self.beginResetModel()
        self.things, self.values, self.transposed, self._baseline = tuple(things), values, transposed, baseline
        self._rows = list(values) if transposed else comparison.with_headings(values)
        self._cells = {}
        self.endResetModel()

    def row(self, row: int) -> Row | None:
        """Return what a row is about where things stand in columns."""
        return None if self.transposed else self._rows[row]

    def thing_at(self, row: int, column: int) -> Compared | None:
        """Return whose value stands in a place."""
        place = row if self.transposed else column - 1
        return self.things[place] if 0 <= place < len(self.things) else None

    def value_at(self, row: int, column: int) -> ComparedValue | None:
        """Return the row of values that a place belongs to."""
        if self.transposed:
            return self.values[column - 1] if column > 0 else None
        found = self._rows[row]
        return found if isinstance(found, ComparedValue) else None

    def rowCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self.things) if self.transposed else len(self._rows)

    def columnCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else 1 + (len(self.values) if self.transposed else len(self.things))

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return self._cell(section, 0).text if role == Qt.ItemDataRole.AccessibleTextRole else None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(right=section > 0)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._title(section)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip_text(self._about(section))
        return None

    def _title(self, section: int) -> str:
        if section == 0:
            return "" if self.transposed else "Value"
        return plain(self.values[section - 1].key if self.transposed else self.things[section - 1].title)

    def _about(self, section: int) -> str:
        if section == 0:
            return ""
        if self.transposed:
            value = self.values[section - 1]
            return f"{comparison.TITLES[value.group]}: {value.key}"
        thing = self.things[section - 1]
        return f"{thing.title}\n{thing.about}".strip()

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        cell = self._cell(index.row(), index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return cell.text
        if role == Qt.ItemDataRole.ForegroundRole:
            return theme.colour(cell.token) if cell.token else None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(right=index.column() > 0)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip_text(cell.tip or cell.text)
        if role == Qt.ItemDataRole.FontRole:
            is_heading = index.column() == 0 and isinstance(self.row(index.row()), ComparedGroup)
            return theme.font(theme.CAPTION_POINTS, bold=True) if is_heading else None
        return None

    def texts(self, column: int, rows: range) -> list[str]:
        """Return what stands in a column of some rows."""
        return [self._cell(row, column).text for row in rows]

    def _cell(self, row: int, column: int) -> Cell:
        place = row, column
        cell = self._cells.get(place)
        if cell is None:
            cell = self._cells[place] = self._made(row, column)
        return cell

    def _made(self, row: int, column: int) -> Cell:
        if self.transposed:
            thing = self.things[row]
            return Cell(thing.title, tip=thing.about) if column == 0 else self._value(self.values[column - 1], row)
        found = self._rows[row]
        if isinstance(found, ComparedGroup):
            return Cell(comparison.TITLES[found] if column == 0 else "", None, "muted")
        return Cell(found.key, tip=found.key) if column == 0 else self._value(found, column - 1)

    def _value(self, value: ComparedValue, place: int) -> Cell:
        return comparison.cell(value, place, self._baseline)


def _alignment(*, right: bool) -> int:
    side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    return int(side | Qt.AlignmentFlag.AlignVCenter)
