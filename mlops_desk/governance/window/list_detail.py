"""A list, and beside it what is known of the row that is chosen: what several tabs of governance are made of."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.facts import FactGrid
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.scroll import scrolled


def acts_row(filters: Sequence[QWidget], acts: Sequence[QWidget]) -> QWidget:
    """Return a row: at the left what narrows a list, in as many lines as it needs, at the right what can be done."""
    whole, left = QWidget(), QWidget()
    flow = FlowLayout(left)
    flow.setSpacing(theme.SPACE_8)
    for widget in filters:
        flow.addWidget(widget)
    row = QHBoxLayout(whole)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(theme.SPACE_8)
    row.addWidget(left, 1)
    for widget in acts:
        row.addWidget(widget, 0, Qt.AlignmentFlag.AlignTop)
    return whole


class ListBeside(QSplitter):
    """``facts`` tells of the chosen row, ``name`` names it for an assistive tool; ``more`` stands below the facts.

    Where both don't fit beside each other the facts are below the list.
    """

    def __init__(self, table: RecordTable[Any], name: str, more: Sequence[QWidget] = ()) -> None:
        super().__init__()
        self.facts = FactGrid()
        card = Card()
        card.column.addWidget(scrolled(self.facts, name), 1)
        for widget in more:
            card.column.addWidget(widget)
        self.setHandleWidth(theme.SPACE_8)
        self.setChildrenCollapsible(False)
        self.addWidget(framed(table))
        self.addWidget(card)
        self.setStretchFactor(0, 1)
        self.setSizes([theme.READING_WIDTH, theme.DETAIL_WIDTH])

    def resizeEvent(self, event: QResizeEvent) -> None:
        narrow = self.width() < theme.LIST_WIDTH + theme.DETAIL_WIDTH
        way = Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal
        if way is not self.orientation():
            self.setOrientation(way)
            self.setSizes([1, 1] if narrow else [theme.READING_WIDTH, theme.DETAIL_WIDTH])
        super().resizeEvent(event)
