"""What the job writes: followed while it is seen, and not read at all while it is not."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout

from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job
from mlops_desk.ui.jobs.detail.view import DetailView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.output import OutputPane, OutputSource
from mlops_desk.ui.words import jobs as words

LOG_TAIL = 2000  # chosen: a training of some hundred steps


class OutputView(DetailView):
    """``log`` is what shows the lines; ``run_chosen`` carries the id of a run that a line of it leads to."""

    run_chosen = Signal(str)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pane = OutputPane(context, "Output of the job")
        self.log = self.pane.log
        self.log.leads_to_runs = True
        self.log.run_chosen.connect(self.run_chosen)
        self._shown: tuple[str, int, bool] | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.pane)

    def show_job(self, job: JobBrief | None, whole: Job | None) -> None:  # noqa: ARG002 - the brief one says enough
        if job is None:
            self._shown = None
            self.pane.say("")
            return
        now = (job.id, job.attempts, job.state in words.WAITING)
        if self._shown != now and self.isVisible():
            self._shown = now
            self._read(job)

    def left(self) -> None:
        self._shown = None
        self.pane.stop()

    def _read(self, job: JobBrief) -> None:
        if job.state in words.WAITING:
            self.pane.say("It has not started, so there is no output yet.")
            return
        identifier = job.id
        self.pane.read(
            OutputSource(
                identifier,
                lambda desk, follow: desk.jobs.logs(identifier, follow=follow, tail=LOG_TAIL),
                follow=not job.state.is_final,
            )
        )
