"""Prove that an engine hands over GPUs: a job of one GPU, which looks what it got before anything else."""

import json
from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.engine import FoundEngine
from mlops_desk.records.jobs.job import LOCAL_RUNTIME, Job
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.settings.engines import words
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog

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
        self.image = Field("Image", "as busybox:1.36", text=str(context.memory.value(_REMEMBERED) or ""))
        self.add("Image", self.image, "Any image with a shell that is on the engine, or that it can pull.")
        self.submit = self._submit_job

    def _submit_job(self) -> None:
        image = self.image.text().strip()
        if not image:
            self.fail(DeskError("No image is named.", "Name one that is on the engine: Images shows which are."))
            return
        runtime = LOCAL_RUNTIME if LOCAL_RUNTIME in self._engine.names else self._engine.names[0]
        self.begin("Submitting …")
        self._context.ask(
            "prove GPUs", lambda desk: desk.jobs.submit(job_file(image), "/", runtime), self._submitted, self.fail
        )

    def _submitted(self, job: Job) -> None:
        self._context.memory.setValue(_REMEMBERED, self.image.text().strip())
        self._begun(job)
        self.accept()
