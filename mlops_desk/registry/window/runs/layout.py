"""Where things stand in the page on runs: experiments, the table or groups, one run or many; or why nothing does."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QStackedLayout, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.states import StateView

_EXPERIMENTS_WIDTH, _RIGHT_WIDTH = 164, 408  # pixels: a name; facts, and the tabs above them
_WIDE_SHARE = (
    0.62  # chosen: of the page, for files and for many runs at once; the table still shows names and one number
)


class RunPlaces(QWidget):
    """``trouble`` says why nothing is shown; ``show_rows`` and ``show_trouble`` turn from one to the other."""

    def __init__(self, experiments: QWidget, table: QWidget) -> None:
        super().__init__()
        self.trouble = StateView()
        self._left = Card("Experiments")
        self._left.column.addWidget(experiments, 1)
        self._middle = Card()
        self._middle.column.setContentsMargins(*(theme.SPACE_4,) * 4)
        self._middle.column.addWidget(table, 1)
        self._right: QWidget = Card()
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setHandleWidth(theme.SPACE_8)
        for part in (self._left, self._middle, self._right):
            self._split.addWidget(part)
        self._split.setStretchFactor(1, 1)
        self._left.setMinimumWidth(_EXPERIMENTS_WIDTH)
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._split)
        self._layers.addWidget(self.trouble)

    @property
    def is_troubled(self) -> bool:
        """Whether it is said why nothing is shown."""
        return self._layers.currentWidget() is self.trouble

    def show_trouble(self) -> None:
        self._layers.setCurrentWidget(self.trouble)

    def show_rows(self) -> None:
        self._layers.setCurrentWidget(self._split)

    def add_beside_table(self, widget: QWidget) -> None:
        """Put something into the place of the table; which of them is seen is its owner's matter."""
        self._middle.column.addWidget(widget, 1)

    def put_right(self, widget: QWidget) -> None:
        """Put what is shown of runs into its place."""
        sizes = self._split.sizes()
        self._split.replaceWidget(2, widget)
        self._right.deleteLater()
        self._right = widget
        widget.setMinimumWidth(theme.LIST_WIDTH)
        self._split.setSizes(sizes)

    def fit(self, page_width: int, *, wide: bool) -> None:
        """Give files and many runs at once (``wide``) the room of the experiments, and half of the table's."""
        self._left.setVisible(not wide)
        least = theme.WINDOW_SIZE[0] - theme.SIDEBAR_WIDTH - 2 * theme.SPACE_16
        width = max(page_width - 2 * theme.SPACE_16, least)
        right = int(width * _WIDE_SHARE) if wide else _RIGHT_WIDTH
        left = 0 if wide else _EXPERIMENTS_WIDTH
        self._split.setSizes([left, width - left - right, right])
