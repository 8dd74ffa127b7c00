"""What the scheduler is shown: who waits for what, what runs, which GPUs there are, and the house's policy.

All of it is frozen, so a made-up job or GPU can be put in its place, and the answer is the scheduler's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import GpuCard
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.waiter import Waiter


@dataclass(frozen=True, slots=True)
class Wish:
    """A job that waits. Times are Unix seconds.

    ``seconds`` is how long it runs at the longest (its time limit and ``grace_seconds``; None: nobody said); ``kind``
    is what its earlier runs are known by. ``after`` are the jobs that it waits for and that are not over.
    ``hopeless`` says why it can't start by itself any more, ``unready`` what of its own it waits for (its image, its
    data), and ``ready_by`` until when, as far as that is known.
    """

    job_id: str
    uid: int
    submitted_at: float
    need: Need = field(default_factory=Need)
    priority: int = 0
    begin_at: float | None = None
    after: tuple[str, ...] = ()
    hopeless: Reason | None = None
    unready: Reason | None = None
    ready_by: float | None = None
    seconds: float | None = None
    preemptible: bool = False
    name: str = ""
    user: str = ""
    kind: str = ""
    grace_seconds: float = 0.0

    @property
    def ready_at(self) -> float:
        """From when on it has been waiting for nothing but room."""
        return max(self.submitted_at, self.begin_at or 0.0)


@dataclass(frozen=True, slots=True)
class QueueLine:
    """Jobs that ask for the same, of one user and priority, the oldest first: where one can't start, no longer one can.

    ``charges`` is, for each, what the user will have been charged for their older jobs of this priority by then.
    """

    uid: int
    priority: int
    need: Need
    wishes: tuple[Wish, ...]
    charges: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that runs, or is about to: it has its GPUs, or has been promised them. Times are Unix seconds.

    ``until`` is when it is ended at the latest, ``expected_until`` when it is likely to end; None: not known.
    ``ending``: it has been asked to stop, and has ``grace_seconds`` for that. ``times_preempted`` counts how often it
    had to make room before.
    """

    job_id: str
    uid: int
    gpus: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    expected_until: float | None = None
    priority: int = 0
    preemptible: bool = False
    ending: bool = False
    share_bytes: int | None = None
    name: str = ""
    user: str = ""
    grace_seconds: float = 30.0
    times_preempted: int = 0


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """The house's rules, and what they are applied to.

    ``usage`` is each user's GPU-seconds of the past, decayed. ``last_starts`` is when a job of a user and priority
    was last started. ``gpus_per_user``: at once; 0: no limit. A job that has run less than ``spared_seconds`` is not
    preempted, nor one that was before until it has run as much longer for each time. Whoever has had no start for
    ``patience_seconds`` goes first. Of ``weights``, by the user's name, a user of 2 may use twice as much as one of 1.
    """

    usage: Mapping[int, float] = field(default_factory=dict)
    last_starts: Mapping[tuple[int, int], float] = field(default_factory=dict)
    gpus_per_user: int = 0
    spared_seconds: float = 600.0
    patience_seconds: float = 86_400.0
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueView:
    """Everything that a decision depends on, at ``now`` (Unix seconds).

    ``waiting`` are jobs that wait for nothing but room, ``held`` those that wait for a time or for other jobs.
    ``cards`` None: the driver can't be asked. ``slots`` is how many jobs without GPUs run at once; None: what runs
    jobs queues by itself, and takes any number. ``expected`` is how many seconds the runs of a user's kind of job took.
    ``waiters`` are the first of each user in the queues of all agents of the machine, ours too, the longest wait first.
    """

    now: float
    waiting: tuple[QueueLine, ...] = ()
    held: tuple[Wish, ...] = ()
    running: tuple[RunningJob, ...] = ()
    cards: tuple[GpuCard, ...] | None = ()
    slots: int | None = 0
    policy: QueuePolicy = field(default_factory=QueuePolicy)
    expected: Mapping[tuple[int, str], float] = field(default_factory=dict)
    waiters: tuple[Waiter, ...] = ()
