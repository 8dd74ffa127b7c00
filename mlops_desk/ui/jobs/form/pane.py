"""The fields of a job file, one below the other: what is typed goes into the file, what the file says comes here."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFormLayout, QLineEdit, QWidget

from mlops_desk.base.text import plain
from mlops_desk.ui.jobs.form.fields import FIELDS, FormField, NotYet
from mlops_desk.ui.jobs.form.yaml_text import Path, Value, found, value_of
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import announce
from mlops_desk.ui.look.text import Label, set_tip
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.textbox import TextBox

if TYPE_CHECKING:
    import yaml

_LINES = 3  # chosen: rows of a field that has one entry a line
_MESSAGE_LIMIT = 200  # chosen: characters under a field; all of it stands below the form


class FieldsPane(QWidget):
    """``typed`` carries a path and the value that is to stand there (None: none)."""

    typed = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.rows = {field.path: FieldRow(field) for field in FIELDS}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, theme.SPACE_4, 0)
        layout.setSpacing(theme.SPACE_8)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for path, row in self.rows.items():
            layout.addRow(row.name, row.input)
            layout.addRow("", row.message)
            row.message.hide()
            row.changed.connect(lambda value, path=path: self.typed.emit(path, value))

    def show_file(self, node: "yaml.MappingNode | None", why_not: str = "") -> None:
        """Show what the file says; None: it can't be told (``why_not``), so nothing can be typed here."""
        for path, row in self.rows.items():
            if row.input.hasFocus() and node is not None:
                continue  # somebody types there, and the file has what they typed
            if node is None:
                row.block(why_not)
                continue
            there = found(node, path)
            row.show_value(None if there is None else value_of(there))

    def point_at(self, path: Path | None, message: str) -> bool:
        """Say under the field at ``path``, or the one that it lies in, what is wrong; nothing under all others."""
        near = [field for field in self.rows if path is not None and (path[: len(field)] == field)]
        for field, row in self.rows.items():
            row.say(message if field in near else "")
        return bool(near)


class FieldRow(QWidget):
    """One field with its name and what is wrong with it. ``changed`` carries the value."""

    changed = Signal(object)

    def __init__(self, field: FormField) -> None:
        super().__init__()
        self.field = field
        self.name = Label(field.title)
        self.input: QLineEdit | TextBox = _lines(field) if field.writing.lines else Field(field.title)
        self.input.setPlaceholderText(field.example)
        self.input.setAccessibleName(field.title)
        self.input.setAccessibleDescription(field.help)
        set_tip(self.input, field.help)
        self.name.setBuddy(self.input)
        self.name.setMinimumHeight(theme.FIELD_HEIGHT)
        self.message = Label(points=theme.CAPTION_POINTS, tone="alert", wrap=True)
        self._shown: Value | None = None
        self._said = ""
        self.input.textChanged.connect(self._typed)
        self.hide()  # only its parts are shown, by the form

    def text(self) -> str:
        return self.input.text() if isinstance(self.input, QLineEdit) else self.input.toPlainText()

    def show_value(self, value: Value | None) -> None:
        """Show a value of the file; one that would not come back as it was is left to the file."""
        self.input.setEnabled(True)
        if value == self._shown and value is not None:
            return
        shown = "" if value is None else self.field.writing.shown(value)
        if shown is None:
            self.block("It is written in the YAML in a way that this field can't show.")
            return
        self._shown = value
        self._put(shown)

    def block(self, why: str) -> None:
        """Let nothing be typed, and say why."""
        self._shown = None
        self._put("")
        self.input.setEnabled(False)
        self.input.setAccessibleDescription(why)
        set_tip(self.input, why)

    def say(self, message: str) -> None:
        """Say under the field what is wrong, also to who hears the window."""
        if message and message != self._said:
            announce(self.input, f"{self.field.title}: {message}")
        self._said = message
        self.message.show_text(plain(message, _MESSAGE_LIMIT))
        self.message.setVisible(bool(message))
        self.input.setAccessibleDescription(message or self.field.help)

    def _put(self, text: str) -> None:
        if text == self.text():
            return
        self.input.blockSignals(True)
        if isinstance(self.input, QLineEdit):
            self.input.setText(text)
            self.input.setCursorPosition(0)
        else:
            self.input.setPlainText(text)
        self.input.blockSignals(False)
        set_tip(self.input, self.field.help)
        self.say("")

    def _typed(self) -> None:
        text = self.text()
        try:
            value: Value | None = self.field.writing.typed(text) if text.strip() else None
        except NotYet as error:
            self.say(str(error))
            return
        self.say("")
        if value is None and self.field.always:
            value = ""
        self._shown = value
        self.changed.emit(value)


def _lines(field: FormField) -> TextBox:
    box = TextBox(field.title)
    box.setFixedHeight(_LINES * box.fontMetrics().lineSpacing() + 2 * theme.SPACE_8)
    return box
