"""The memory of a job to its end, where memory is what ended it: the GPUs' own, or that of its processes."""

from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import JobState
from mlops_desk.ui.charts import recorded
from mlops_desk.ui.charts.chart import Chart
from mlops_desk.ui.charts.stack import ChartStack
from mlops_desk.ui.curves.timeaxis import TimeAxis
from mlops_desk.ui.curves.traces import Trace
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.words import alerts, numbers

_GIB = 1 << 30
_OF_GPUS = "oom_cuda"
_OOM = "oom"
"""Begins the classes of all ends for want of memory."""
_ROOM = 1.02  # chosen: a little beyond the end, so that it is seen
_OWN_SLOT = 7  # gray: no GPU's


def is_of(job: JobBrief) -> bool:
    """Tell whether a job ended for want of memory, at a time that is known."""
    reason = job.reason
    ended = job.state is JobState.FAILED and job.started_at is not None and job.ended_at is not None
    return ended and reason is not None and reason.class_.startswith(_OOM)


class MemoryCurve(QWidget):
    """Shown only for a job that ``is_of``; what there is to draw is asked for when it is seen."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._axis = TimeAxis(self)
        self.chart = Chart("Memory to its end", numbers.size, step=_GIB, about="What was in use, up to its end.")
        self._stack = ChartStack([self.chart], context, "Memory of the job to its end", axis=self._axis)
        self._shown: str | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._stack)
        if self._stack.strip is not None:
            self._stack.strip.hide()  # the lanes above tell who had the GPU
            self.chart.narrowed = self._stack.corner  # the button stands in the chart's own line then
        self.setFixedHeight(theme.CHART_HEIGHT)
        self.hide()

    def show_job(self, job: JobBrief | None) -> None:
        if job is None or not is_of(job) or job.started_at is None or job.ended_at is None:
            self._shown = None
            self.hide()
            return
        if job.id == self._shown:
            return
        self._shown = job.id
        room = (job.ended_at - job.started_at) * (_ROOM - 1)
        self._axis.advance(self._context.axis.now)
        self._axis.show(job.started_at, job.ended_at + room)
        self.chart.show_traces(self._traces(job))
        device = recorded.device_of(job.id)
        self._stack.of(job.gpus[0] if job.gpus else device, job.gpus[0] if job.gpus else device)
        self.show()
        self._stack.look()

    def _traces(self, job: JobBrief) -> list[Trace]:
        status = self._context.store.status
        if job.reason is None or job.reason.class_ != _OF_GPUS or not job.gpus:
            return [Trace("Memory", recorded.device_of(job.id), recorded.MEMORY, _OWN_SLOT)]
        slots = {gpu.uuid: gpu.index for gpu in status.gpus} if status is not None else {}
        return [
            Trace(alerts.device_title(uuid, status), uuid, "hw.gpu.memory.usage", slots.get(uuid, number))
            for number, uuid in enumerate(job.gpus)
        ]
