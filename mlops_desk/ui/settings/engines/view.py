"""The engines that can be reached as a table, the chosen one beside it: what it is, what is wrong, what can be done."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QWidget

from mlops_desk.records.engine import FoundEngine
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.ui.actions import Action
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.asked import AskedView
from mlops_desk.ui.settings.engines import words
from mlops_desk.ui.settings.engines.choosing import choose_engine
from mlops_desk.ui.settings.engines.prove_form import ProveDialog
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.facts import FactGrid
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.words import jobs as job_words

_ABOUT = (
    "Jobs run on the engine that is in use, unless they name another. That it hands over GPUs is believed only when "
    "they were seen inside one of its containers."
)
_PALETTE = frozenset({"palette"})


class EnginesView(AskedView[list[FoundEngine]]):
    """``table`` has the engines by address."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Container engines", lambda desk: desk.engines.list())
        self.table: RecordTable[FoundEngine] = RecordTable("Container engines", words.COLUMNS, context.memory)
        self.table.chosen.connect(lambda _key: self._show_chosen())
        self.facts = FactGrid()
        self.says = Label(wrap=True, tone="muted")
        self.use = Button("Use this engine …", tip="Let jobs that name no engine run here", asks=True)
        self.prove = Button("Prove GPUs …", tip="Run a job of one GPU here, and look whether it sees it", asks=True)
        self.job = Button("Show its job")
        self.again = Button("Look again", tip="Ask every engine anew")
        self.use.clicked.connect(self._use)
        self.prove.clicked.connect(self._prove)
        self.job.clicked.connect(self._open_job)
        self.again.clicked.connect(self.look)
        self._proofs: dict[str, str] = {}  # the job that proves the GPUs of an engine, by its address
        context.changed.connect(self._follow)
        self._arrange()

    def _arrange(self) -> None:
        above = QHBoxLayout()
        above.setSpacing(theme.SPACE_16)
        above.addWidget(Label(_ABOUT, tone="muted", wrap=True), 1)
        above.addWidget(self.again, 0, Qt.AlignmentFlag.AlignTop)
        acts = QHBoxLayout()
        acts.setSpacing(theme.SPACE_8)
        for button in (self.use, self.prove, self.job):
            acts.addWidget(button)
        acts.addStretch(1)
        self.card = Card("The chosen engine")
        inner = QWidget()
        inner.setLayout(self._column())
        self.card.column.addWidget(scrolled(inner, "The chosen engine"), 1)
        self.card.column.addWidget(self.says)
        self.card.column.addLayout(acts)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(framed(self.table))
        split.addWidget(self.card)
        split.setSizes([theme.COLUMN_MINIMUM, theme.DETAIL_WIDTH])
        split.setStretchFactor(1, 1)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        self.content.addLayout(above)
        self.content.addWidget(split, 1)

    def _column(self) -> QHBoxLayout:
        column = QHBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.facts, 1, Qt.AlignmentFlag.AlignTop)
        return column

    # What is shown.

    def take(self, value: list[FoundEngine]) -> None:
        self.table.show_records({engine.address: engine for engine in value})
        if self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def nothing(self, value: list[FoundEngine]) -> Empty | None:
        if value:
            return None
        text = "No container engine was found on this machine: without one no job can run."
        return Empty("No container engine", text, "Look again", self.look, "sudo apt-get install docker.io")

    def chosen(self) -> FoundEngine | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _show_chosen(self) -> None:
        engine = self.chosen()
        self.card.heading.show_text(words.title(engine) if engine else "The chosen engine")
        self.facts.show_facts(words.facts(engine) if engine else [])
        self.use.setEnabled(engine is not None and engine.state == "ok" and not words.is_in_use(engine))
        why = self._why_not(engine) if engine else ""
        self.prove.setEnabled(engine is not None and not why)
        job = self._proofs.get(engine.address) if engine else None
        self.job.setVisible(job is not None)
        self.says.show_text(self._proof_told(job) if job else why)
        self.says.setVisible(bool(self.says.whole))

    def _why_not(self, engine: FoundEngine) -> str:
        """Say why GPUs can't be proven there; nothing where they can."""
        if engine.state != "ok":
            return "While it does not answer nothing can be proven there."
        if not engine.names:
            return "GPUs are proven by a job, and none is sent there: use it, or name it in Further engines."
        status = self.context.store.status
        if status is not None and not status.gpus:
            return "There is no GPU on this machine to prove."
        return ""

    # Proving.

    def _prove(self) -> None:
        engine = self.chosen()
        if engine is not None:
            ProveDialog(self.window(), self.context, engine, lambda job: self._begun(engine.address, job)).open()

    def _begun(self, address: str, job: Job) -> None:
        self._proofs[address] = job.id
        self._show_chosen()

    def _proof_told(self, identifier: str) -> str:
        job = (self.context.store.jobs.value or {}).get(identifier)
        if job is None or job.state in job_words.WAITING:
            place = job.position if job is not None else None
            where = f", {job_words.ordinal(place)} in the queue" if place is not None else ""
            return f"The job that proves it waits for its GPU{where}."
        if job.state in job_words.ON:
            return "The job that proves it runs."
        if job.state is JobState.SUCCEEDED:
            return "The job that proves it has ended: its GPU was the one that it was given."
        reason = job.reason.text if job.reason is not None else f"It is {job.state}."
        return f"The job that was to prove it did not succeed: {reason}"

    def _follow(self, topics: frozenset[Topic]) -> None:
        """Look again when a job that proves GPUs has gone on."""
        if Topic.JOBS in topics and self._proofs and self.isVisible():
            jobs = self.context.store.jobs.value or {}
            over = [address for address, job in self._proofs.items() if job in jobs and jobs[job].state.is_final]
            self._show_chosen()
            if any(engine.proof is None for engine in self.value or () if engine.address in over):
                self.look()

    def _open_job(self) -> None:
        engine = self.chosen()
        if engine is not None and engine.address in self._proofs:
            self.context.open_page("jobs", self._proofs[engine.address])

    # Choosing.

    def _use(self) -> None:
        engine = self.chosen()
        if engine is not None:
            choose_engine(self.window(), self.context, engine, self.look)

    def actions_here(self) -> list[Action]:
        """Return what can be done here, for the palette."""
        return [
            Action("engines.look", "Look for container engines again", self.look, places=_PALETTE),
            Action("engines.use", "Use the chosen engine …", self._use, when=self.use.isEnabled, places=_PALETTE),
            Action("engines.prove", "Prove GPUs on the chosen engine …", self._prove, when=self.prove.isEnabled,
                   places=_PALETTE),
        ]  # fmt: skip
