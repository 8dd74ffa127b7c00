"""What takes minutes, begun from the page: how far it is, as a bar, and the button that stops it.

It is the agent that does it, which is asked by a ticket how far it is; or the window itself, in a thread of its own.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.meters import Meter, Meters
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.task_progress import Undertaking

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Done, Failed, Task

_LOOK_MILLISECONDS = 400  # chosen: what moves twice a second looks alive
_TICKET_BYTES = 8  # chosen: nobody guesses it
_TEXT = 120  # chosen: a line


class HereWork:
    """What the window does itself. Its thread tells how far it is, and ends where it is to stop."""

    def __init__(self, what: str) -> None:
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._told = Undertaking(what, "It begins.", time.time())

    @property
    def told(self) -> Undertaking:
        """How far it is."""
        with self._lock:
            return replace(self._told, is_stopping=self.stopping.is_set())

    def tell(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Say what is done now. Raises Refused where it is to stop."""
        with self._lock:
            self._told = replace(self._told, text=plain(text), done=done, total=total)
        if self.stopping.is_set():
            raise Refused(f"{self._told.what} was stopped. Nothing of it is left.")


class UndertakingBar(QWidget):
    """One at a time; hidden while there is none. ``moved`` tells that one began or ended."""

    moved = Signal()

    def __init__(self, context: Context, name: str) -> None:
        super().__init__()
        self._context = context
        self.bar = Meters(name)
        self.stop = Button("Stop", harmful=True, tip="Stop it; nothing of it is left")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.bar, 1)
        row.addWidget(self.stop)
        self._ticket = ""
        self.was_stopped = False  # the last one, from here
        self._here: HereWork | None = None
        self._task: Task | None = None
        self._looking: Task | None = None
        self._again = QTimer(self)
        self._again.setInterval(_LOOK_MILLISECONDS)
        self._again.timeout.connect(self._look)
        self.stop.clicked.connect(self._stop)
        self.hide()

    @property
    def is_busy(self) -> bool:
        """Whether something is under way."""
        return self._task is not None

    def begin(self, what: str, call: Callable[[ClientLike, str], Any], done: "Done[Any]", failed: "Failed") -> None:
        """Ask for something; ``call`` gets the ticket that it is asked with."""
        if self._task is not None:
            return
        ticket = self._ticket = secrets.token_hex(_TICKET_BYTES)
        self._start(what, lambda desk: call(desk, ticket), done, failed)

    def begin_here(
        self, work: HereWork, call: Callable[[Any], Any], done: "Done[Any]", failed: "Failed", *, alone: bool = False
    ) -> None:
        """Do something in a thread of the window; ``alone``: without the agent, which may be away (it gets None)."""
        if self._task is not None:
            return
        self._here = work
        self._start(work.told.what, call, done, failed, alone=alone)

    def _start(
        self, what: str, call: Callable[[Any], Any], done: "Done[Any]", failed: "Failed", *, alone: bool = False
    ) -> None:
        self.was_stopped = False
        self.bar.show_meters([Meter(what, None, "It begins.")])
        self.stop.setEnabled(True)

        def ended(then: Callable[[Any], None], told: Any) -> None:
            self._over()
            then(told)

        def answered(told: Any) -> None:
            ended(done, told)

        def refused(error: DeskError) -> None:
            ended(failed, error)

        if alone:
            self._task = self._context.tasks().run(what, lambda: call(None), answered, refused)
        else:
            self._task = self._context.ask(what, call, answered, refused)
        self.show()
        self._again.start()
        self.moved.emit()

    def _over(self) -> None:
        self._task = self._here = None
        self._again.stop()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self.hide()
        self.moved.emit()

    def _look(self) -> None:
        if self._here is not None:
            self._told(self._here.told)
        elif self._looking is None or not self._looking.running:
            ticket = self._ticket
            self._looking = self._context.ask(
                "progress", lambda desk: desk.endpoints.progress(ticket), self._told, self._untold
            )

    def _told(self, now: Undertaking) -> None:
        share = None if not now.total or now.done is None else now.done / now.total
        text = plain(now.text, _TEXT) if share is None else f"{plain(now.text, _TEXT)} {numbers.percent(share)}"
        self.bar.show_meters([Meter(now.what, share, f"{text} Stopping …" if now.is_stopping else text)])

    def _untold(self, _error: DeskError) -> None:
        """Leave it as it is: it has not begun, or its own answer is on the way."""

    def _stop(self) -> None:
        """Have it stop; it tells so itself, by what it ends with."""
        ticket = self._ticket
        self.was_stopped = True
        self.stop.setEnabled(False)
        if self._here is not None:
            self._here.stopping.set()
            self._told(self._here.told)
            return
        self._context.ask("stop", lambda desk: desk.endpoints.cancel(ticket), self._told, self._not_stopped)

    def _not_stopped(self, error: DeskError) -> None:
        """Let it be tried again: it may not have begun."""
        self.was_stopped = False
        self.stop.setEnabled(self._task is not None)
        if self._task is not None:
            self._context.complain(error)
