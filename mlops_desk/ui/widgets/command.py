"""A command to paste: in the fixed font, on one line, with a button that copies it."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.base.text import LINE_LIMIT, plain
from mlops_desk.ui import theme
from mlops_desk.ui.widgets.button import CopyButton
from mlops_desk.ui.widgets.field import Field


class CommandLine(QWidget):
    """Hidden while there is no command."""

    def __init__(self, name: str = "Command to paste") -> None:
        super().__init__()
        self._field = Field(name, " ")
        self._field.setClearButtonEnabled(False)
        self._field.setReadOnly(True)
        self._field.setFont(theme.fixed_font())
        self._field.setCursorPosition(0)
        copy = CopyButton("Copy", self.command)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self._field, 1)
        row.addWidget(copy, 0, Qt.AlignmentFlag.AlignVCenter)
        self.hide()

    def command(self) -> str:
        return self._field.text()

    def show_command(self, command: str | None) -> None:
        """Show ``command``, or nothing."""
        self.setVisible(bool(command))
        if command and self._field.text() != plain(command, LINE_LIMIT):
            self._field.setText(plain(command, LINE_LIMIT))
            self._field.setCursorPosition(0)
