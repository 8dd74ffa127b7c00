"""What is under way beside the traffic: how far each is, by the ticket of who began it, who may also stop it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.records.task_progress import Undertaking

_ROOT = 0  # the kernel's own


class BesideWork:
    """One of them. Its own thread tells and waits; ``stopping`` is set by others, or by the agent's end."""

    def __init__(self, what: str, ending: threading.Event) -> None:
        self.stopping = threading.Event()
        self.uid = current_caller().uid
        self._ending = ending
        self._lock = threading.Lock()
        self._told = Undertaking(what, "It begins.", time.time())

    @property
    def told(self) -> Undertaking:
        """How far it is."""
        with self._lock:
            return replace(self._told, is_stopping=self.stopping.is_set())

    def tell(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Say what is done now. Raises Refused where it is to stop, Unavailable where the agent ends."""
        with self._lock:
            self._told = replace(self._told, text=plain(text), done=done, total=total)
        self.wait(0.0)

    def wait(self, seconds: float) -> None:
        """Let so much time pass. Raises Refused where it is to stop, Unavailable where the agent ends."""
        if self.stopping.wait(seconds):
            raise self.over()

    def over(self) -> DeskError:
        """Return what it ends with, once it is to stop."""
        if self._ending.is_set():
            return Unavailable("The agent ends.", "Ask again when it is back.")
        return Refused(f"{self._told.what} was stopped. Nothing of it is left.")


class WorkBook:
    """All that is under way, by ticket; what was begun without one is known to nobody, and ends with the agent too."""

    def __init__(self, loop: Loop) -> None:
        self._ending = loop.ending
        self._lock = threading.Lock()
        self._works: dict[str, BesideWork] = {}
        loop.at_end(self._stop_all)

    @contextmanager
    def begun(self, what: str, ticket: str | None) -> Iterator[BesideWork]:
        """Give the work that is done inside. Raises Refused where its ticket is in use."""
        work = BesideWork(what, self._ending)
        key = ticket or f"nobody's {id(work)}"
        with self._lock:
            if key in self._works:
                raise Refused("Something is under way by that ticket already.", "Take another ticket for each.")
            self._works[key] = work
        if self._ending.is_set():  # it may have missed the end
            work.stopping.set()
        try:
            yield work
        finally:
            with self._lock:
                del self._works[key]

    def progress(self, ticket: str) -> Undertaking:
        """Return how far something is. Raises NotFound where it is over, or not begun."""
        return self._work(ticket).told

    def cancel(self, ticket: str) -> Undertaking:
        """Ask it to stop; who began it hears when it has. Raises NotFound where it is over, or not begun."""
        work = self._work(ticket)
        work.stopping.set()
        return work.told

    def _work(self, ticket: str) -> BesideWork:
        with self._lock:
            work = self._works.get(ticket)
        if work is None or current_caller().uid not in {work.uid, _ROOT}:
            raise NotFound("Nothing is under way by that ticket.", "It is over, or has not begun yet.")
        return work

    def _stop_all(self) -> None:
        with self._lock:
            works = list(self._works.values())
        for work in works:
            work.stopping.set()
