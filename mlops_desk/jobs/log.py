"""A job's output as it comes: from its container while there is one, then from the log that was kept."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mlops_desk.base.errors import DeskError
from mlops_desk.engines.engine import Engine
from mlops_desk.jobs.book import JobBook
from mlops_desk.jobs.folder import AttemptFolder
from mlops_desk.records.job import Attempt, Job

_POLL_SECONDS = 0.5
_GAP = "--- the log was interrupted here; lines may be missing or come twice ---"


class Logs:
    """``ending`` tells that the agent is about to end."""

    def __init__(self, book: JobBook, engine: Engine, root: Path, ending: Callable[[], bool]) -> None:
        self._book = book
        self._engine = engine
        self._root = root
        self._ending = ending

    def read(self, job_id: str, tail: int | None) -> Iterator[str]:
        """Yield what the newest attempt has written so far."""
        job = self._book.get(job_id)
        if job.attempts:
            attempt = job.attempts[-1]
            kept = AttemptFolder(self._root, job.id, attempt)
            if attempt.state.is_final or attempt.started_at is None:
                yield from kept.lines(tail)
            else:
                yield from self._engine.logs(attempt.container, tail=tail)

    def follow(self, job_id: str, tail: int | None) -> Iterator[str]:
        """Yield what the newest attempt writes until the job is over, waiting for it to start if need be."""
        told = 0
        while not self._ending():
            job = self._book.get(job_id)
            attempt = job.attempts[-1] if job.attempts else None
            if job.state.is_final:
                yield from self._rest(job, attempt, told, tail)
                return
            if attempt is not None and attempt.started_at is not None:
                if told and tail is not None:
                    yield _GAP
                for number, line in enumerate(self._live(attempt, tail)):
                    if number >= told or tail is not None:
                        told += 1
                        yield line
            time.sleep(_POLL_SECONDS)

    def _live(self, attempt: Attempt, tail: int | None) -> Iterator[str]:
        """Yield from the container; an engine that goes away ends it like the container's end does."""
        try:
            yield from self._engine.logs(attempt.container, follow=True, tail=tail)
        except DeskError:
            return  # the job's state says what there is to say

    def _rest(self, job: Job, attempt: Attempt | None, told: int, tail: int | None) -> Iterator[str]:
        """Yield what the kept log has beyond the lines already told."""
        if attempt is None:
            return
        kept = AttemptFolder(self._root, job.id, attempt)
        if told and tail is not None:
            return
        for number, line in enumerate(kept.lines(tail)):
            if number >= told:
                yield line
