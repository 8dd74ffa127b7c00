"""Containers of our jobs of which no record is left, as after a lost or an older state database: taken up again.

An orphan gets a record made from its container, so it is shown, its GPUs are leased to it, it is watched to its end
and can be cancelled like any other job. One that was created but never started is not started now: nobody knows any
more what it was to wait for.
"""

import logging
import os
import re
import time
from collections.abc import Sequence
from dataclasses import replace

from mlops_desk.base.caller import user_name
from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.base.text import plain
from mlops_desk.engines.engine import ContainerFacts, Engine
from mlops_desk.jobs.book import JobBook, with_attempt
from mlops_desk.jobs.run.container import ATTEMPT_LABEL, JOB_LABEL, NAME_LABEL, container_name
from mlops_desk.records.job import Attempt, Job, JobSpec, JobState, Reason, Resources

_log = logging.getLogger(__name__)

_JOB_ID = re.compile(r"[0-9a-f]{12}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_NAME_LIMIT = 100  # chosen: longer than names are; labels are text from outside
_IN_QUEUE = frozenset({JobState.QUEUED, JobState.BLOCKED})


class OrphanJobs:
    """Looks through listings of our containers; each container is looked up once."""

    def __init__(self, book: JobBook, engine: Engine, instance: str) -> None:
        self._book = book
        self._engine = engine
        self._instance = instance
        self._known: set[str] = set()

    def take_up(self, listed: Sequence[ContainerFacts]) -> bool:
        """Make a record for each container that has none; True when there was one. What can't be done waits."""
        fresh = [facts for facts in listed if facts.id not in self._known]
        self._known &= {facts.id for facts in listed}
        found = False
        for facts in fresh:
            try:
                found = self._take_up(facts) or found
            except DeskError as error:
                _log.warning("The container %s is not taken up yet: %s", plain(facts.name), error.message)
            else:
                self._known.add(facts.id)
        return found

    def _take_up(self, facts: ContainerFacts) -> bool:
        attempt = self._attempt(facts)
        if attempt is None:
            return False
        job_id = facts.labels[JOB_LABEL]
        try:
            job = self._book.get(job_id)
        except NotFound:
            job = None
        if job is not None and (job.state not in _IN_QUEUE or any(one.id == attempt.id for one in job.attempts)):
            return False
        try:
            facts = self._engine.inspect(facts.name)
        except NotFound:
            return False
        attempt = _described(attempt, facts)
        if job is None:
            self._book.restore(_orphan(job_id, attempt, facts))
        else:  # the record is of a time before this attempt
            self._book.change(
                job_id, lambda now: with_attempt(replace(now, attempts=(*now.attempts, attempt)), attempt)
            )
        _log.warning("The container %s has no record; it was taken up as job %s", facts.name, job_id)
        return True

    def _attempt(self, facts: ContainerFacts) -> Attempt | None:
        """Return which attempt a container is of; None for one that is no job's, or not named as ours are."""
        job_id, attempt_id = facts.labels.get(JOB_LABEL, ""), facts.labels.get(ATTEMPT_LABEL, "")
        number = attempt_id.removeprefix(f"{job_id}-a")
        is_named = _JOB_ID.fullmatch(job_id) and _NUMBER.fullmatch(number) and attempt_id == f"{job_id}-a{number}"
        if not (is_named and facts.name == container_name(self._instance, job_id, int(number))):
            return None
        return Attempt(int(number), attempt_id, facts.name, JobState.RUNNING)


def _described(attempt: Attempt, facts: ContainerFacts) -> Attempt:
    """Put into an attempt what its container tells; one that was never started is over."""
    if facts.status == "created":
        hint = "Submit it again."
        reason = Reason("orphan", "No record of the job was left, and its container was never started.", hint=hint)
        return replace(attempt, state=JobState.CANCELLED, gpus=facts.gpus, reason=reason, ended_at=time.time())
    return replace(attempt, gpus=facts.gpus, started_at=facts.started_at or time.time())


def _orphan(job_id: str, attempt: Attempt, facts: ContainerFacts) -> Job:
    name = plain(facts.labels.get(NAME_LABEL, ""), _NAME_LIMIT)
    uid = _uid(facts)
    job = Job(
        id=job_id,
        name=f"orphan {name or job_id}",
        state=attempt.state,
        spec=JobSpec(name or job_id, facts.image, resources=Resources(gpus=len(facts.gpus))),
        submitted_at=attempt.started_at or time.time(),
        submitted_by=uid,
        user=user_name(uid),
        image_id=facts.image_id,
        attempts=(attempt,),
        orphan=True,
    )
    return with_attempt(job, attempt)


def _uid(facts: ContainerFacts) -> int:
    """Return whose job it is: jobs run as their submitter where the agent is root, else as the agent's own user."""
    uid = facts.user.partition(":")[0]
    return int(uid) if os.geteuid() == 0 and uid.isdecimal() else os.geteuid()
