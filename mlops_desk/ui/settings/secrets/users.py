"""Which of one's jobs name a secret, so that nobody takes away what a job waits for; and where it is, in words."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.setting import FILE, KEYRING, SecretName
from mlops_desk.verbs.desk import ClientLike

LOOKED_AT = 1000  # chosen: of each state; more jobs of one person do not wait, and each comes whole
_PLACES = {
    KEYRING: ("your keyring", "In your own keyring; a job that names it waits while that is locked."),
    FILE: ("a file", "In a file of mode 0400 in the agent's data folder."),
}
_WAITING = (JobState.QUEUED, JobState.BLOCKED)
_STATES = (*_WAITING, JobState.STARTING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """A secret, and the names of the jobs that wait with it, and that run with it."""

    secret: SecretName
    waiting: tuple[str, ...] = ()
    running: tuple[str, ...] = ()


def ask(desk: ClientLike) -> dict[str, KeptSecret]:
    """Return one's secrets by name, each with the jobs that name it."""
    secrets = desk.secrets.list()
    if not secrets:
        return {}
    user = desk.agent.info().user
    jobs = [job for state in _STATES for job in desk.jobs.list(state=state, limit=LOOKED_AT)]
    return joined(secrets, [job for job in jobs if is_own(job, user)])


def is_own(job: Job, simulated_user: str | None) -> bool:
    """Tell whether a job is this person's; at a simulated workstation everybody is ``simulated_user``."""
    return job.user == simulated_user if simulated_user is not None else job.submitted_by == os.geteuid()


def joined(secrets: Iterable[SecretName], jobs: Iterable[Job]) -> dict[str, KeptSecret]:
    """Return the secrets with the jobs that name them."""
    waiting: dict[str, list[str]] = {}
    running: dict[str, list[str]] = {}
    for job in jobs:
        for name in job.spec.secrets:
            (waiting if job.state in _WAITING else running).setdefault(name, []).append(job.name)
    return {
        one.name: KeptSecret(one, tuple(waiting.get(one.name, ())), tuple(running.get(one.name, ()))) for one in secrets
    }


def place(secret: SecretName) -> tuple[str, str]:
    """Return where a secret is kept, in a few words and in a sentence."""
    return _PLACES.get(secret.kept_in, (secret.kept_in, ""))
