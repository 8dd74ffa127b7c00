"""The chosen job in tabs, above them what can be done with it. A tab is made when it is first chosen."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.window.detail import facts
from mlops_desk.jobs.window.detail.group import GroupView
from mlops_desk.jobs.window.detail.run import JobRunView
from mlops_desk.jobs.window.detail.status import DetailView, WhyView
from mlops_desk.jobs.window.table.rows import GroupRow
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.kit.window.charts import feature_curves
from mlops_desk.kit.window.charts.chart import Chart
from mlops_desk.kit.window.charts.stack import ChartStack
from mlops_desk.kit.window.curves.timeaxis import TimeAxis
from mlops_desk.kit.window.curves.traces import Limit, Trace
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.action_panel import ActsBeside
from mlops_desk.kit.window.parts.output import OutputPane, OutputSource
from mlops_desk.kit.window.parts.tab_views import TabViews
from mlops_desk.kit.window.widgets.button import Button, CopyButton
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid
from mlops_desk.kit.window.widgets.scroll import scrolled, thin
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import alerts, numbers
from mlops_desk.kit.window.words import jobs as words

# What the job writes: followed while it is seen, and not read at all while it is not.
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


# What the job was asked to be, as the file that would submit it again; beside it attempts, use, and its capsule.
class MadeOfView(DetailView):
    """``text`` is the file, ``facts`` the rest."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.text = QPlainTextEdit()
        thin(self.text)
        self.text.setReadOnly(True)
        self.text.setFont(theme.fixed_font())
        self.text.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName("The job's file")
        self._says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.facts = FactGrid()
        self._file = ""  # as it was told: what is shown has control characters made visible
        self._asked: str | None = None
        file = Card()
        head = QHBoxLayout()
        head.addWidget(self._says, 1)
        head.addWidget(CopyButton("Copy", lambda: self._file))
        file.column.addLayout(head)
        file.column.addWidget(self.text, 1)
        about = QWidget()
        column = QVBoxLayout(about)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.facts)
        column.addStretch()
        card = Card("Attempts, and what it is made of")
        card.column.addWidget(scrolled(about, "Attempts, and what it is made of"), 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(file)
        split.addWidget(card)
        split.setSizes([theme.DETAIL_WIDTH, theme.DETAIL_WIDTH])
        split.setHandleWidth(theme.SPACE_8)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(split)

    def show_job(self, job: JobBrief | None, whole: Job | None) -> None:
        if job is None:
            self._asked = None
            self.text.clear()
            self.facts.show_facts([])
            return
        if self._asked != job.id:
            self._asked = job.id
            self.text.clear()
            self._says.show_text("Loading the file …")
            self.context.ask(
                "file of the job",
                lambda desk: desk.jobs.yaml(job.id),
                lambda text: self._take(job.id, text),
                lambda error: self._refused(job.id, error),
            )
        if whole is None:
            self.facts.show_facts([Fact("Image", job.image, fixed=True)])
            return
        self.facts.show_facts(
            [
                *map(facts.attempt_fact, whole.attempts),
                *facts.repeat_facts(whole.repeat),
                *facts.import_facts(whole.imported),
                *facts.usage_facts(whole.usage),
                *facts.spec_facts(whole.spec, whole.image_id),
                *facts.capsule_facts(whole.capsule),
            ]
        )

    def left(self) -> None:
        self._asked = None

    def _take(self, identifier: str, text: str) -> None:
        if identifier == self._asked:
            self._says.show_text("The file that would submit it again")
            self._file = text
            self.text.setPlainText("\n".join(plain(line, LINE_LIMIT) for line in text.splitlines()))

    def _refused(self, identifier: str, error: DeskError) -> None:
        if identifier == self._asked:
            self._says.show_text(f"{error.message} {error.hint or ''}".strip())


# The job over its life: activity and memory of its own GPUs, one curve a GPU; its CPU and memory; what it has used.
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
        device = feature_curves.device_of(job.id)
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
        device = feature_curves.device_of(job.id)
        limit = job.live.memory_limit_bytes if job.live is not None else None
        limits = [] if limit is None else [Limit("may take", float(limit))]
        self._cpu.show_traces([Trace("CPU", device, feature_curves.CPU, _OWN_SLOT)])
        self._taken.show_traces([Trace("Memory", device, feature_curves.MEMORY, _OWN_SLOT)], limits)

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


TABS = (("why", "Why"), ("output", "Output"), ("gpus", "GPUs"), ("run", "Run"), ("spec", "Spec"))
_VIEWS: dict[str, Callable[[Context], DetailView]] = {
    "why": WhyView, "output": OutputView, "gpus": JobGpusView, "run": JobRunView, "spec": MadeOfView,
}  # fmt: skip


class JobPane(QWidget):
    """Shows one job at a time; only the tab that is seen is shown it."""

    def __init__(self, context: Context, acts: Sequence[Button]) -> None:
        super().__init__()
        self._context = context
        self._job: JobBrief | None = None
        self._whole: Job | None = None
        self.tabs = Tabs("What is shown of the job", TABS)
        self.group = GroupView(context)
        self._layers: TabViews[DetailView] = TabViews(self._made)
        self._head = ActsBeside(self.tabs, acts, first_grows=False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addLayout(self._head)
        column.addWidget(self._layers, 1)
        self._layers.addWidget(self.group)
        self.tabs.chosen.connect(self._choose)
        self.tabs.choose("why")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put what can be done below the tabs where both don't fit beside each other."""
        super().resizeEvent(event)
        self._fold()

    def _fold(self) -> None:
        self._head.fold(self.width() - self.tabs.sizeHint().width() - theme.SPACE_16)

    def _made(self, key: str) -> DetailView:
        view = _VIEWS[key](self._context)
        if isinstance(view, OutputView):
            view.run_chosen.connect(self.show_run)
        return view

    def view(self, key: str) -> DetailView:
        """Return a tab's view, made when it is first asked for."""
        return self._layers.view(key)

    def show_job(self, job: JobBrief | None, whole: Job | None) -> None:
        """Show a job in the tab that is seen."""
        self._job, self._whole = job, whole
        if self._layers.currentWidget() is self.group:
            self.tabs.show()
            self._layers.setCurrentWidget(self.view(self.tabs.current()))
        self._fold()
        if self.isVisible():
            self.view(self.tabs.current()).show_job(job, whole)

    def show_group(self, row: GroupRow) -> None:
        """Show a sweep or an array in the place of a job."""
        if self._layers.currentWidget() is not self.group:
            self._layers.leave(self.group)
            self.tabs.hide()
            self._layers.setCurrentWidget(self.group)
        self._fold()
        self.group.show_group(row)

    def explain(self) -> None:
        """Ask anew why the job waits."""
        self.view("why").left()
        self.show_job(self._job, self._whole)

    def show_run(self, run_id: str) -> None:
        """Show a run, whether or not it is the chosen job's own."""
        view = self.view("run")
        if isinstance(view, JobRunView):
            view.want(run_id)
        self.tabs.choose("run")

    def left(self) -> None:
        """Hear that nothing of it is seen."""
        self._layers.left()

    def _choose(self, key: str) -> None:
        self._layers.turn(key)
        self.show_job(self._job, self._whole)
