"""A bare process that asks for GPUs: whether it has them, and where it finds what belongs to them."""

from dataclasses import dataclass

from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.records.owner import Owner


@dataclass(frozen=True, slots=True)
class ProcessClaim:
    """The job that a bare process became, as whoever waits for its start sees it.

    ``granted``: its GPUs are leased, and it may begin. ``environment`` is then a file (JSON, the owner's alone) with
    the variables that it begins with, and ``outcome`` the file that it leaves its end in. ``position`` and
    ``forecast_start`` (Unix seconds) are the queue's.
    """

    job_id: str
    state: JobState
    granted: bool
    owner_uid: int
    user: str
    gpus: tuple[str, ...] = ()
    environment: str | None = None
    outcome: str | None = None
    attempt: str | None = None
    reason: Reason | None = None
    position: int | None = None
    forecast_start: float | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.owner_uid, self.user)
