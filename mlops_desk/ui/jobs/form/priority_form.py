"""Another priority for a job that waits."""

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog


class PriorityDialog(FormDialog):
    """Asks for a whole number."""

    def __init__(self, parent: QWidget, context: Context, job: JobBrief) -> None:
        about = f"{job.name} waits. The larger goes first; among equals it is whose turn it is."
        super().__init__(parent, f"Priority of {job.name}", about, "Change priority")
        self._context = context
        self._job = job
        self.field = Field("Priority", text=str(job.priority))
        self.field.selectAll()
        self.add("Priority", self.field, "A whole number; 0 is usual, and it may be below 0.")
        self.submit = self._change

    def _change(self) -> None:
        text, identifier = self.field.text().strip(), self._job.id
        try:
            priority = int(text)
        except ValueError:
            self.fail(DeskError(f"{text[:40]!r} is no whole number.", "Type one, as 10 or -5."))
            return
        self.begin("Changing …")
        self._context.ask("priority", lambda desk: desk.jobs.prioritize(identifier, priority), self._done, self.fail)

    def _done(self, _job: Job) -> None:
        self.accept()
