"""What is seen of the jobs that run, each second: how far they are, and what they take. Nothing of it is written down.

Only what the runtime's listener has heard anyway is read, each piece once; a flood is read in part. What a job takes
is looked at every few seconds.
"""

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlops_desk.jobs.progress.reader import ProgressReader
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.job_activity import LiveUse, Progress
from mlops_desk.jobs.records.parameter_substitution import filled
from mlops_desk.jobs.records.spec import JobKind, JobSpec
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.runtimes.runtime import Glance, Runtime
from mlops_desk.kit.base.errors import DeskError

_log = logging.getLogger(__name__)

_EPOCHS_NAMES = r"(?:max|num|n|total|nb)?[-_.]?(?:train(?:ing)?)?[-_.]?(?:epochs|max_epoch)"
_EPOCHS_ARGUMENT = re.compile(rf"(?:^|[\s.\-'\"]){_EPOCHS_NAMES}(?:=|\s+|['\"]\s+['\"]?)(\d{{1,7}})(?![\d.])")
_EPOCHS_PARAMETER = re.compile(rf"{_EPOCHS_NAMES}")

_LIVE_SECONDS = 5.0
"""Chosen: fifty jobs are told of ten times a second then; who asks for one job is told of this moment."""


@dataclass(slots=True)
class Followed:
    """What is known of one attempt. ``heard`` is how many of its pieces were read, or passed by.

    ``recalled`` is when lines were written that were there at the first look, as an earlier agent's.
    """

    reader: ProgressReader
    heard: int = 0
    progress: Progress | None = None
    live: LiveUse | None = None
    live_due: float = 0.0
    recalled: tuple[float, ...] = ()

    def hear(self, glance: Glance) -> bool:
        """Read what is new; True where something was."""
        new = [piece for piece in glance.pieces if piece.number >= self.heard]
        if not new:
            return False
        if new[0].number > self.heard:
            self.reader.lose()
        if not self.heard:
            self.recalled = tuple(line.at for line in glance.newest)
        for piece in new:
            self.reader.feed(piece.data, piece.at)
        self.heard = new[-1].number + 1
        return True


class Moving:
    """Looks at the running jobs of one runtime. ``look`` is called by one thread."""

    def __init__(self, book: JobBook, runtime: Runtime) -> None:
        self._book = book
        self._runtime = runtime
        self._followed: dict[str, Followed] = {}

    def look(self, active: Sequence[Job]) -> None:
        """Look at those that run, and tell what has changed."""
        running = {job.attempts[-1].id: job for job in active if job.state is JobState.RUNNING}
        for gone in self._followed.keys() - running.keys():
            del self._followed[gone]
        for attempt_id, job in running.items():
            known = self._followed.get(attempt_id)
            if known is None:
                known = self._followed[attempt_id] = Followed(_reader(job))
            try:
                self._look(job, known)
            except DeskError as error:  # looked at again in a second
                _log.debug("How far job %s is can't be seen now: %s", job.id, error.message)

    def followed(self, attempt_id: str) -> Followed | None:
        """Return what is known of an attempt that runs."""
        return self._followed.get(attempt_id)

    def _look(self, job: Job, known: Followed) -> None:
        attempt, now = job.attempts[-1], time.monotonic()
        glance = self._runtime.glance(attempt)
        if glance is not None and known.hear(glance):
            known.progress = known.reader.progress()
        if now >= known.live_due:
            known.live, known.live_due = self._runtime.live(attempt), now + _LIVE_SECONDS
        progress, live = known.progress, known.live
        if (progress, live) != (job.progress, job.live):
            self._book.move(job.id, lambda current: replace(current, progress=progress, live=live))


def _reader(job: Job) -> ProgressReader:
    return ProgressReader(epochs_asked(job.spec), all_counts=job.spec.kind is JobKind.BATCH)


def epochs_asked(spec: JobSpec) -> float | None:
    """Return how many epochs command or parameters name; None where they don't, or name several numbers.

    Many progress bars tell which epoch it is, and not of how many.
    """
    named = {float(found) for found in _EPOCHS_ARGUMENT.findall(" ".join(filled(spec).command))}
    named |= {
        float(value)
        for name, value in spec.params.items()
        if _EPOCHS_PARAMETER.fullmatch(name) and value.strip().isdecimal()
    }
    found = {number for number in named if number > 0}
    return found.pop() if len(found) == 1 else None
