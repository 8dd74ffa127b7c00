"""Which columns the table has: a list to search through and to tick, with what metrics can be shown of."""

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QListView, QVBoxLayout, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, tip_text
from mlops_desk.kit.window.tables.model import Index
from mlops_desk.kit.window.tables.rows import DETAIL_ROLE, plain_rows
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import Field, NumberField
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.widgets.scroll import thin
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.window.runs import names
from mlops_desk.registry.window.runs.names import ColumnName
from mlops_desk.registry.window.runs.query import FIRST_COLUMNS, KnownColumns, attributes

# The columns that can be chosen, as a list asks for them: a row is worded once it is seen.
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


MOST_LISTED = 300  # chosen: of ten thousand names nobody scrolls further; a letter more finds the rest
MOST_SHOWN = 60  # columns: a table that is wider is read by nobody, and each asks the agent for its values
_STEPS = 2_000_000_000  # of a spin box: the largest whole number that it takes


class ColumnsForm(FormDialog):
    """``chosen`` carries the columns in their order."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget, known: KnownColumns, shown: Sequence[ColumnName]) -> None:
        super().__init__(parent, "Columns", "The name of the run always stands first.", "Show these")
        self._known = [*attributes(), *known.columns]
        self._n_too_long = known.n_too_long
        self.columns = ListedColumns(shown, known.n_runs, self)
        self.search = Field("Search columns", "Search metrics, parameters, tags")
        self.which = ChoiceBox("Which value of a metric")
        for which, words in names.WHICH.items():
            self.which.addItem(f"{words} value" if which != names.STEP else words, which)
        self.step = NumberField("Step", 0, _STEPS)
        self.step.hide()
        self.list = QListView()
        thin(self.list)
        plain_rows(self.list)
        self.list.setModel(self.columns)
        self.list.setAccessibleName("Columns")
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.fill(self._whole())
        self.first = self.search
        self.search.textChanged.connect(lambda _text: self._list())
        self.which.activated.connect(lambda _place: self._choose_which())
        self.step.valueChanged.connect(lambda _value: self._list())
        self.columns.ticked.connect(lambda: self._say(None))
        self.submit = self._choose
        self.resize(theme.DIALOG_WIDTH, theme.DIALOG_TALL)
        self._list()

    def _whole(self) -> QWidget:
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.search, 1)
        row.addWidget(Label("of metrics the", points=theme.CAPTION_POINTS, tone="muted"))
        row.addWidget(self.which)
        row.addWidget(self.step)
        back = Button("As at first", tip="State, when it started and how long it ran")
        back.clicked.connect(self._reset)
        foot = QHBoxLayout()
        foot.addWidget(self.says, 1)
        foot.addWidget(back)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addLayout(row)
        column.addWidget(self.list, 1)
        column.addLayout(foot)
        return whole

    def ask_step(self, column: ColumnName) -> None:
        """Ask at which step a metric is to be shown."""
        self.which.setCurrentIndex(self.which.findData(names.STEP))
        self.search.setText(f"{column.key} step")
        self.first = self.step
        self._choose_which()

    def _choose_which(self) -> None:
        self.step.setVisible(self.which.currentData() == names.STEP)
        self._list()

    def _list(self) -> None:
        """List what is found, what is shown already first."""
        words = self.search.text().lower().split()
        every = dict.fromkeys([*self.columns.wanted, *map(self._as_wished, self._known)])
        found = [one for one in every if all(word in one.about.lower() for word in words)]
        self.columns.show(found[:MOST_LISTED])
        self._say(len(found))

    def _as_wished(self, column: ColumnName) -> ColumnName:
        if column.kind != names.METRICS:
            return column
        which = str(self.which.currentData())
        return ColumnName(column.kind, column.key, which, self.step.value() if which == names.STEP else None)

    def _say(self, n_found: int | None) -> None:
        n_wanted = len(self.columns.wanted)
        if n_found is not None and n_found > MOST_LISTED:
            self.says.show_text(f"{MOST_LISTED} of {n_found:,} are listed; type more letters to find the others.")
        else:
            left_out = f"; {self._n_too_long:,} with very long names are left out" if self._n_too_long else ""
            self.says.show_text(f"{numbers.count(n_wanted, 'column')}{left_out}")
        self.act.setEnabled(n_wanted <= MOST_SHOWN)
        if n_wanted > MOST_SHOWN:
            self.says.show_text(f"{n_wanted} columns are too many: choose {MOST_SHOWN} at most.")

    def _reset(self) -> None:
        self.columns.wanted = [names.read(name) for name in FIRST_COLUMNS]
        self._list()

    def _choose(self) -> None:
        self.chosen.emit(list(self.columns.wanted))
        self.accept()
