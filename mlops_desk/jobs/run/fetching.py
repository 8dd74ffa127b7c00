"""Pins the images of queued jobs, pulling or building those that are not here; no GPU is held meanwhile."""

import time
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.base.text import plain
from mlops_desk.jobs.book import JobBook
from mlops_desk.jobs.run.hands import Postponed
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.runtimes.runtime import ImageClaim, NotBuilt, Obstructed, Runtime

PULLS_AT_ONCE = 2  # the engine itself fetches three layers of an image at once
# What a registry says that will say the same tomorrow. A host that no name server knows is asked for a few times.
_REFUSALS = ("denied", "unauthorized", "invalid reference format")
_NO_SUCH_HOST = "no such host"
_PULL_TRIES = 3  # a resolver that restarts is back by then


class Fetching:
    """``tries`` tells how often in a row the image of a job could not be fetched."""

    def __init__(self, book: JobBook, runtime: Runtime, tries: Callable[[str], int]) -> None:
        self._book = book
        self._runtime = runtime
        self._tries = tries

    def fetch(self, job_id: str) -> None:
        """Pin a job's image. Raises Postponed while it is not to be had, and DeskError."""
        job = self._book.get(job_id)
        if job.state.is_final:
            return
        try:
            pinned = self._built(job) if job.spec.build is not None else self._pulled(job)
        except Obstructed as obstructed:
            raise Postponed(obstructed.reason, blocked=True) from obstructed
        except NotBuilt as failed:
            self._fail(job, failed.reason)
            return
        except DeskError as error:
            self._judge(job, error)
            return

        def pin(now: Job) -> Job | None:
            if now.state.is_final:
                return None
            got = replace(now, image_id=pinned, reason=None)
            if now.spec.build is None or not now.spec.build.only:
                return got
            return replace(got, state=JobState.SUCCEEDED, ended_at=time.time())

        self._book.change(job_id, pin)

    def _pulled(self, job: Job) -> str:
        reference = job.spec.image
        pinned = self._runtime.image(reference, job.submitted_by)
        if pinned is not None:
            return pinned
        self._book.give_reason(job, Reason("image_pulling", f"The image {plain(reference)} is being pulled."))
        return self._runtime.fetch(reference, job.submitted_by, self._claim(job.id))

    def _built(self, job: Job) -> str:
        where = plain(job.spec.build.context) if job.spec.build is not None else ""
        self._book.give_reason(job, Reason("image_building", f"The image is being built of {where}."))
        return self._runtime.build(job, self._claim(job.id))

    def _claim(self, job_id: str) -> ImageClaim:
        def wanted() -> bool:
            now = self._book.get(job_id)
            return not now.state.is_final and not now.cancel_requested

        return ImageClaim(job_id, wanted)

    def _judge(self, job: Job, error: DeskError) -> None:
        """Fail a job whose image nobody has; one whose registry does not answer waits for it."""
        if job.spec.build is not None:
            text = f"The image can't be built now: {error.message}"
            raise Postponed(Reason("image_building", text, hint=error.hint)) from error
        text = f"The image {plain(job.spec.image)} is not on this machine"
        said = error.message.lower()
        nowhere = isinstance(error, NotFound) or any(mark in said for mark in _REFUSALS)
        if not nowhere and not (_NO_SUCH_HOST in said and self._tries(job.id) + 1 >= _PULL_TRIES):
            reason = Reason("image_missing", f"{text} and can't be pulled now.", error.message, error.hint)
            raise Postponed(reason) from error
        hint = error.hint or "Check the image's name and tag, or pull or build it first."
        reason = Reason(
            "image_missing", f"{text} and can't be pulled.", plain(error.message, 1000), hint, title="Image not found"
        )
        self._fail(job, reason)

    def _fail(self, job: Job, reason: Reason) -> None:
        self._book.change(
            job.id,
            lambda now: (
                None if now.state.is_final else replace(now, state=JobState.FAILED, reason=reason, ended_at=time.time())
            ),
        )
