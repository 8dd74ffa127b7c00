"""Build an image from a folder with a Dockerfile: chosen or typed, with the name that it gets."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.images.task import ImageTask
from mlops_desk.ui.images import loads
from mlops_desk.ui.images.forms import reference
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.widgets.path_field import PathField

_ABOUT = (
    "The folder is taken as it is now, without what its .dockerignore names. It goes on when this window is closed."
)
_REMEMBERED = "images/build_folder"
_NO_PLACE = {"/", "/home", "/usr", "/etc", "/var"}


class BuildDialog(FormDialog):
    """Asks for folder, Dockerfile and tag; ``begun`` carries the task."""

    begun = Signal(object)

    def __init__(self, parent: QWidget, context: Context) -> None:
        super().__init__(parent, "Build an image", _ABOUT, "Build image")
        self._context = context
        before = str(context.memory.value(_REMEMBERED) or "")
        self.path = PathField("Folder", "The folder to build from", "as ~/train", text=before)
        self.folder, self.pick = self.path.line, self.path.pick
        self.file = Field("Dockerfile", text="Dockerfile")
        self.tag = Field("Tag", "as lab/train:1")
        self.add("Folder", self.path, "On the agent's machine: what the Dockerfile copies from.")
        self.add("Dockerfile", self.file, "Its path in the folder.")
        self.add("Tag", self.tag, "What the image is called then; without one it is named after the folder.")
        self.first = self.folder
        self.submit = self._build

    def _wrong(self, folder: Path) -> DeskError | None:
        """Return what can be told before the agent is asked."""
        if not self.folder.text().strip():
            return DeskError("No folder is named.", "Choose the one with the Dockerfile.")
        if str(folder) in _NO_PLACE:
            return DeskError(f"{folder} is no folder to build from: all of it would be sent.", "Choose the project's.")
        if not self.file.text().strip():
            return DeskError("No Dockerfile is named.", "It is mostly called Dockerfile.")
        try:
            if self.tag.text().strip():
                reference.read(self.tag.text())
        except reference.BadReferenceError as error:
            return DeskError(f"The tag can't be used. {error}", "Write one as lab/train:1.")
        return None

    def _build(self) -> None:
        try:
            folder = Path(self.folder.text().strip()).expanduser().absolute()
        except RuntimeError:  # ~NAME of a person who is none
            self.fail(DeskError(f"{self.folder.text()[:60]} is no folder of anybody.", "Choose it."))
            return
        wrong = self._wrong(folder)
        if wrong is not None:
            self.fail(wrong)
            return
        tag, file, engine = self.tag.text().strip(), self.file.text().strip(), loads.engine(self._context.store)
        self.begin("Asking …")
        self._context.ask(
            "build image",
            lambda desk: desk.images.build(str(folder), tag=tag, file=file, engine=engine),
            self._begun,
            self.fail,
        )

    def _begun(self, task: ImageTask) -> None:
        self._context.memory.setValue(_REMEMBERED, self.folder.text().strip())
        self.begun.emit(task)
        self.accept()
