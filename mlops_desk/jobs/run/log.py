"""A job's output as it comes: from its runtime while that has it, then from the log that was kept."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mlops_desk.jobs.records.job import Attempt, Job
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.runtimes.runtime import Phase
from mlops_desk.jobs.runtimes.table import Runtimes
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound

_POLL_SECONDS = 0.5  # chosen: of a job that has no container yet; shorter than a person notices
_GAP = "--- the log was interrupted here; lines may be missing or come twice ---"


@dataclass(frozen=True, slots=True)
class WantedLines:
    """The newest ``tail`` lines, those since a Unix time, those with ``text`` in them in whatever case; None: all."""

    tail: int | None = None
    since: float | None = None
    text: str | None = None

    @property
    def source_tail(self) -> int | None:
        """How many lines to ask for: of those that are searched, all."""
        return None if self.text else self.tail

    def of(self, lines: Iterator[str]) -> Iterator[str]:
        """Yield the lines that are wanted, of those that came."""
        if not self.text:
            yield from lines
            return
        text = self.text.casefold()
        found = (line for line in lines if text in line.casefold())
        yield from found if self.tail is None else deque(found, maxlen=self.tail)

    def has(self, line: str) -> bool:
        return not self.text or self.text.casefold() in line.casefold()


class Logs:
    """``ending`` tells that the agent is about to end."""

    def __init__(self, book: JobBook, runtimes: Runtimes, ending: Callable[[], bool]) -> None:
        self._book = book
        self._runtimes = runtimes
        self._ending = ending

    def read(self, job_id: str, wanted: WantedLines, number: int | None = None) -> Iterator[str]:
        """Yield what the newest attempt has written so far, or the attempt of a ``number`` from 1.

        Raises NotFound where there is no such attempt or its log is lost, Unavailable.
        """
        job = self._book.get(job_id)
        if number is not None and not 1 <= number <= len(job.attempts):
            count = len(job.attempts)
            text = f"Job {job.id} has no attempt {number}: it has had {count} attempt{'' if count == 1 else 's'}."
            raise NotFound(text, Hint(f"mlops-desk jobs show {job.id}", before="What is known of each: "))
        if job.attempts:
            attempt = job.attempts[-1 if number is None else number - 1]
            yield from wanted.of(self._written(job, attempt, wanted.source_tail, wanted.since))

    def _written(self, job: Job, attempt: Attempt, tail: int | None, since: float | None = None) -> Iterator[str]:
        try:
            yield from self._runtimes.named(attempt.runtime).logs(job, attempt, tail=tail, since=since)
        except NotFound as error:
            if not self._book.get(job.id).state.is_final:
                return  # its container is made, or noticed to be gone, in a moment
            text = f"The log of job {job.id} is lost: its container is gone, and it was not kept."
            raise NotFound(text, Hint(f"mlops-desk jobs show {job.id}", before="What is known of its end: ")) from error

    def follow(self, job_id: str, wanted: WantedLines) -> Iterator[str]:
        """Yield what the newest attempt writes until the job is over, waiting for it to start if need be.

        Raises NotFound where the log is lost, Unavailable where it can't be had now that the job is over.
        """
        return (line for line in self._followed(job_id, wanted.tail) if wanted.has(line))

    def _followed(self, job_id: str, tail: int | None) -> Iterator[str]:
        told, number = 0, 0
        while not self._ending():
            job = self._book.get(job_id)
            attempt = job.attempts[-1] if job.attempts else None
            if attempt is not None and attempt.number != number:
                told, number = 0, attempt.number  # what an attempt writes begins anew
            if job.state.is_final:
                yield from self._rest(job, attempt, told, tail)
                return
            if attempt is not None and attempt.started_at is not None and (not told or self._runs(job, attempt)):
                if told and tail is not None:
                    yield _GAP
                for place, line in enumerate(self._live(job, attempt, tail)):
                    if place >= told or tail is not None:
                        told += 1
                        yield line
            time.sleep(_POLL_SECONDS)

    def _runs(self, job: Job, attempt: Attempt) -> bool:
        """Tell whether an attempt whose log broke off goes on: one that has ended is judged in a moment."""
        try:
            seen = self._runtimes.named(attempt.runtime).look(job, attempt)
        except DeskError:
            return False  # its runtime is away, and is asked again
        return seen is not None and seen.phase is Phase.RUNNING

    def _live(self, job: Job, attempt: Attempt, tail: int | None) -> Iterator[str]:
        """Yield from what runs; a runtime that goes away ends it like the attempt's end does."""
        try:
            yield from self._runtimes.named(attempt.runtime).logs(job, attempt, follow=True, tail=tail)
        except DeskError:
            return  # the job's state says what there is to say

    def _rest(self, job: Job, attempt: Attempt | None, told: int, tail: int | None) -> Iterator[str]:
        """Yield what the kept log has beyond the lines already told."""
        if attempt is None or (told and tail is not None):
            return
        for number, line in enumerate(self._written(job, attempt, tail)):
            if number >= told:
                yield line
