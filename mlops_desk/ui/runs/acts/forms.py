"""Forms for what people write on a run: a tag, and its description."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from mlops_desk.ui.runs.asking import RunStory
from mlops_desk.ui.runs.detail.facts import NOTE
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.widgets.textbox import TextBox


class TagForm(FormDialog):
    """``written`` carries key, value (None: the tag is taken away) and what it read before ("": there was none)."""

    written = Signal(str, object, str)

    def __init__(self, parent: QWidget, story: RunStory) -> None:
        super().__init__(parent, "Tag the run", "Without a value the tag is taken away.", "Write the tag")
        self._tags = story.run.tags
        self.key = Field("Name")
        self.value = Field("Value")
        self.add("Name", self.key)
        self.add("Value", self.value)
        self.act.setEnabled(False)
        self.key.textChanged.connect(self._fill)
        self.submit = self._write

    def _fill(self, key: str) -> None:
        """Show what the tag reads now, unless something else was typed."""
        self.act.setEnabled(bool(key.strip()))
        if key.strip() in self._tags and not self.value.isModified():
            self.value.setText(self._tags[key.strip()])

    def _write(self) -> None:
        key = self.key.text().strip()
        self.begin("Writing …")
        self.written.emit(key, self.value.text() or None, self._tags.get(key, ""))


class DescriptionForm(FormDialog):
    """``written`` carries the text and what it read before."""

    written = Signal(str, str)

    def __init__(self, parent: QWidget, story: RunStory) -> None:
        super().__init__(parent, "Describe the run", "MLflow's page shows it too.", "Write")
        self._before = story.run.tags.get(NOTE, "")
        self.text = TextBox("Description", self._before)
        self.fill(self.text)
        self.first = self.text
        self.submit = self._write

    def _write(self) -> None:
        self.begin("Writing …")
        self.written.emit(self.text.toPlainText(), self._before)
