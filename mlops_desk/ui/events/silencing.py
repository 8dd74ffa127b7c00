"""The button that has nobody told of an alert for a while: a menu of how long, and of a silent one the way back."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu

from mlops_desk.ui.widgets.button import Button

SPANS = (("For 1 hour", 3600.0), ("For 8 hours", 28_800.0), ("For 1 day", 86_400.0), ("For 1 week", 604_800.0))
"""Seconds; chosen: a look at it, a working day, until tomorrow, a holiday. The command line takes any up to 30 days."""
AGAIN = "Hear of it again"


class SilenceButton(Button):
    """``wanted`` carries for how many seconds; 0 ends a silence."""

    wanted = Signal(float)

    def __init__(self) -> None:
        super().__init__(
            "Silence …", tip="Tell nobody of the chosen alert for a while, also when it comes again", asks=True
        )
        self.is_silent = False
        self.clicked.connect(lambda _on=False: self.open_menu())

    def open_menu(self) -> QMenu:
        """Ask for how long."""
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        spans = ((AGAIN, 0.0), *SPANS) if self.is_silent else SPANS
        for title, seconds in spans:
            menu.addAction(title).triggered.connect(lambda _on=False, seconds=seconds: self.wanted.emit(seconds))
        menu.popup(self.mapToGlobal(self.rect().bottomLeft()))
        return menu
