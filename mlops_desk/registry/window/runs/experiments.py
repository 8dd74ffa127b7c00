"""The experiments of a registry, at the left: none chosen is all of them; several can be."""

from collections.abc import Collection, Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QItemSelectionModel, QModelIndex, QObject, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView, QVBoxLayout, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import tip_text
from mlops_desk.kit.window.tables.model import Index
from mlops_desk.kit.window.tables.rows import plain_rows
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.scroll import thin
from mlops_desk.registry.records.model import Experiment

_NO_PARENT = QModelIndex()
_FROM_SO_MANY = 12  # chosen: fewer are seen at once, and need no search
ALL = "All experiments"


class ListedExperiments(QAbstractListModel):
    """All of them together first, then each by its name, worded once it is seen."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.names: tuple[str, ...] = ("",)

    def show(self, names: Sequence[str]) -> None:
        self.beginResetModel()
        self.names = ("", *names)
        self.endResetModel()

    def rowCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self.names)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        name = self.names[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return plain(name) or ALL
        return tip_text(name or ALL) if role == Qt.ItemDataRole.ToolTipRole else None


class ExperimentList(QWidget):
    """``changed``: others are chosen; ``names`` tells which, none for all."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.search = Field("Search experiments")
        self.search.hide()
        self.list = QListView()
        self._model = ListedExperiments(self)
        thin(self.list)
        plain_rows(self.list, elide=Qt.TextElideMode.ElideMiddle)
        self.list.setModel(self._model)
        self.list.setAccessibleName("Experiments")
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(self.search)
        column.addWidget(self.list, 1)
        self.list.selectionModel().selectionChanged.connect(lambda _new, _old: self._changed())
        self.search.textChanged.connect(self._narrow)
        self._told: tuple[str, ...] = ()
        self._silent = False
        self._select(())

    def show_experiments(self, experiments: Sequence[Experiment]) -> None:
        """List them by name; those that are chosen stay so."""
        ordered = tuple(sorted((one.name for one in experiments), key=str.lower))
        if ordered == self._model.names[1:]:
            return
        chosen = set(self.names())
        self._silent = True
        self._model.show(ordered)
        self._select(chosen)
        self._silent = False
        self.search.setVisible(len(ordered) > _FROM_SO_MANY)
        self._narrow(self.search.text())
        if set(self.names()) != chosen:
            self._changed()

    def names(self) -> tuple[str, ...]:
        """Return the names of those that are chosen; none: all of them."""
        rows = (index.row() for index in self.list.selectionModel().selectedRows())
        return tuple(sorted(filter(None, (self._model.names[row] for row in rows))))

    def choose(self, wanted: Sequence[str]) -> None:
        """Choose these, none for all."""
        self._silent = True
        self._select(wanted)
        self._silent = False
        self._changed()

    def _select(self, wanted: Collection[str]) -> None:
        """Select these where they are listed; all experiments where none of them is."""
        selection = self.list.selectionModel()
        selection.clearSelection()
        rows = [row for row, name in enumerate(self._model.names) if name and name in wanted]
        for row in rows or [0]:
            selection.select(self._model.index(row), QItemSelectionModel.SelectionFlag.Select)

    def _changed(self) -> None:
        """Let all of them be chosen alone, or not at all."""
        if self._silent:
            return
        selection, everything = self.list.selectionModel(), self._model.index(0)
        if selection.isSelected(everything) is bool(self.names()):
            flags = QItemSelectionModel.SelectionFlag
            self._silent = True
            selection.select(everything, flags.Deselect if self.names() else flags.Select)
            self._silent = False
        if self.names() != self._told:
            self._told = self.names()
            self.changed.emit()

    def _narrow(self, text: str) -> None:
        words = text.lower().split()
        for row, name in enumerate(self._model.names[1:], 1):
            hidden = not all(word in name.lower() for word in words)
            if self.list.isRowHidden(row) is not hidden:
                self.list.setRowHidden(row, hidden)
