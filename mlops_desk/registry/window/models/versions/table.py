"""The table of versions: Space or a click ticks one to be compared, aliases are badges."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSettings, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import QHeaderView, QStyle, QStyleOptionViewItem

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.tables.model import KEY_ROLE
from mlops_desk.kit.window.tables.paint import CellDelegate
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.registry.window.models.versions.rows import ALIASES, VersionLine, columns, line_words

_TICK_COLUMN = 0  # where ``rows`` puts it
_BADGE_INSET = theme.SPACE_4


class VersionsTable(RecordTable[VersionLine]):
    """``ticked`` carries the key of a version whose tick is to change."""

    ticked = Signal(str)

    def __init__(self, memory: QSettings) -> None:
        super().__init__("Versions", columns((), of_several=False), memory, words=line_words)
        self.setItemDelegate(_BadgeDelegate(self))
        self.clicked.connect(self._clicked)
        self.sort_by_key("version", Qt.SortOrder.DescendingOrder)

    def _dress_columns(self) -> None:
        """Give the ticks no more than they need: the metrics have the room."""
        super()._dress_columns()
        header = self.horizontalHeader()
        header.setMinimumSectionSize(theme.SPACE_24)
        header.setSectionResizeMode(_TICK_COLUMN, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(_TICK_COLUMN, theme.FIELD_HEIGHT)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = self.key()
        if event.key() == Qt.Key.Key_Space and key is not None:
            self.ticked.emit(key)
            event.accept()
        else:
            super().keyPressEvent(event)

    def _clicked(self, index: QModelIndex) -> None:
        if index.column() == _TICK_COLUMN:
            self.ticked.emit(str(index.data(KEY_ROLE)))


class _BadgeDelegate(CellDelegate):
    """Paints aliases as badges, everything else as any table does."""

    def __init__(self, table: VersionsTable) -> None:
        super().__init__(table)
        self._table = table

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        line = self._table.records.record(str(index.data(KEY_ROLE)))
        is_aliases = self._table.records.columns[index.column()].key == ALIASES
        if line is None or not is_aliases or not line.hit.aliases:
            super().paint(painter, option, index)
            return
        area = QRectF(option.rect)
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, theme.colour("selection"))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, theme.faded(theme.colour("text"), 0.04))
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(theme.colour("accent"), theme.BORDER))
            painter.drawRect(theme.edge(area))
        painter.setClipRect(area)
        paint_badges(painter, area.adjusted(theme.SPACE_8, 0, -theme.SPACE_4, 0), str(index.data()).split(", "))
        painter.restore()


def paint_badges(painter: QPainter, area: QRectF, texts: list[str]) -> None:
    """Paint texts as round badges side by side; the last that has room for a few letters is elided."""
    painter.setFont(theme.font(theme.CAPTION_POINTS))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    metrics = painter.fontMetrics()
    height = metrics.height() + theme.SPACE_4
    left = area.left()
    for text in texts:
        room = area.right() - left - 2 * _BADGE_INSET
        if room < theme.SPACE_24:
            return
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, int(room))
        width = metrics.horizontalAdvance(shown) + 2 * _BADGE_INSET
        badge = QRectF(left, area.center().y() - height / 2, width, height)
        painter.setPen(QPen(theme.colour("accent"), theme.BORDER))
        painter.setBrush(theme.faded(theme.colour("accent"), 0.12))
        painter.drawRoundedRect(badge, theme.RADIUS, theme.RADIUS)
        painter.setPen(theme.on_selection(theme.colour("accent")))
        painter.drawText(badge, int(Qt.AlignmentFlag.AlignCenter), shown)
        left = badge.right() + theme.SPACE_4
