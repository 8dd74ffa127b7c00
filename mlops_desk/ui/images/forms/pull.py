"""Pull an image: its name is read while one types, and said what will be pulled from where."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.images.task import ImageTask
from mlops_desk.ui.images import loads
from mlops_desk.ui.images.forms import reference
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog, Paragraph

_ABOUT = (
    "The pull goes on when this window is closed, and after a broken connection; it ends before the engine's disk is "
    "full."
)


class PullDialog(FormDialog):
    """Asks for the name; ``begun`` carries the task."""

    begun = Signal(object)

    def __init__(self, parent: QWidget, context: Context, text: str = "") -> None:
        super().__init__(parent, "Pull an image", _ABOUT, "Pull image")
        self._context = context
        self.image = Field("Image", "as pytorch/pytorch:2.4.0-cuda12.4-cudnn9-runtime", text=text)
        self.says = Paragraph(points=theme.CAPTION_POINTS, tone="muted")
        self.add("Image", self.image)
        self.fields.addRow("", self.says)
        self.image.textChanged.connect(self._read)
        self.submit = self._pull
        self._read()

    def _read(self) -> None:
        """Say what would be pulled, or what is wrong; while nothing is typed, neither."""
        try:
            named = reference.read(self.image.text())
        except reference.BadReferenceError as error:
            self._say(str(error), "alert")
            self.act.setEnabled(False)
            return
        known = {tag for image in loads.images(self._context.store).values() for tag in image.tags}
        there = " It is on the engine: pulling looks whether there is a newer one." if named.short() in known else ""
        self._say(named.told() + there, "muted")
        self.act.setEnabled(True)

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text or "Registry, name and tag; without a registry it is docker.io.")
        self.says.tint(tone if text else "muted")

    def _pull(self) -> None:
        name, engine = self.image.text().strip(), loads.engine(self._context.store)
        self.begin("Asking …")
        self._context.ask("pull image", lambda desk: desk.images.pull(name, engine=engine), self._begun, self._refused)

    def _refused(self, error: DeskError) -> None:
        self.fail(error)
        self._read()

    def _begun(self, task: ImageTask) -> None:
        self.begun.emit(task)
        self.accept()
