"""The order of those who wait: the overdue, then by priority, then who has used least, then who came first.

What a user has used is their usage of the past, what they hold now, and, for each later job of theirs, what the older
ones will be charged: so a hundred jobs at once do not go before another user's first. Whoever has a weight of two may
use twice as much. What somebody holds through other agents counts as well, for the ledger says so; what they had of
those before is in no ledger, and counts nowhere.
"""

from collections.abc import Iterable, Mapping

from mlops_desk.gpus.records.gpu_status import CardHolder
from mlops_desk.jobs.queue.view import QueueLine, QueueView, Wish

ENTRY_SECONDS = 3600.0
"""Chosen: a job is charged so long when it starts, as nobody knows how long it runs; once over it counts as it is."""
_WITHOUT_GPU = 0.1  # chosen: jobs without a GPU take turns as well, and weigh little beside those that hold one
_LONG_AGO = float("-inf")

Key = tuple[int, float, float, float, str]


def line_up(wishes: Iterable[Wish]) -> tuple[QueueLine, ...]:
    """Sort jobs into lines of those that ask for the same, each the oldest first."""
    found: dict[tuple[object, ...], tuple[list[Wish], list[float]]] = {}
    charged: dict[tuple[int, int], float] = {}
    for wish in sorted(wishes, key=lambda one: (one.submitted_at, one.job_id)):
        owner = (wish.uid, wish.priority)
        charge = charged.get(owner, 0.0)
        charged[owner] = charge + (wish.need.gpus or _WITHOUT_GPU) * ENTRY_SECONDS
        jobs, charges = found.setdefault((owner, wish.need), ([], []))
        jobs.append(wish)
        charges.append(charge)
    return tuple(
        QueueLine(jobs[0].uid, jobs[0].priority, jobs[0].need, tuple(jobs), tuple(charges))
        for jobs, charges in found.values()
    )


def usage_now(view: QueueView) -> Mapping[int, float]:
    """Return what each user has used, with what they hold now."""
    used = dict(view.policy.usage)
    for job in view.running:
        held = ENTRY_SECONDS if job.since is None else max(ENTRY_SECONDS, view.now - job.since)
        used[job.uid] = used.get(job.uid, 0.0) + held * len(job.gpus)
    for holder in held_elsewhere(view):
        held = ENTRY_SECONDS if holder.since is None else max(ENTRY_SECONDS, view.now - holder.since)
        used[holder.uid or 0] = used.get(holder.uid or 0, 0.0) + held
    return used


def held_elsewhere(view: QueueView) -> list[CardHolder]:
    """Return what users hold by leases of other agents, once for each GPU; whose it is stands in each."""
    return [
        holder
        for card in view.cards or ()
        for holder in card.holders
        if holder.uid is not None and holder.job_id is None and not holder.external
    ]


def last_starts(view: QueueView) -> Mapping[tuple[int, int], float]:
    """Return when a job of each user and priority was last started."""
    found = dict(view.policy.last_starts)
    for job in view.running:
        key = (job.uid, job.priority)
        found[key] = max(found.get(key, _LONG_AGO), view.now if job.since is None else job.since)
    return found


class Turns:
    """The order at one moment."""

    def __init__(self, view: QueueView) -> None:
        self._now = view.now
        self._patience = view.policy.patience_seconds
        self._usage = usage_now(view)
        self._weights = view.policy.weights
        self._starts = last_starts(view)

    def key(self, line: QueueLine, index: int) -> Key:
        """Return what a job of a line is sorted by."""
        wish = line.wishes[index]
        charge = line.charges[index]
        if charge == 0.0:
            last = self._starts.get((line.uid, line.priority), _LONG_AGO)
            if last > self._now:  # the clock was set back since
                last = _LONG_AGO
            if self._now - max(wish.ready_at, last) > self._patience:
                return 0, last, 0.0, wish.submitted_at, wish.job_id
        used = (self._usage.get(line.uid, 0.0) + charge) / self._weights.get(wish.user, 1.0)
        return 1, -line.priority, used, wish.submitted_at, wish.job_id

    def sorted(self, lines: Iterable[QueueLine]) -> list[Wish]:
        """Return all who wait, the next first."""
        keyed = [(self.key(line, index), wish) for line in lines for index, wish in enumerate(line.wishes)]
        keyed.sort(key=lambda pair: pair[0])
        return [wish for _, wish in keyed]
