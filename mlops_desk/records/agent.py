"""The agent: who answers, what it costs, and what its doctor finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AgentCost:
    """What watching costs: share of one core, memory, time spent inside the driver and calls to it."""

    cpu_ratio: float | None = None
    memory_bytes: int | None = None
    driver_seconds_per_second: float | None = None
    driver_calls_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """The agent that answers. ``user`` is who one is at a simulated workstation; None at a real one."""

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


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor. ``state``: ok, warning, problem or unknown; ``fix`` is a command to paste."""

    name: str
    state: str
    text: str
    fix: str | None = None
