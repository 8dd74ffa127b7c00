"""Which columns the table has: a list to search through and to tick, with what metrics can be shown of."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QSpinBox, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label, tip_text
from mlops_desk.ui.runs import names
from mlops_desk.ui.runs.names import ColumnName
from mlops_desk.ui.runs.question import FIRST_COLUMNS, KnownColumns, attributes
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.widgets.scroll import thin
from mlops_desk.ui.words import numbers

MOST_LISTED = 300  # chosen: of ten thousand names nobody scrolls further; a letter more finds the rest
MOST_SHOWN = 60  # columns: a table that is wider is read by nobody, and each asks the agent for its values
_STEPS = 2_000_000_000  # of a spin box: the largest whole number that it takes


class ColumnsForm(FormDialog):
    """``chosen`` carries the columns in their order."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget, known: KnownColumns, shown: Sequence[ColumnName]) -> None:
        super().__init__(parent, "Columns", "The name of the run always stands first.", "Show these")
        self._known = [*attributes(), *known.columns]
        self._n_runs = known.n_runs
        self._wanted = list(shown)
        self.search = Field("Search columns", "Search metrics, parameters, tags")
        self.which = ChoiceBox("Which value of a metric")
        for which, words in names.WHICH.items():
            self.which.addItem(f"{words} value" if which != names.STEP else words, which)
        self.step = QSpinBox()
        self.step.setRange(0, _STEPS)
        self.step.setAccessibleName("Step")
        self.step.setMinimumHeight(theme.FIELD_HEIGHT)
        self.step.setEnabled(False)
        self.list = QListWidget()
        thin(self.list)
        self.list.setAccessibleName("Columns")
        self.list.setUniformItemSizes(True)
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.fill(self._whole())
        self.first = self.search
        self.search.textChanged.connect(lambda _text: self._list())
        self.which.activated.connect(lambda _place: self._choose_which())
        self.step.valueChanged.connect(lambda _value: self._list())
        self.list.itemChanged.connect(self._ticked)
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
        self.step.setEnabled(self.which.currentData() == names.STEP)
        self._list()

    def _list(self) -> None:
        """List what is found, what is shown already first."""
        words = self.search.text().lower().split()
        every = dict.fromkeys([*self._wanted, *map(self._as_wished, self._known)])
        found = [one for one in every if all(word in one.about.lower() for word in words)]
        self.list.blockSignals(True)
        self.list.clear()
        for column in found[:MOST_LISTED]:
            self.list.addItem(self._item(column))
        self.list.blockSignals(False)
        self._say(len(found))

    def _as_wished(self, column: ColumnName) -> ColumnName:
        if column.kind != names.METRICS:
            return column
        which = str(self.which.currentData())
        return ColumnName(column.kind, column.key, which, self.step.value() if which == names.STEP else None)

    def _item(self, column: ColumnName) -> QListWidgetItem:
        n_runs = self._n_runs.get(str(ColumnName(column.kind, column.key)))
        of = f"   {numbers.count(n_runs, 'run')}" if n_runs is not None else ""
        item = QListWidgetItem(plain(f"{column.about}{of}"))
        item.setData(Qt.ItemDataRole.UserRole, str(column))
        item.setToolTip(tip_text(column.about))
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Checked if column in self._wanted else Qt.CheckState.Unchecked)
        return item

    def _ticked(self, item: QListWidgetItem) -> None:
        column = names.read(item.data(Qt.ItemDataRole.UserRole))
        if item.checkState() is Qt.CheckState.Checked and column not in self._wanted:
            self._wanted.append(column)
        elif item.checkState() is Qt.CheckState.Unchecked and column in self._wanted:
            self._wanted.remove(column)
        self._say(None)

    def _say(self, n_found: int | None) -> None:
        if n_found is not None and n_found > MOST_LISTED:
            self.says.show_text(f"{MOST_LISTED} of {n_found:,} are listed; type more letters to find the others.")
        else:
            self.says.show_text(numbers.count(len(self._wanted), "column"))
        self.act.setEnabled(len(self._wanted) <= MOST_SHOWN)
        if len(self._wanted) > MOST_SHOWN:
            self.says.show_text(f"{len(self._wanted)} columns are too many: choose {MOST_SHOWN} at most.")

    def _reset(self) -> None:
        self._wanted = [names.read(name) for name in FIRST_COLUMNS]
        self._list()

    def _choose(self) -> None:
        self.chosen.emit(list(self._wanted))
        self.accept()
