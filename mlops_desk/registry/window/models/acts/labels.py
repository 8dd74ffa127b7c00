"""Write a tag or a description on a version, or on the whole model; what was there before comes back by Undo."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from mlops_desk.kit.base.errors import DeskError, Invalid, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.undo import offer_undo
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.widgets.textbox import TextBox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_desk.registry.records.labels import Labels
    from mlops_desk.registry.records.version_hit import VersionHit


class _LabelDialog(FormDialog):
    """Asks of what first: of the version that is chosen, or of its model.

    What is written was seen first, and is refused where it reads otherwise by now; it is shown then, and asked anew.
    """

    def __init__(self, parent: QWidget, context: Context, hit: "VersionHit", title: str, about: str, act: str) -> None:
        super().__init__(parent, title, about, act)
        self._context = context
        self._model, self._uri = hit.name, context.store.models_uri
        self.of = ChoiceBox("Of what")
        self.of.addItem(f"version {plain(hit.version, 20)} of {plain(hit.name, 60)}", hit.version)
        self.of.addItem(f"the model {plain(hit.name, 60)} as a whole", None)
        self.add("Of", self.of)

    def _refused(self, error: DeskError) -> None:
        self.fail(error)
        if isinstance(error, Refused):
            self._look()

    def _look(self) -> None:
        """Read anew how it is labelled; nothing can be written meanwhile."""
        model, version, uri = self._model, self.of.currentData(), self._uri
        self.act.setEnabled(False)
        self._context.ask(
            "labels", lambda desk: desk.models.labels(model, version=version, uri=uri), self._looked, self.fail
        )

    def _looked(self, labels: "Labels") -> None:
        self.act.setEnabled(True)
        self._take(labels)

    def _take(self, labels: "Labels") -> None:
        """Know what it is labelled with now."""
        raise NotImplementedError

    def _named(self) -> str:
        version = self.of.currentData()
        return plain(self._model, 60) if version is None else f"{plain(self._model, 60)} version {plain(version, 20)}"


class TagDialog(_LabelDialog):
    """One tag: without a value it is taken away."""

    def __init__(self, parent: QWidget, context: Context, hit: "VersionHit") -> None:
        about = "A tag is a name and a value that every program that speaks MLflow can read."
        super().__init__(parent, context, hit, "Write a tag", about, "Write tag")
        self.key, self.value = Field("Tag", "stage, owner, ticket, …"), Field("Value", "nothing: take the tag away")
        self.now = Label("", points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.add("Tag", self.key)
        self.add("Value", self.value)
        self.fill(self.now, 0)
        self.first = self.key
        self._tags: Mapping[str, str] | None = None
        self.key.textChanged.connect(lambda _text: self._say_now())
        self.of.currentIndexChanged.connect(lambda _place: self._look())
        self.submit = self._write
        self._look()

    def _take(self, labels: "Labels") -> None:
        self._tags = labels.tags
        self._say_now()

    def _say_now(self) -> None:
        """Say what the tag reads now, which is what one decides about."""
        key, tags = self.key.text().strip(), self._tags
        if tags is None or not key:
            self.now.show_text("")
        elif key in tags:
            self.now.show_text(f"It reads {plain(tags[key], 200)!r} now.")
        else:
            self.now.show_text("There is no such tag yet.")

    def _write(self) -> None:
        key, value = self.key.text().strip(), self.value.text() or None
        if not key:
            self.fail(Invalid("A tag needs a name.", "Type one, such as owner."))
            return
        model, version, uri = self._model, self.of.currentData(), self._uri
        expected = None if self._tags is None else self._tags.get(key, "")
        self.begin("Writing …")
        self._context.ask(
            "write tag",
            lambda desk: desk.models.tag(model, key, value, version=version, uri=uri, expected=expected),
            lambda labels: self._done(key, value, labels),
            self._refused,
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
        self._known = [hit.description or "", of_model or ""]
        self.text = TextBox("Description", self._known[0])
        self.text.setMinimumHeight(self.text.fontMetrics().lineSpacing() * 8)
        self.of.currentIndexChanged.connect(lambda place: self.text.setPlainText(self._known[place]))
        self.fill(self.text)
        self.now = Label("", wrap=True)
        self.now.hide()
        self.fill(self.now, 0)
        self.first = self.text
        self.submit = self._write

    def _take(self, labels: "Labels") -> None:
        """Leave what was typed, and show what somebody else wrote meanwhile: writing takes its place."""
        self._known[self.of.currentIndex()] = labels.description or ""
        self.now.show_text(f"It reads now: {plain(labels.description or 'nothing', 600)}")
        self.now.show()

    def _write(self) -> None:
        text, model, version, uri = self.text.toPlainText(), self._model, self.of.currentData(), self._uri
        expected = self._known[self.of.currentIndex()]
        self.begin("Writing …")
        self._context.ask(
            "describe",
            lambda desk: desk.models.describe(model, text, version=version, uri=uri, expected=expected),
            self._done,
            self._refused,
        )

    def _done(self, labels: "Labels") -> None:
        offer_undo(self._context, f"The description of {self._named()} is written.", labels.undo)
        self.accept()
