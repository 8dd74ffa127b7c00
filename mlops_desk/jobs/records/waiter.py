"""Who waits for GPUs, as the agents of all users know it: of each user the first job of their queue."""

from dataclasses import dataclass

from mlops_desk.gpus.records.gpu_request import Need


@dataclass(frozen=True, slots=True)
class Waiter:
    """The job that stands in the machine's line for its user; ``id`` is of its place there.

    ``since`` is since when it stands there, as the kernel says (Unix seconds). ``seconds`` is how long it runs at the
    longest (None: nobody said). ``job_id`` is of a job of this desk, None of another agent's.
    """

    id: str
    uid: int
    user: str
    since: float
    name: str
    need: Need
    seconds: float | None = None
    job_id: str | None = None

    @property
    def age_key(self) -> tuple[float, int, str]:
        """Order those who wait, the longest first; the same for every agent."""
        return self.since, self.uid, self.id


@dataclass(frozen=True, slots=True)
class KeptFor:
    """For whom a GPU is kept that others could have: the job and its user, since when it waits (Unix seconds).

    Others may use the GPU if they are over by ``until``. ``job_id`` is of a job of this desk.
    """

    name: str
    user: str
    since: float
    until: float
    job_id: str | None = None
