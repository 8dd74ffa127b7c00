"""The processes of the whole machine, those that take most of it: read every few seconds, while they are seen."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, menu_text
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.words import numbers
from mlops_desk.machine.records.gpu import Gpu, GpuProcess
from mlops_desk.machine.records.host import HostProcess, HostProcesses

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

LOOK_MILLISECONDS = 3000  # chosen: as top does; each look reads a file of every process
MOST = 40  # chosen: together with as many of the other kind, what one looks through
_LOADING = "Reading the processes of this machine …"
_THEN = (
    "Who took what of the processors at that time is not kept. Who held memory of a GPU then is: its page shows it "
    "under Processes."
)
_TONES = {"waiting": "warning", "zombie": "warning"}
_STATES = {"waiting": "waits for a disk"}


class ProcessView(Card):
    """A table with a filter, and what there is to say of it: how many there are, of when they are, what is hidden."""

    def __init__(self, context: Context) -> None:
        super().__init__("Processes of the whole machine")
        self._context = context
        self._task: Task | None = None
        self._found: HostProcesses | None = None
        self.says = Label(_LOADING, tone="muted", wrap=True)
        self.trouble = Label(tone="warning", bold=True, wrap=True)
        self.trouble.hide()
        self.then = Label(_THEN, tone="muted", wrap=True)
        self.filter = filter_field("Filter processes")
        self.table = RecordTable("Processes of the machine", _columns(self._index), context.memory)
        self.table.sort_by_key("cpu", Qt.SortOrder.DescendingOrder)
        self.table.chosen.connect(self._chosen)
        self.table.fill_more = self._fill_menu
        self.filter.textChanged.connect(self.table.narrow)
        self.end = Button("End process …", harmful=True, tip="End the chosen process", asks=True)
        self.end.setEnabled(False)
        self.end.clicked.connect(self.end_process)
        self._clock = QTimer(self)
        self._clock.setInterval(LOOK_MILLISECONDS)
        self._clock.timeout.connect(self.look)
        self._arrange()

    def _arrange(self) -> None:
        above = QHBoxLayout()
        above.setSpacing(theme.SPACE_8)
        above.addWidget(self.filter, 1)
        above.addStretch(1)
        above.addWidget(self.end)
        self.now = QWidget()
        below = QVBoxLayout(self.now)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(theme.SPACE_8)
        below.addLayout(above)
        below.addWidget(self.trouble)
        below.addWidget(self.table, 1)
        below.addWidget(self.says)
        self.column.addWidget(self.then)
        self.column.addWidget(self.now, 1)
        self.column.addStretch()
        self._see_time()
        self._context.past.changed.connect(self._see_time)

    # When it looks.

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._see_time()
        self._clock.start()
        self.look()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._clock.stop()
        if self._task is not None:
            self._task.cancel()

    def _see_time(self) -> None:
        """Show the processes of now, or say that there are none of the time that charts show."""
        then = self._context.axis.in_history
        if self.now.isHidden() is not then:
            self.now.setVisible(not then)
            self.look()
        self.then.setVisible(then)

    def look(self) -> None:
        """Ask for the processes as they are now, unless nobody sees them, or charts stand still."""
        store = self._context.store
        if not self.now.isVisible() or self.window().isMinimized() or store.connection.state != "live":
            return
        if (store.paused and self._found is not None) or (self._task is not None and self._task.running):
            return
        self._task = self._context.ask(
            "processes", lambda desk: desk.telemetry.processes(MOST), self._show, self._refused
        )

    def _show(self, found: HostProcesses) -> None:
        self._found = found
        self.trouble.hide()
        self.table.show_records({f"{one.pid} {one.start_ticks}": one for one in found.processes})
        sort = self.table.records.order.sort
        if sort is not None:  # values change all the time: who takes most comes first, whoever did before
            self.table.records.sort_by(sort[0], descending=sort[1])
        self.says.show_text(told(found))
        self._chosen(self.table.key())

    def _refused(self, error: DeskError) -> None:
        since = f" These are of {numbers.clock(self._found.read_at)}." if self._found is not None else ""
        self.trouble.show_text(f"{error.message}{since}")
        self.trouble.show()
        if self._found is None:
            self.says.show_text(error.hint or "")

    # What can be done.

    def process(self) -> HostProcess | None:
        """Return the chosen process."""
        key = self.table.key()
        return self.table.records.record(key) if key is not None else None

    def _on_gpu(self, process: HostProcess) -> tuple[Gpu | None, GpuProcess]:
        """Return a process as a GPU's, with the GPU that it is on; None: it is on none."""
        status = self._context.store.status
        for gpu in status.gpus if status is not None else ():
            for one in gpu.processes:
                if (one.pid, one.start_ticks) == (process.pid, process.start_ticks):
                    return gpu, one
        return None, GpuProcess(
            process.pid, process.user, process.command, None, process.container, start_ticks=process.start_ticks,
            started_at=process.started_at, job=process.job,
        )  # fmt: skip

    def _chosen(self, _key: str | None) -> None:
        self.end.setEnabled(self.process() is not None)

    def end_process(self) -> None:
        """Ask whether the chosen process is to end."""
        process = self.process()
        if process is not None:
            self._context.act("gpus.end_process", self._context, *self._on_gpu(process))

    def _fill_menu(self, menu: QMenu) -> None:
        process = self.process()
        if process is not None:
            menu.addAction(menu_text(f"End process {process.pid} …")).triggered.connect(self.end_process)
            menu.addSeparator()

    def _index(self, uuid: str) -> str:
        status = self._context.store.status
        return next((str(gpu.index) for gpu in status.gpus if gpu.uuid == uuid), "?") if status is not None else "?"


def told(found: HostProcesses) -> str:
    """Say how many there are, and which are shown."""
    shown = len(found.processes)
    if not found.count:
        text = "No process of this machine may be seen."
    elif shown >= found.count:
        text = f"{numbers.count(found.count, 'process', 'processes')}."
    else:
        text = (
            f"{shown} of {numbers.count(found.count, 'process', 'processes')}: the {found.most} that take most of the "
            f"processors, the {found.most} that take most of the memory, and those on GPUs."
        )
    return f"{text} {plain(found.note)}" if found.note else text


def _columns(index: Callable[[str], str]) -> tuple[Column[HostProcess], ...]:
    return (
        Column("pid", "pid", lambda one: Cell(str(one.pid), one.pid), right=True),
        Column("user", "User", lambda one: _text(one.user)),
        Column("command", "Command", lambda one: _text(one.command), stretch=True),
        Column("cpu", "CPU", lambda one: _number(one.cpu_ratio, numbers.percent, _CPU_TIP), right=True),
        Column("memory", "Memory", lambda one: _number(one.memory_bytes, numbers.size), right=True),
        Column("gpus", "GPU", lambda one: Cell(", ".join(index(uuid) for uuid in one.gpus), len(one.gpus)), right=True),
        Column("job", "Job or container", _job),
        Column("state", "State", _state),
        Column("threads", "Threads", lambda one: _number(one.threads, numbers.number), right=True, hidden=True),
        Column("started", "Started", _started, right=True),
        Column("parent", "Parent", lambda one: Cell(str(one.parent_pid or ""), one.parent_pid or 0), right=True,
               hidden=True),
    )  # fmt: skip


_CPU_TIP = "of one processor"
_UNKNOWN = "not known: it may not be looked at"


def _text(value: str | None) -> Cell:
    return Cell(plain(value or numbers.NOTHING), tip=value or _UNKNOWN, token=None if value else "muted")


def _number(value: float | None, written: numbers.Written, tip: str = "") -> Cell:
    if value is None:
        return Cell(numbers.NOTHING, -1.0, "muted", "not known yet")
    return Cell(written(value), value, tip=tip)


def _job(process: HostProcess) -> Cell:
    tip = "\n".join(part for part in (process.job, process.container) if part)
    return Cell(plain(process.job or process.container or ""), tip=tip)


def _state(process: HostProcess) -> Cell:
    state = process.state or ""
    return Cell(_STATES.get(state, state) or numbers.NOTHING, token=_TONES.get(state))


def _started(process: HostProcess) -> Cell:
    at = process.started_at
    return Cell(numbers.ago(at), -1.0 if at is None else at, tip=numbers.absolute(at) if at else "")
