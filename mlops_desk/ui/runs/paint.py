"""How a run's name is painted in the table: its box to tick, in the colour that its curve has, and the name."""

from collections.abc import Callable

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from mlops_desk.records.registry.run_window import RunRow
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.ticks import paint_box
from mlops_desk.ui.runs.model import ROW_ROLE

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
