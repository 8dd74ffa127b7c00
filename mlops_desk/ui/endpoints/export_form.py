"""Write a revision down to be run elsewhere: in which form and where, and how far it is."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError, Invalid
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.ui.endpoints.undertaking import UndertakingBar
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.records.serving.export import ExportedEndpoint

_FORMATS = (
    ("bundle", "Bundle: all of it, signed, with a script that checks it", ""),
    ("oci", "Image archive (OCI), as container engines load it", ".tar"),
    ("compose", "Compose file with the image", ""),
    ("systemd", "systemd unit and Quadlet with the image", ""),
)


class ExportDialog(FormDialog):
    """Stays open while it is written, with a button that stops it; afterwards it says where it lies."""

    def __init__(self, parent: QWidget | None, context: Context, endpoint: Endpoint, revision: int) -> None:
        about = (
            f"Revision {revision} of {endpoint.name}, with its model and what serves it, as files for another machine. "
            "The agent writes them on this machine, as the user whose agent it is."
        )
        super().__init__(parent, f"Export {endpoint.name}", about, "Export")
        self._context = context
        self._name, self._revision = endpoint.name, revision
        self.format = ChoiceBox("Format")
        for word, title, _ in _FORMATS:
            self.format.addItem(title, word)
        self.out = Field("Where to")
        self.under_way = UndertakingBar(context, "How far the export is")
        self.add("Format", self.format)
        self.add("Where to", self.out, "A new file (image archive) or folder; nothing is written over")
        self.fill(self.under_way, stretch=0)
        self.format.currentIndexChanged.connect(lambda _index: self._suggest())
        self.submit = self._export
        self._suggest()

    def _suggest(self) -> None:
        if not self.out.isModified():
            ending = _FORMATS[self.format.currentIndex()][2]
            self.out.setText(str(Path.home() / f"{self._name}-r{self._revision}{ending}"))

    def _export(self) -> None:
        out = self.out.text().strip()
        if not out.startswith("/"):
            self.fail(Invalid("Where to write is not said.", "Give a whole path, as /data/churn.tar."))
            return
        name, revision, format_ = self._name, self._revision, self.format.currentData()
        self.begin("Exporting …")
        self.under_way.begin(
            "export",
            lambda desk, ticket: desk.endpoints.export(name, out, format=format_, revision=revision, ticket=ticket),
            self._done,
            self.fail,
        )

    def reject(self) -> None:
        """Stay while it is written: closed, nobody could stop it or hear what became of it."""
        if self.under_way.is_busy:
            self.under_way.stop.setFocus()
            return
        super().reject()

    def _done(self, done: "ExportedEndpoint") -> None:
        signed = "" if done.signer is None else f", signed by {done.signer}"
        self._context.say("info", f"{done.endpoint} is in {done.to}, {numbers.size(done.size_bytes)}{signed}.")
        self.accept()

    def fail(self, error: DeskError) -> None:
        super().fail(error)
        self.resize(self.width(), self.sizeHint().height())
