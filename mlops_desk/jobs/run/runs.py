"""The runs that jobs log to: made before a job starts, given their end after it.

An end that is owed lies as a file in ``unfinished`` until the tracking server has taken it, so a
server that is down, or an agent that dies, only delays it.
"""

import logging
import re
import threading
from pathlib import Path

from mlops_desk.jobs.ports import FinishRun, KeepTickets, PrepareRun
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.runtimes.runtime import RunTicket
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Refused

_log = logging.getLogger(__name__)

UNFINISHED = "unfinished-runs"
"""The folder of owed ends, beside those of the jobs."""

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

# MLflow has no word for "nobody knows"; "killed" at least claims neither success nor failure.
_STATUS = {JobState.SUCCEEDED: "FINISHED", JobState.FAILED: "FAILED"}


class JobRuns:
    """``folder`` is where owed ends lie."""

    def __init__(self, folder: Path, prepare: PrepareRun, finish: FinishRun, keep_tickets: KeepTickets) -> None:
        self._folder = folder
        self._prepare = prepare
        self._finish = finish
        self.keep_tickets = keep_tickets
        self._lock = threading.Lock()
        self._owing = True
        self._unwritten: dict[str, str] = {}

    def prepare(self, job: Job, attempt_id: str) -> RunTicket:
        """Make the job's run, or return the one it has. Raises DeskError while that can't be done."""
        ticket = self._prepare(job.spec, job.id, attempt_id)
        if not _RUN_ID.fullmatch(ticket.run_id):
            raise Refused("The tracking server gave the run an id that is none.", "Is it really an MLflow server?")
        return ticket

    def owe(self, run_id: str | None, state: JobState) -> None:
        """Note how a run ended; what a full disk does not take is remembered and told all the same."""
        if run_id is None:
            return
        status = _STATUS.get(state, "KILLED")
        try:
            self._note(run_id, status)
        except OSError as error:
            _log.warning("How run %s ended can't be noted in %s: %s", run_id, self._folder, error.strerror)
            self._unwritten[run_id] = status
        self._owing = True

    def _note(self, run_id: str, status: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._folder / run_id, status.encode())

    @property
    def owing(self) -> bool:
        """Tell whether an end may still be owed."""
        return self._owing

    def settle(self) -> None:
        """Tell the tracking server every end that is owed. Raises DeskError; what is left is told next time."""
        with self._lock:
            self._owing = False
            try:
                for run_id, status in list(self._unwritten.items()):
                    self._finish(run_id, status)
                    del self._unwritten[run_id]
                for path in sorted(self._folder.glob("*")) if self._folder.is_dir() else ():
                    if _RUN_ID.fullmatch(path.name):
                        self._finish(path.name, path.read_text(encoding="ascii"))
                        path.unlink()
            except BaseException:
                self._owing = True
                raise
