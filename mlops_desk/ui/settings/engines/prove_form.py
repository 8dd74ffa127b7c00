"""Prove that an engine hands over GPUs: a job of one GPU, which looks what it got before anything else."""

import json
import logging
import math
from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCompleter, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.engine import FoundEngine
from mlops_desk.records.images.card import ImageCard
from mlops_desk.records.jobs.job import LOCAL_RUNTIME, Job
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.settings.engines import words
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog

_log = logging.getLogger(__name__)

_OFFERED = 500  # chosen: as many as a list that opens while one types can hold
_ABOUT = (
    "A job of one GPU goes into the queue of {engine}. Before its command runs, what it sees of GPUs is compared with "
    "what it was given; that is the proof. It takes a second once its turn has come."
)
_REMEMBERED = "engines/proving_image"


def job_file(image: str) -> str:
    """Return the file of the job: YAML takes JSON's strings as they are."""
    return (
        "apiVersion: mlops-desk/v1\nkind: Job\nname: prove-gpus\n"
        f"image: {json.dumps(image)}\ncommand: [sh, -c, 'true']\n"
        "resources: {gpus: 1, cpus: 1, memory: 1GiB}\n"
    )


class ProveDialog(FormDialog):
    """Asks for the image; ``begun`` is handed the job."""

    def __init__(self, parent: QWidget, context: Context, engine: FoundEngine, begun: Callable[[Job], None]) -> None:
        super().__init__(parent, "Prove GPUs", _ABOUT.format(engine=words.title(engine)), "Prove now")
        self._context = context
        self._engine = engine
        self._begun = begun
        self.offered: list[str] = []
        self.image = Field("Image", "as busybox:1.36", text=str(context.memory.value(_REMEMBERED) or ""))
        self.add("Image", self.image, "Any image that is on the engine, or that it can pull: the smallest will do.")
        self.submit = self._submit_job
        runtime = self._runtime()
        context.ask("images", lambda desk: desk.images.list(engine=runtime), self._offer, self._no_offer)

    def _runtime(self) -> str:
        return LOCAL_RUNTIME if LOCAL_RUNTIME in self._engine.names else self._engine.names[0]

    def _offer(self, images: list[ImageCard]) -> None:
        """Offer what is on the engine while one types, and begin with the smallest of it."""
        there = sorted((image for image in images if image.tags), key=lambda one: one.size_bytes or math.inf)
        self.offered = [plain(tag) for image in there[:_OFFERED] for tag in image.tags]
        completer = QCompleter(self.offered, self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.image.setCompleter(completer)
        if self.offered and not self.image.text():
            self.image.setText(self.offered[0])
            self.image.selectAll()

    def _no_offer(self, error: DeskError) -> None:
        """Let the person type a name all the same: what is there is only a help."""
        _log.info("No image is offered to prove GPUs with: %s", error.message)

    def _submit_job(self) -> None:
        image = self.image.text().strip()
        if not image:
            self.fail(DeskError("No image is named.", "Name one that is on the engine: Images shows which are."))
            return
        runtime = self._runtime()
        self.begin("Submitting …")
        self._context.ask(
            "prove GPUs", lambda desk: desk.jobs.submit(job_file(image), "/", runtime), self._submitted, self.fail
        )

    def _submitted(self, job: Job) -> None:
        self._context.memory.setValue(_REMEMBERED, self.image.text().strip())
        self._begun(job)
        self.accept()
