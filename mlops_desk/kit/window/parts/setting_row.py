"""One setting as a row: title and help at the left, its field at the right, what became of it below."""

from collections.abc import Callable

from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QHBoxLayout, QLineEdit, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain, span
from mlops_desk.kit.records.setting import SettingValue
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.field import Field

MASK = "\u2022" * 8


class SettingRow(QWidget):
    """Its field has the kind of the setting; ``save`` is called with key and text when the person changed it."""

    def __init__(self, setting: SettingValue, save: Callable[[str, str], None]) -> None:
        super().__init__()
        self.setting = setting
        self.words = f"{setting.key} {setting.title} {setting.help} {setting.section}".lower()
        self._save = save
        self._is_pending = False
        self._title = Label(setting.title)
        self._help = Label(_help(setting), points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._says = Label(points=theme.CAPTION_POINTS, wrap=True)
        self._says.hide()
        self.field = self._make_field()
        self.field.setAccessibleName(setting.title)
        self.field.setAccessibleDescription(setting.help)
        self._title.setBuddy(self.field)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.SPACE_16)
        grid.setVerticalSpacing(2)
        grid.addWidget(self._title, 0, 0)
        grid.addWidget(self._help, 1, 0)
        grid.addLayout(self._with_unit(), 0, 1, 2, 1)
        grid.addWidget(self._says, 2, 1)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        self.show_value(setting)

    def _with_unit(self) -> QHBoxLayout:
        """Return the field, of a number no wider than one needs, with its unit behind."""
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.field, 1)
        if self.setting.kind in {"integer", "number"}:
            self.field.setMaximumWidth(theme.TILE_MINIMUM_WIDTH)
            row.addWidget(Label(self.setting.unit or "", tone="muted"))
            row.addStretch(1)
        return row

    def show_value(self, setting: SettingValue) -> None:
        """Show the value that holds, unless somebody types another one, or is to mend what was refused."""
        kept = self._is_pending and setting.value == self.setting.value
        self.setting = setting
        if isinstance(self.field, QCheckBox):
            self.field.blockSignals(True)
            self.field.setChecked(bool(setting.value))
            self.field.blockSignals(False)
        elif isinstance(self.field, QComboBox):
            self.field.blockSignals(True)
            self.field.setCurrentText(plain(str(setting.value)))
            self.field.blockSignals(False)
        elif isinstance(self.field, QLineEdit) and not (kept or (self.field.hasFocus() and self.field.isModified())):
            self._is_pending = False
            self.field.setText(_shown(setting))

    def take(self, setting: SettingValue) -> None:
        """Show that a value was saved, as it was understood."""
        self._is_pending = False
        self.show_value(setting)
        self.say("Saved", "ok")

    def say(self, text: str, tone: str) -> None:
        self._says.show_text(text)
        self._says.tint(tone)
        self._says.setVisible(bool(text))

    def fail(self, error: DeskError) -> None:
        """Say why the value does not hold; the help stands at the left already."""
        hint = error.hint if error.hint != self.setting.help else ""
        self.say(f"{error.message} {hint or ''}".strip(), "alert")

    def error_text(self) -> str:
        return self._says.whole

    def _make_field(self) -> QWidget:
        if self.setting.kind == "switch":
            box = CheckBox("On")
            box.toggled.connect(lambda on: self._save(self.setting.key, "on" if on else "off"))
            return box
        if self.setting.kind == "choice":
            combo = ChoiceBox(self.setting.title)
            combo.addItems([plain(choice) for choice in self.setting.choices])
            combo.activated.connect(lambda number: self._save(self.setting.key, self.setting.choices[number]))
            return combo
        field = Field(self.setting.title, _written(self.setting.default) or "empty")
        field.setClearButtonEnabled(False)
        field.editingFinished.connect(self._edited)
        return field

    def _edited(self) -> None:
        if isinstance(self.field, QLineEdit) and self.field.isModified():
            self.field.setModified(False)
            text = self.field.text()
            self._is_pending = text != _shown(self.setting)
            if self.setting.secret and text != MASK and MASK[0] in text:
                self.say("It is not shown, so it can't be edited: type all of it anew.", "warning")
                self.field.setText(_shown(self.setting))
            elif text != _shown(self.setting):
                self._save(self.setting.key, text)
            else:
                self.say("", "muted")


def _shown(setting: SettingValue) -> str:
    """Return what stands in the field: of a secret only whether there is one."""
    if setting.secret:
        return MASK if setting.value else ""
    return _written(setting.value)


def _written(value: str | float | bool) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _help(setting: SettingValue) -> str:
    parts = [setting.help]
    if setting.minimum is not None and setting.maximum is not None:
        unit = f" {setting.unit}" if setting.unit else ""
        parts.append(f"{span(setting.minimum, setting.maximum)}{unit}.")
    if setting.kind not in {"switch", "choice"}:
        parts.append(f"Default: {_written(setting.default) or 'empty'}.")
    return " ".join(parts)
