"""A new endpoint's token, shown once: whoever closes it without a copy makes another one."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.ui.look import theme
from mlops_desk.ui.widgets.button import Button, answers
from mlops_desk.ui.widgets.command import CommandLine
from mlops_desk.ui.widgets.form import Paragraph


class TokenDialog(QDialog):
    """Shows the token of an endpoint, with a button that copies it."""

    def __init__(self, parent: QWidget | None, name: str, token: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Token of endpoint {plain(name)}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        text = "Whoever asks the endpoint sends it along: Authorization: Bearer TOKEN. It is shown this once."
        self.token = CommandLine("Token")
        self.token.show_command(token)
        again = CommandLine("Command that makes another token")
        again.show_command(f"mlops-desk endpoints token {name}")
        self.leave = Button("Done", main=True)
        self.leave.clicked.connect(self.accept)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_16,) * 4)
        column.setSpacing(theme.SPACE_12)
        column.addWidget(Paragraph(text))
        column.addWidget(self.token)
        column.addWidget(Paragraph("Where it is lost, its owner makes another one:", tone="muted"))
        column.addWidget(again)
        column.addLayout(answers(self.leave))
        self.resize(theme.DIALOG_WIDTH, self.sizeHint().height())
