"""Who is asked to stop so that another can start: as few as possible, and those first who lose least.

That is the least important; among them who had to make room least often, who frees the fewest GPUs in vain, and who
began last. Only jobs that said they may be preempted, of a lower priority, and that have run long enough to have got
somewhere: the longer, the more often they were stopped before.
"""

import math
from collections.abc import Iterable, Sequence

from mlops_desk.gpus.records.gpu_status import GpuCard
from mlops_desk.jobs.queue.gpu_table import Table
from mlops_desk.jobs.queue.placement import place
from mlops_desk.jobs.queue.view import QueueView, RunningJob, Wish

_MOST_COUNTED = 5
"""Chosen: after five times it is spared for an hour, as the settings are, and no GPU is lost to others for good."""


class Preemptions:
    """The running jobs that may be stopped during one decision."""

    def __init__(self, view: QueueView, table: Table) -> None:
        self._table = table
        may = [job for job in view.running if _may_stop(job, view)]
        self._ending = [job for job in view.running if job.ending and job.gpus and job.share_bytes is None]
        self._left = sorted(may, key=lambda job: (job.priority, -(job.since or 0.0), job.job_id))

    def possible_for(self, priority: int) -> bool:
        """Tell whether anybody is there whom a job of this priority could stop."""
        return bool(self._left) and self._left[0].priority < priority

    def choose(self, wish: Wish, turn: float = math.inf) -> tuple[tuple[RunningJob, ...], tuple[str, ...]] | None:
        """Return who is to stop for a job, and the cards that it then has; None where that would not be enough.

        ``turn`` is since when its user stands in the machine's line: cards kept for those before stay theirs.
        """
        lower = [job for job in self._left if job.priority < wish.priority and self._frees_something(job, wish, turn)]
        lower.sort(key=lambda job: (job.priority, job.times_preempted, max(0, len(job.gpus) - wish.need.gpus)))
        victims: list[RunningJob] = []
        for job in lower:
            victims.append(job)
            if self._placed(wish, victims, turn) is not None:
                break
        else:
            return None
        for job in reversed(victims[:-1]):
            fewer = [one for one in victims if one is not job]
            if self._placed(wish, fewer, turn) is not None:
                victims = fewer
        gpus = self._placed(wish, victims, turn)
        return None if gpus is None else (tuple(victims), gpus)

    def stop(self, victims: Iterable[RunningJob]) -> None:
        """Take note of who is asked to stop."""
        for job in victims:
            self._left.remove(job)

    def _frees_something(self, job: RunningJob, wish: Wish, turn: float) -> bool:
        return any(
            spot.card.uuid in job.gpus and self._table.kept_until(spot, turn) is None
            for spot in self._table.fitting(wish.need)
        )

    def _placed(self, wish: Wish, victims: Sequence[RunningJob], turn: float) -> tuple[str, ...] | None:
        return place(wish.need, [*self._table.open_to(wish, turn), *self._freed(wish, victims, turn)])

    def _freed(self, wish: Wish, victims: Iterable[RunningJob], turn: float) -> list[GpuCard]:
        freed = {uuid for job in (*self._ending, *victims) for uuid in job.gpus}
        return [
            spot.card
            for spot in self._table.fitting(wish.need)
            if spot.card.uuid in freed
            and not spot.card.is_broken
            and self._table.kept_until(spot, turn) is None
            and self._table.is_unbooked(spot, wish)
        ]


def spared_until(job: RunningJob, view: QueueView) -> float | None:
    """Return when a job has run long enough to be stopped; None: it never is, or nobody knows since when it runs."""
    if not job.preemptible or job.ending or job.since is None or not job.gpus or job.share_bytes is not None:
        return None
    return job.since + view.policy.spared_seconds * (1 + min(job.times_preempted, _MOST_COUNTED))


def _may_stop(job: RunningJob, view: QueueView) -> bool:
    spared = spared_until(job, view)
    return spared is not None and spared <= view.now
