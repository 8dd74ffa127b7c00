"""The form of the usual rules: two choices, the fields that go with them, and at a field what is wrong with it.

What a field means is said in one place, for the one that has the keys: below each, words would push the action out of
sight.
"""

import re
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel, QWheelEvent
from PySide6.QtWidgets import QCompleter, QFormLayout, QListView, QWidget

from mlops_desk.automation.window.rules.usual import FIELDS, THEN, WHEN, UsualField, UsualRule, asked
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import Paragraph
from mlops_desk.kit.window.widgets.scroll import thin
from mlops_desk.machine.records.metric import Metric

# What a condition may name, offered with its words while one types, and told with its unit and limits.
_NAME = Qt.ItemDataRole.UserRole
_SHOWN = 12  # chosen: rows that one takes in at a glance; the list scrolls
_WORDS = 120  # chosen: a line of the list
_UNITS = {"Cel": "°C", "By": "bytes", "By/s": "bytes/s"}  # as one types a limit in them


class MeasureCompleter(QCompleter):
    """Finds measures by their names and by their words, and puts in the name."""

    def __init__(self, measures: Sequence[Metric], parent: QObject) -> None:
        model = QStandardItemModel(parent)
        for one in measures:
            item = QStandardItem(f"{one.name} ({one.device}): {plain(_said(one), _WORDS)}")
            item.setData(one.name, _NAME)
            model.appendRow(item)
        super().__init__(model, parent)
        self.setFilterMode(Qt.MatchFlag.MatchContains)
        self.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setMaxVisibleItems(_SHOWN)
        popup = QListView()
        popup.setAccessibleName("What a condition may name")
        thin(popup)
        self.setPopup(popup)

    def pathFromIndex(self, index: QModelIndex | QPersistentModelIndex) -> str:
        return str(index.data(_NAME))


class MeasureOffer(QObject):
    """Offers measures in the ``name`` of a form, fills in of what ``device`` one is, and ``says`` what it is."""

    def __init__(self, name: Field, device: Field, says: Label) -> None:
        super().__init__(name)
        self._name, self._device, self._says = name, device, says
        self._measures: Sequence[Metric] = ()
        for field in (name, device):
            field.textChanged.connect(lambda _text: self._tell())

    def offer(self, measures: Sequence[Metric]) -> None:
        """Offer what the agent knows."""
        self._measures = measures
        completer = MeasureCompleter(measures, self)
        completer.activated.connect(self._chosen)
        self._name.setCompleter(completer)
        self._tell()

    def _chosen(self, name: str) -> None:
        """Say of what it is; of one that there is of several, what stands there stays where it is one of these."""
        classes = [one.device for one in self._measures if one.name == name]
        if classes and self._device.text().strip() not in classes:
            self._device.setText(classes[0])
        self._name.setText(name)
        self._name.textEdited.emit(name)

    def _tell(self) -> None:
        name, device = self._name.text().strip(), self._device.text().strip()
        found = [one for one in self._measures if one.name == name and device in {"", one.device}]
        if found:
            self._says.show_text(words(found[0]))


def _said(measure: Metric) -> str:
    """Return what sentences call a measure, by which one looks for it too, and what it is."""
    return f"{measure.title}. {measure.help}" if measure.title else measure.help


def words(measure: Metric) -> str:
    """Say what a measure is, of what, and which values it has."""
    if measure.is_fact:
        return f"Each {measure.device} that {plain(measure.help, _WORDS)}: at or above 1"
    unit = "" if measure.unit == "1" else f" {_UNITS.get(measure.unit, measure.unit)}"
    return f"{plain(measure.help, _WORDS).rstrip('.')}: {measure.low:g} to {measure.high:g}{unit}"


_PLACE = re.compile(r"\[\d+\]")
_LEAST_LETTERS = 10  # chosen: the form is as wide as there is room, and not as the longest of its choices
_LONGEST = 2  # a field's path: the condition or the action, and its key
_HELP_LINES = 2  # chosen: the longest of the helps at the form's least width; the room is kept, so that nothing jumps
_MEASURE = ("when", "metric")


class StillChoice(ChoiceBox):
    """A choice that the wheel leaves alone: it stands in what one scrolls through."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(_LEAST_LETTERS)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class ValueChoice(StillChoice):
    """One of the values that a field may have, read and set as text; ``textEdited`` is what a person chose."""

    textEdited = Signal(str)  # noqa: N815 - as a field of text has it

    def __init__(self, field: UsualField) -> None:
        super().__init__(field.title)
        if field.lacking:
            self.addItem(field.lacking, "")
        for one in field.choices:
            self.addItem("yes" if one == "true" else one, one)
        self.setText("" if field.lacking else field.example)
        self.activated.connect(lambda _place: self.textEdited.emit(self.text()))

    def text(self) -> str:
        """Return the value that is chosen, as a document has it."""
        return str(self.currentData())

    def setText(self, text: str) -> None:
        """Choose a value; the first where there is no such."""
        self.setCurrentIndex(max(self.findData(text), 0))


class UsualForm(QWidget):
    """``typed`` tells that somebody changed a field; ``help`` is where the one with the keys is explained."""

    typed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.when = StillChoice("When")
        self.then = StillChoice("Then")
        self._rows = QFormLayout(self)
        self._rows.setContentsMargins(0, 0, theme.SPACE_8, 0)
        self._rows.setSpacing(theme.SPACE_4)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.inputs: dict[UsualField, Field | ValueChoice] = {}
        self.help = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.help.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.help.setFixedHeight(_HELP_LINES * self.help.fontMetrics().lineSpacing())
        self.measured = Paragraph(points=theme.CAPTION_POINTS, tone="muted")
        self._faults: dict[UsualField, Paragraph] = {}
        self._is_shown = False
        for choice, kinds in ((self.when, WHEN), (self.then, THEN)):
            for kind, title in kinds:
                choice.addItem(title, kind)
            choice.currentIndexChanged.connect(self._choose)
            choice.installEventFilter(self)
        self._fill()
        self.measures = self._offer()
        self._show_fields()

    def _fill(self) -> None:
        heads = {("when", "metric"): ("When", self.when), ("then", "notify"): ("Then", self.then)}
        for field in FIELDS:
            if field.path in heads:
                title, choice = heads[field.path]
                self._rows.addRow(_name(title, choice, bold=True), choice)
            made = ValueChoice(field) if field.choices else Field(field.title, field.example)
            made.setAccessibleDescription(field.help)
            made.installEventFilter(self)
            set_tip(made, field.help)
            made.textEdited.connect(lambda _text: self.typed.emit())
            self.inputs[field] = made
            self._rows.addRow(_name(field.title, made), made)
            if field.path == _MEASURE:
                self._rows.addRow("", self.measured)
            self._faults[field] = Paragraph(points=theme.CAPTION_POINTS, tone="alert")
            self._rows.addRow("", self._faults[field])

    def _offer(self) -> MeasureOffer:
        """Return what offers measures in the field that names one."""
        of = {field.path: field for field in FIELDS}
        name, device = self.inputs[of[_MEASURE]], self.inputs[of["when", "device"]]
        assert isinstance(name, Field)  # noqa: S101 - what is measured is typed
        assert isinstance(device, Field)  # noqa: S101 - likewise
        return MeasureOffer(name, device, self.measured)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Say what the field means that gets the keys."""
        if event.type() == QEvent.Type.FocusIn:
            self.help.show_text(next((field.help for field, made in self.inputs.items() if made is watched), ""))
        return super().eventFilter(watched, event)

    def first(self) -> QWidget:
        """Return where one begins to type."""
        return next((one for one in self.inputs.values() if one.isEnabled()), self.when)

    def name(self) -> str:
        """Return what the rule is called so far."""
        return next(made.text() for field, made in self.inputs.items() if field.path == ("name",)).strip()

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

    def show_fault(self, place: str | None, text: str) -> QWidget | None:
        """Say at the field that ``place`` of the document is (``then[0].level``) what is wrong; None: no such field.

        What is wrong with a condition or an action as a whole stands at the field that says what it is.
        """
        found = None if place is None else self._field_of(place)
        for field, fault in self._faults.items():
            fault.show_text(text if field is found else "")
            self._rows.setRowVisible(fault, field is found)
        return None if found is None else self.inputs[found]

    def _field_of(self, place: str) -> UsualField | None:
        path = tuple(_PLACE.sub("", place).split("."))[:_LONGEST]
        heads: dict[tuple[str, ...], tuple[str, ...]]
        heads = {("when",): ("when", str(self.when.currentData())), ("then",): ("then", str(self.then.currentData()))}
        path = heads.get(path, path)
        when, then = str(self.when.currentData()), str(self.then.currentData())
        return next((field for field in FIELDS if field.path == path and asked(field, when, then)), None)

    def _choose(self) -> None:
        self._show_fields()
        if not self._is_shown:
            self.typed.emit()

    def _show_fields(self) -> None:
        """Show what goes with the condition and the action that are chosen."""
        when, then = str(self.when.currentData()), str(self.then.currentData())
        for field, made in self.inputs.items():
            shown = asked(field, when, then) and (bool(made.text()) or not field.rare)
            self._rows.setRowVisible(made, shown)
            if field.path == _MEASURE:
                self._rows.setRowVisible(self.measured, shown)
        self.show_fault(None, "")


def _name(title: str, field: QWidget, *, bold: bool = False) -> Label:
    """Return a field's name, level with what one types."""
    name = Label(title, bold=bold)
    name.setMinimumHeight(theme.FIELD_HEIGHT)
    name.setBuddy(field)
    return name
