"""How every table looks and scrolls: no grid, one line a row, whole rows chosen, a ring while keys mean it."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QFocusEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHeaderView, QTableView

from mlops_desk.ui.look import theme
from mlops_desk.ui.tables.paint import CellDelegate, paint_edges, paint_ring
from mlops_desk.ui.widgets.scroll import thin

_NOTHING_PLACE = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap)


class DressedTable(QTableView):
    """Has the look of all tables; its header and its menu are its own."""

    def __init__(self) -> None:
        super().__init__()
        thin(self)
        self.setItemDelegate(CellDelegate(self))
        self.setMouseTracking(True)
        self.setShowGrid(False)
        # The frame is room for the ring that tells that keys mean this table; it is painted in ``event``.
        self.setFrameStyle(int(QFrame.Shape.Box) | int(QFrame.Shadow.Plain))
        self.setLineWidth(theme.RING)
        self.setAlternatingRowColors(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(theme.ROW_HEIGHT)

    def nothing(self) -> str:
        """Return what is said in the place of rows; nothing while there are some."""
        return ""

    def event(self, event: QEvent) -> bool:
        """Paint the frame, which a scrolling widget is asked for here and not in ``paintEvent``."""
        if event.type() is not QEvent.Type.Paint:
            return super().event(event)
        paint_ring(self)
        return True

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        paint_edges(self)
        nothing = self.nothing()
        if nothing:
            painter = QPainter(self.viewport())
            painter.setPen(theme.colour("muted"))
            area = self.viewport().rect().adjusted(theme.SPACE_8, theme.SPACE_8, -theme.SPACE_8, 0)
            painter.drawText(area, _NOTHING_PLACE, nothing)
