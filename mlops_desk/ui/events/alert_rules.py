"""The part of the events page about what is watched: the rules with their thresholds, and where alerts are sent."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.hysteresis import span_words
from mlops_desk.base.text import plain
from mlops_desk.records.alert import AlertRule
from mlops_desk.records.setting import SettingValue
from mlops_desk.ui.events.alert_rule import AlertRuleDialog, keep_rule
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.setting_row import SettingRow
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.words import alerts, numbers

_WEBHOOK = "webhook"


class AlertRules(QWidget):
    """Rules above, the webhook below."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.table = RecordTable("Alert rules", _COLUMNS, context.memory)
        self.table.chosen.connect(self._enable)
        self.table.doubleClicked.connect(self.change)
        self._says = Label(tone="muted", wrap=True)
        self._help = Label(tone="muted", wrap=True)
        self.edit = Button("Change …", asks=True)
        self.edit.clicked.connect(self.change)
        self.switch = Button("Turn off", asks=True)
        self.switch.clicked.connect(self._switch)
        self.rows: dict[str, SettingRow] = {}
        self._webhook = Card("Webhook: where alerts are sent")
        self.attempt = Button("Try", asks=True)
        self.attempt.setAccessibleName("Try the webhook")
        self.attempt.clicked.connect(self._try)
        self._tried = Label(wrap=True, tone="muted")
        self._arrange()
        self._enable(None)

    def _arrange(self) -> None:
        card = Card()
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        self._help.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        head.addWidget(self._help, 1)
        head.addWidget(self.switch)
        head.addWidget(self.edit)
        card.column.addLayout(head)
        self._says.setAlignment(Qt.AlignmentFlag.AlignTop)
        card.column.addWidget(self._says)
        card.column.addWidget(self.table, 1)
        foot = QHBoxLayout()
        foot.setSpacing(theme.SPACE_8)
        foot.addWidget(self.attempt)
        foot.addWidget(self._tried, 1)
        self._webhook.column.addLayout(foot)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(card, 1)
        whole.addWidget(self._webhook)

    def refresh(self, store: Store) -> None:
        """Show what holds now."""
        part = store.alert_rules
        self.table.show_records(part.value or {})
        self.table.setVisible(bool(part.value))
        self._says.setVisible(not part.value)
        if part.error is not None:
            self._says.show_text(f"{part.error.message} {part.error.hint or ''}".strip())
        else:
            self._says.show_text("Loading the rules …" if part.value is None else "Nothing is watched.")
        if part.value and self.table.key() is None:
            self.table.select_first()
        self._show_webhook(store.settings.value or {})
        self._enable(None)

    def narrow(self, text: str) -> None:
        self.table.narrow(text)

    def change(self) -> None:
        """Open the form for the chosen rule."""
        rule = self.rule()
        if rule is not None:
            AlertRuleDialog(self, self._context, rule).open()

    def rule(self) -> AlertRule | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _enable(self, _key: str | None) -> None:
        rule = self.rule()
        self.edit.setEnabled(rule is not None)
        self.switch.setEnabled(rule is not None)
        self.switch.show_title("Turn off" if rule is None or rule.enabled else "Turn on")
        self.switch.updateGeometry()
        self._help.show_text(rule.help if rule is not None else "")

    def _switch(self) -> None:
        rule = self.rule()
        if rule is not None:
            name, on = rule.name, not rule.enabled
            self._context.ask("switch alert", lambda desk: desk.alerts.configure(name, enabled=on), self._changed)

    def _changed(self, rule: AlertRule) -> None:
        keep_rule(self._context, rule)

    # The webhook.

    def _show_webhook(self, settings: dict[str, SettingValue]) -> None:
        mine = {key: setting for key, setting in settings.items() if _WEBHOOK in key}
        self._webhook.setVisible(bool(mine))
        for key, setting in mine.items():
            row = self.rows.get(key)
            if row is None:
                row = self.rows[key] = SettingRow(setting, self._save)
                self._webhook.column.insertWidget(self._webhook.column.count() - 1, row)
            row.show_value(setting)

    def _save(self, key: str, text: str) -> None:
        row = self.rows[key]
        row.say("Saving …", "muted")

        def saved(setting: SettingValue) -> None:
            row.take(setting)
            values = self._context.store.settings.value
            if values is not None:
                values[setting.key] = setting
                self._context.changed.emit(frozenset({Topic.SETTINGS}))

        self._context.ask("set setting", lambda desk: desk.settings.set(key, text), saved, row.fail)

    def _try(self) -> None:
        self.attempt.setEnabled(False)
        self._say("Sending a test message …", "muted")

        def done(answer: str) -> None:
            self.attempt.setEnabled(True)
            self._say(answer, "ok")

        def failed(error: DeskError) -> None:
            self.attempt.setEnabled(True)
            self._say(f"{error.message} {error.hint or ''}".strip(), "alert")

        self._context.ask("try webhook", lambda desk: desk.alerts.try_webhook(), done, failed)

    def _say(self, text: str, tone: str) -> None:
        self._tried.show_text(text)
        self._tried.tint(tone)


def _level_cell(rule: AlertRule) -> Cell:
    mark = alerts.level(rule.level) if rule.enabled else numbers.Mark("muted", numbers.IDLE, "off")
    return Cell(mark.text, f"{alerts.RANK.get(rule.level, 0)}{mark.word}", mark.token)


def _span_cell(rule: AlertRule) -> Cell:
    tip = span_words(rule.for_seconds, averaged=rule.averaged)
    return Cell(numbers.duration(rule.for_seconds) if rule.for_seconds else "at once", rule.for_seconds, tip=tip)


_COLUMNS: tuple[Column[AlertRule], ...] = (
    Column("title", "What is watched", lambda rule: Cell(plain(rule.title), tip=rule.help), stretch=True),
    Column("device", "Of each", lambda rule: Cell(plain(rule.device_class))),
    Column("level", "Level", _level_cell),
    Column("threshold", "Fires", lambda rule: Cell(alerts.threshold(rule), rule.threshold), right=True),
    Column("clear", "Ends", lambda rule: Cell(alerts.limit(rule, rule.clear_at), rule.clear_at), right=True),
    Column("span", "For", _span_cell, right=True),
    Column("metric", "Metric", lambda rule: Cell(plain(rule.metric)), fixed=True, hidden=True),
)
