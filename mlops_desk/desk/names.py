"""Container ids to names, for the processes on GPUs: answered at once from memory, looked up in the background."""

import logging
import threading
import time

from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop
from mlops_desk.engines.engine import Engine

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 5.0


class ContainerNames:
    """``name`` never waits: an id that is not known yet is None until the engine has been asked."""

    def __init__(self, engine: Engine, loop: Loop) -> None:
        self._engine = engine
        self._loop = loop
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}
        self._asking = False
        self._asked_at = float("-inf")

    def name(self, container_id: str) -> str | None:
        """Return a container's name, or None while it is not known."""
        with self._lock:
            known = self._names.get(container_id)
            due = time.monotonic() - self._asked_at > _PAUSE_SECONDS
            if known is not None or self._asking or not due:
                return known
            self._asking = True
        self._loop.start("container-names", self._ask)
        return None

    def _ask(self) -> None:
        try:
            found = {facts.id: facts.name for facts in self._engine.containers({})}
        except DeskError as error:
            _log.info("Containers could not be named: %s", error.message)
            found = None
        with self._lock:
            self._names = self._names if found is None else found
            self._asking = False
            self._asked_at = time.monotonic()
