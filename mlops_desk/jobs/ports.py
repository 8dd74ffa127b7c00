"""What jobs need from the rest of the house, as plain types: runs on the tracking server; and of groups."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.usage import GpuSpent
from mlops_desk.jobs.records.failure_facts import SeenFacts
from mlops_desk.jobs.records.job import Attempt, Job
from mlops_desk.jobs.records.provenance import DataIdentity, Hardware
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.records.waiter import Waiter
from mlops_desk.jobs.runtimes.runtime import RunTicket

PrepareRun = Callable[[JobSpec, str, str], RunTicket]
"""Make the run of a job (spec, job id, attempt id), or return the one it has: asked twice, it must not make two.
The token is the attempt's own, and those that it got before are void.

Raises DeskError while the tracking server can't be had; the job then waits.
"""

FinishRun = Callable[[str, str], None]
"""Set a run's status (run id, MLflow's word for it) if it is not over already. Raises DeskError: asked again later."""

GpuHardware = Callable[[Sequence[str]], Hardware]
"""Tell what is known of the machine and of some of its GPUs (UUIDs). Never raises."""

Spent = Callable[[str, float, float], GpuSpent]
"""Tell what a GPU (UUID) did between two Unix times. Raises DeskError."""

GpuEnd = Callable[[Attempt, float], SeenFacts]
"""Tell what was seen of an attempt's GPUs, and of the machine, when it ended at a Unix time. Never raises."""

TellRun = Callable[[str, Mapping[str, str], Sequence[DataIdentity]], None]
"""Write tags on a run (id), and data as its inputs. Raises DeskError."""

KeepTickets = Callable[[Callable[[str], bool]], None]
"""Make void the tokens of all attempts but those (by id) that are current. Raises Unavailable."""

MetricHistories = Callable[[Sequence[str], str], Mapping[str, Sequence[float]]]
"""Tell what runs (by id) have logged of a metric, oldest first; those of which nothing is known are left out.

Raises DeskError while the tracking server can't be asked.
"""


def nothing_seen(_attempt: Attempt, _ended_at: float) -> SeenFacts:
    """Know nothing of any GPU."""
    return SeenFacts()


def no_histories(_run_ids: Sequence[str], _metric: str) -> Mapping[str, Sequence[float]]:
    """Know nothing of any run."""
    return {}


class MachineLine(Protocol):
    """The line of those who wait for this machine's GPUs, of all users' agents."""

    def waiters(self) -> tuple[Waiter, ...]:
        """Return who stands in it, the longest wait first; those of ours with their job's id."""
        ...

    def join(self, uid: int, job_id: str, name: str, need: Need, seconds: float | None) -> None:
        """Have a job of ours stand in it for its user, last. Raises Unavailable."""
        ...

    def leave(self, place: str) -> None:
        """Give up a place of ours (a waiter's id). Raises Unavailable."""
        ...


class GroupWatch(Protocol):
    """Who looks after the jobs of sweeps and arrays."""

    def held(self, active: Sequence[Job]) -> Mapping[str, Reason]:
        """Return which waiting jobs are not to be started now, and why. Raises DeskError."""
        ...

    def is_due(self, active: Sequence[Job]) -> bool:
        """Tell whether it is time to ``compare``."""
        ...

    def compare(self, active: Sequence[Job]) -> None:
        """End the running jobs that are behind; may be slow. Raises DeskError."""
        ...


class DataStaging(Protocol):
    """Who brings the data of queued jobs to the local disk."""

    def unready(self, queue: Sequence[Job]) -> Mapping[str, Reason]:
        """Return which jobs of the queue can't start as their data are not here, and what is done about it."""
        ...

    def ready_by(self, queue: Sequence[Job]) -> Mapping[str, float]:
        """Return when the data of those are expected here of which that is known (Unix seconds)."""
        ...

    def due(self, queue: Sequence[Job]) -> Sequence[str]:
        """Return the jobs whose data are to be brought now. Raises DeskError."""
        ...

    def stage(self, job_id: str) -> None:
        """Bring a job's data; may take hours. Raises Postponed, DeskError."""
        ...
