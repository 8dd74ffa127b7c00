"""What the jobs of a run write, as it comes: each line behind the name of its stage, so that it is none of a runner's.

Each job is followed by a thread with a connection of its own. Where a log breaks off (the agent ended) that is said; it
is whole in ``jobs logs``.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TextIO

from mlops_desk.api.client import Client
from mlops_desk.base.errors import DeskError, Hint
from mlops_desk.base.loop import Loop
from mlops_desk.base.text import plain
from mlops_desk.cli.ci.runner import harmless

_LINE = 2000  # chosen: longer lines are bars and data
_LAST_SECONDS = 5.0  # chosen: the last lines of jobs that have ended come in a moment


class JobLogs:
    """``connect`` gives a connection; ``said`` is where lines go, whole ones only."""

    def __init__(self, connect: Callable[[], Client], said: TextIO) -> None:
        self._connect = connect
        self._said = said
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._loop = Loop("ci-logs")

    def say(self, line: str) -> None:
        """Write a line."""
        with self._lock:
            self._said.write(f"{line}\n")
            self._said.flush()

    def follow(self, stage: str, job_id: str) -> None:
        """Begin to write what a job writes, if that is not done yet."""
        if job_id not in self._threads:
            self._threads[job_id] = self._loop.start(f"log-{job_id}", lambda: self._copy(stage, job_id))

    def _copy(self, stage: str, job_id: str) -> None:
        try:
            with contextlib.closing(self._connect()) as client:
                for line in client.jobs.logs(job_id, follow=True):
                    self.say(f"{stage} | {harmless(plain(line, _LINE))}")
        except DeskError as error:
            whole = Hint(f"mlops-desk jobs logs {job_id}", before="It is whole in: ")
            self.say(f"{stage} | The log broke off: {error.message} {whole}")

    def end(self) -> None:
        """Wait a moment for the last lines."""
        until = time.monotonic() + _LAST_SECONDS
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))
