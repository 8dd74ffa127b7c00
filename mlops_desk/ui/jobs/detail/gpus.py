"""The job over its life: activity and memory of its own GPUs, one curve a GPU; its CPU and memory; what it has used."""

from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base import agent_clock
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job
from mlops_desk.ui.charts import recorded
from mlops_desk.ui.charts.chart import Chart
from mlops_desk.ui.charts.stack import ChartStack
from mlops_desk.ui.curves.timeaxis import TimeAxis
from mlops_desk.ui.curves.traces import Limit, Trace
from mlops_desk.ui.jobs.detail import facts
from mlops_desk.ui.jobs.detail.view import DetailView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.states import Empty, StateView
from mlops_desk.ui.words import alerts, numbers

_GIB = 1 << 30
_OWN_SLOT = 7  # gray: no GPU's
ROOM = 1.02  # chosen: a little beyond both ends of its life, so that they are seen


class JobGpusView(DetailView):
    """``axis`` is its own: the job's life, from which one may zoom and drag away."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.axis = TimeAxis(self)
        self._activity = Chart("Utilisation", numbers.percent, top=1.0, about="Share of time in which any kernel ran.")
        self._memory = Chart("Memory", numbers.size, step=_GIB, about="Memory in use on each of its GPUs, by anybody.")
        self._cpu = Chart("CPU of the job", _cores, about="Cores that all its processes take together.")
        self._taken = Chart("Memory of the job", numbers.size, step=_GIB, about="What can't be taken back.")
        self.stack = ChartStack([self._activity, self._memory], context, "Curves of the job's GPUs", axis=self.axis)
        self.own = ChartStack([self._cpu, self._taken], context, "CPU and memory of the job", axis=self.axis)
        self._used = Label(points=theme.CAPTION_POINTS, tone="muted")
        self._shown: tuple[str, tuple[str, ...], float | None, float | None] | None = None
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(self._used)
        both = QHBoxLayout()
        both.setSpacing(theme.SPACE_8)
        both.addWidget(self.stack, 1)
        both.addWidget(self.own, 1)
        column.addLayout(both, 1)
        self._state = StateView(theme.LIST_WIDTH)
        self._nothing = Card()
        self._nothing.column.addWidget(self._state, 1)
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._content)
        self._layers.addWidget(self._nothing)

    def show_job(self, job: JobBrief | None, whole: Job | None) -> None:
        if job is None or job.started_at is None:
            self._shown = None
            self._state.show_empty(_not_yet(job))
            self._layers.setCurrentWidget(self._nothing)
            return
        self._layers.setCurrentWidget(self._content)
        self._say_used(whole)
        now = (job.id, job.gpus, job.started_at, job.ended_at)
        if now == self._shown:
            return
        self._shown = now
        self._show_life(job.started_at, job.ended_at)
        self._show_traces(job)
        device = recorded.device_of(job.id)
        self.stack.of(job.gpus[0] if job.gpus else device, job.gpus[0] if job.gpus else device)
        self.stack.setVisible(bool(job.gpus))
        self.own.of(device, device)
        self.own.look()
        self.stack.look()

    def _show_traces(self, job: JobBrief) -> None:
        status = self.context.store.status
        slots = {gpu.uuid: gpu.index for gpu in status.gpus} if status is not None else {}
        for chart, metric in ((self._activity, "hw.gpu.utilization"), (self._memory, "hw.gpu.memory.usage")):
            chart.show_traces(
                [Trace(alerts.device_title(uuid, status), uuid, metric, slots.get(uuid, number))
                 for number, uuid in enumerate(job.gpus)]
            )  # fmt: skip
        device = recorded.device_of(job.id)
        limit = job.live.memory_limit_bytes if job.live is not None else None
        limits = [] if limit is None else [Limit("may take", float(limit))]
        self._cpu.show_traces([Trace("CPU", device, recorded.CPU, _OWN_SLOT)])
        self._taken.show_traces([Trace("Memory", device, recorded.MEMORY, _OWN_SLOT)], limits)

    def _show_life(self, started_at: float, ended_at: float | None) -> None:
        """Show all of it: up to now while it goes on."""
        self.axis.advance(self.context.axis.now)
        if ended_at is None:
            self.axis.go_live()
            self.axis.choose((max(self.axis.now, agent_clock.now()) - started_at) * ROOM)
        else:
            room = (ended_at - started_at) * (ROOM - 1)
            self.axis.show(started_at - room, ended_at + room)

    def _say_used(self, whole: Job | None) -> None:
        told = facts.usage_facts(whole.usage) if whole is not None else []
        self._used.show_text(" · ".join(f"{fact.name} {fact.value}" for fact in told))
        self._used.setVisible(bool(told))


def _cores(value: float | None) -> str:
    return numbers.NOTHING if value is None else f"{value:.1f}"


def _not_yet(job: JobBrief | None) -> Empty:
    if job is None:
        return Empty("No job is chosen", "")
    return Empty("Not yet", "The curves of its GPUs, CPU and memory are here as soon as it runs.")
