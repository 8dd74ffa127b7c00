"""How every table looks and scrolls: no grid, one line a row, whole rows chosen, room for the ring of the focus."""

from PySide6.QtWidgets import QAbstractItemView, QFrame, QHeaderView, QTableView

from mlops_desk.ui.look import theme
from mlops_desk.ui.tables.paint import CellDelegate
from mlops_desk.ui.widgets.scroll import thin


def dress(table: QTableView) -> None:
    """Give a table the look of all; its header and its menu are its own."""
    thin(table)
    table.setItemDelegate(CellDelegate(table))
    table.setMouseTracking(True)
    table.setShowGrid(False)
    # The frame is room for the ring that tells that keys mean this table; it is painted in ``event``.
    table.setFrameStyle(int(QFrame.Shape.Box) | int(QFrame.Shadow.Plain))
    table.setLineWidth(theme.RING)
    table.setAlternatingRowColors(False)
    table.setWordWrap(False)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    table.setTabKeyNavigation(False)
    table.verticalHeader().hide()
    table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    table.verticalHeader().setDefaultSectionSize(theme.ROW_HEIGHT)
