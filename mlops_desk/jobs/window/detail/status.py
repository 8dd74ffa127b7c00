"""Why a job stands as it does: in a line, then who is in its way or what ended it, and the facts.

How far something is, as a thin bar with its words beside it.

The memory of a job to its end, where memory is what ended it: the GPUs' own, or that of its processes.

What each tab of the chosen job is: it is shown a job while it is seen, and costs nothing while it is not.
"""

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.job_activity import StuckSign
from mlops_desk.jobs.records.queue_position import Explanation
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.window.detail import facts, sentences
from mlops_desk.jobs.window.detail.sentences import Chip
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.kit.window.charts import feature_curves
from mlops_desk.kit.window.charts.chart import Chart
from mlops_desk.kit.window.charts.stack import ChartStack
from mlops_desk.kit.window.curves.timeaxis import TimeAxis
from mlops_desk.kit.window.curves.traces import Trace
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.tab_views import TabView
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, reason_facts
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import alerts, hints, numbers
from mlops_desk.kit.window.words import jobs as words


class DetailView(TabView):
    """One tab. Made when it is first chosen."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def show_job(self, job: JobBrief | None, whole: Job | None) -> None:
        """Show a job (None: there is none to show); ``whole`` is None as long as the agent has not told all of it."""
        raise NotImplementedError


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
        device = feature_curves.device_of(job.id)
        self._stack.of(job.gpus[0] if job.gpus else device, job.gpus[0] if job.gpus else device)
        self.show()
        self._stack.look()

    def _traces(self, job: JobBrief) -> list[Trace]:
        status = self._context.store.status
        if job.reason is None or job.reason.class_ != _OF_GPUS or not job.gpus:
            return [Trace("Memory", feature_curves.device_of(job.id), feature_curves.MEMORY, _OWN_SLOT)]
        slots = {gpu.uuid: gpu.index for gpu in status.gpus} if status is not None else {}
        return [
            Trace(alerts.device_title(uuid, status), uuid, "hw.gpu.memory.usage", slots.get(uuid, number))
            for number, uuid in enumerate(job.gpus)
        ]


class ProgressLine(QWidget):
    """Hidden while nothing is known. Without a share only the words are shown: an empty bar would say nought."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._bar = _Bar()
        self.words = Label()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_12)
        row.addWidget(self._bar, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.words, 1)
        self.hide()

    def show_progress(self, share: float | None, words: str) -> None:
        """Show how far it is (0-1); without words nothing is shown."""
        self.setVisible(bool(words))
        self._bar.setVisible(share is not None)
        if share is not None:
            self._bar.show_share(share)
        self.words.show_text(words)
        self.setAccessibleName(f"{self._name}: {words}")

    def share(self) -> float | None:
        return None if self._bar.isHidden() else self._bar.share


class _Bar(QWidget):
    """The bar; paints nothing while it stays."""

    def __init__(self) -> None:
        super().__init__()
        self.share = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_share(self, share: float) -> None:
        share = min(max(share, 0.0), 1.0)
        if share != self.share:
            self.share = share
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.COLUMN_MINIMUM, 2 * theme.METER_HEIGHT)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        whole = QRectF(self.rect())
        painter.setBrush(theme.faded(theme.colour("text"), 0.12))
        painter.drawRoundedRect(whole, theme.METER_HEIGHT, theme.METER_HEIGHT)
        painter.setBrush(theme.colour("accent"))
        done = QRectF(whole.left(), whole.top(), whole.width() * self.share, whole.height())
        painter.drawRoundedRect(done, theme.METER_HEIGHT, theme.METER_HEIGHT)


_AHEAD, _NAME = 8, 40  # chosen: names of jobs that one reads, and how long each may be


class WhyView(DetailView):
    """``facts`` are what is told below the first line."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.headline = Label(bold=True, wrap=True)
        self.needs = Label(tone="muted", wrap=True)
        self.progress = ProgressLine("Progress")
        self.chips = _Chips(context)
        self.facts = FactGrid()
        self.command = CommandLine("What to do next, to paste")
        self.curve: MemoryCurve | None = None  # made for the first job that memory has ended
        self._asked: tuple[object, ...] | None = None
        self._explanation: Explanation | None = None
        self._last: tuple[JobBrief | None, Job | None] = None, None
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        for widget in (self.headline, self.progress, self.needs, self.chips, self.command):
            column.addWidget(widget)
        self._beside = QHBoxLayout()
        self._beside.setSpacing(theme.SPACE_8)
        self._beside.addWidget(self.facts, 1)
        column.addLayout(self._beside)
        column.addStretch()
        card = Card()
        card.column.addWidget(scrolled(inner, "Why the job stands as it does"), 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(card)

    def show_job(self, job: JobBrief | None, whole: Job | None) -> None:
        if job is None:
            self._show("", "text", "", (), [])
            self.progress.show_progress(None, "")
            self.command.show_command(None)
            if self.curve is not None:
                self.curve.show_job(None)
            return
        now = whole if whole is not None and whole.state is job.state else None
        reason = now.reason if now is not None else job.reason
        waits = job.state in words.WAITING
        chips = sentences.chips(now.waiting_for, self.context.store.jobs.value or {}, self.context.store) if now else []
        explained = self._explained(job) if job.state is JobState.QUEUED else None  # what is blocked has its reason
        told = [
            *_told(reason, waits=waits),
            *_running(job),
            *_sooner(explained),
            *facts.facts_of(job, whole, self.context.store),
        ]
        needs = sentences.needs(job, whole) if waits else ""
        if explained is not None and explained.text:
            needs = explained.text
        self._show_curve(job)
        self._last = job, whole
        on, told_of = job.state in words.ON, job.progress
        far = words.progress_words(told_of) if on and told_of is not None else ""
        self.progress.show_progress(told_of.ratio if told_of is not None else None, plain(far))
        self._show(*sentences.headline(job), needs, chips, told)
        self.command.show_command(reason.command if reason is not None else None)

    def _show_curve(self, job: JobBrief) -> None:
        """Show memory to the end, where that is what it ended for."""
        if self.curve is None and is_of(job):
            self.curve = MemoryCurve(self.context)
            self._beside.addWidget(self.curve, 1, Qt.AlignmentFlag.AlignTop)
        if self.curve is not None:
            self.curve.show_job(job)

    def _explained(self, job: JobBrief) -> Explanation | None:
        """Return why a job waits, asked for when where it stands is news; None before the first answer."""
        now = (job.id, job.state, job.position, job.forecast_start)
        if now != self._asked and self.isVisible():
            self._asked = now
            self.context.ask("explain job", lambda desk: desk.jobs.explain(job.id), self._take, self._refused)
        found = self._explanation
        return found if found is not None and found.job_id == job.id else None

    def _take(self, found: Explanation) -> None:
        self._explanation = found
        job, whole = self._last
        if job is not None and job.id == found.job_id:
            self.show_job(job, whole)

    def _refused(self, _error: DeskError) -> None:
        """Show what the list tells: it has started meanwhile, or the agent does not answer, which the page says."""
        self._explanation = None

    def left(self) -> None:
        self._asked = None

    def _show(self, text: str, token: str, needs: str, chips: Sequence[Chip], told: list[Fact]) -> None:
        self.headline.show_text(text)
        self.headline.tint(token)
        self.needs.show_text(needs)
        self.needs.setVisible(bool(needs))
        self.chips.show_chips(chips)
        self.facts.show_facts(told)


class _Chips(QWidget):
    """A row of links, one for each GPU; made anew only when they differ."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._shown: tuple[Chip, ...] = ()
        self._row = FlowLayout(self)
        self.setAccessibleName("GPUs that it waits for")
        self.hide()

    def show_chips(self, chips: Sequence[Chip]) -> None:
        if tuple(chips) == self._shown:
            return
        self._shown = tuple(chips)
        self._row.clear()
        for chip in chips:
            button = Button(chip.title, tip=chip.said)
            button.setAccessibleName(chip.said)
            button.clicked.connect(lambda _on=False, chip=chip: self._context.open_page(chip.page, chip.thing))
            self._row.addWidget(button)
        self.setVisible(bool(chips))


def _told(reason: Reason | None, *, waits: bool) -> list[Fact]:
    """Return the facts about a reason; what waits has its words above, and the command has a line of its own."""
    left_out = {"To paste", "Why"} if waits else {"To paste"}
    told = [fact for fact in reason_facts(reason) if fact.name not in left_out]
    sentence, _ = hints.parts(reason.hint, reason.command) if reason is not None else ("", None)
    return [fact for fact in told if fact.name != "What next" or sentence.strip(": ")]


def _sooner(found: Explanation | None) -> list[Fact]:
    """Return what stands before a job, and what would start it sooner."""
    if found is None:
        return []
    ahead, more = found.ahead[-_AHEAD:], len(found.ahead) - _AHEAD
    names = ", ".join(plain(name, _NAME) for name in ahead) + (f" and {more:,} more" if more > 0 else "")
    sooner = "\n".join(
        plain(one.text) + (f": {words.about(one.forecast_start)}" if one.forecast_start is not None else "")
        for one in found.alternatives
    )
    return [*([Fact("Before it", names)] if names else []), *([Fact("Sooner", sooner)] if sooner else [])]


def _running(job: JobBrief) -> list[Fact]:
    """Return what is seen of a job that runs: that it seems stuck, with the evidence, and what it takes now."""
    if job.state not in words.ON:
        return []
    found: list[Fact] = []
    if job.stuck is not None:
        found.append(Fact("Stuck?", f"{job.stuck.text} {job.stuck.hint}".strip(), tone="warning"))
        found += [Fact(_SIGNS.get(sign.kind, "Sign"), _sign(sign)) for sign in job.stuck.signs]
    elif job.progress is not None and job.progress.loss_broken is not None:
        found.append(Fact("Loss", f"{numbers.WARNING} {plain(job.progress.loss_broken)}", tone="warning"))
    live = words.live_words(job.live) if job.live is not None else ""
    return [*found, *([Fact("Takes now", live)] if live else [])]


_SIGNS = {"silent": "Its log", "loss": "Its loss", "gpu_flat": "Its GPUs", "progress": "Its progress"}


def _sign(sign: StuckSign) -> str:
    quote = f"\n{plain(sign.quote, LINE_LIMIT)}" if sign.quote else ""
    return f"{sign.text} Since {words.moment(sign.since)}.{quote}"
