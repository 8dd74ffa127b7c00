"""Containers of ours of which no record is left, as after a lost or an older state database: what they tell."""

import os
import re
import time
from dataclasses import replace

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.runtimes.local.container import NAME_LABEL, container_name
from mlops_desk.jobs.runtimes.runtime import Sighting, Stray
from mlops_desk.kit.base.text import plain

_JOB_ID = re.compile(r"[0-9a-f]{12}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_NAME_LIMIT = 100  # chosen: longer than names are; labels are text from outside


def attempt_of(seen: Sighting, runtime: str, instance: str) -> Attempt | None:
    """Return which attempt a container is of; None for one that is no job's, or not named as ours are."""
    number = seen.attempt_id.removeprefix(f"{seen.job_id}-a")
    is_named = (
        _JOB_ID.fullmatch(seen.job_id) and _NUMBER.fullmatch(number) and seen.attempt_id == f"{seen.job_id}-a{number}"
    )
    if not (is_named and seen.handle == container_name(instance, seen.job_id, int(number))):
        return None
    return Attempt(int(number), seen.attempt_id, seen.handle, JobState.RUNNING, runtime=runtime, handle=seen.handle)


def stray(attempt: Attempt, facts: ContainerFacts) -> Stray:
    """Return what a container tells of its job; one that was never started is over.

    Nobody knows any more what it was to wait for, so it is not started now.
    """
    if facts.status == "created":
        hint = "Submit it again."
        reason = Reason("orphan", "No record of the job was left, and its container was never started.", hint=hint)
        attempt = replace(attempt, state=JobState.CANCELLED, gpus=facts.gpus, reason=reason, ended_at=time.time())
    else:
        attempt = replace(attempt, gpus=facts.gpus, started_at=facts.started_at or time.time())
    name = plain(facts.labels.get(NAME_LABEL, ""), _NAME_LIMIT)
    return Stray(attempt, name, facts.image, facts.image_id, _uid(facts))


def _uid(facts: ContainerFacts) -> int:
    """Return whose job it is: jobs run as their submitter where the agent is root, else as the agent's own user."""
    uid = facts.user.partition(":")[0]
    return int(uid) if os.geteuid() == 0 and uid.isdecimal() else os.geteuid()
