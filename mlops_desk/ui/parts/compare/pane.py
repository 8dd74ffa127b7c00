"""The pane of a comparison: differences only at first, transposable, searchable, to copy or to save.

It is handed what is compared; who asks the agent for it is the page.
"""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.registry.comparison import ComparedValue
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.compare import comparison
from mlops_desk.ui.parts.compare.comparison import Compared
from mlops_desk.ui.parts.compare.table import ComparisonTable
from mlops_desk.ui.tables import export
from mlops_desk.ui.widgets.button import CopyButton
from mlops_desk.ui.widgets.choice import CheckBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.states import Empty, StateView
from mlops_desk.ui.words import numbers


class ComparePane(QWidget):
    """``pointed`` carries the key of the thing under the pointer, or None; ``opened`` of one that is to be shown."""

    pointed = Signal(object)
    opened = Signal(str)

    def __init__(self, name: str = "Comparison") -> None:
        super().__init__()
        self.differing = CheckBox("Differences only")
        self.differing.setChecked(True)
        self.transposed = CheckBox("Transpose")
        self.search = Field("Search the comparison", "Search keys and values")
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.copy = CopyButton("Copy CSV", self.as_csv)
        self.table = ComparisonTable(name)
        self.state = StateView(theme.LIST_WIDTH)
        self._things: tuple[Compared, ...] = ()
        self._values: tuple[ComparedValue, ...] = ()
        self._baseline: int | None = None
        self._arrange()
        self.differing.toggled.connect(self._fill)
        self.transposed.toggled.connect(self._fill)
        self.search.textChanged.connect(self._fill)
        self.table.pointed.connect(self.pointed)
        self.table.opened.connect(self.opened)

    def _arrange(self) -> None:
        self.head = QHBoxLayout()
        self.head.setSpacing(theme.SPACE_12)
        for widget in (self.differing, self.transposed):
            self.head.addWidget(widget)
        self.head.addWidget(self.search, 1)
        self.head.addWidget(self.copy)
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addLayout(self.head)
        column.addWidget(self.says)
        column.addWidget(self.table, 1)
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._content)
        self._layers.addWidget(self.state)

    def show_values(
        self, things: Sequence[Compared], values: Sequence[ComparedValue], baseline: str | None = None
    ) -> None:
        """Show what differs between ``things``; beside the one with the key ``baseline`` changes are told."""
        self._things, self._values = tuple(things), tuple(values)
        self._baseline = next((place for place, one in enumerate(things) if one.key == baseline), None)
        self._fill()
        self._layers.setCurrentWidget(self._content)

    def show_loading(self, text: str, cancel: Callable[[], None] | None = None) -> None:
        self.state.show_loading(text, "", cancel)
        self._layers.setCurrentWidget(self.state)

    def show_error(self, error: DeskError, again: Callable[[], None]) -> None:
        self.state.show_error("They can't be compared", error, again)
        self._layers.setCurrentWidget(self.state)

    def show_nothing(self, empty: Empty) -> None:
        self.state.show_empty(empty)
        self._layers.setCurrentWidget(self.state)

    def light(self, key: str | None) -> None:
        """Light all that belongs to a thing."""
        self.table.light(key)

    def shown(self) -> list[ComparedValue]:
        """Return the values that are seen."""
        return self.table.values.values

    def as_csv(self) -> str:
        """Return what is seen as CSV, with all digits."""
        return export.as_csv(comparison.table(self._things, self.shown(), transposed=self.transposed.isChecked()))

    def copy_text(self) -> None:
        """Copy what is seen with tabs between the cells."""
        rows = comparison.table(self._things, self.shown(), transposed=self.transposed.isChecked())
        QGuiApplication.clipboard().setText(export.as_text(rows))

    def _fill(self) -> None:
        differing = self.differing.isChecked()
        values = comparison.wanted(self._values, differing=differing, text=self.search.text())
        self.table.values.show_values(
            self._things, values, transposed=self.transposed.isChecked(), baseline=self._baseline
        )
        self.table.fit()
        self.says.show_text(self._said(len(values)))

    def _said(self, n_shown: int) -> str:
        n_differing = sum(one.differs for one in self._values)
        if not n_shown and self.search.text().strip():
            return "Nothing matches the search."
        if not n_differing and self.differing.isChecked():
            same = numbers.count(len(self._values), "value is", "values are")
            return f"{numbers.OK} Nothing differs: {same} the same everywhere."
        return f"{n_differing:,} of {numbers.count(len(self._values), 'value')} differ"
