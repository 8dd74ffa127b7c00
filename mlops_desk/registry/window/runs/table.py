"""The view of the table of runs: however many there are, it asks for the rows that it shows and no others.

Space ticks, Shift with Up and Down ticks on, a click with Shift ticks all between.
"""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QHeaderView, QMenu, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTableView

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.checkbox import paint_box
from mlops_desk.kit.window.tables import view
from mlops_desk.kit.window.tables.paint import DressedTable, PlainHeader
from mlops_desk.kit.window.tables.widths import column_width
from mlops_desk.registry.records.run_window import RunRow
from mlops_desk.registry.window.runs import names
from mlops_desk.registry.window.runs.model import ROW_ROLE, RunsModel
from mlops_desk.registry.window.runs.row_loader import RowLoader
from mlops_desk.registry.window.runs.selection import Ticks

# The head of the table of runs: a click sorts, a drag orders columns anew, and widths stay with their columns.
NAME_WIDTH, COLUMN_WIDTH = 170, 104  # pixels: a run's name with its box; a number, or "3 min ago"
_MOST_WIDTH = 240  # pixels: what is longer is cut; the tool tip has it whole


class RunsHead(PlainHeader):
    """``ordered`` carries the columns in the order that they were dragged into, ``asked`` a section and a place."""

    ordered = Signal(object)
    asked = Signal(int, QPoint)

    def __init__(self, table: QTableView, runs: RunsModel) -> None:
        super().__init__()
        table.setHorizontalHeader(self)  # first of all: it takes the mark of the order away
        self._table = table
        self._runs = runs
        self._wide: dict[str, int] = {}
        self._silent = False
        self.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setHighlightSections(False)
        self.setMinimumSectionSize(theme.SPACE_24 * 2)
        self.setDefaultSectionSize(COLUMN_WIDTH)
        self.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.setSectionsClickable(True)
        self.setSectionsMovable(True)
        self.setFirstSectionMovable(False)
        self.setSortIndicatorShown(True)
        self.setSortIndicatorClearable(False)
        self.sectionMoved.connect(self._move)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(
            lambda place: self.asked.emit(self.logicalIndexAt(place), self.mapToGlobal(place))
        )

    def keep_widths(self) -> None:
        """Remember how wide the columns are, before there are others."""
        for number, column in enumerate(self._runs.columns, 1):
            self._wide[str(column)] = self.sectionSize(number)
        if self._runs.columns:
            self._wide[""] = self.sectionSize(0)

    def give_widths(self) -> None:
        """Give each column the width that it had, or one that fits what it shows."""
        self._silent = True
        for number in range(self.count()):
            self.moveSection(self.visualIndex(number), number)
        self._silent = False
        self.resizeSection(0, self._wide.get("", NAME_WIDTH))
        for number, column in enumerate(self._runs.columns, 1):
            self.resizeSection(number, self._wide.get(str(column)) or self._fitting(number))

    def _fitting(self, number: int) -> int:
        return column_width(self._table, partial(self._texts, number), limits=(COLUMN_WIDTH * 2 // 3, _MOST_WIDTH))

    def _texts(self, number: int, rows: range) -> list[str]:
        """Return what stands in a column, its title with the mark of the order among it."""
        title = f"{self._runs.headerData(number, Qt.Orientation.Horizontal)} ▾"
        return [title, *(self._runs.cell(place, number).text for place in rows)]

    def show_sort(self, column: str, descending: bool) -> None:
        """Mark the column by which the runs are sorted; none where it is not shown."""
        shown = [str(one) for one in self._runs.columns]
        number = 0 if column == "run_name" else shown.index(column) + 1 if column in shown else -1
        order = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
        self.setSortIndicator(number, order)

    def _move(self, _section: int, _old: int, _new: int) -> None:
        if self._silent:
            return
        order = [self.logicalIndex(place) - 1 for place in range(self.count())]
        columns = [self._runs.columns[number] for number in order if number >= 0]
        if columns != list(self._runs.columns):
            self.ordered.emit(columns)


# How a run's name is painted in the table: its box to tick, in the colour that its curve has, and the name.
BOX = 14  # pixels: an x-height and room
INDENT = 16  # pixels: a run below the one that started it


def box_of(area: QRectF, depth: int) -> QRectF:
    """Return where the box to tick is in a cell."""
    left = area.left() + theme.SPACE_8 + depth * INDENT
    return QRectF(left, area.center().y() - BOX / 2, BOX, BOX)


class NameDelegate(QStyledItemDelegate):
    """``slot_of`` tells the slot of a ticked run's colour (None: it is not ticked), ``depth_of`` how deep it stands."""

    def __init__(self, slot_of: Callable[[str], int | None], depth_of: Callable[[RunRow], int]) -> None:
        super().__init__()
        self._slot_of = slot_of
        self._depth_of = depth_of

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        area = QRectF(option.rect)
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        if is_chosen:
            painter.fillRect(area, theme.colour("selection"))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, theme.faded(theme.colour("text"), 0.04))
        row: RunRow | None = index.data(ROW_ROLE)
        box = box_of(area, self._depth_of(row) if row is not None else 0)
        if row is not None:
            slot = self._slot_of(row.run_id)
            paint_box(
                painter,
                theme.edge(box),
                None if slot is None else _tint(slot, is_chosen=is_chosen),
                theme.colour("muted"),
            )
        ink = index.data(Qt.ItemDataRole.ForegroundRole) or theme.colour("text")
        painter.setPen(theme.on_selection(ink) if is_chosen else ink)
        painter.setFont(option.font)
        place = QRectF(box.right() + theme.SPACE_8, area.top(), 0, area.height())
        place.setRight(area.right() - theme.SPACE_4)
        text = painter.fontMetrics().elidedText(
            str(index.data() or ""), Qt.TextElideMode.ElideRight, int(place.width()) + 1
        )
        painter.drawText(place, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.colour("accent"), theme.BORDER))
            painter.drawRect(theme.edge(option.rect))
        painter.restore()


def _tint(slot: int, *, is_chosen: bool) -> QColor:
    """Return the colour of a ticked run's curve, nearer to the words' on the ground of the chosen row."""
    return theme.on_selection(theme.series(slot)) if is_chosen else theme.series(slot)


class RunsTable(DressedTable):
    """``chosen`` carries the id of the current run, or None; ``ticked``: ticks changed, True where all had room.

    ``sorted_by`` carries a section of the head, ``moved`` the columns in their new order, ``head_asked`` a section and
    a place, for its menu. ``opened``: Enter was pressed, or a row clicked twice.
    """

    chosen = Signal(object)
    ticked = Signal(bool)
    sorted_by = Signal(int)
    moved = Signal(object)
    head_asked = Signal(int, QPoint)
    opened = Signal()
    pointed = Signal(object)

    def __init__(self, loader: RowLoader, ticks: Ticks) -> None:
        super().__init__()
        self._loader = loader
        self._ticks = ticks
        self._silent = False
        self._anchor: int | None = None
        self._kept: str | None = None
        self.fill_menu: Callable[[QMenu], None] = lambda _menu: None
        self.runs = RunsModel(loader.rows, self)
        self.setModel(self.runs)
        self.setAccessibleName("Runs")
        self._names = NameDelegate(ticks.slot_of, self._depth)
        self.setItemDelegateForColumn(0, self._names)
        self.head = RunsHead(self, self.runs)
        self.head.sectionClicked.connect(self.sorted_by)
        self.head.ordered.connect(self.moved)
        self.head.asked.connect(self.head_asked)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)
        self.selectionModel().currentRowChanged.connect(lambda now, _before: self._chose(now.row()))
        self.verticalScrollBar().valueChanged.connect(lambda _value: self.look())
        loader.begun.connect(self._begin)
        loader.resized.connect(self._resize)
        loader.arrived.connect(self._arrive)

    # Rows.

    def look(self) -> None:
        """Ask for the rows that are seen."""
        first, last = self.rowAt(0), self.rowAt(self.viewport().height() - 1)
        count = self.runs.rowCount()
        if count:
            self._loader.look(max(first, 0), last if last >= 0 else count - 1)

    def key(self) -> str | None:
        """Return the id of the current run."""
        return self._kept

    def forget(self) -> None:
        """Let no run be the current one: those of another registry are shown from now on."""
        self._kept, self._anchor = None, None
        self._silent = True
        self.clearSelection()
        self.setCurrentIndex(QModelIndex())
        self._silent = False

    def current_row(self) -> RunRow | None:
        index = self.currentIndex()
        return self.runs.row(index.row()) if index.isValid() else None

    def select(self, run_id: str) -> bool:
        """Choose a run that is here; False where it is not."""
        place = self._loader.rows.place_of(run_id)
        if place is None:
            return False
        self.selectRow(place)
        self.scrollTo(self.runs.index(place, 0))
        return True

    def select_first(self) -> None:
        if self.runs.rowCount():
            self.selectRow(0)

    def _begin(self) -> None:
        question = self._loader.question
        top = self.verticalScrollBar().value()
        same_runs = self.runs.columns and top
        self._silent = True
        self.head.keep_widths()
        self.runs.begin(tuple(map(names.read, question.columns)))
        self.head.give_widths()
        self.head.show_sort(*question.sort)
        if not same_runs:
            self.scrollToTop()
        self._choose_again()
        self._silent = False
        self.look()

    def _resize(self) -> None:
        self._silent = True
        self.runs.resize()
        self._silent = False
        self.look()

    def _arrive(self, first: int, last: int) -> None:
        self.runs.tell(first, last)
        rows = [row for place in range(first, last + 1) if (row := self.runs.row(place)) is not None]
        if self._ticks.hear(rows):
            self.ticked.emit(True)
        if self._kept is not None and any(row.run_id == self._kept for row in rows):
            self._silent = True
            self._choose_again()
            self._silent = False
            self.chosen.emit(self._kept)

    def _choose_again(self) -> None:
        """Let the current run stay the current one, wherever it stands now; unseen, it stays in the detail."""
        place = None if self._kept is None else self._loader.rows.place_of(self._kept)
        if place is None:
            self.clearSelection()
        elif self.currentIndex().row() != place or not self.selectionModel().hasSelection():
            top = self.verticalScrollBar().value()
            self.selectRow(place)
            self.verticalScrollBar().setValue(top)

    def _chose(self, place: int) -> None:
        if self._silent:
            return
        row = self.runs.row(place) if place >= 0 else None
        if row is not None:
            self._kept = row.run_id
            self.chosen.emit(row.run_id)

    def _depth(self, row: RunRow) -> int:
        return int(self._loader.question.nested and row.parent_run_id is not None)

    # Ticks.

    def tick(self, place: int) -> None:
        """Tick the run in a row, or take its tick away."""
        row = self.runs.row(place)
        if row is not None:
            self._anchor = place
            self._tell_ticks(has_room=self._ticks.toggle(row))

    def tick_to(self, place: int) -> None:
        """Tick all from the one that was ticked last to this one; those that are not here yet are left out."""
        start = self._anchor if self._anchor is not None else place
        span = range(min(start, place), max(start, place) + 1)
        rows = [row for one in span if (row := self.runs.row(one)) is not None]
        self._tell_ticks(has_room=self._ticks.add(rows))

    def tick_all(self) -> None:
        """Tick all runs that are here, from the top, as many as there is room for."""
        rows = [row for _place, row in sorted(self._loader.rows.known(), key=lambda one: one[0])]
        self._tell_ticks(has_room=self._ticks.add(rows))

    def untick_all(self) -> None:
        self._ticks.clear()
        self._tell_ticks(has_room=True)

    def _tell_ticks(self, *, has_room: bool) -> None:
        self.viewport().update()
        self.ticked.emit(has_room)

    # Mouse and keys.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        row = self.runs.row(index.row()) if index.isValid() else None
        if row is None or event.button() is not Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        place = index.row()
        box = box_of(QRectF(self.visualRect(index)), self._depth(row))
        is_on_box = index.column() == 0 and event.position().x() <= box.right() + theme.SPACE_4
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            if self._anchor is None and self.currentIndex().isValid():
                self._anchor = self.currentIndex().row()
            self.tick_to(place)
        elif is_on_box or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.tick(place)
        else:
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        super().mouseDoubleClickEvent(event)
        if self.indexAt(event.position().toPoint()).isValid():
            self.opened.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        row = self.runs.row(index.row()) if index.isValid() else None
        self.pointed.emit(None if row is None else row.run_id)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.pointed.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, place = event.key(), self.currentIndex().row()
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_row()
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self.tick_all()
        elif key == Qt.Key.Key_Space:
            if place >= 0:
                self.tick(place)
            else:
                event.ignore()
        elif key in {Qt.Key.Key_Up, Qt.Key.Key_Down} and shift and place >= 0:
            self._tick_on(place, 1 if key == Qt.Key.Key_Down else -1)
        elif key in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and place >= 0:
            self.opened.emit()
        else:
            super().keyPressEvent(event)

    def _tick_on(self, place: int, by: int) -> None:
        """Tick the row and go to the next one, which is ticked as well."""
        if self._anchor is None:
            self._anchor = place
        to = min(max(place + by, 0), self.runs.rowCount() - 1)
        self.selectRow(to)
        self.tick_to(to)

    def copy_row(self) -> None:
        """Copy the current row as text."""
        index = self.currentIndex()
        if index.isValid():
            cells = [self.runs.cell(index.row(), number).text for number in range(self.runs.columnCount())]
            QGuiApplication.clipboard().setText(view.as_text([cells]))

    def ask_head(self) -> None:
        """Open the menu of the column that the cursor stands in."""
        column = max(self.currentIndex().column(), 0)
        place = QPoint(self.columnViewportPosition(column), self.horizontalHeader().height())
        self.head_asked.emit(column, self.mapToGlobal(place))

    def _open_menu(self, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.fill_menu(menu)
        menu.addAction("Copy row").triggered.connect(self.copy_row)
        menu.popup(self.viewport().mapToGlobal(place))

    # Paint.

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.look()

    def nothing(self) -> str:
        if self.runs.rowCount() or self._loader.is_waiting:
            return ""
        if self._loader.question.filter.strip():
            return "No run passes the filter. Esc clears it."
        return "These experiments have no runs yet."
