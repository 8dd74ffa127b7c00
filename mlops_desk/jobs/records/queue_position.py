"""Where a job stands in the queue: its position, when it is expected to start, and what stands before it."""

from dataclasses import dataclass, field

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.staging import StagingForecast


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """One GPU that a queued job waits for, and who has it. Times are Unix seconds; None: not known.

    ``is_kept``: nobody has it, and it is kept for the job of another user's agent that has waited since then.
    ``gives_way_at``: its holder is less urgent, and has run long enough then to be stopped for the one that waits.
    """

    gpu: str
    holder: str | None = None
    user: str | None = None
    since: float | None = None
    until: float | None = None
    is_kept: bool = False
    gives_way_at: float | None = None


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """A queued job's place as the scheduler sees it now. ``position`` 1 is next; 0: it is blocked, and in no line.

    ``forecast_start`` is in Unix seconds; None: nothing that runs has said when it ends.
    """

    job_id: str
    position: int
    forecast_start: float | None
    waiting_for: tuple[WaitingFor, ...] = ()
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """What a job could ask for instead, and when it would start then (``forecast_start``, Unix seconds).

    ``text`` names it in a few words ("with 2 GPUs"), ``field`` and ``value`` as in the job file.
    """

    text: str
    field: str
    value: str
    forecast_start: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job waits, what stands before it, and what would start it sooner; ``state`` is the job's.

    ``topology`` says in a few words how the GPUs are joined that it has, or is about to have ("": it has not several).
    """

    job_id: str
    state: str
    text: str
    place: QueuePlace | None = None
    ahead: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    topology: str = ""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would come of submitting a job file now; nothing was queued. ``jobs`` is how many jobs it makes.

    ``staging`` tells of the data that are copied first.
    """

    spec: str
    jobs: int
    places: tuple[QueuePlace, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    warnings: tuple[str, ...] = field(default_factory=tuple)
    staging: tuple[StagingForecast, ...] = ()
