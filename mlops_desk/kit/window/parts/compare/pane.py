"""The pane of a comparison: differences only at first, transposable, searchable, to copy or to save.

It is handed what is compared; who asks the agent for it is the page.
"""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QObject, QRect, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, tip_text
from mlops_desk.kit.window.parts.compare import comparison
from mlops_desk.kit.window.parts.compare.comparison import Compared, Row
from mlops_desk.kit.window.tables import view as export
from mlops_desk.kit.window.tables.model import Index
from mlops_desk.kit.window.tables.order import Cell
from mlops_desk.kit.window.tables.paint import DressedTable, PlainHeader
from mlops_desk.kit.window.tables.widths import column_width
from mlops_desk.kit.window.widgets.button import CopyButton
from mlops_desk.kit.window.widgets.choice import CheckBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue

# The table of a comparison as Qt asks for it: a cell is made when it is first seen.
# Things stand in columns, their values in rows below the headings of their groups; transposed it is the other way.
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


# The view of a comparison: a column for each thing, with its colour; what is pointed at is lit in all its cells.
_SWATCH = 3  # pixels: as thick as two curves
_LIT = 0.10  # chosen: seen, and every text on it still read
_WIDTH = 112  # pixels: a number with its change, or a short name
_WIDEST = 260  # pixels: a dataset with its digest; wider, values stand far from their names


class ComparisonTable(DressedTable):
    """``pointed`` carries the key of the thing under the pointer or the cursor, or None; ``opened`` of one chosen."""

    pointed = Signal(object)
    opened = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.values = ComparisonModel(self)
        self.setModel(self.values)
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectItems)
        header = _Header(self.values)
        self.setHorizontalHeader(header)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setDefaultSectionSize(_WIDTH)
        header.setHighlightSections(False)
        self._lit: str | None = None
        self.selectionModel().currentChanged.connect(lambda now, _before: self._point(now.row(), now.column()))
        self.doubleClicked.connect(lambda index: self._open(index.row(), index.column()))

    def fit(self) -> None:
        """Give the names the room that they need, up to a share of the table."""
        width = column_width(self, lambda rows: self.values.texts(0, rows))
        self.setColumnWidth(0, max(width, theme.COLUMN_MINIMUM // 2))
        self._share()

    def _share(self) -> None:
        """Give the values what room is left beside the names, each as much, up to what a longer text needs."""
        columns = self.values.columnCount() - 1
        if columns <= 0:
            return
        room = (self.viewport().width() - self.columnWidth(0)) // columns
        for column in range(1, columns + 1):
            self.setColumnWidth(column, min(max(room, _WIDTH), _WIDEST))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._share()

    def light(self, key: str | None) -> None:
        """Light all that belongs to a thing; None: nothing."""
        if key != self._lit:
            self._lit = key
            self.viewport().update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        self._point(index.row(), index.column())

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.pointed.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open the thing of the cell by Enter; leave Space to the window; copy the cell."""
        index = self.currentIndex()
        if event.matches(QKeySequence.StandardKey.Copy) and index.isValid():
            from PySide6.QtGui import QGuiApplication  # noqa: PLC0415 - few tables are ever copied from

            QGuiApplication.clipboard().setText(str(index.data() or ""))
        elif event.key() == Qt.Key.Key_Space:
            event.ignore()
        elif event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self._open(index.row(), index.column())
        else:
            super().keyPressEvent(event)

    def _point(self, row: int, column: int) -> None:
        thing = self.values.thing_at(row, column) if row >= 0 else None
        self.pointed.emit(None if thing is None else thing.key)

    def _open(self, row: int, column: int) -> None:
        thing = self.values.thing_at(row, column) if row >= 0 else None
        if thing is not None:
            self.opened.emit(thing.key)

    # Paint.

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        place = next((at for at, one in enumerate(self.values.things) if one.key == self._lit), None)
        if place is None:
            return
        view = self.viewport()
        if self.values.transposed:
            area = QRect(0, self.rowViewportPosition(place), view.width(), self.rowHeight(place))
        else:
            area = QRect(self.columnViewportPosition(place + 1), 0, self.columnWidth(place + 1), view.height())
        painter = QPainter(view)
        painter.fillRect(area, theme.faded(theme.series(self.values.things[place].slot), _LIT))


class _Header(PlainHeader):
    """Has above each thing's title the colour of its curve."""

    def __init__(self, values: ComparisonModel) -> None:
        super().__init__()
        self._values = values

    def paintSection(self, painter: QPainter, rect: QRect, section: int) -> None:
        super().paintSection(painter, rect, section)
        thing = None if self._values.transposed else self._values.thing_at(0, section)
        if thing is not None:
            painter.fillRect(
                QRect(rect.left() + theme.SPACE_8, rect.top() + 1, rect.width() - theme.SPACE_16, _SWATCH),
                theme.series(thing.slot),
            )


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
