"""Change what an alert waits for: threshold, where it ends, for how long, how loud, and whether it watches at all."""

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.records.alert import AlertRule
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.words import alerts

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
