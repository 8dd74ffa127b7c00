"""GPUs: the list at the left; of the chosen one its curves on one time axis, processes, health, links and facts."""

from functools import partial
from typing import ClassVar

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QMenu, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.gpus.window import facts, tables
from mlops_desk.gpus.window.charts import JUDGED_SECONDS, GpuCurves
from mlops_desk.gpus.window.details import HealthPanel, LinksPanel
from mlops_desk.gpus.window.end_process_form import open_end_process
from mlops_desk.gpus.window.verdict import LAST_MINUTE, VerdictCard
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.base.trees import in_order_of_tree
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, menu_text, set_tip
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.parts.queue_places import QueuePlaces
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.choice import CheckBox
from mlops_desk.kit.window.widgets.facts import FactGrid
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import alerts, gpus, hints, numbers
from mlops_desk.kit.window.words.gpus import Upcoming, next_on, process_title
from mlops_desk.machine.records.gpu import AccountedProcess, Gpu, GpuProcess
from mlops_desk.machine.records.status import Evidence, Status


# A title with controls: beside it where both find room, else below it, and at need below one another: none is cut.
class Head(QWidget):
    """One row, or more on a narrow page; as narrow as the widest of its controls."""

    def __init__(self, title: Label, *controls: QWidget) -> None:
        super().__init__()
        self._title = title
        self._controls = QWidget()
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._controls)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(theme.SPACE_8)
        self._row.addStretch(1)
        for control in controls:
            self._row.addWidget(control, 0, Qt.AlignmentFlag.AlignRight)
        self._each = controls
        self._box = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(theme.SPACE_8)
        self._box.addWidget(title, 1, Qt.AlignmentFlag.AlignVCenter)
        self._box.addWidget(self._controls)

    def is_stacked(self) -> bool:
        return self._box.direction() is QBoxLayout.Direction.TopToBottom

    def fit(self) -> None:
        """Look whether both find room beside each other; to be called when the title or a control changes."""
        words = self._title.fontMetrics().horizontalAdvance(self._title.whole)
        shown = [control.sizeHint().width() for control in self._each if not control.isHidden()]
        controls = sum(shown) + theme.SPACE_8 * len(shown)
        turned = [
            _turn(self._box, beside=words + theme.SPACE_8 + controls <= self.width()),
            _turn(self._row, beside=controls <= self.width()),
        ]
        if any(turned):
            self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        widest = max((control.minimumSizeHint().width() for control in self._each), default=0)
        return QSize(widest, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit()


def _turn(box: QBoxLayout, *, beside: bool) -> bool:
    """Put what is in ``box`` beside or below one another; tell whether that is a change."""
    wanted = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
    if box.direction() is wanted:
        return False
    box.setDirection(wanted)
    return True


# What the driver keeps account of, where that is on: who used a GPU, how much of it, and for how long.
def _number(value: float | None, written: numbers.Written) -> Cell:
    return Cell(written(value), -1.0 if value is None else value, "muted" if value is None else None)


def _text(value: str | None) -> Cell:
    return Cell(plain(value or numbers.NOTHING), tip=value or "It was not seen while it ran.")


def _lasted(one: AccountedProcess) -> Cell:
    if one.running:
        return Cell("runs", float("inf"))
    return _number(one.seconds, numbers.duration)


def _started(one: AccountedProcess) -> Cell:
    at = one.started_at
    return Cell(numbers.ago(at), -1.0 if at is None else at, tip=numbers.absolute(at) if at else "")


ACCOUNTS: tuple[Column[AccountedProcess], ...] = (
    Column("pid", "pid", lambda one: Cell(str(one.pid), one.pid), right=True),
    Column("user", "User", lambda one: _text(one.user)),
    Column("job", "Container", lambda one: _text(one.container)),
    Column("command", "Command", lambda one: _text(one.command), stretch=True),
    Column("memory", "Most memory", lambda one: _number(one.max_memory_bytes, numbers.size), right=True),
    Column("gpu", "GPU share", lambda one: _number(one.gpu_ratio, numbers.percent), right=True),
    Column(
        "bandwidth", "Memory share", lambda one: _number(one.memory_ratio, numbers.percent), right=True, hidden=True,
    ),
    Column("lasted", "Lasted", _lasted, right=True),
    Column("started", "Started", _started, right=True),
)  # fmt: skip


class Accounts(Card):
    """Is there only where the driver keeps any."""

    def __init__(self, context: Context) -> None:
        super().__init__("Who used it, as the driver keeps account")
        self.table = RecordTable("Accounts", ACCOUNTS, context.memory)
        self.column.addWidget(self.table, 1)

    def show_gpu(self, gpu: Gpu) -> None:
        accounts = gpu.accounting or ()
        self.setVisible(bool(accounts))
        self.table.show_records({f"{one.pid} {one.started_at}": one for one in accounts})


VIEWS = (("curves", "Curves"), ("processes", "Processes"), ("health", "Health"), ("links", "Links"))


class GpusPage(Page):
    """A list of GPUs at the left, the chosen one at the right."""

    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.STATUS, Topic.CONNECTION, Topic.INCIDENTS, Topic.JOBS})
    loads: ClassVar[tuple[Topic, ...]] = (Topic.INCIDENTS, Topic.JOBS)
    goes_back: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.list = RecordTable("GPUs", tables.GPUS, context.memory)
        self.list.chosen.connect(self._choose)
        self._chosen: str | None = None
        self._title = Label(points=theme.TITLE_POINTS, bold=True)
        self.tabs = Tabs("What to show of the GPU", VIEWS)
        self.tabs.chosen.connect(self._turn)
        self.curves = GpuCurves(context)
        if self.curves.stack.happened is not None:
            self.curves.stack.happened.changed.connect(self._hear_what_happened)
        self._by_process = CheckBox("By process")
        set_tip(self._by_process, "Show the memory of each process, above one another")
        self._by_process.toggled.connect(self._split_memory)
        self.state = FactGrid()
        self._places = QueuePlaces(context, self)
        self.verdict = VerdictCard()
        self.verdict.asked.connect(self._show_evidence)
        self._depths: dict[int, int] = {}
        self._wanted_process: str | None = None
        self.processes = RecordTable("Processes", tables.processes(self._depths), context.memory)
        self.processes.fill_more = self._fill_process_menu
        self.processes.chosen.connect(self._process_chosen)
        self._no_process = Label(tone="muted", wrap=True)
        self.accounts = Accounts(context)
        self.end = Button("End process …", harmful=True, tip="End the chosen process (Del)", asks=True)
        self.end.clicked.connect(self._end_process)
        self.health = HealthPanel(context)
        self.links = LinksPanel(context)
        self.head = Head(self._title, self._by_process, self.tabs)
        self.views = QStackedWidget()
        self._arrange()
        self.tabs.choose("curves")

    def _arrange(self) -> None:
        for widget in (self.curves.stack, self._process_view(), self.health, self.links):
            self.views.addWidget(widget)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.head)
        column.addWidget(self.views, 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self._left())
        split.addWidget(right)
        split.setStretchFactor(1, 1)
        split.setSizes([theme.LIST_WIDTH + 2 * theme.SPACE_24, theme.READING_WIDTH])
        split.setHandleWidth(theme.SPACE_8)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addWidget(split, 1)

    def _left(self) -> QWidget:
        inner = QWidget()
        below = QVBoxLayout(inner)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(theme.SPACE_8)
        self._state_card = Card("State")
        self._state_card.column.addWidget(self.state)
        below.addWidget(self.verdict)
        below.addWidget(self._state_card)
        below.addStretch()
        left = QWidget()
        left.setMinimumWidth(theme.COLUMN_MINIMUM + theme.SPACE_24)
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(framed(self.list), 1)
        column.addWidget(scrolled(inner, "State of the GPU"), 1)
        return left

    def _process_view(self) -> QWidget:
        view = Card("Processes")
        view.column.addWidget(self._no_process)
        view.column.addWidget(self.processes, 1)
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.end, 0, Qt.AlignmentFlag.AlignBottom)
        view.column.addLayout(row, 0)
        self.end.setEnabled(False)
        both = QWidget()
        column = QVBoxLayout(both)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(view, 3)
        column.addWidget(self.accounts, 2)
        return both

    def showEvent(self, event: QShowEvent) -> None:
        self._places.wake(awake=True)
        super().showEvent(event)
        self._places.look()

    def left(self) -> None:
        self._places.wake(awake=False)

    # What holds now.

    def refresh(self, topics: frozenset[Topic]) -> None:
        if Topic.JOBS in topics:
            self._places.look()
        status = self.seen_status()
        if status is None:
            self.wait_for_numbers()
            return
        if not status.gpus:
            self._show_none(status)
            return
        self.show_content()
        judged = (tables.JudgedGpu(gpu, alerts.diagnosis_of(status, gpu.uuid)) for gpu in status.gpus)
        self.list.show_records({one.gpu.uuid: one for one in judged})
        if self._chosen not in {gpu.uuid for gpu in status.gpus}:
            self._chosen = status.gpus[0].uuid
            self.list.select(self._chosen)
        if topics & {Topic.STATUS, Topic.INCIDENTS} and self.takes_numbers():
            self._show_chosen()

    def _show_none(self, status: Status) -> None:
        why = status.gpu_note or "The agent has not said why. Everything else works without one."
        sentence, command = hints.parts(status.gpu_hint, status.gpu_command)
        self.show_nothing("No NVIDIA GPU can be read on this machine", f"{why} {sentence}".strip(), command)

    def main_table(self) -> RecordTable[tables.JudgedGpu]:
        return self.list

    def show_thing(self, thing: str) -> bool:
        """Choose a GPU, or a process on it (``UUID/pid-N``)."""
        uuid, _, process = thing.partition("/pid-")
        found = self.show_in(self.list, uuid)
        if found:
            self._choose(uuid)
        if found and process:
            self.tabs.choose("processes")
            self._wanted_process = process
            self._show_chosen()
        return found

    def _choose(self, uuid: str | None) -> None:
        if uuid is not None and uuid != self._chosen:
            self._chosen = uuid
            self._wanted_process = None
            self.curves.point_out(None)
            self._show_chosen()

    def gpu(self) -> Gpu | None:
        """Return the chosen GPU, as it is at the time that is seen."""
        return self._gpu_of(self.seen_status())

    def _gpu_of(self, status: Status | None) -> Gpu | None:
        return next((gpu for gpu in status.gpus if gpu.uuid == self._chosen), None) if status else None

    def _show_chosen(self) -> None:
        status, gpu = self.seen_status(), self.gpu()
        if status is None or gpu is None:
            return
        self._title.show_text(f"GPU {gpu.index}  {gpus.list_name(gpu.name)}")
        self.curves.stack.of(gpu.uuid, gpu.uuid)
        self.curves.stack.subject = f"GPU {gpu.index} {gpus.list_name(gpu.name)}"
        self.curves.show(self._gpu_of(self.context.store.status) or gpu, gpu)
        verdict = alerts.diagnosis_of(status, gpu.uuid)
        self._state_card.heading.show_text(f"State{self.then_words()}")
        self.state.show_facts(facts.state(gpu, verdict, self._expected(status), then=self.is_then()))
        self.verdict.show_diagnosis(verdict, self._minute())
        self.tabs.count("processes", len(gpu.processes) if gpu.processes_known else None)
        self.head.fit()
        self._show_view(status, gpu)

    def _expected(self, status: Status) -> Upcoming | None:
        """Return who gets the chosen GPU next; that is of now, and of no other time that is seen."""
        store = self.context.store
        if self.is_then() or not store.is_true_now or self._chosen is None:
            return None
        return next_on(status.gpus, store.jobs.value or {}, agent_clock.now()).get(self._chosen)

    def _minute(self) -> str:
        """Say of what time the verdict is."""
        past = self.context.past
        if not self.is_then() or past.moment is None:
            return LAST_MINUTE
        length = "minute" if past.seconds <= JUDGED_SECONDS else numbers.duration(past.seconds)
        return f"in the {length} before {numbers.day_and_clock(past.moment)}"

    def _show_view(self, status: Status, gpu: Gpu) -> None:
        """Paint the view that is seen; the others wait until they are."""
        view = self.tabs.current()
        if view == "processes":
            self._show_processes(gpu)
            self._no_process.show_text(facts.no_process(gpu, then=self.is_then()))
            self._no_process.setVisible(not gpu.processes)
            self.processes.setVisible(bool(gpu.processes))
            self.end.setVisible(not self.is_then())
            self._process_chosen(self.processes.key())
            self.accounts.show_gpu(gpu)
        elif view == "health":
            self.health.show_gpu(gpu, self.context.past.moment if self.is_then() else None)
        elif view == "links":
            self.links.show_gpu(status, gpu, then=self.is_then())

    def _show_processes(self, gpu: Gpu) -> None:
        known = {process.pid: process for process in gpu.processes}
        placed = in_order_of_tree({pid: process.parent_pid for pid, process in known.items()})
        self._depths.clear()
        self._depths.update(placed)
        self.processes.show_records({str(pid): known[pid] for pid, _ in placed})
        if self._wanted_process is not None and self.processes.select(self._wanted_process):
            self._wanted_process = None

    def _turn(self, view: str) -> None:
        self.views.setCurrentIndex([key for key, _ in VIEWS].index(view))
        self._by_process.setVisible(view == "curves")
        self._show_chosen()

    def _hear_what_happened(self) -> None:
        self.curves.show_again()

    def _split_memory(self, on: bool) -> None:
        self.curves.by_process(on=on)

    # Acts.

    def actions_here(self) -> list[Action]:
        turns = [
            Action(f"gpus.{key}", f"GPU: {title.lower()}", partial(self.tabs.choose, key), places=_PALETTE)
            for key, title in VIEWS
        ]
        return [
            *turns,
            Action("gpus.export", "Copy or save the curves …", self._export, places=_PALETTE),
            Action("gpus.end", "End the chosen process …", self._end_process, places=_PALETTE, when=self._has_process),
        ]

    def _export(self) -> None:
        self.curves.stack.export_menu().popup(self.mapToGlobal(self.rect().center()))

    def escape(self) -> None:
        self.curves.point_out(None)

    def _show_evidence(self, evidence: Evidence) -> None:
        """Show the curve that a piece of evidence is read from."""
        if evidence.device != self._chosen:
            self.context.open_page("host" if evidence.device == "host" else "storage", evidence.device)
            return
        self.tabs.choose("curves")
        self.curves.point_out(evidence.metric)

    def _has_process(self) -> bool:
        return self.tabs.current() == "processes" and self.processes.key() is not None and not self.is_then()

    def _process_chosen(self, key: str | None) -> None:
        self.end.setEnabled(key is not None)

    def _end_process(self) -> None:
        gpu, process = self.gpu(), self._process()
        if gpu is not None and process is not None:
            open_end_process(self.context, gpu, process)

    def _process(self) -> GpuProcess | None:
        """Return the chosen process, while it is one of now: what ran then can't be ended."""
        gpu, key = self.gpu(), self.processes.key()
        if gpu is None or self.is_then():
            return None
        return next((process for process in gpu.processes if str(process.pid) == key), None)

    def _fill_process_menu(self, menu: QMenu) -> None:
        process = self._process()
        if process is not None:
            menu.addAction(menu_text(f"End {process_title(process)} …")).triggered.connect(self._end_process)
            menu.addSeparator()


_PALETTE = frozenset({"palette"})
