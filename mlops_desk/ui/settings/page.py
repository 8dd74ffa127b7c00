"""Settings: made from the agent's table of settings; each is saved at once, an error stands beside its field."""

from typing import ClassVar

from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.setting import SettingValue
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.page import Page
from mlops_desk.ui.parts.setting_row import SettingRow
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty


class SettingsPage(Page):
    """A card for each section."""

    stale: ClassVar[str] = "These settings are"
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
        self._nothing = Label(tone="muted")
        self._nothing.hide()
        inner = QWidget()
        inner.setLayout(self._column)
        self._column.setContentsMargins(0, 0, 0, 0)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addWidget(self._filter)
        whole.addWidget(self._nothing)
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
        found = not wanted or any(card.isVisibleTo(self) for card in self._cards.values())
        self._nothing.setVisible(not found)
        self._nothing.show_text(f"Nothing matches \u201c{plain(text, 60)}\u201d. Esc clears the filter.")

    def filter_field(self) -> QLineEdit | None:
        return self._filter

    def show_thing(self, thing: str) -> bool:
        """Show one setting and put the focus into its field."""
        row = self.rows.get(thing)
        if row is None:
            return False
        self._filter.setText(row.setting.key)
        row.field.setFocus()
        return True
