"""Asking the agent without waiting for it: a call runs in a worker thread, its result arrives here.

``Tasks.run`` is for one answer, ``Tasks.read`` for lines that flow; both can be cancelled, after which
nothing arrives. Callbacks always run in the GUI thread, from one slot; that of a widget which is gone by then, as a
dialog that was closed meanwhile, does not. An error that is no DeskError is a bug: logged once, shown as such.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal, Slot
from shiboken6 import isValid

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Loop

_log = logging.getLogger(__name__)

T = TypeVar("T")
Done = Callable[[T], None]
Failed = Callable[[DeskError], None]

LINES_KEPT = 5000  # as many as the log view keeps


class Task:
    """One call under way. ``ended`` tells that its thread is done, which a cancelled reader may not be for long."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cancelled = False
        self.finished = False
        self.ended = False
        self._source: object = None

    def cancel(self) -> None:
        """Let nothing arrive any more. A call that has gone out may still be carried out; what is read ends."""
        self.cancelled = True
        self._hang_up()

    def reads(self, source: object) -> None:
        """Take what is read, so that it can be ended while its thread waits for more."""
        self._source = source
        if self.cancelled:
            self._hang_up()

    def _hang_up(self) -> None:
        hang_up = getattr(self._source, "hang_up", None)
        if hang_up is not None:
            hang_up()

    @property
    def running(self) -> bool:
        return not (self.cancelled or self.finished)


class Tasks(QObject):
    """Starts calls and delivers what became of them. What arrives at once is delivered inside of one ``around()``."""

    _settled = Signal()

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self._loop = loop
        self._lock = threading.Lock()
        self._ready: list[tuple[Task, bool, Callable[[], None]]] = []
        self._awake = False
        self._reading: set[Task] = set()
        self.around: Callable[[], AbstractContextManager[None]] = nullcontext
        self._settled.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        loop.at_end(self._end)

    def run(self, name: str, call: Callable[[], T], done: Done[T], failed: Failed) -> Task:
        """Run ``call`` in a thread; then ``done`` with its result or ``failed`` with its error, here."""
        task = Task(name)

        def work() -> None:
            try:
                result = call()
            except DeskError as error:
                shown = error
            except Exception as error:  # noqa: BLE001 - shown as a bug below
                shown = _bug(name, error)
            else:
                self._post(task, True, lambda: _tell(done, result))
                return
            self._post(task, True, lambda: _tell(failed, shown))

        self._loop.start(name, work)
        return task

    def read(
        self,
        name: str,
        call: Callable[[], Iterator[str]],
        lines: Callable[[list[str]], None],
        ended: Callable[[], None],
        failed: Failed,
    ) -> Task:
        """Read lines in a thread and hand them over in batches."""
        task = Task(name)
        flow = _Flow()

        def hand_over() -> None:
            lines(flow.take())

        def work() -> None:
            try:
                source = call()
                task.reads(source)
                for line in source:
                    if task.cancelled or self._loop.ending.is_set():
                        _close(source)
                        return
                    if flow.put(line):
                        self._post(task, False, hand_over)
            except DeskError as error:
                shown = error
            except Exception as error:  # noqa: BLE001 - shown as a bug below
                shown = _bug(name, error)
            else:
                self._post(task, True, ended)
                return
            finally:
                task.ended = True
                with self._lock:
                    self._reading.discard(task)
            self._post(task, True, lambda: failed(shown))

        with self._lock:
            self._reading.add(task)
        self._loop.start(name, work)
        return task

    def _end(self) -> None:
        """End what is read when the program ends: a line may be hours away."""
        with self._lock:
            reading = list(self._reading)
        for task in reading:
            task.cancel()

    def _post(self, task: Task, last: bool, deliver: Callable[[], None]) -> None:
        with self._lock:
            self._ready.append((task, last, deliver))
            if self._awake or self._loop.ending.is_set():
                return
            self._awake = True
        self._settled.emit()

    @Slot()
    def _deliver(self) -> None:
        with self._lock:
            ready, self._ready = self._ready, []
            self._awake = False
        with self.around():
            for task, last, deliver in ready:
                if task.cancelled or self._loop.ending.is_set():
                    continue  # nobody waits any more; at the program's end the widgets may be gone
                task.finished = task.finished or last
                deliver()


def _tell(callback: Callable[[T], None], value: T) -> None:
    """Hand over what was answered, unless whose callback it is has been deleted since."""
    owner = getattr(callback, "__self__", None)
    if not isinstance(owner, QObject) or isValid(owner):
        callback(value)


class _Flow:
    """Lines between the reading thread and the GUI: any number of lines, one delivery under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._under_way = False

    def put(self, line: str) -> bool:
        """Add a line; True when a delivery has to be sent for it."""
        with self._lock:
            self._lines.append(line)
            if self._under_way:
                return False
            self._under_way = True
            return True

    def take(self) -> list[str]:
        with self._lock:
            lines = list(self._lines)
            self._lines.clear()
            self._under_way = False
            return lines


def _close(source: Any) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()


def _bug(name: str, error: Exception) -> DeskError:
    _log.exception("%s failed", name)
    return DeskError(f"Something went wrong in '{name}' ({type(error).__name__}).", "It is in the window's log.")
