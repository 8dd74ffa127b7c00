"""The experiments of a registry, at the left: none chosen is all of them; several can be."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.model import Experiment
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import tip_text
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.scroll import thin

_NAME = Qt.ItemDataRole.UserRole
_FROM_SO_MANY = 12  # chosen: fewer are seen at once, and need no search
ALL = "All experiments"


class ExperimentList(QWidget):
    """``changed``: others are chosen; ``names`` tells which, none for all."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.search = Field("Search experiments")
        self.search.hide()
        self.list = QListWidget()
        thin(self.list)
        self.list.setAccessibleName("Experiments")
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._shown: tuple[str, ...] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(self.search)
        column.addWidget(self.list, 1)
        self.list.itemSelectionChanged.connect(self._changed)
        self.search.textChanged.connect(self._narrow)
        self._told: tuple[str, ...] = ()

    def show_experiments(self, experiments: Sequence[Experiment]) -> None:
        """List them by name; those that are chosen stay so."""
        ordered = tuple(sorted((one.name for one in experiments), key=str.lower))
        if ordered == self._shown:
            return
        chosen = set(self.names())
        self._shown = ordered
        self.list.blockSignals(True)
        self.list.clear()
        for name in ("", *ordered):
            item = QListWidgetItem(plain(name) or ALL)
            item.setData(_NAME, name)
            item.setToolTip(tip_text(name or ALL))
            self.list.addItem(item)
            item.setSelected(name in chosen or (not name and not chosen))
        self.list.blockSignals(False)
        self.search.setVisible(len(ordered) > _FROM_SO_MANY)
        self._narrow(self.search.text())
        if set(self.names()) != chosen:
            self._changed()

    def names(self) -> tuple[str, ...]:
        """Return the names of those that are chosen; none: all of them."""
        return tuple(sorted(filter(None, (str(item.data(_NAME)) for item in self.list.selectedItems()))))

    def choose(self, wanted: Sequence[str]) -> None:
        """Choose these, none for all."""
        self.list.blockSignals(True)
        for row in range(self.list.count()):
            item = self.list.item(row)
            item.setSelected(str(item.data(_NAME)) in (wanted or ("",)))
        self.list.blockSignals(False)
        self._changed()

    def _changed(self) -> None:
        """Let all of them be chosen alone, or not at all."""
        everything = self.list.item(0)
        if self.list.count() and everything.isSelected() is bool(self.names()):
            self.list.blockSignals(True)
            everything.setSelected(not self.names())
            self.list.blockSignals(False)
        if self.names() != self._told:
            self._told = self.names()
            self.changed.emit()

    def _narrow(self, text: str) -> None:
        words = text.lower().split()
        for row in range(1, self.list.count()):
            item = self.list.item(row)
            item.setHidden(not all(word in str(item.data(_NAME)).lower() for word in words))
