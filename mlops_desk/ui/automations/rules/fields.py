"""The form of the usual rules: two choices, and the fields that go with them."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QWidget

from mlops_desk.ui.automations.rules.measures import MeasureOffer
from mlops_desk.ui.automations.rules.usual import FIELDS, THEN, WHEN, UsualField, UsualRule, asked
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.field import Field


class UsualForm(QWidget):
    """``typed`` tells that somebody changed a field."""

    typed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.when = ChoiceBox("When")
        self.then = ChoiceBox("Then")
        self._rows = QFormLayout(self)
        self._rows.setContentsMargins(0, 0, theme.SPACE_8, 0)
        self._rows.setSpacing(theme.SPACE_4)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.inputs: dict[UsualField, Field] = {}
        self._helps: dict[UsualField, Label] = {}
        self._is_shown = False
        for choice, kinds in ((self.when, WHEN), (self.then, THEN)):
            for kind, title in kinds:
                choice.addItem(title, kind)
            choice.currentIndexChanged.connect(self._choose)
        self._fill()
        self.measures = self._offer()
        self._show_fields()

    def _fill(self) -> None:
        heads = {("when", "metric"): ("When", self.when), ("then", "notify"): ("Then", self.then)}
        for field in FIELDS:
            if field.path in heads:
                title, choice = heads[field.path]
                self._rows.addRow(Label(title, bold=True), choice)
            made = Field(field.title, field.example)
            made.setAccessibleDescription(field.help)
            made.textEdited.connect(lambda _text: self.typed.emit())
            self.inputs[field] = made
            self._rows.addRow(Label(field.title), made)
            if field.help:
                self._helps[field] = Label(field.help, points=theme.CAPTION_POINTS, tone="muted")
                self._rows.addRow("", self._helps[field])

    def _offer(self) -> MeasureOffer:
        """Return what offers measures in the field that names one."""
        of = {field.path: field for field in FIELDS}
        name, device = of["when", "metric"], of["when", "device"]
        return MeasureOffer(self.inputs[name], self.inputs[device], self._helps[name])

    def first(self) -> QWidget:
        """Return where one begins to type."""
        return next((one for one in self.inputs.values() if one.isEnabled()), self.when)

    def rule(self) -> UsualRule:
        """Return what the form holds."""
        return UsualRule(
            str(self.when.currentData()),
            str(self.then.currentData()),
            {field.path: made.text() for field, made in self.inputs.items()},
        )

    def show_rule(self, rule: UsualRule, *, named: bool) -> None:
        """Hold what a document says; ``named``: its name stays."""
        self._is_shown = True
        for choice, kind in ((self.when, rule.when), (self.then, rule.then)):
            choice.setCurrentIndex(choice.findData(kind))
        for field, made in self.inputs.items():
            text = rule.value(field)
            if asked(field, rule.when, rule.then) and made.text() != text:
                made.setText(text)
            made.setEnabled(not (named and field.path == ("name",)))
        self._is_shown = False
        self._show_fields()

    def _choose(self) -> None:
        self._show_fields()
        if not self._is_shown:
            self.typed.emit()

    def _show_fields(self) -> None:
        """Show what goes with the condition and the action that are chosen."""
        when, then = str(self.when.currentData()), str(self.then.currentData())
        for field, made in self.inputs.items():
            shown = asked(field, when, then)
            for widget in (made, self._helps.get(field)):
                if widget is not None:
                    self._rows.setRowVisible(widget, shown)
