"""What the scheduler answers: who starts on which GPUs, who is stopped for whom, who waits and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.jobs.queue.view import Wish
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.waiter import KeptFor, Waiter

WAITING_FOR_GPUS = "waiting_for_gpus"
WAITING_FOR_SLOT = "waiting_for_slot"
WAITING_FOR_TIME = "waiting_for_time"
WAITING_FOR_JOBS = "waiting_for_jobs"
WAITING_FOR_QUOTA = "waiting_for_quota"
NEVER_ENOUGH_GPUS = "never_enough_gpus"
DEPENDENCY_FAILED = "dependency_failed"
PREEMPTED = "preempted"
"""The class of the reason for which an attempt gives way."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a job waits, and for which GPUs (UUIDs); ``starts_at`` is when they are its own at the latest, if known.

    Not ``is_reachable``: it needs some that are in nobody's hands.
    """

    reason: Reason
    gpus: tuple[str, ...] = ()
    starts_at: float | None = None
    is_reachable: bool = True


_ITS_TURN = Wait(Reason(WAITING_FOR_GPUS, "Waits its turn."))


@dataclass(frozen=True, slots=True)
class Preempted:
    """A running job that is to save its work and stop, so that another one can start."""

    job_id: str
    by: str


@dataclass(frozen=True, slots=True)
class Promise:
    """GPUs (UUIDs) kept for another agent's job; others may use them if they are over by ``until``.

    ``is_ready``: all are free, so that it could start now; ``is_idle``: one of them is, and stays unused for it.
    """

    waiter: Waiter
    gpus: tuple[str, ...]
    until: float
    is_ready: bool = False
    is_idle: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision about everything that waits. ``starts`` maps a job to its GPUs, in the order in which they start.

    Who is in none of them waits their turn; ``waits`` names those of whom more can be said. ``promises`` are the GPUs
    kept for other agents' jobs, ``kept`` says of each GPU for whom it is kept. ``heads`` is each user's first
    that waits for GPUs, ``used_turns`` names the users whose place in the machine's line is used up by a start.
    """

    starts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    waits: Mapping[str, Wait] = field(default_factory=dict)
    blocked: Mapping[str, Reason] = field(default_factory=dict)
    preempts: tuple[Preempted, ...] = ()
    promises: tuple[Promise, ...] = ()
    kept: Mapping[str, KeptFor] = field(default_factory=dict)
    heads: Mapping[int, Wish] = field(default_factory=dict)
    used_turns: frozenset[int] = frozenset()

    def wait_of(self, job_id: str) -> Wait:
        """Return why a job that neither starts nor is blocked waits."""
        return self.waits.get(job_id, _ITS_TURN)
