"""The form that asks what a view of runs is called."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.registry.window.runs.query import LONGEST_NAME


class NameForm(FormDialog):
    """Asks what a view is called."""

    named = Signal(str)

    def __init__(self, parent: QWidget, before: str) -> None:
        about = "It keeps filter, columns, order and grouping. It is of this window, for all registries."
        super().__init__(parent, "Rename the view" if before else "Save the view", about, "Save")
        self.name = Field("Name", text=before)
        self.name.setMaxLength(LONGEST_NAME)
        self.add("Name", self.name)
        self.act.setEnabled(bool(before))
        self.name.textChanged.connect(lambda text: self.act.setEnabled(bool(text.strip())))
        self.submit = self._name

    def _name(self) -> None:
        self.named.emit(self.name.text().strip())
        self.accept()
