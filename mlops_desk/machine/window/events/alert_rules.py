"""The part of the events page about what is watched: the rules with their thresholds, and where alerts are sent."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.hysteresis import span_words
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.setting import SettingValue
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.setting_row import SettingRow
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.words import alerts, numbers
from mlops_desk.machine.records.alert import AlertRule

# Change what an alert waits for: threshold, where it ends, for how long, how loud, and whether it watches at all.
_LEVELS = ("info", "warning", "alert")
_FACTORS = {"1": (0.01, "%"), "By": (float(1 << 30), "GiB"), "Hz": (1e6, "MHz"), "Cel": (1.0, "°C")}


class AlertRuleDialog(FormDialog):
    """Asks in the units a person reads: percent and GiB, not ratios and bytes."""

    def __init__(self, parent: QWidget, context: Context, rule: AlertRule) -> None:
        super().__init__(parent, f"Alert: {plain(rule.title)}", rule.help or rule.title, "Save")
        self._context = context
        self._rule = rule
        self._factor, unit = scale_of(rule)
        side = "at or above" if rule.above else "at or below"
        other = "below" if rule.above else "above"
        self.threshold = Field("Threshold", text=written(rule.threshold / self._factor))
        self.clear_at = Field("Ends at", text=written(rule.clear_at / self._factor))
        self.span = Field("For", text=written(rule.for_seconds))
        self.level = ChoiceBox("Level")
        self.level.addItems(list(_LEVELS))
        self.level.setCurrentText(rule.level if rule.level in _LEVELS else "warning")
        self.enabled = CheckBox("Watch")
        self.enabled.setChecked(rule.enabled)
        ends = f"It ends {other} this, so that a value that flickers does not ring twice"
        self.add("Threshold", self.threshold, f"It fires {side} this{f', in {unit}' if unit else ''}")
        self.add("Ends at", self.clear_at, ends + (f", in {unit}" if unit else ""))
        self.add(
            "For",
            self.span,
            "Seconds for which it must hold within two and a half times as long, before it fires and before it ends",
        )
        self.add("Level", self.level, "Warnings and alerts are shown on the desktop and sent to the webhook")
        self.add("", self.enabled)
        self.enabled.setAccessibleName("Watch")
        self.submit = self._save

    def _save(self) -> None:
        try:
            threshold, clear_at = (number(field) * self._factor for field in (self.threshold, self.clear_at))
            span = number(self.span)
        except Invalid as error:
            self.fail(error)
            return
        if (clear_at >= threshold) if self._rule.above else (clear_at <= threshold):
            side = "below" if self._rule.above else "above"
            hint = "The two differ, so that a value that flickers does not ring twice."
            self.fail(Invalid(f"'Ends at' has to lie {side} the threshold.", hint))
            return
        name, level, enabled = self._rule.name, self.level.currentText(), self.enabled.isChecked()
        self.begin("Saving …")
        self._context.ask(
            "change alert",
            lambda desk: desk.alerts.configure(name, threshold, clear_at, span, level, enabled),
            self._done,
            self.fail,
        )

    def _done(self, rule: AlertRule) -> None:
        keep_rule(self._context, rule)
        self.accept()


def keep_rule(context: Context, rule: AlertRule) -> None:
    """Put a changed rule where pages look: no announcement carries it."""
    rules = context.store.alert_rules.value
    if rules is not None:
        rules[rule.name] = rule
        context.changed.emit(frozenset({Topic.ALERT_RULES}))


def scale_of(rule: AlertRule) -> tuple[float, str]:
    """Return by what a rule's values are divided to be read, and the unit they then have."""
    if rule.counted or (rule.unit == "1" and not alerts.is_share(rule)):
        return 1.0, plain(rule.counted, 24)
    return _FACTORS.get(rule.unit, (1.0, "" if rule.unit == "1" else rule.unit))


def written(value: float) -> str:
    return f"{value:.6g}"


def number(field: Field) -> float:
    """Read a number; raises Invalid."""
    try:
        value = float(field.text().strip().replace(",", "."))
    except ValueError as error:
        raise Invalid(
            f"'{field.text()}' is not a number.", f"{field.accessibleName()} is a number, as in 0.5."
        ) from error
    if not -1e18 < value < 1e18:
        raise Invalid(f"{field.text()} is out of bounds.", f"{field.accessibleName()} is an ordinary number.")
    return value


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
