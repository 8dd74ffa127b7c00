"""The title row: the page's title, its acts, the bar of the time axis, and the way to everything else."""

from collections.abc import Iterable

from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.desk.window.frame.timebar import TimeBar
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.curves.timeaxis import TimeAxis
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button


class TitleRow(QWidget):
    """The page's title, its acts, and what holds for all pages."""

    def __init__(self, axis: TimeAxis) -> None:
        super().__init__()
        self.title = Label(points=theme.TITLE_POINTS, bold=True)
        self.time = TimeBar(axis)
        self.search = Button("Search  Ctrl+K", symbol="search", tip="Find what to do or where to go (Ctrl+K)")
        self._acts = QHBoxLayout()
        self._acts.setSpacing(theme.SPACE_8)
        self.setFixedHeight(theme.TITLE_HEIGHT)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.title, 1)
        row.addLayout(self._acts)
        row.addWidget(self.time)
        row.addWidget(self.search)

    def show_acts(self, actions: Iterable[Action]) -> None:
        """Show a page's acts that belong into the title row as buttons."""
        while (item := self._acts.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for action in actions:
            if "title" in action.places:
                button = Button(action.title, main="main" in action.places, tip=action.shortcut or "", asks=action.asks)
                button.setAccessibleName(action.title)
                button.clicked.connect(action.runner())
                self._acts.addWidget(button)
