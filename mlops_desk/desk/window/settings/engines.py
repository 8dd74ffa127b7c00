"""The engines that can be reached as a table, the chosen one beside it: what it is, what is wrong, what can be done."""

import json
import logging
import math
from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCompleter, QHBoxLayout, QSplitter, QWidget

from mlops_desk.engines.records.engine import FoundEngine, GpuProof
from mlops_desk.engines.records.image import ImageCard
from mlops_desk.jobs.records.job import LOCAL_RUNTIME, Job, JobState
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.setting import SettingValue
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.lazy_view import AskedView
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words import hints, numbers
from mlops_desk.kit.window.words import jobs as job_words
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.serving.records.endpoint import EndpointState

_log = logging.getLogger(__name__)

# A container engine in words: the same facts as ``mlops-desk engines list --json``. No Qt here but the cells'.
_STATES = {
    "ok": Mark("ok", numbers.OK, "answers"),
    "absent": Mark("alert", numbers.ALERT, "not there"),
    "refused": Mark("alert", numbers.ALERT, "may not be used"),
    "silent": Mark("warning", numbers.WARNING, "silent"),
    "unspoken": Mark("unknown", numbers.UNKNOWN, "not spoken here"),
}
_LEVELS = {"uuid": "by UUID", "minor": "by device file"}
_ROUTES = {"cdi": "CDI", "nvidia": "the NVIDIA runtime hook"}


def state(engine: FoundEngine) -> Mark:
    """Return whether it answers."""
    return _STATES.get(engine.state, Mark("unknown", numbers.UNKNOWN, engine.state))


def is_in_use(engine: FoundEngine) -> bool:
    """Tell whether jobs that name no engine run there."""
    return LOCAL_RUNTIME in engine.names


def title(engine: FoundEngine) -> str:
    """Return what it calls itself, or where it should be."""
    if engine.kind is None:
        return engine.address
    return " ".join(filter(None, (engine.kind, engine.version, "rootless" if engine.rootless else "")))


def proven(engine: FoundEngine) -> Mark:
    """Return whether GPUs were seen in its containers: no setting says so."""
    if engine.proof is not None:
        return Mark("ok", numbers.OK, f"proven {_how(engine.proof)}, {numbers.ago(engine.proof.at)}")
    if engine.state != "ok":
        return Mark("muted", numbers.NOTHING, "")
    return Mark("unknown", numbers.UNKNOWN, "never proven")


def _how(proof: GpuProof) -> str:
    return _LEVELS.get(proof.level, proof.level)


def _used(engine: FoundEngine) -> Cell:
    if is_in_use(engine):
        return Cell(f"{numbers.OK} in use", 0, "ok", "Jobs run here that name no engine")
    others = ", ".join(engine.names)
    return Cell(
        others or numbers.NOTHING, 1 if others else 2, None if others else "muted", "Jobs are sent here by name"
    )


def _gpus(engine: FoundEngine) -> Cell:
    mark = proven(engine)
    return Cell(mark.text if mark.word else numbers.NOTHING, engine.proof.at if engine.proof else -1.0, mark.token)


def _state(engine: FoundEngine) -> Cell:
    mark = state(engine)
    return Cell(mark.text, mark.word, mark.token, engine.text or "")


COLUMNS: tuple[Column[FoundEngine], ...] = (
    Column("engine", "Engine", lambda one: Cell(title(one)), stretch=True, whole=True),
    Column("used", "Jobs", _used),
    Column("state", "State", _state),
    Column("gpus", "GPUs in its containers", _gpus),
    Column("address", "Address", lambda one: Cell(one.address), fixed=True),
    Column("source", "Found by", lambda one: Cell(one.source), hidden=True),
)


def facts(engine: FoundEngine) -> Sequence[Fact]:
    """Return everything that is known of it."""
    mark = state(engine)
    sentence, command = hints.parts(engine.hint, engine.command)
    return [
        Fact("State", mark.text, mark.token),
        *([Fact("Why", engine.text)] if engine.text else []),
        *([Fact("What next", sentence)] if sentence else []),
        *([Fact("To paste", command, fixed=True)] if command else []),
        Fact("Address", engine.address, fixed=True),
        Fact("Found by", engine.source),
        Fact("Jobs call it", ", ".join(engine.names) or "nothing: no job is sent there"),
        *([Fact("API", engine.api_version)] if engine.api_version else []),
        *_manner(engine),
        *_gpu_facts(engine),
    ]


def _manner(engine: FoundEngine) -> list[Fact]:
    """Return as whom it runs, and what its restart does, as far as it tells."""
    found = []
    if engine.rootless is not None:
        found.append(Fact("Runs as", "a person (rootless)" if engine.rootless else "root"))
    if engine.live_restore is not None:
        kept = engine.live_restore
        told = "leaves containers running (live-restore)" if kept else "ends running containers: live-restore is off"
        found.append(Fact("Its restart", told, "text" if kept else "warning"))
    return found


def _gpu_facts(engine: FoundEngine) -> list[Fact]:
    if engine.state != "ok":
        return []
    route = [Fact("GPUs go in by", _ROUTES.get(engine.gpu_route, engine.gpu_route))] if engine.gpu_route else []
    if engine.proof is None:
        return [*route, Fact("GPUs proven", "never: none was seen in one of its containers yet", "warning")]
    seen = numbers.count(len(engine.proof.gpus), "GPU")
    return [
        *route,
        Fact("GPUs proven", f"{seen} seen {_how(engine.proof)}", "ok", tip="\n".join(engine.proof.gpus)),
        moment_fact("Proven at", engine.proof.at),
    ]


# Let jobs run on another engine: asked first, and refused while something runs on the one that is in use.
# The desk looks for a job's container on the engine of the settings: on another one it would not be found there.
SETTING = "engine.host"
_NAMED = 3  # chosen: enough to know whom to ask
_GONE = frozenset({EndpointState.STOPPED, EndpointState.FAILED})


def on_it(desk: ClientLike) -> list[str]:
    """Return what runs on the engine in use, in words."""
    jobs = [job for state in (JobState.STARTING, JobState.RUNNING) for job in desk.jobs.list(state=state)]
    here = [job for job in jobs if not job.attempts or job.attempts[-1].runtime == LOCAL_RUNTIME]
    endpoints = [one for one in desk.endpoints.list() if one.state not in _GONE]
    return [f"job {job.name} of {job.user}" for job in here] + [f"endpoint {one.name}" for one in endpoints]


def choose_engine(parent: QWidget, context: Context, engine: FoundEngine, then: Callable[[], None]) -> None:
    """Look what runs now, then ask; ``then`` is called when jobs go to the other engine."""
    context.ask("what runs on the engine", on_it, lambda found: _ask(parent, context, engine, found, then))


def _ask(
    parent: QWidget, context: Context, engine: FoundEngine, running: Sequence[str], then: Callable[[], None]
) -> None:
    name = f"{title(engine)} ({engine.address})"
    if running:
        named = ", ".join(plain(one, 60) for one in running[:_NAMED])
        more = f" and {len(running) - _NAMED:,} more" if len(running) > _NAMED else ""
        text = f"On the engine in use there is still {named}{more}: on another one nobody would see how it goes on."
        context.complain(DeskError(text, "Wait for it or stop it, then choose the engine."))
        return
    text = (
        f"From now on jobs that name no engine run on {name}, and so do images and endpoints. What waits in the queue "
        "starts there too: an image that it needs has to be there, or be pulled."
    )
    ask(parent, "Use another engine?", text, "Use this engine", lambda: _set(context, engine, then), harmful=False)


def _set(context: Context, engine: FoundEngine, then: Callable[[], None]) -> None:
    def done(_setting: SettingValue) -> None:
        context.say("info", f"Jobs run on {title(engine)} from now on.")
        then()

    context.ask("use engine", lambda desk: desk.settings.set(SETTING, engine.address), done)


# Prove that an engine hands over GPUs: a job of one GPU, which looks what it got before anything else.

_OFFERED = 500  # chosen: as many as a list that opens while one types can hold
_ABOUT_prove_form = (
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
        super().__init__(parent, "Prove GPUs", _ABOUT_prove_form.format(engine=title(engine)), "Prove now")
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


_ABOUT = (
    "Jobs run on the engine that is in use, unless they name another. That it hands over GPUs is believed only when "
    "they were seen inside one of its containers."
)
_PALETTE = frozenset({"palette"})


class EnginesView(AskedView[list[FoundEngine]]):
    """``table`` has the engines by address."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Container engines", lambda desk: desk.engines.list())
        self.table: RecordTable[FoundEngine] = RecordTable("Container engines", COLUMNS, context.memory)
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
        self.card.heading.show_text(title(engine) if engine else "The chosen engine")
        self.facts.show_facts(facts(engine) if engine else [])
        self.use.setEnabled(engine is not None and engine.state == "ok" and not is_in_use(engine))
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
