"""Attempts of which no record is left, as after a lost or an older state database: taken up again.

An orphan gets a record made of what its runtime tells of it, so it is shown, its GPUs are leased to it, it is watched
to its end and can be cancelled like any other job. One that was placed but never started is not started now: nobody
knows any more what it was to wait for.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from mlops_desk.base.caller import user_name
from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.base.text import plain
from mlops_desk.jobs.book import JobBook, with_attempt
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.jobs.spec import JobSpec, Resources
from mlops_desk.runtimes.runtime import Runtime, Sighting, Stray

_log = logging.getLogger(__name__)

_IN_QUEUE = frozenset({JobState.QUEUED, JobState.BLOCKED})


class OrphanJobs:
    """Looks through surveys of what is ours in a runtime; each thing is looked up once."""

    def __init__(self, book: JobBook, runtime: Runtime) -> None:
        self._book = book
        self._runtime = runtime
        self._known: set[str] = set()

    def take_up(self, listed: Sequence[Sighting]) -> bool:
        """Make a record for each attempt that has none; True when there was one. What can't be done waits."""
        fresh = [seen for seen in listed if seen.id not in self._known]
        self._known &= {seen.id for seen in listed}
        found = False
        for seen in fresh:
            try:
                found = self._take_up(seen) or found
            except DeskError as error:
                _log.warning("The container %s is not taken up yet: %s", plain(seen.handle), error.message)
            else:
                self._known.add(seen.id)
        return found

    def _take_up(self, seen: Sighting) -> bool:
        try:
            job = self._book.get(seen.job_id)
        except NotFound:
            job = None
        if job is not None and (
            job.state not in _IN_QUEUE or any(attempt.id == seen.attempt_id for attempt in job.attempts)
        ):
            return False
        stray = self._runtime.describe(seen)
        if stray is None:
            return False
        if job is None:
            self._book.restore(_orphan(seen.job_id, stray))
        else:  # the record is of a time before this attempt
            attempt = stray.attempt
            self._book.change(
                job.id,
                lambda now: with_attempt(
                    replace(now, runtime=attempt.runtime, attempts=(*now.attempts, attempt)), attempt
                ),
            )
        _log.warning("The container %s has no record; it was taken up as job %s", plain(seen.handle), seen.job_id)
        return True


def _orphan(job_id: str, stray: Stray) -> Job:
    attempt, gpus = stray.attempt, len(stray.attempt.gpus)
    job = Job(
        id=job_id,
        name=f"orphan {stray.name or job_id}",
        state=attempt.state,
        spec=JobSpec(stray.name or job_id, stray.image, resources=Resources(gpus=gpus)),
        submitted_at=attempt.started_at or time.time(),
        submitted_by=stray.uid,
        user=user_name(stray.uid),
        image_id=stray.image_id,
        attempts=(attempt,),
        orphan=True,
        runtime=attempt.runtime,
    )
    return with_attempt(job, attempt)
