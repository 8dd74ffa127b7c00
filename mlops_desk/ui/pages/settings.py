"""Settings: made from the agent's table of settings; each is saved at once, an error stands beside its field."""

from collections.abc import Callable
from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLineEdit, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.setting import SettingValue
from mlops_desk.ui import theme
from mlops_desk.ui.context import Context
from mlops_desk.ui.page import Page
from mlops_desk.ui.store import Topic
from mlops_desk.ui.text import Label
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.choice import Check, Choice
from mlops_desk.ui.widgets.field import Field, filter_field
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty


class SettingsPage(Page):
    """A card for each section."""

    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.SETTINGS, Topic.CONNECTION})
    loads: ClassVar[tuple[Topic, ...]] = (Topic.SETTINGS,)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._filter = filter_field("Filter settings")
        self._filter.textChanged.connect(self._narrow)
        self.rows: dict[str, SettingRow] = {}
        self._cards: dict[str, Card] = {}
        self._column = QVBoxLayout()
        self._column.setSpacing(theme.SPACE_12)
        inner = QWidget()
        inner.setLayout(self._column)
        self._column.setContentsMargins(0, 0, theme.SPACE_8, 0)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._filter)
        whole.addWidget(scrolled(inner, "Settings"), 1)

    def refresh(self, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - one thing is shown, whatever changed
        part = self.context.store.settings
        if not self.show_part(part, "Settings", self._empty):
            return
        values = part.value or {}
        if list(self.rows) != list(values):
            self._make(values)
        for key, setting in values.items():
            self.rows[key].show_value(setting)

    def _empty(self) -> Empty:
        return Empty("There are no settings", "This agent declares none.", "Look again", self.reload)

    def _make(self, values: dict[str, SettingValue]) -> None:
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._cards, self.rows = {}, {}
        for key, setting in values.items():
            card = self._cards.get(setting.section)
            if card is None:
                card = self._cards[setting.section] = Card(setting.section)
                card.column.setSpacing(theme.SPACE_12)
                self._column.addWidget(card)
            row = self.rows[key] = SettingRow(setting, self._save)
            card.column.addWidget(row)
        self._column.addStretch()

    def _save(self, key: str, text: str) -> None:
        row = self.rows[key]
        row.say("Saving …", "muted")
        self.context.ask("set setting", lambda desk: desk.settings.set(key, text), self._saved, row.fail)

    def _saved(self, setting: SettingValue) -> None:
        row = self.rows.get(setting.key)
        if row is not None:
            row.show_value(setting)
            row.say("Saved", "ok")
        values = self.context.store.settings.value
        if values is not None:
            values[setting.key] = setting
            self.context.changed.emit(frozenset({Topic.SETTINGS}))

    def _narrow(self, text: str) -> None:
        wanted = text.lower().split()
        for section, card in self._cards.items():
            shown = False
            for row in self.rows.values():
                if row.setting.section == section:
                    fits = all(word in row.words for word in wanted)
                    row.setVisible(fits)
                    shown |= fits
            card.setVisible(shown)

    def filter_field(self) -> QLineEdit | None:
        return self._filter


class SettingRow(QWidget):
    """One setting: title and help at the left, its field at the right, what became of it below."""

    def __init__(self, setting: SettingValue, save: Callable[[str, str], None]) -> None:
        super().__init__()
        self.setting = setting
        self.words = f"{setting.key} {setting.title} {setting.help} {setting.section}".lower()
        self._save = save
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
        grid.addWidget(self.field, 0, 1, 2, 1, Qt.AlignmentFlag.AlignVCenter)
        grid.addWidget(self._says, 2, 1)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        self.show_value(setting)

    def show_value(self, setting: SettingValue) -> None:
        """Show the value that holds, unless somebody is typing another one."""
        self.setting = setting
        if isinstance(self.field, QCheckBox):
            self.field.blockSignals(True)
            self.field.setChecked(bool(setting.value))
            self.field.blockSignals(False)
        elif isinstance(self.field, QComboBox):
            self.field.blockSignals(True)
            self.field.setCurrentText(plain(str(setting.value)))
            self.field.blockSignals(False)
        elif isinstance(self.field, QLineEdit) and not (self.field.hasFocus() and self.field.isModified()):
            self.field.setText(_written(setting.value))

    def say(self, text: str, tone: str) -> None:
        self._says.show_text(text)
        self._says.tint(tone)
        self._says.setVisible(bool(text))

    def fail(self, error: DeskError) -> None:
        self.say(f"{error.message} {error.hint or ''}".strip(), "alert")

    def error_text(self) -> str:
        return self._says.whole

    def _make_field(self) -> QWidget:
        if self.setting.kind == "switch":
            box = Check("On")
            box.toggled.connect(lambda on: self._save(self.setting.key, "on" if on else "off"))
            return box
        if self.setting.kind == "choice":
            combo = Choice(self.setting.title)
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
            if self.field.text() != _written(self.setting.value):
                self._save(self.setting.key, self.field.text())


def _written(value: str | float | bool) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _help(setting: SettingValue) -> str:
    parts = [setting.help]
    if setting.minimum is not None and setting.maximum is not None:
        unit = f" {setting.unit}" if setting.unit else ""
        parts.append(f"{setting.minimum:g} to {setting.maximum:g}{unit}.")
    if setting.kind not in {"switch", "choice"}:
        parts.append(f"Default: {_written(setting.default) or 'empty'}.")
    return " ".join(parts)
