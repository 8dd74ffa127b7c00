"""Settings as cards, one for each section: made from the agent's table; each is saved at once, errors stand beside."""

from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.setting import SettingValue
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.setting_row import SettingRow
from mlops_desk.ui.settings.checks import CHECKED, SectionChecks
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.scroll import scrolled


class SettingCards(QWidget):
    """``rows`` has the settings by key, in the agent's order."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.rows: dict[str, SettingRow] = {}
        self.cards: dict[str, Card] = {}
        self.checks: dict[str, SectionChecks] = {}
        self._column = QVBoxLayout()
        self._column.setSpacing(theme.SPACE_12)
        self.nothing = Label(tone="muted")
        self.nothing.hide()
        inner = QWidget()
        inner.setLayout(self._column)
        self._column.setContentsMargins(0, 0, 0, 0)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self.nothing)
        whole.addWidget(scrolled(inner, "Settings"), 1)

    def show_values(self, values: dict[str, SettingValue]) -> None:
        """Show the values that hold."""
        if list(self.rows) != list(values):
            self._make(values)
        for key, setting in values.items():
            self.rows[key].show_value(setting)

    def _make(self, values: dict[str, SettingValue]) -> None:
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.cards, self.rows, self.checks = {}, {}, {}
        for key, setting in values.items():
            card = self.cards.get(setting.section)
            if card is None:
                card = self.cards[setting.section] = Card(setting.section)
                card.column.setSpacing(theme.SPACE_12)
                self._column.addWidget(card)
            row = self.rows[key] = SettingRow(setting, self._save)
            card.column.addWidget(row)
        for section, card in self.cards.items():
            if section in CHECKED:
                self.checks[section] = SectionChecks(self._context, section)
                card.column.addWidget(self.checks[section])
        self._column.addStretch()

    def _save(self, key: str, text: str) -> None:
        row = self.rows[key]
        row.say("Saving …", "muted")
        self._context.ask("set setting", lambda desk: desk.settings.set(key, text), self._saved, row.fail)

    def _saved(self, setting: SettingValue) -> None:
        row = self.rows.get(setting.key)
        if row is not None:
            row.take(setting)
        values = self._context.store.settings.value
        if values is not None:
            values[setting.key] = setting
            self._context.changed.emit(frozenset({Topic.SETTINGS}))

    def narrow(self, text: str) -> None:
        """Show only settings in which every word of ``text`` is found."""
        wanted = text.lower().split()
        for section, card in self.cards.items():
            shown = False
            for row in self.rows.values():
                if row.setting.section == section:
                    fits = all(word in row.words for word in wanted)
                    row.setVisible(fits)
                    shown |= fits
            card.setVisible(shown)
        found = not wanted or any(card.isVisibleTo(self) for card in self.cards.values())
        self.nothing.setVisible(not found)
        self.nothing.show_text(f"Nothing matches \u201c{plain(text, 60)}\u201d. Esc clears the filter.")
