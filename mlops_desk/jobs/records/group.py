"""A group: the jobs of one sweep or array, and which of them is best."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.kit.records.owner import Owner


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One job of a group in brief; ``metric`` is the best value of the sweep's metric that it has reported."""

    id: str
    name: str
    index: int | None
    state: JobState
    params: Mapping[str, str] = field(default_factory=dict)
    metric: float | None = None
    reason: Reason | None = None
    mlflow_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobGroup:
    """The jobs that one job file made. ``best`` is the id of the member whose ``metric`` is the best for ``goal``.

    ``stopped`` says why those that wait are not started: all that were failed at once.
    """

    id: str
    name: str
    submitted_by: int
    user: str
    members: tuple[GroupMember, ...] = ()
    metric: str | None = None
    goal: Goal | None = None
    best: str | None = None
    stopped: Reason | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.submitted_by, self.user)
