"""Our place in the line of all agents: taken for who waits first in our queue, given up when that is over.

Whoever starts within seconds never stands in it. A place stays its job's until that starts or is out of the queue. If
another of the same user goes before it and asks for more than the place is known for, the user stands last again: the
others keep GPUs for what they were told.
"""

import logging
import time
from collections.abc import Callable, Collection

from mlops_desk.base.errors import DeskError
from mlops_desk.jobs.ports import MachineLine
from mlops_desk.jobs.queue.patience import Patience
from mlops_desk.jobs.queue.plan import Plan
from mlops_desk.jobs.queue.view import Wish
from mlops_desk.records.jobs.need import Need
from mlops_desk.records.jobs.waiter import Waiter

_log = logging.getLogger(__name__)

JOIN_AFTER_SECONDS = 5.0
"""Chosen: a job that finds GPUs at one of the next looks needs nobody to know that it waited."""


class PlaceInLine:
    """What one pool of GPUs has to do with the line. The pool's lock is held by whoever calls."""

    def __init__(
        self, line: MachineLine, limit_seconds: Callable[[], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._line = line
        self._patience = Patience(limit_seconds)
        self._clock = clock
        self._first_seen: dict[int, tuple[str, float]] = {}

    def waiters(self, begun: Collection[str]) -> tuple[Waiter, ...]:
        """Return who stands in the line; jobs of ours that have been promised their GPUs don't any more."""
        return tuple(one for one in self._patience.heeded(self._line.waiters()) if one.job_id not in begun)

    def follow(self, plan: Plan, is_queued: Callable[[str], bool]) -> None:
        """Take and give up places as a decision says; ``is_queued`` tells whether a job (id) of ours waits yet."""
        self._patience.note(plan.promises, self._clock())
        ours = self.tidy(is_queued, plan)
        try:
            self._join(plan, ours, is_queued)
        except DeskError as error:  # then others don't know of it, as before there was a line
            _log.warning("No place in the line of all agents can be taken: %s", error.message)

    def tidy(self, is_queued: Callable[[str], bool], plan: Plan = Plan()) -> set[int]:  # noqa: B008 - it is frozen
        """Give up the places that are over, and return whose stay."""
        kept = set()
        for one in self._line.waiters():
            if one.job_id is None:
                continue
            head = plan.heads.get(one.uid)
            is_over = not is_queued(one.job_id) or one.job_id in plan.blocked
            used = one.uid in plan.used_turns and one.job_id not in plan.starts
            if is_over or used or (head is not None and not _covers(one, head)):
                self._leave(one)
            else:
                kept.add(one.uid)
        return kept

    def _leave(self, place: Waiter) -> None:
        try:
            self._line.leave(place.id)
        except DeskError as error:
            _log.warning("Our place in the line of all agents can't be given up yet: %s", error.message)

    def _join(self, plan: Plan, ours: set[int], is_queued: Callable[[str], bool]) -> None:
        now = self._clock()
        # One that was to start and lost the GPUs to another agent waits on, and has waited all the time.
        self._first_seen = {uid: seen for uid, seen in self._first_seen.items() if is_queued(seen[0])}
        for uid, wish in plan.heads.items():
            known = self._first_seen.get(uid)
            if uid in ours:
                self._first_seen.pop(uid, None)
            elif known is None or known[0] != wish.job_id:
                self._first_seen[uid] = wish.job_id, now
            elif now - known[1] >= JOIN_AFTER_SECONDS:
                self._line.join(uid, wish.job_id, wish.name or wish.job_id, wish.need, wish.seconds)


def _covers(place: Waiter, head: Wish) -> bool:
    """Tell whether what others keep for a place is enough for a job that goes before the one it was taken for."""
    return head.job_id == place.job_id or (
        _apart_from_count(head.need) == _apart_from_count(place.need) and head.need.gpus <= place.need.gpus
    )


def _apart_from_count(need: Need) -> tuple[object, ...]:
    return need.memory_bytes, need.model, need.uuids, need.exclusive, need.share_bytes
