"""Who listens to which container of ours, as a survey shows them."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop
from mlops_desk.engines.engine import Engine
from mlops_desk.records.jobs.job import Attempt
from mlops_desk.runtimes.local.listening.sight.watch import SightWatch
from mlops_desk.runtimes.local.listening.tee import Tee

_log = logging.getLogger(__name__)

_AGAIN_SECONDS = 10.0  # chosen: an engine that restarts, or a disk that is full, is tried again then
_END_SECONDS = 5.0  # chosen: a stream ends with its container; one that does not is left alone


class Tees:
    """``loop`` has the threads of listeners; None: nobody listens, and a log is kept at its end only."""

    def __init__(self, engine: Engine, loop: Loop | None, most_bytes: Callable[[], int]) -> None:
        self._engine = engine
        self._loop = loop
        self._sight = None if loop is None else SightWatch(loop, self._see, self._see_no_more)
        if loop is not None:
            loop.at_end(self.stop)
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._tees: dict[str, Tee] = {}

    def listen(self, running: Iterable[tuple[str, Path]]) -> None:
        """Listen to each container that runs, by name and the folder of its log; write what has waited long."""
        if self._loop is None or self._loop.ending.is_set():
            return
        for container, folder in running:
            tee = self.of(container)
            if tee is None or (tee.over and time.monotonic() - tee.ended_at >= _AGAIN_SECONDS):
                made = Tee(self._engine, container, folder, self._most_bytes())
                with self._lock:
                    self._tees[container] = made
                self._loop.start(f"log-of-{container}", made.run)
        with self._lock:
            tees = list(self._tees.values())
            heard = {name for name, tee in self._tees.items() if not tee.over}
        self._look_at(heard)
        for tee in tees:
            try:
                tee.flush_if_due()
            except OSError as error:
                _log.warning("A log can't be written for now: %s", error.strerror)

    def _look_at(self, containers: set[str]) -> None:
        if self._sight is None:
            return
        try:
            socket = self._engine.sight_socket() if containers else None
        except DeskError as error:
            _log.debug("What containers paint is not seen for now: %s", error.message)
            return
        self._sight.look_at(dict.fromkeys(containers, socket) if socket is not None else {})

    def _see(self, container: str, at: float, painted: bytes) -> None:
        tee = self.of(container)
        if tee is not None:
            tee.see(at, painted)

    def _see_no_more(self) -> None:
        with self._lock:
            tees = list(self._tees.values())
        for tee in tees:
            tee.see_no_more()

    def stop(self) -> None:
        """Stop to listen: the agent is about to end, and the next one goes on."""
        if self._sight is not None:
            self._sight.stop()
        with self._lock:
            tees = list(self._tees.values())
        for tee in tees:
            tee.interrupt()

    def of(self, container: str) -> Tee | None:
        with self._lock:
            return self._tees.get(container)

    def end(self, attempt: Attempt) -> None:
        """Stop to listen to an attempt that is over; from then on its log is somebody else's to write."""
        with self._lock:
            tee = self._tees.pop(attempt.container, None)
        if tee is not None:
            tee.close(_END_SECONDS)
