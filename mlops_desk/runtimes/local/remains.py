"""What an attempt that is over leaves behind: its log, its container, its secrets.

The log is kept before the container goes. On a full disk it can't be: then the job's outcome is told all
the same, and the container stays, with the log in it, until there is room.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from mlops_desk.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.base.loop import Loop
from mlops_desk.engines.engine import Engine
from mlops_desk.engines.log_lines import LineFolder, shown
from mlops_desk.records.jobs.job import Attempt, Job, KeptFolder
from mlops_desk.runtimes.archive.budget import trim
from mlops_desk.runtimes.archive.kept_log import KeptLog
from mlops_desk.runtimes.local.folder import AttemptFolder
from mlops_desk.runtimes.local.kept_folders import kept_folders
from mlops_desk.runtimes.local.listening.tees import Tees

_log = logging.getLogger(__name__)

_LOG_TRIES = 3  # chosen: an engine that restarts is back by then
_TAIL_LINES = 2000  # what the window's log shows at once
_PART_OF_ALL = 4
"""Chosen: of what all logs may take, one that never ends gets a quarter."""
_LEAST_LOG_BYTES = 32 << 20  # chosen: whatever is left for all, the end of a job's log is kept
_TRIMMED_AFTER_SECONDS = 600.0  # chosen: looking at ten thousand folders takes a fifth of a second


class Remains:
    """``keep_containers`` tells whether the container of a finished job stays for inspection.

    ``logs_bytes`` is what all logs together may take; ``loop`` has the threads of who listens.
    """

    def __init__(
        self,
        engine: Engine,
        root: Path,
        keep_containers: Callable[[], bool],
        logs_bytes: Callable[[], int],
        loop: Loop | None,
    ) -> None:
        self._engine = engine
        self._root = root
        self._keep_containers = keep_containers
        self._logs_bytes = logs_bytes
        self.tees = Tees(engine, loop, self._log_bytes)
        self._trim_due = 0.0
        self._log_tries: dict[str, int] = {}

    def folder(self, job: Job, attempt: Attempt) -> AttemptFolder:
        return AttemptFolder(self._root, job.id, attempt)

    def log_folder(self, job_id: str, number: int) -> Path:
        """Return where the log of an attempt is kept."""
        return self._root / job_id / f"a{number}" / "log"

    def _log_bytes(self) -> int:
        return max(_LEAST_LOG_BYTES, self._logs_bytes() // _PART_OF_ALL)

    def trim_logs(self) -> None:
        """Remove the oldest logs where all take more than they may; looks now and then only. Raises Unavailable."""
        if time.monotonic() < self._trim_due:
            return
        self._trim_due = time.monotonic() + _TRIMMED_AFTER_SECONDS
        try:
            trim(list(self._root.glob("*/a*/log")), self._logs_bytes())
        except OSError as error:
            raise Unavailable(f"The kept logs can't be looked through: {error.strerror}.") from error

    def kept(self, job: Job, number: int) -> tuple[KeptFolder, ...]:
        """Return what is to be kept of an attempt of a job."""
        return kept_folders(self._root, job, number)

    def keep_log(self, job: Job, attempt: Attempt, *, gone: bool) -> tuple[str, ...]:
        """Keep the container's log and return its last lines. Raises Unavailable, to be asked again.

        An engine that can't give the log is asked a few times before the job ends without.
        """
        log = self.folder(job, attempt).log
        self.tees.end(attempt)
        try:
            if gone:
                log.close(self._log_bytes())
            else:
                log.complete(self._engine, attempt.container, self._log_bytes())
            return tuple(log.lines(tail=_TAIL_LINES))
        except OSError as error:
            _log.warning("The log of %s can't be kept for now: %s", attempt.container, error.strerror)
            return self._last_lines(attempt)
        except DeskError as error:
            tries = self._log_tries[attempt.id] = self._log_tries.get(attempt.id, 0) + 1
            if isinstance(error, Unavailable) and tries < _LOG_TRIES:
                raise
            _log.warning("The log of %s was lost: %s", attempt.container, error.message)
            return self._kept_lines(log)

    def _kept_lines(self, log: KeptLog) -> tuple[str, ...]:
        try:
            log.close(self._log_bytes())
            return tuple(log.lines(tail=_TAIL_LINES))
        except OSError as error:
            _log.warning("The log in %s can't be read: %s", log.folder, error.strerror)
            return ()

    def read(self, job: Job, attempt: Attempt, tail: int | None, since: float | None) -> Iterator[str]:
        """Yield what an attempt has written so far. Raises NotFound where it is nowhere, Unavailable."""
        log, tee = self.folder(job, attempt).log, self.tees.of(attempt.container)
        try:
            if tee is not None:
                tee.flush()
            if tee is not None or attempt.started_at is None or log.is_whole():
                yield from log.lines(tail, since)
                return
            try:
                yield from self._from_engine(attempt, tail, since)
            except NotFound:
                if not log.is_there():
                    raise
                yield from log.lines(tail, since)
        except OSError as error:
            raise Unavailable(f"The log of job {job.id} can't be read: {error.strerror}.") from error

    def _from_engine(self, attempt: Attempt, tail: int | None, since: float | None) -> Iterator[str]:
        if since is None:
            yield from self._engine.logs(attempt.container, tail=tail)
            return
        folded, newest = LineFolder(), deque[str](maxlen=tail)
        for piece in self._engine.log_pieces(attempt.container, since=since):
            lines = folded.feed(piece.data)
            newest.extend(shown(line) for line in lines if piece.at >= since)
        yield from newest

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
        self.tees.end(attempt)
        if finished and not folder.log.is_whole():
            self._keep_late(attempt, folder)
        if not (finished and self._keep_containers()):
            self._engine.remove(attempt.container)
            folder.forget_home()
        self._log_tries.pop(attempt.id, None)

    def _keep_late(self, attempt: Attempt, folder: AttemptFolder) -> None:
        try:
            folder.log.complete(self._engine, attempt.container, self._log_bytes())
        except NotFound:
            return  # the container is gone, and the log with it
        except OSError as error:
            text = f"The log of {attempt.container} can't be kept: {error.strerror}."
            raise Unavailable(
                text, "Free some space on the disk: until then the container stays, with the log."
            ) from error
