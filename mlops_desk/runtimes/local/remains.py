"""What an attempt that is over leaves behind: its log, its container, its secrets.

The log is kept before the container goes. On a full disk it can't be: then the job's outcome is told all
the same, and the container stays, with the log in it, until there is room.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from mlops_desk.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.engines.engine import Engine
from mlops_desk.records.jobs.job import Attempt, Job, KeptFolder
from mlops_desk.runtimes.local.folder import AttemptFolder
from mlops_desk.runtimes.local.kept_folders import kept_folders

_log = logging.getLogger(__name__)

_LOG_TRIES = 3  # chosen: an engine that restarts is back by then
_TAIL_LINES = 2000  # what the window's log shows at once
_SHORT_TAIL_LINES = 100  # chosen: what explains an end stands in its last lines, a Python traceback included


class Remains:
    """``keep_containers`` tells whether the container of a finished job stays for inspection."""

    def __init__(self, engine: Engine, root: Path, keep_containers: Callable[[], bool]) -> None:
        self._engine = engine
        self._root = root
        self._keep_containers = keep_containers
        self._log_tries: dict[str, int] = {}

    def folder(self, job: Job, attempt: Attempt) -> AttemptFolder:
        return AttemptFolder(self._root, job.id, attempt)

    def kept(self, job: Job, number: int) -> tuple[KeptFolder, ...]:
        """Return what is to be kept of an attempt of a job."""
        return kept_folders(self._root, job, number)

    def keep_log(self, job: Job, attempt: Attempt, *, gone: bool) -> tuple[str, ...]:
        """Keep the container's log and return its last lines. Raises Unavailable, to be asked again.

        An engine that can't give the log is asked a few times before the job ends without.
        """
        folder = self.folder(job, attempt)
        if gone:
            return tuple(folder.lines(tail=_SHORT_TAIL_LINES))
        try:
            return folder.archive(self._engine.logs(attempt.container))
        except OSError as error:
            _log.warning("The log of %s can't be kept for now: %s", attempt.container, error.strerror)
            return self._last_lines(attempt)
        except DeskError as error:
            tries = self._log_tries[attempt.id] = self._log_tries.get(attempt.id, 0) + 1
            if isinstance(error, Unavailable) and tries < _LOG_TRIES:
                raise
            _log.warning("The log of %s was lost: %s", attempt.container, error.message)
            return tuple(folder.lines(tail=_SHORT_TAIL_LINES))

    def _last_lines(self, attempt: Attempt) -> tuple[str, ...]:
        """Return the end of a log from the container itself; what fails here costs the evidence, not the outcome."""
        try:
            return tuple(self._engine.logs(attempt.container, tail=_TAIL_LINES))
        except DeskError as error:
            _log.warning("The end of the log of %s can't be read: %s", attempt.container, error.message)
            return ()

    def clear(self, job: Job, attempt: Attempt, *, finished: bool) -> None:
        """Remove secrets and container; what waits for room on the disk stays. Raises DeskError, to be asked again.

        The container of a job that ``finished`` stays where a person wants to look into it, and until its log is kept.
        """
        folder = self.folder(job, attempt)
        try:
            folder.forget_secrets()
        except OSError as error:
            raise Unavailable(f"The token of {attempt.id} can't be removed: {error.strerror}.") from error
        if finished and not folder.log.exists():
            self._keep_late(attempt, folder)
        if not (finished and self._keep_containers()):
            self._engine.remove(attempt.container)
            folder.forget_home()
        self._log_tries.pop(attempt.id, None)

    def _keep_late(self, attempt: Attempt, folder: AttemptFolder) -> None:
        try:
            folder.archive(self._engine.logs(attempt.container))
        except NotFound:
            return  # the container is gone, and the log with it
        except OSError as error:
            text = f"The log of {attempt.container} can't be kept: {error.strerror}."
            raise Unavailable(
                text, "Free some space on the disk: until then the container stays, with the log."
            ) from error
