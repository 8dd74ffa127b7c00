"""The view of a table of records: choose, sort, filter, choose columns, copy. No grid, one line a row.

A table as text that does no harm elsewhere: a spreadsheet must not read a cell as a formula. No Qt here.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QItemSelection, QPoint, QSettings, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QHeaderView, QMenu

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import menu_text
from mlops_desk.kit.window.tables.column_choice import ChosenColumns
from mlops_desk.kit.window.tables.model import KEY_ROLE, RecordModel
from mlops_desk.kit.window.tables.order import Column
from mlops_desk.kit.window.tables.paint import DressedTable, PlainHeader
from mlops_desk.kit.window.tables.widths import column_width

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d[\d,.\u202f]*(e[+-]?\d+)?[\u202f ]?[%\w°/]*")


def as_text(table: Iterable[Sequence[str]]) -> str:
    """Return rows with tabs between the cells."""
    return "\n".join("\t".join(cell.replace("\t", " ") for cell in row) for row in table)


def as_csv(table: Iterable[Sequence[str]]) -> str:
    """Return RFC 4180 text; a cell that looks like a formula gets a leading quote."""
    text = io.StringIO()
    csv.writer(text).writerows([[inert(cell) for cell in row] for row in table])
    return text.getvalue()


def inert(cell: str) -> str:
    """Return ``cell`` so that no spreadsheet runs it; numbers stay as they are."""
    if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


# Which columns a table goes without where they don't all fit. No Qt here.
@dataclass(frozen=True, slots=True)
class WantedColumn:
    """A column that is to be shown, how wide it has to be (pixels), and whether the table may go without it."""

    key: str
    width: int
    is_spare: bool


def left_out(columns: Sequence[WantedColumn], room: int) -> frozenset[str]:
    """Return the columns to go without in ``room`` pixels: the last spare ones, as few as that takes.

    Where even none of them would be enough nothing more is left out: the rest scrolls.
    """
    over = sum(one.width for one in columns) - room
    gone: set[str] = set()
    for one in reversed(columns):
        if over <= 0:
            break
        if one.is_spare:
            gone.add(one.key)
            over -= one.width
    return frozenset(gone)


T = TypeVar("T")


class RecordTable(DressedTable, Generic[T]):
    """Shows records by key; ``chosen`` carries the key of the current row, or None."""

    chosen = Signal(object)

    def __init__(
        self,
        name: str,
        columns: tuple[Column[T], ...],
        memory: QSettings,
        words: Callable[[T], str] | None = None,
        above: Callable[[T], str | None] | None = None,
    ) -> None:
        """``words`` and ``above`` are the model's."""
        super().__init__()
        self.records: RecordModel[T] = RecordModel(columns, self, words, above)
        self._chosen_columns = ChosenColumns(memory, name)
        self.setModel(self.records)
        self.setAccessibleName(name)
        self._dress()
        self._dress_header()
        self.selectionModel().selectionChanged.connect(self._selected)
        self._silent = False
        self.fill_more: Callable[[QMenu], None] = _nothing_more
        self.takes_key: Callable[[str], bool] = _no_key

    def _dress(self) -> None:
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)
        copy = QAction("Copy row", self)
        copy.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy_row)
        self.addAction(copy)

    def _dress_header(self) -> None:
        header = self._header = PlainHeader()
        self.setHorizontalHeader(header)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setMinimumSectionSize(theme.SPACE_24 * 2)
        header.setMaximumSectionSize(theme.LIST_WIDTH * 2)
        header.setStretchLastSection(False)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._open_columns)
        self._dress_columns()
        self.setSortingEnabled(False)
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(False)
        header.sectionClicked.connect(self._sort_by)

    def _dress_columns(self) -> None:
        for number, column in enumerate(self.records.columns):
            mode = QHeaderView.ResizeMode.Stretch if column.stretch else QHeaderView.ResizeMode.ResizeToContents
            self._header.setSectionResizeMode(number, mode)
            self.setColumnHidden(number, not self._chosen_columns.shows(column))

    def show_columns(self, columns: tuple[Column[T], ...]) -> None:
        """Show other columns of the same records; what is chosen and sorted by stays."""
        if [one.key for one in columns] == [one.key for one in self.records.columns]:
            return
        chosen = self.key()
        self._silent = True
        self.records.show_columns(columns)
        self._dress_columns()
        sort = self.records.order.sort
        if sort is None:
            self._header.setSortIndicatorShown(False)
        else:
            self._header.setSortIndicator(sort[0], self._header.sortIndicatorOrder())
        self._header.fit()
        self._fit_columns()
        if chosen is not None:
            self._choose_again(chosen)
        self._silent = False

    def show_records(self, records: Mapping[str, T]) -> None:
        """Show records; the chosen row stays chosen and rows stay where they are."""
        chosen = self.key()
        self._silent = True
        if self.records.show_records(records):
            self._header.fit()
            self._fit_columns()
            if chosen is not None:
                self._choose_again(chosen)
        elif any(one.spare for one in self.records.columns):
            self._fit_columns()  # what is to be read whole may need more by now
        self._silent = False
        if chosen is not None and chosen not in records:
            self.chosen.emit(None)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_columns()
        row = self.visualRect(self.currentIndex())
        if row.top() >= 0 and row.bottom() < event.oldSize().height():  # it was seen, so it goes on being seen
            self.scrollTo(self.currentIndex())

    def _fit_columns(self) -> None:
        """Leave out what can be spared where not everything fits, and show it where it does."""
        columns = self.records.columns
        if any(one.spare for one in columns):
            wanted = [
                WantedColumn(column.key, self._width_of(number), self._chosen_columns.may_spare(column))
                for number, column in enumerate(columns)
                if self._chosen_columns.shows(column)
            ]
            gone = left_out(wanted, self.viewport().width())
            for number, column in enumerate(columns):
                self.setColumnHidden(number, column.key in gone or not self._chosen_columns.shows(column))
            self._header.fit()  # a column may take a share of the table, which is another one now
        self._keep_name()

    def _width_of(self, number: int) -> int:
        """Return how wide a column has to be, shown or not."""
        if self._header.sectionResizeMode(number) is QHeaderView.ResizeMode.Fixed:
            return self.columnWidth(number)
        title, most = self._header.sectionSizeFromContents(number).width(), self._header.maximumSectionSize()
        limits = (self._header.minimumSectionSize(), most) if self.records.columns[number].whole else None
        return min(max(self._needs(number, limits), title, self._header.minimumSectionSize()), most)

    def _keep_name(self) -> None:
        """Give the column that is to be read whole what it needs, where less is left: the rest scrolls."""
        name = next((number for number, column in enumerate(self.records.columns) if column.whole), None)
        if name is None:
            return
        others = sum(self.columnWidth(number) for number in self._shown_columns() if number != name)
        fits = self.viewport().width() - others >= self.sizeHintForColumn(name)
        mode = QHeaderView.ResizeMode.Stretch if fits else QHeaderView.ResizeMode.ResizeToContents
        if self._header.sectionResizeMode(name) is not mode:
            self._header.setSectionResizeMode(name, mode)

    def sizeHintForColumn(self, column: int) -> int:
        """Return the width that the rows near those that are seen need; Qt would ask nine things of each cell."""
        return self._needs(column)

    def _needs(self, column: int, limits: tuple[int, int] | None = None) -> int:
        font = theme.fixed_font() if self.records.columns[column].fixed else None
        return column_width(self, lambda rows: self.records.texts(column, rows), font=font, limits=limits)

    def _choose_again(self, key: str) -> None:
        """Choose a row anew after the rows were made anew, without moving what is seen."""
        row = self.records.row_of(key)
        if row is not None and self.key() != key:
            self.selectRow(row)

    def key(self) -> str | None:
        """Return the key of the chosen row."""
        rows = self.selectionModel().selectedRows()
        return rows[0].data(KEY_ROLE) if rows else None

    def holds(self, key: str) -> bool:
        """Tell whether there is such a record, shown or filtered out."""
        return self.records.record(key) is not None

    def select(self, key: str) -> bool:
        """Choose a row by its key; False when it is not shown."""
        row = self.records.row_of(key)
        if row is None:
            return False
        self.selectRow(row)
        self.scrollTo(self.records.index(row, 0))
        return True

    def select_first(self) -> None:
        if self.records.rowCount():
            self.selectRow(0)

    def narrow(self, text: str) -> None:
        """Keep rows in which every word of ``text`` is found; the chosen one stays chosen while it is shown."""
        self._show_fewer(lambda: self.records.narrow(text))

    def keep(self, fits: Callable[[T], bool] | None) -> None:
        """Keep the rows of records of which ``fits`` says so; the chosen one stays chosen while it is shown."""
        self._show_fewer(lambda: self.records.keep(fits))

    def _show_fewer(self, narrow: Callable[[], None]) -> None:
        chosen = self.key()
        self._silent = True
        narrow()
        nothing = self.nothing()
        self.setAccessibleDescription(nothing)
        if chosen is not None:
            self._choose_again(chosen)
        self._silent = False
        if self.key() != chosen:
            self.chosen.emit(self.key())

    def nothing(self) -> str:
        """Return what is said in the place of rows when the filter leaves none of them."""
        words, shown = self.records.order.words, self.records.rowCount()
        if shown or not self.records.known():
            return ""
        if not words:
            return "Nothing here is as the choices above ask for." if self.records.order.fits is not None else ""
        return f"Nothing matches \u201c{plain(' '.join(words), 60)}\u201d. Esc clears the filter."

    def keys_in_sight(self) -> list[str]:
        """Return the records whose rows are seen, from above, where the table itself is."""
        first, last = self.rowAt(0), self.rowAt(self.viewport().height() - 1)
        if first < 0:
            return []
        rows = range(first, (last if last >= 0 else self.records.rowCount() - 1) + 1)
        return [self.records.index(row, 0).data(KEY_ROLE) for row in rows]

    def shown_rows(self) -> int:
        return self.records.rowCount()

    def sort_by_key(self, key: str, order: Qt.SortOrder) -> None:
        """Sort by the column with this key; later rows go where they belong."""
        self.sort_by(next(number for number, one in enumerate(self.records.columns) if one.key == key), order)

    def sort_by(self, column: int, order: Qt.SortOrder) -> None:
        self.horizontalHeader().setSortIndicatorShown(True)
        self.horizontalHeader().setSortIndicator(column, order)
        self.records.sort_by(column, descending=order is Qt.SortOrder.DescendingOrder)

    def sort_again(self) -> None:
        """Put rows where they belong by now, as when somebody comes back to them; the chosen one stays chosen."""
        sort = self.records.order.sort
        if sort is not None:
            self.records.sort_by(sort[0], descending=sort[1])

    def _sort_by(self, column: int) -> None:
        again = self.records.order.sort == (column, False)
        self.sort_by(column, Qt.SortOrder.DescendingOrder if again else Qt.SortOrder.AscendingOrder)

    def _selected(self, _new: QItemSelection, _old: QItemSelection) -> None:
        if not self._silent:
            self.chosen.emit(self.key())

    # Keys.

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave Space to the window: a table has no use for it, and would begin to search for a blank."""
        if event.key() == Qt.Key.Key_Space:
            event.ignore()
        elif self.key() is None or not self.takes_key(_key_name(event)):
            super().keyPressEvent(event)

    # Copying and columns.

    def copy_row(self) -> None:
        """Copy the chosen row as text."""
        rows = [index.row() for index in self.selectionModel().selectedRows()]
        QGuiApplication.clipboard().setText(as_text(self._visible(rows)))

    def copy_all(self, form: str) -> None:
        """Copy all shown rows as ``text`` or ``csv``."""
        table = [self._titles(), *self._visible(range(self.records.rowCount()))]
        QGuiApplication.clipboard().setText(as_csv(table) if form == "csv" else as_text(table))

    def _shown_columns(self) -> list[int]:
        return [number for number in range(len(self.records.columns)) if not self.isColumnHidden(number)]

    def _titles(self) -> list[str]:
        return [self.records.columns[number].title for number in self._shown_columns()]

    def _visible(self, rows: Any) -> list[list[str]]:
        return [[self.records.index(row, column).data() for column in self._shown_columns()] for row in rows]

    def _open_menu(self, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.fill_more(menu)
        menu.addAction("Copy row").triggered.connect(self.copy_row)
        menu.addAction("Copy table as text").triggered.connect(lambda: self.copy_all("text"))
        menu.addAction("Copy table as CSV").triggered.connect(lambda: self.copy_all("csv"))
        below = QPoint(0, self._header.height())
        menu.addAction("Columns …").triggered.connect(lambda: self._open_columns(below))
        menu.popup(self.viewport().mapToGlobal(place))

    def _open_columns(self, place: QPoint) -> None:
        """Offer all columns; what is left out for want of room has no tick, and is shown all the same once it has."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for number, column in enumerate(self.records.columns):
            action = menu.addAction(menu_text(column.title))
            action.setCheckable(True)
            action.setChecked(not self.isColumnHidden(number))
            action.setEnabled(number > 0)
            action.toggled.connect(lambda shown, number=number: self._show_column(number, shown))
        menu.popup(self.horizontalHeader().mapToGlobal(place))

    def _show_column(self, number: int, shown: bool) -> None:
        self.setColumnHidden(number, not shown)
        self._chosen_columns.choose(self.records.columns, self.records.columns[number].key, shown=shown)
        self._fit_columns()


def _nothing_more(_menu: QMenu) -> None:
    """Add nothing to the menu of a row; pages put what can be done with a row in this place."""


def _key_name(event: QKeyEvent) -> str:
    """Return a key as people write it: ``Ctrl+E``, ``Del``, ``Right``; which half of the keyboard does not matter."""
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    key = Qt.Key.Key_Return if event.key() == Qt.Key.Key_Enter else event.key()
    return QKeySequence(modifiers.value | int(key)).toString(QKeySequence.SequenceFormat.PortableText)


def _no_key(_key: str) -> bool:
    """Take no key; pages put what keys do with a row in this place, and return whether they did it."""
    return False
