"""Tiles in as many columns as fit, all of one width and height."""

from PySide6.QtCore import QRect, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.ui.look import theme


class Grid(QWidget):
    """Places its tiles by itself; its height follows from its width."""

    def __init__(self, tile_height: int, most_columns: int, least_width: int = theme.TILE_MINIMUM_WIDTH) -> None:
        super().__init__()
        self._tile_height = tile_height
        self._most = most_columns
        self._least = least_width
        self._tiles: list[QWidget] = []
        # Told to the layout, not set when the width is known: what stands below would lie over the tiles for a frame.
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def set_tiles(self, tiles: list[QWidget]) -> None:
        """Show these tiles, in this order; those that are gone are deleted."""
        for tile in self._tiles:
            if tile not in tiles:
                tile.deleteLater()
        self._tiles = list(tiles)
        for tile in tiles:
            tile.setParent(self)
            tile.show()
        self.updateGeometry()
        self._place()

    def set_tile_height(self, height: int) -> None:
        if height != self._tile_height:
            self._tile_height = height
            self.updateGeometry()
            self._place()

    def heightForWidth(self, width: int) -> int:
        rows, _columns = self._shape(width)
        return rows * self._tile_height + max(0, rows - 1) * theme.SPACE_8

    def sizeHint(self) -> QSize:
        return QSize(self._least, self.heightForWidth(self.width()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def _shape(self, width: int) -> tuple[int, int]:
        """Return how many rows and columns the tiles take, the columns as even as they can be."""
        if not self._tiles:
            return 0, 1
        fit = max(1, (width + theme.SPACE_8) // (self._least + theme.SPACE_8))
        rows = -(-len(self._tiles) // max(1, min(fit, self._most)))
        return rows, -(-len(self._tiles) // rows)

    def _place(self) -> None:
        gap = theme.SPACE_8
        _rows, columns = self._shape(self.width())
        width = (self.width() - gap * (columns - 1)) / columns
        for number, tile in enumerate(self._tiles):
            row, column = divmod(number, columns)
            left = round(column * (width + gap))
            right = round(column * (width + gap) + width)
            tile.setGeometry(QRect(left, row * (self._tile_height + gap), right - left, self._tile_height))
