"""The view of a comparison: a column for each thing, with its colour; what is pointed at is lit in all its cells."""

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView

from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.compare.model import ComparisonModel
from mlops_desk.ui.tables.dress import DressedTable
from mlops_desk.ui.tables.paint import PlainHeader
from mlops_desk.ui.tables.widths import column_width

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
