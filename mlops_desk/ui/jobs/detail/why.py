"""Why a job stands as it does: in a line, then who is in its way or what ended it, and the facts."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import LINE_LIMIT, plain
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.jobs.place import Explanation
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.jobs.running import StuckSign
from mlops_desk.ui.jobs.detail import facts, sentences
from mlops_desk.ui.jobs.detail.memory_curve import MemoryCurve, is_of
from mlops_desk.ui.jobs.detail.progress import ProgressLine
from mlops_desk.ui.jobs.detail.sentences import Chip
from mlops_desk.ui.jobs.detail.view import DetailView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.command import CommandLine
from mlops_desk.ui.widgets.facts import Fact, FactGrid, reason_facts
from mlops_desk.ui.widgets.flow import FlowLayout
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.words import hints, numbers
from mlops_desk.ui.words import jobs as words

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
