"""Container ids to names, for the processes on GPUs: answered at once from memory, looked up in the background.

A container that belongs to a job has the job's name beside it.
"""

import logging
import threading
import time
from collections.abc import Callable

from mlops_desk.engines.engine import Engine
from mlops_desk.jobs.runtimes.local.container import JOB_LABEL
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Loop

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 5.0  # chosen: a new container's processes have no name for as long


class ContainerNames:
    """``name`` never waits: an id that is not known yet is None until the engine has been asked."""

    def __init__(self, engine: Engine, loop: Loop, job_name: Callable[[str], str | None]) -> None:
        """``job_name`` returns the name of a job of this desk by its id; it may take its time."""
        self._engine = engine
        self._job_name = job_name
        self._loop = loop
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}
        self._jobs: dict[str, str] = {}
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

    def job(self, container_id: str) -> str | None:
        """Return the name of the job that a container belongs to, or None for any other and while it is not known.

        A job of another desk has none here; its id stands for it.
        """
        with self._lock:
            return self._jobs.get(container_id)

    def _ask(self) -> None:
        found: tuple[dict[str, str], dict[str, str]] | None = None
        try:
            listed = self._engine.containers({})
            jobs = {facts.id: facts.labels[JOB_LABEL] for facts in listed if facts.labels.get(JOB_LABEL)}
            named = {job: self._job_name(job) or job for job in set(jobs.values())}
            found = {facts.id: facts.name for facts in listed}, {id_: named[job] for id_, job in jobs.items()}
        except DeskError as error:
            _log.info("Containers could not be named: %s", error.message)
        with self._lock:
            self._names, self._jobs = found or (self._names, self._jobs)
            self._asking = False
            self._asked_at = time.monotonic()
