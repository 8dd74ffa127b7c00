"""Tiles in as many columns as fit, all of one width and height."""

from PySide6.QtCore import QRect
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from mlops_desk.ui import theme


class Grid(QWidget):
    """Places its tiles by itself; its height follows from its width."""

    def __init__(self, tile_height: int, most_columns: int, least_width: int = theme.TILE_MINIMUM_WIDTH) -> None:
        super().__init__()
        self._tile_height = tile_height
        self._most = most_columns
        self._least = least_width
        self._tiles: list[QWidget] = []

    def set_tiles(self, tiles: list[QWidget]) -> None:
        """Show these tiles, in this order; those that are gone are deleted."""
        for tile in self._tiles:
            if tile not in tiles:
                tile.deleteLater()
        self._tiles = list(tiles)
        for tile in tiles:
            tile.setParent(self)
            tile.show()
        self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        gap = theme.SPACE_8
        fit = max(1, (self.width() + gap) // (self._least + gap))
        columns = max(1, min(fit, self._most, len(self._tiles)))
        rows = -(-len(self._tiles) // columns)
        columns = -(-len(self._tiles) // rows) if rows else 1
        width = (self.width() - gap * (columns - 1)) / columns
        for number, tile in enumerate(self._tiles):
            row, column = divmod(number, columns)
            left = round(column * (width + gap))
            right = round(column * (width + gap) + width)
            tile.setGeometry(QRect(left, row * (self._tile_height + gap), right - left, self._tile_height))
        height = rows * self._tile_height + max(0, rows - 1) * gap
        if height != self.height() or self.minimumHeight() != height:
            self.setFixedHeight(height)
