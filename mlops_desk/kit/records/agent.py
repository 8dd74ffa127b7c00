"""The agent: who answers, what it costs, what its doctor finds, whom it did what for, and its backups."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class AgentCost:
    """What watching costs: share of one core, memory, time spent inside the driver and calls to it."""

    cpu_ratio: float | None = None
    memory_bytes: int | None = None
    driver_seconds_per_second: float | None = None
    driver_calls_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """The agent that answers. ``user`` is who one is at a simulated workstation; None at a real one.

    ``engines`` names the engines that it runs containers on, this machine's own first.
    """

    version: str
    uptime_seconds: float
    cost: AgentCost
    pid: int
    data_dir: str
    instance: str
    simulated: bool = False
    sampling: str = "ok"
    note: str | None = None
    user: str | None = None
    engines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor. ``state``: ok, warning, problem or unknown; ``fix`` is a command to paste."""

    name: str
    state: str
    text: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup of a database, which ``mlops-desk agent restore`` can put in its place.

    ``made_at`` is Unix time in seconds; ``why``: hourly, or before-REVISION, made before that schema was left.
    """

    name: str
    database: str
    made_at: float
    size_bytes: int
    why: str


class AuditState(StrEnum):
    """How far a changing verb got. ``UNKNOWN``: it broke off, and nobody saw whether it was done."""

    BEGAN = "began"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One changing verb. Times are Unix seconds; the texts are capped and plain.

    ``at`` is when it was asked for. ``before`` is the thing as it was (None where there was none, or nothing to show),
    ``outcome`` as it became. Of one that ended ``error`` tells whether it failed; of another neither is said, and
    ``why`` says how it broke off.
    """

    at: float
    uid: int
    user: str
    verb: str
    arguments: str
    outcome: str | None = None
    error: str | None = None
    id: str | None = None
    before: str | None = None
    state: AuditState = AuditState.ENDED
    ended_at: float | None = None
    why: str | None = None
