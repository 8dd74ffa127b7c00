"""A command to paste: in the fixed font, on one line, with a button that copies it."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.button import CopyButton
from mlops_desk.kit.window.widgets.field import Field


class CommandLine(QWidget):
    """Hidden, and nearly nothing, while there is no command."""

    def __init__(self, name: str = "Command to paste") -> None:
        super().__init__()
        self._name = name
        self._field: Field | None = None
        self.hide()

    def command(self) -> str:
        return self._field.text() if self._field is not None else ""

    def show_command(self, command: str | None) -> None:
        """Show ``command``, or nothing."""
        if command and self.command() != plain(command, LINE_LIMIT):
            field = self._field = self._field or self._made()
            field.setText(plain(command, LINE_LIMIT))
            field.setCursorPosition(0)
        self.setVisible(bool(command))

    def _made(self) -> Field:
        """Return the field, which every page has and few ever show."""
        field = Field(self._name, " ")
        field.setClearButtonEnabled(False)
        field.setReadOnly(True)
        field.setFont(theme.fixed_font())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(field, 1)
        row.addWidget(CopyButton("Copy", self.command), 0, Qt.AlignmentFlag.AlignVCenter)
        return field
