"""The columns that can be chosen, as a list asks for them: a row is worded once it is seen."""

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, Qt, Signal

from mlops_desk.base.text import plain
from mlops_desk.ui.look.text import tip_text
from mlops_desk.ui.runs.names import ColumnName
from mlops_desk.ui.tables.model import Index
from mlops_desk.ui.tables.rows import DETAIL_ROLE
from mlops_desk.ui.words import numbers

_NO_PARENT = QModelIndex()
_FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable


class ListedColumns(QAbstractListModel):
    """``ticked``: others are wanted. ``n_runs`` tells how many runs have a column, by its name."""

    ticked = Signal()

    def __init__(self, wanted: Sequence[ColumnName], n_runs: Mapping[str, int], parent: QObject) -> None:
        super().__init__(parent)
        self.wanted = list(wanted)
        self._n_runs = n_runs
        self._listed: tuple[ColumnName, ...] = ()

    def show(self, listed: Sequence[ColumnName]) -> None:
        """List these."""
        self.beginResetModel()
        self._listed = tuple(listed)
        self.endResetModel()

    def rowCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._listed)

    def flags(self, _index: Index) -> Qt.ItemFlag:
        return _FLAGS

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        column = self._listed[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return plain(column.about)
        if role == Qt.ItemDataRole.CheckStateRole:
            return Qt.CheckState.Checked if column in self.wanted else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip_text(column.about)
        if role == DETAIL_ROLE:
            n_runs = self._n_runs.get(str(ColumnName(column.kind, column.key)))
            return None if n_runs is None else numbers.count(n_runs, "run")
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Tick a column, which then stands last, or take its tick away."""
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        column, on = self._listed[index.row()], Qt.CheckState(value) is Qt.CheckState.Checked
        if on and column not in self.wanted:
            self.wanted.append(column)
        elif not on and column in self.wanted:
            self.wanted.remove(column)
        self.dataChanged.emit(index, index, [Qt.ItemDataRole.CheckStateRole])
        self.ticked.emit()
        return True
