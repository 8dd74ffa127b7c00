"""What a condition may name, offered with its words while one types, and told with its unit and limits."""

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QCompleter, QListView

from mlops_desk.base.text import plain
from mlops_desk.records.metric import Metric
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.scroll import thin

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
