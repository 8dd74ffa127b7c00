"""Write a revision down to be run elsewhere: in which form and where, and how far it is."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError, Invalid
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.undertaking import UndertakingBar
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.widgets.path_field import PathField
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.records.serving.export import ExportedEndpoint

_FORMATS = (
    ("bundle", "Bundle: all of it, signed, with a script that checks it", ""),
    ("oci", "Image archive (OCI), as container engines load it", ".tar"),
    ("compose", "Compose file with the image", ""),
    ("systemd", "systemd unit and Quadlet with the image", ""),
)

_KINDS = ("Machines like this one", "Machines of another kind, as arm64")


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
        self.kind = ChoiceBox("For")
        for title in _KINDS:
            self.kind.addItem(title)
        self.base = PathField(
            "Base image", "The base image, as a file", "as python-arm64.tar", files="Images (*.tar);;All files (*)"
        )
        self.wheels = PathField("Wheels", "The folder of wheels", "as /srv/arm64")
        self.platform = Field("Platform", "as linux/arm64")
        self.key = PathField("Signed by", "The private SSH key", "a key of the desk's own", files="All files (*)")
        self.under_way = UndertakingBar(context, "How far the export is")
        self.add("Format", self.format)
        self.add("Where to", self.out, "A new file (image archive) or folder; nothing is written over")
        self.add("Signed by", self.key, "A private SSH key without a password; empty: one of the desk's own")
        self.add("For", self.kind)
        self.add("Base image", self.base, "Python for that machine: an OCI archive, or one of docker save")
        self.add("Wheels", self.wheels, "All that the model needs there; what lacks is named first")
        self.add("Platform", self.platform, "Only where the base is for several; empty: its only one")
        self.fill(self.under_way, stretch=0)
        self.format.currentIndexChanged.connect(lambda _index: self._suggest())
        self.kind.currentIndexChanged.connect(lambda _index: self._fit())
        self.submit = self._export
        self._suggest()

    def _suggest(self) -> None:
        if not self.out.isModified():
            ending = _FORMATS[self.format.currentIndex()][2]
            self.out.setText(str(Path.home() / f"{self._name}-r{self._revision}{ending}"))
        self._fit()

    def _fit(self) -> None:
        """Ask for what counts for this format and this kind of machine alone."""
        self.show_field(self.key, shown=self.format.currentData() == "bundle")
        for field in (self.base, self.wheels, self.platform):
            self.show_field(field, shown=self.is_foreign)
        self.resize(self.width(), self.sizeHint().height())

    @property
    def is_foreign(self) -> bool:
        """Whether it is for a machine of another kind than this one."""
        return self.kind.currentIndex() == 1

    def _more(self) -> dict[str, str | None]:
        """Return what is asked for beside format and place. Raises Invalid for what is named by half."""
        more: dict[str, str | None] = {}
        if self.format.currentData() == "bundle" and self.key.text():
            more["key"] = _whole(self.key.text(), "The key")
        if self.is_foreign:
            more["base"] = _whole(self.base.text(), "The base image")
            more["wheels"] = _whole(self.wheels.text(), "The folder of wheels")
            more["platform"] = self.platform.text().strip() or None
        return more

    def _export(self) -> None:
        out = self.out.text().strip()
        if not out.startswith("/"):
            self.fail(Invalid("Where to write is not said.", "Give a whole path, as /data/churn.tar."))
            return
        try:
            more = self._more()
        except Invalid as error:
            self.fail(error)
            return
        name, revision, format_ = self._name, self._revision, self.format.currentData()
        self.begin("Exporting …")
        self.under_way.begin(
            "export",
            lambda desk, ticket: desk.endpoints.export(
                name, out, format=format_, revision=revision, ticket=ticket, **more
            ),
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


def _whole(text: str, what: str) -> str:
    """Return a path as the agent can take it: from its root. Raises Invalid."""
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~NAME of a person who is none
        path = Path()
    if not text or not path.is_absolute():
        raise Invalid(f"{what} is not named by a whole path.", "Choose it, or give a path as /srv/arm64.")
    return str(path)
