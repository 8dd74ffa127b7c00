"""Delete a version or a model: MLflow can't take that back, so its name is typed before."""

from PySide6.QtWidgets import QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.model import Model
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog


class DeleteDialog(FormDialog):
    """``version`` None deletes the model with all its versions."""

    def __init__(self, parent: QWidget, context: Context, model: str, version: str | None, uses: str) -> None:
        self.named = model if version is None else f"{model}/{version}"
        what = "model with all its versions" if version is None else "version"
        about = (
            f"{plain(self.named, 120)} goes from the registry at once, and MLflow can't bring it back. "
            f"The run that made it, and its files, stay.{' ' if uses else ''}{uses}"
        )
        super().__init__(parent, f"Delete this {what}?", about, "Delete")
        self._context = context
        self._model, self._version, self._uri = model, version, context.store.models_uri
        self.typed = Field("Type its name", self.named)
        self.add("Type its name", self.typed, f"{plain(self.named, 120)}, so that it is this one that is meant")
        self.act.setEnabled(False)
        self.typed.textChanged.connect(lambda text: self.act.setEnabled(text.strip() == self.named))
        self.act.set_main(main=True)
        self.submit = self._delete

    def _delete(self) -> None:
        if self.typed.text().strip() != self.named:
            return
        model, version, uri, confirm = self._model, self._version, self._uri, self.named
        self.begin("Deleting …")
        self._context.ask(
            "delete",
            lambda desk: desk.models.delete(model, confirm, version=version, uri=uri),
            self._done,
            self.fail,
        )

    def _done(self, _model: Model) -> None:
        self._context.say("info", f"{self.named} is deleted.")
        self.accept()
