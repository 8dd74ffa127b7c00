"""Write a tag or a description on a version, or on the whole model; what was there before comes back by Undo."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.undoing import offer_undo
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.widgets.textbox import TextBox

if TYPE_CHECKING:
    from mlops_desk.records.registry.labels import Labels
    from mlops_desk.records.registry.version_hit import VersionHit


class _LabelDialog(FormDialog):
    """Asks of what first: of the version that is chosen, or of its model."""

    def __init__(self, parent: QWidget, context: Context, hit: "VersionHit", title: str, about: str, act: str) -> None:
        super().__init__(parent, title, about, act)
        self._context = context
        self._model, self._uri = hit.name, context.store.models_uri
        self.of = ChoiceBox("Of what")
        self.of.addItem(f"version {plain(hit.version, 20)} of {plain(hit.name, 60)}", hit.version)
        self.of.addItem(f"the model {plain(hit.name, 60)} as a whole", None)
        self.add("Of", self.of)

    def _named(self) -> str:
        version = self.of.currentData()
        return plain(self._model, 60) if version is None else f"{plain(self._model, 60)} version {plain(version, 20)}"


class TagDialog(_LabelDialog):
    """One tag: without a value it is taken away."""

    def __init__(self, parent: QWidget, context: Context, hit: "VersionHit") -> None:
        about = "A tag is a name and a value that every program that speaks MLflow can read."
        super().__init__(parent, context, hit, "Write a tag", about, "Write tag")
        self.key, self.value = Field("Tag", "stage, owner, ticket, …"), Field("Value", "nothing: take the tag away")
        self.add("Tag", self.key)
        self.add("Value", self.value)
        self.first = self.key
        self.submit = self._write

    def _write(self) -> None:
        key, value = self.key.text().strip(), self.value.text() or None
        if not key:
            self.fail(Invalid("A tag needs a name.", "Type one, such as owner."))
            return
        model, version, uri = self._model, self.of.currentData(), self._uri
        self.begin("Writing …")
        self._context.ask(
            "write tag",
            lambda desk: desk.models.tag(model, key, value, version=version, uri=uri),
            lambda labels: self._done(key, value, labels),
            self.fail,
        )

    def _done(self, key: str, value: str | None, labels: "Labels") -> None:
        said = f"is {plain(value, 60)!r} now" if value is not None else "is taken away"
        offer_undo(self._context, f"The tag {plain(key, 60)} of {self._named()} {said}.", labels.undo)
        self.accept()


class DescribeDialog(_LabelDialog):
    """The whole description; that of the version is known, the model's is asked for."""

    def __init__(self, parent: QWidget, context: Context, hit: "VersionHit", of_model: str | None) -> None:
        about = "What somebody should know who chooses it: MLflow shows it, too."
        super().__init__(parent, context, hit, "Describe", about, "Write description")
        self._known = (hit.description or "", of_model or "")
        self.text = TextBox("Description", self._known[0])
        self.text.setMinimumHeight(self.text.fontMetrics().lineSpacing() * 8)
        self.of.currentIndexChanged.connect(lambda place: self.text.setPlainText(self._known[place]))
        self.fill(self.text)
        self.first = self.text
        self.submit = self._write

    def _write(self) -> None:
        text, model, version, uri = self.text.toPlainText(), self._model, self.of.currentData(), self._uri
        expected = self._known[self.of.currentIndex()]
        self.begin("Writing …")
        self._context.ask(
            "describe",
            lambda desk: desk.models.describe(model, text, version=version, uri=uri, expected=expected),
            self._done,
            self.fail,
        )

    def _done(self, labels: "Labels") -> None:
        offer_undo(self._context, f"The description of {self._named()} is written.", labels.undo)
        self.accept()
