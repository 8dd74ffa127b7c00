"""The queues of other agents: GPUs are kept for the first of each user there, in the order in which they wait. Pure.

Every agent reckons by the same rules from what all of them see, so what one keeps for another's job is what that
agent waits for. Whoever has waited longest waits for nobody, so that no two jobs can wait for one another, each with
half of the GPUs. A user's place in the line serves their jobs in the order of their own queue, until the first of them
that can't start; a start that was only possible by it uses it up.
"""

import math

from mlops_desk.jobs.queue.plan import Promise
from mlops_desk.jobs.queue.table import Spot, Table
from mlops_desk.jobs.queue.view import QueueView, Wish
from mlops_desk.records.jobs.waiter import Waiter

UNKNOWN_WAIT_SECONDS = 4200.0
"""Chosen: while nobody knows when a job's GPUs become free, others may use them for an hour, and some grace."""


def promises(view: QueueView, table: Table) -> tuple[Promise, ...]:
    """Keep cards for the jobs of other agents, and return which; only the first keeps any that several could use."""
    made = []
    for waiter in view.waiters:
        promise = None if waiter.job_id is not None else _promise(waiter, view, table)
        if promise is not None:
            table.promise(promise)
            made.append(promise)
    return tuple(made)


def _promise(waiter: Waiter, view: QueueView, table: Table) -> Promise | None:
    need = waiter.need
    fitting = table.fitting(need)
    if need.gpus > len(fitting) or any(spot.promise is not None for spot in fitting):
        return None
    wish = Wish(waiter.id, waiter.uid, waiter.since, need, seconds=waiter.seconds)
    ends = [(at, spot) for spot in fitting if (at := table.free_at(spot, wish)) is not None]
    ends.sort(key=lambda end: (end[0], _has(end[1], waiter.uid), end[1].card.index, end[1].card.uuid))
    soonest = ends[: need.gpus]
    if len(soonest) < need.gpus:
        return None  # it needs a card that is in nobody's hands, and keeps none back meanwhile
    starts_at = soonest[-1][0]
    if starts_at == math.inf and any(at == math.inf and _has(spot, waiter.uid) for at, spot in soonest):
        return None  # its own user's jobs are in its way without an end, and that is not for others to pay for
    gpus = tuple(spot.card.uuid for _, spot in soonest)
    until = starts_at if starts_at < math.inf else view.now + UNKNOWN_WAIT_SECONDS
    is_ready = starts_at <= view.now
    return Promise(waiter, gpus, max(until, view.now), is_ready, any(spot.is_open for _, spot in soonest))


def _has(spot: Spot, uid: int) -> bool:
    """Tell whether a user has a card."""
    return any(job.uid == uid for job in spot.jobs) or any(holder.uid == uid for holder in spot.card.holders)


class OurTurns:
    """Our users' places in the line, while it is decided."""

    def __init__(self, view: QueueView, table: Table) -> None:
        self._table = table
        self._since = {one.uid: one.since for one in view.waiters if one.job_id is not None}
        self.heads: dict[int, Wish] = {}
        self.used: set[int] = set()
        self.started_users: set[int] = set()
        """Whose jobs start by this plan: others may be quicker, so no later one takes cards by their place yet."""

    def of(self, wish: Wish) -> float:
        """Return since when a job's user has been in the line; ``inf``: they are not, or not any more."""
        return self._since.get(wish.uid, math.inf)

    def started(self, wish: Wish, gpus: tuple[str, ...]) -> None:
        """Take note of a start; one on cards that are kept for those behind uses the place up."""
        self.started_users.add(wish.uid)
        if wish.uid in self._since and not all(self._table.spares(self._table.spots[uuid], wish) for uuid in gpus):
            del self._since[wish.uid]
            self.used.add(wish.uid)

    def waits(self, wish: Wish) -> None:
        """Take note of who can't start for lack of GPUs."""
        self.heads.setdefault(wish.uid, wish)
        self._since.pop(wish.uid, None)
