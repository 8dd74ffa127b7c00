"""Verbs of ``mlops-desk exec``: a process that runs outside of any container, on GPUs that the queue gives it."""

from typing import TYPE_CHECKING, Protocol

from mlops_desk.kit.verbs.declaration import Who, changes, reads

if TYPE_CHECKING:
    from mlops_desk.jobs.records.claim import ProcessClaim

LONGEST_WAIT_SECONDS = 30.0  # chosen: half of a call's deadline; whoever still waits then asks again


class Bare(Protocol):
    """Processes that ask for GPUs and wait in the queue for them."""

    @changes(why="the process is theirs")
    def claim(
        self, spec: str, pid: int, folder: str = "/", wait_seconds: float = 0.0, *, now: bool = False
    ) -> "ProcessClaim":
        """Queue a process of one's own, which waits to begin; ``spec`` is a job file without an image.

        With ``now`` it is refused where it can't begin at once. The answer comes when it may begin, at the latest after
        ``wait_seconds``.
        """
        ...

    @reads
    def seen(self, job_id: str, wait_seconds: float = 0.0) -> "ProcessClaim":
        """Tell how a claim stands; waits up to ``wait_seconds`` for it to be granted or to end."""
        ...

    @changes(who=Who.OWNER, before="seen", of=("job", "job_id"))
    def ended(self, job_id: str) -> "ProcessClaim":
        """Look at once at a process that has ended, and has left its outcome."""
        ...
