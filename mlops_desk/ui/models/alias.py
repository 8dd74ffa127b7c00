"""Point an alias of a model at a version: says what that changes, and asks anew where the alias moved meanwhile."""

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError, Invalid, Refused
from mlops_desk.base.text import plain
from mlops_desk.records.model import Model, ModelVersion
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog

NO_VERSION = "none"  # the verb's word for an alias that does not exist


class AliasDialog(FormDialog):
    """Asks for the alias; the version is the chosen one. What is confirmed is what the sentence says."""

    def __init__(self, parent: QWidget, context: Context, version: ModelVersion, uri: str | None) -> None:
        about = f"An alias of {version.name} will point at version {version.version}, and no more where it does now."
        super().__init__(parent, "Set an alias", about, "Set alias")
        self._context = context
        self._model, self._version, self._uri = version.name, version.version, uri
        self._seen: Model | None = None
        self.alias = Field("Alias", "champion, challenger, …", text="champion")
        self.alias.textChanged.connect(self._say)
        self.add("Alias", self.alias)
        self.says = Label(wrap=True)
        self.fields.addRow("", self.says)
        self.submit = self._set
        self.act.setEnabled(False)  # until it is known what would change
        self._say()
        self._look()

    def _look(self) -> None:
        """Read where the model's aliases point now."""
        model, uri = self._model, self._uri
        self._context.ask("look at aliases", lambda desk: desk.models.show(model, uri=uri), self._looked, self.fail)

    def _looked(self, model: Model) -> None:
        self._seen = model
        self.act.setEnabled(True)
        self._say()

    def _alias(self) -> str:
        return self.alias.text().strip()

    def _say(self) -> None:
        """Say what would change."""
        alias = plain(self._alias())
        if self._seen is None:
            self.says.show_text("Looking where the alias points now …")
            return
        at = self._seen.aliases.get(self._alias())
        if not alias:
            self.says.show_text("")
        elif at == self._version:
            self.says.show_text(f"{alias} points at version {at} already.")
        elif at is None:
            self.says.show_text(f"{alias} does not exist yet; it will point at version {self._version}.")
        else:
            self.says.show_text(f"{alias} moves from version {plain(at)} to version {self._version}.")

    def _set(self) -> None:
        alias = self._alias()
        if not alias:
            self.fail(Invalid("An alias needs a name.", "Type one, such as champion."))
            return
        model, version, uri = self._model, self._version, self._uri
        expected = self._seen.aliases.get(alias, NO_VERSION) if self._seen is not None else None
        self.begin("Setting …")
        self._context.ask(
            "set alias",
            lambda desk: desk.models.alias(model, alias, version, uri, expected),
            self._done,
            self._refused,
        )

    def _refused(self, error: DeskError) -> None:
        """Say why; where the alias has moved, show from where now, before one can press again."""
        self.fail(error)
        if isinstance(error, Refused):
            self._seen = None
            self.act.setEnabled(False)
            self._say()
            self._look()

    def _done(self, model: Model) -> None:
        self._context.say("info", f"{model.name}@{self._alias()} is version {self._version} now.")
        self.accept()
