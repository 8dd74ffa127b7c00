"""A question before something is lost: the button names the act, the text says what will be lost."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button, answers


class Confirm(QDialog):
    """Asks once; the safe answer has the focus."""

    def __init__(
        self, parent: QWidget, title: str, text: str, act: str, *, harmful: bool = True, back: str = "Leave it"
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        heading = Label(title, points=theme.TITLE_POINTS, bold=True)
        words = Label(text, wrap=True)
        self.act = Button(act, main=True, harmful=harmful)
        # Enter presses what has the focus, and that is the safe answer until somebody moves it.
        self.act.clicked.connect(self.accept)
        self.back = Button(back)
        self.back.setDefault(True)
        self.back.clicked.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_24,) * 4)
        column.setSpacing(theme.SPACE_12)
        column.addWidget(heading)
        column.addWidget(words)
        column.addSpacing(theme.SPACE_8)
        column.addLayout(answers(self.back, self.act))
        self.resize(theme.DIALOG_WIDTH, self.sizeHint().height())
        self.back.setFocus()


def ask(parent: QWidget, title: str, text: str, act: str, then: Callable[[], None], *, harmful: bool = True) -> Confirm:
    """Ask, without stopping anything; ``then`` runs when the act is chosen."""
    dialog = Confirm(parent, title, text, act, harmful=harmful)
    dialog.accepted.connect(then)
    dialog.open()
    return dialog
