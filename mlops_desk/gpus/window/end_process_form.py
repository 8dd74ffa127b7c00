"""End a process, on a GPU or not: asked with TERM first; Kill is offered only when that did not help.

Only one's own processes (or any, as administrator) can be ended; for another's the dialog says whose it is.
"""

import os
import pwd
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button, answers
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.gpus import process_title
from mlops_desk.machine.records.gpu import Gpu, GpuProcess

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

PATIENCE_MILLISECONDS = 10_000  # chosen: what a program needs to save its work, before Kill is offered
COMMAND_LIMIT = 300  # chosen: some lines of a dialog


def open_end_process(context: Context, gpu: Gpu | None, process: GpuProcess) -> "EndProcess":
    """Open the question for ``process`` of ``gpu`` over the window; None: it is on none."""
    dialog = EndProcess(context.frame, context, gpu, process)
    dialog.open()
    return dialog


def may_end(process: GpuProcess, simulated_user: str | None) -> bool:
    """Tell whether this person may end it; at a simulated workstation everybody is ``simulated_user``."""
    if simulated_user is not None:
        return process.user == simulated_user
    return os.geteuid() == 0 or (process.user is not None and process.user == _own_name())


class EndProcess(QDialog):
    """Asks, then waits until the agent no longer sees the process."""

    def __init__(self, parent: QWidget | None, context: Context, gpu: Gpu | None, process: GpuProcess) -> None:
        super().__init__(parent)
        self._context = context
        self._gpu = gpu
        self._process = process
        self._asked = False
        self._force = False
        self._asking: Task | None = None
        self.setWindowTitle("End a process")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self._text = Label(wrap=True)
        self._says = Label(wrap=True, tone="muted")
        self._says.hide()
        self._command = CommandLine()
        self.act = Button("End process", main=True, harmful=True)
        self.act.clicked.connect(self._end)
        self.back = Button("Leave it")
        self.back.setDefault(True)
        self.back.clicked.connect(self.reject)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MILLISECONDS)
        self._patience.timeout.connect(self._offer_kill)
        self._arrange()
        self._explain()
        self._fit()
        context.changed.connect(self._look)
        self.back.setFocus()

    def _arrange(self) -> None:
        facts = FactGrid()
        facts.show_facts(_facts(self._gpu, self._process))
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_24,) * 4)
        column.setSpacing(theme.SPACE_12)
        title = Label(f"End {process_title(self._process)}?", points=theme.TITLE_POINTS, bold=True)
        for widget in (title, facts, self._text, self._says, self._command):
            column.addWidget(widget)
        column.addSpacing(theme.SPACE_8)
        column.addLayout(answers(self.back, self.act))
        self.resize(theme.DIALOG_WIDTH, self.sizeHint().height())
        self._column = column

    def _explain(self) -> None:
        status = self._context.store.status
        user = status.agent.user if status else None
        process = self._process
        if not may_end(process, user):
            owner = process.user or "a user that the driver did not name"
            here = f" (in the demo you are {user})" if user else ""
            self._refuse(
                f"It belongs to {owner}{here}. Only its owner or the administrator can end it: ask them, or run this:"
            )
            self._command.show_command(f"sudo kill {process.pid}")
        elif process.start_ticks is None:
            self._refuse("Its start time is not known, so it can't be told from a later process with the same pid.")
        else:
            self._text.show_text(_loss(self._gpu, process))

    def _fit(self) -> None:
        """Be high enough for every word at this width; a dialog grows with what is said, and cuts nothing."""
        self._column.activate()
        self.resize(self.width(), max(self.height(), self._column.totalHeightForWidth(self.width())))

    def _refuse(self, why: str) -> None:
        self._text.show_text(why)
        self.act.hide()
        self.back.show_title("Close")

    # Ending it.

    def _end(self) -> None:
        ticks = self._process.start_ticks
        if ticks is None or not self.act.isEnabled():
            return
        pid, force = self._process.pid, self._force
        self.act.setEnabled(False)
        self._say("It is being killed …" if force else "It was asked to end and may save its work …", "muted")
        self._context.ask(
            "end process",
            lambda desk: desk.gpus.end_process(pid, ticks, force=force),
            self._sent,
            self._failed,
        )

    def _sent(self, _process: GpuProcess) -> None:
        self._asked = True
        self.back.show_title("Close")
        self._patience.start()
        self._look(frozenset({Topic.STATUS}))

    def _failed(self, error: DeskError) -> None:
        self.act.setEnabled(True)
        self._say(f"{error.message} {error.hint or ''}".strip(), "alert")

    def _look(self, topics: frozenset[Topic]) -> None:
        """Close when the agent no longer sees the process."""
        status = self._context.store.status
        if not self._asked or Topic.STATUS not in topics or status is None:
            return
        if self._gpu is None:
            self._ask_whether_it_is_there()
            return
        gpu = next((gpu for gpu in status.gpus if gpu.uuid == self._gpu.uuid), None)
        if gpu is None or not gpu.processes_known or self._is_there(gpu):
            return
        self._gone()

    def _ask_whether_it_is_there(self) -> None:
        """Ask for a process that no sample of the GPUs tells of."""
        if self._asking is None or not self._asking.running:
            pid = self._process.pid
            self._asking = self._context.ask(
                "process", lambda desk: desk.gpus.process(pid), self._still_there, self._not_found
            )

    def _still_there(self, process: GpuProcess) -> None:
        if process.start_ticks != self._process.start_ticks:  # another has its number now
            self._gone()

    def _not_found(self, error: DeskError) -> None:
        if isinstance(error, NotFound):
            self._gone()
        else:
            self._failed(error)

    def _gone(self) -> None:
        if not self._asked:
            return
        self._asked = False
        self._patience.stop()
        self._context.say("info", f"{process_title(self._process)} has ended.")
        self.accept()

    def _is_there(self, gpu: Gpu) -> bool:
        mine = (self._process.pid, self._process.start_ticks)
        return any((process.pid, process.start_ticks) == mine for process in gpu.processes)

    def _offer_kill(self) -> None:
        self.act.setEnabled(True)
        if self._force:
            self._say(
                "It is still there, even killed: it hangs in the driver or on a disk. Only a restart helps.", "alert"
            )
            self.act.hide()
            return
        self._force = True
        self.act.show_title("Kill")
        self.act.updateGeometry()
        span = numbers.duration(PATIENCE_MILLISECONDS / 1000)
        self._say(f"It has not ended within {span}. Killing it leaves it no time to save anything.", "warning")

    def _say(self, text: str, tone: str) -> None:
        self._says.show_text(text)
        self._says.tint(tone)
        self._says.show()
        self._fit()


def _facts(gpu: Gpu | None, process: GpuProcess) -> list[Fact]:
    return [
        Fact("pid", str(process.pid), fixed=True),
        Fact("User", process.user or "not known"),
        Fact("Command", (process.command or "not known")[:COMMAND_LIMIT], fixed=True),
        *([Fact("GPU", f"{gpu.index}, {numbers.size(process.gpu_memory_bytes)} of its memory")] if gpu else []),
        *([Fact("Container", process.container)] if process.container else []),
        *([moment_fact("Started", process.started_at)] if process.started_at else []),
    ]


def _loss(gpu: Gpu | None, process: GpuProcess) -> str:
    """Return what ending it costs."""
    parts = [
        f"It is asked to end (TERM). What it has not saved by then is lost; "
        f"{numbers.size(process.gpu_memory_bytes)} on GPU {gpu.index} become free."
        if gpu is not None and process.gpu_memory_bytes is not None
        else "It is asked to end (TERM). What it has not saved by then is lost."
    ]
    if process.job or (gpu is not None and gpu.lease is not None and gpu.lease.attempt):
        parts.append("It belongs to a job of the queue: stopping the job on the Jobs page ends it in order.")
    elif process.container:
        parts.append(f"Container {plain(process.container, 60)} may start it again.")
    return " ".join(parts)


def _own_name() -> str | None:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
