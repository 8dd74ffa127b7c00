"""Point an alias of a model at a version."""

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import Invalid
from mlops_desk.records.model import Model
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog


class AliasDialog(FormDialog):
    """Asks for the alias; the version is the chosen one."""

    def __init__(self, parent: QWidget, context: Context, model: str, version: str, uri: str | None) -> None:
        about = f"The alias will point at version {version} of {model}. Where it pointed before, it points no more."
        super().__init__(parent, "Set an alias", about, "Set alias")
        self._context = context
        self._model, self._version, self._uri = model, version, uri
        self.alias = Field("Alias", "champion, challenger, …", text="champion")
        self.add("Alias", self.alias)
        self.submit = self._set

    def _set(self) -> None:
        alias = self.alias.text().strip()
        if not alias:
            self.fail(Invalid("An alias needs a name.", "Type one, such as champion."))
            return
        model, version, uri = self._model, self._version, self._uri
        self.begin("Setting …")
        self._context.ask(
            "set alias", lambda desk: desk.models.alias(model, alias, version, uri), self._done, self.fail
        )

    def _done(self, model: Model) -> None:
        self._context.say("info", f"{model.name}@{self.alias.text()} is version {self._version} now.")
        self.accept()
