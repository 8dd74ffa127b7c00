"""The GPUs that attempts hold: leased before the container is made, bound to its process, given back after it."""

import logging
import threading
import time
from collections.abc import Callable

from mlops_desk.jobs.records.job import Attempt, Job
from mlops_desk.jobs.runtimes.local.ports import GpuHolder, GpuLeases
from mlops_desk.kit.base.errors import DeskError

_log = logging.getLogger(__name__)


class HeldGpus:
    """The ledger as attempts use it; ``grace_seconds`` is what a job is given to end. Safe to use from threads."""

    def __init__(self, leases: GpuLeases, grace_seconds: Callable[[Job], float]) -> None:
        self._leases = leases
        self._grace_seconds = grace_seconds
        self._lock = threading.Lock()
        self._unreleased: set[str] = set()

    def lease(self, job: Job, attempt: Attempt, gpus: tuple[str, ...]) -> tuple[str, ...] | str:
        """Take exactly these GPUs for an attempt, or say in words why not."""
        return self._leases.lease(self._holder(job, attempt), gpus) if gpus else ()

    def still_held(self, job: Job, attempt: Attempt) -> bool:
        """Go on holding an attempt's GPUs, also after a restart; False when one has gone to somebody else."""
        return not attempt.gpus or self._leases.keep(self._holder(job, attempt), attempt.gpus)

    def bind(self, job: Job, attempt: Attempt, pid: int | None) -> None:
        """Hold an attempt's GPUs from now on as long as its process lives."""
        if attempt.gpus and not self._leases.keep(self._holder(job, attempt), attempt.gpus, pid):
            _log.error("%s runs on GPUs that are leased to somebody else: %s", attempt.id, ", ".join(attempt.gpus))

    def release(self, attempt: Attempt) -> None:
        """Give back what an attempt holds; what can't be given back now is tried again."""
        if attempt.gpus:
            with self._lock:
                self._unreleased.add(attempt.id)
            self.release_leftovers()

    def release_leftovers(self) -> None:
        """Give back the GPUs of attempts that are over, as far as the ledger takes them now."""
        with self._lock:
            waiting = sorted(self._unreleased)
        for attempt_id in waiting:
            try:
                self._leases.release(attempt_id)
            except DeskError as error:
                _log.warning("The GPUs of %s can't be given back yet: %s", attempt_id, error.message)
                continue
            with self._lock:
                self._unreleased.discard(attempt_id)

    def _holder(self, job: Job, attempt: Attempt) -> GpuHolder:
        wanted, limit = job.spec.resources, job.spec.time_limit_seconds
        share = None if wanted.exclusive else wanted.share_bytes
        until = None if limit is None else (attempt.started_at or time.time()) + limit + self._grace_seconds(job)
        return GpuHolder(attempt.id, job.name, attempt.container, job.submitted_by, share, until)
