"""One's word on what waits, with why: the reason is kept with the decision, and stands in the audit.

Enter in the field leads to the button, and gives no word by itself; Ctrl+Enter does.
"""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.automation.records.pipelines.decision import MOST_SAID
from mlops_desk.kit.window.look.text import set_tip
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.kit.window.widgets.field import Field

_WHY = "Why, for whoever reads it later"


class WordDialog(Confirm):
    """``why`` has what was typed. The reason may be left out: a yes that needs none is still a yes."""

    def __init__(self, parent: QWidget, title: str, text: str, act: str, *, harmful: bool, why: str = "") -> None:
        """``why`` was typed into the one before, which somebody else overtook."""
        super().__init__(parent, title, text, act, harmful=harmful)
        self.why = Field("Reason", _WHY, text=why)
        self.why.setMaxLength(MOST_SAID)
        self.back.setDefault(False)
        for button in (self.back, self.act):
            button.setAutoDefault(False)
        column = self.layout()
        assert isinstance(column, QVBoxLayout)  # noqa: S101 - Confirm is laid out so
        column.insertWidget(2, self.why)
        QWidget.setTabOrder(self.why, self.back)
        QWidget.setTabOrder(self.back, self.act)
        set_tip(self.act, "Ctrl+Enter")
        self.resize(self.width(), column.totalHeightForWidth(self.width()))
        self.why.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() not in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            super().keyPressEvent(event)
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.accept()
        elif self.why.hasFocus():
            self.act.setFocus()
        else:
            focused = self.focusWidget()
            (self.act if focused is self.act else self.back).click()


def ask_word(
    parent: QWidget, title: str, text: str, act: str, then: Callable[[str], None], *, harmful: bool, why: str = ""
) -> WordDialog:
    """Ask for a word; ``then`` gets the reason once it is given."""
    dialog = WordDialog(parent, title, text, act, harmful=harmful, why=why)
    dialog.accepted.connect(lambda: then(dialog.why.text().strip()))
    dialog.open()
    return dialog
