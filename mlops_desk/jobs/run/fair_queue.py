"""Our place in the line of all agents: taken for who waits first in our queue, given up when that is over.

Whoever starts within seconds never stands in it. A place stays its job's until that starts or is out of the queue. If
another of the same user goes before it and asks for more than the place is known for, the user stands last again: the
others keep GPUs for what they were told.

How long GPUs stay unused for a job of another user, before that one has to step back for a while. Pure.

Keeping GPUs costs whoever could use them, and the one they are kept for decides how much it asks for and whether it
ever starts. So a user has an account: time in which a GPU stays unused for them is spent, time in which none does comes
back. Whoever has spent all of it is not kept for until half has come back; so is whoever does not start though
everything is free. Each agent keeps this account by itself, from what it sees.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.jobs.ports import MachineLine
from mlops_desk.jobs.queue.plan import Plan, Promise
from mlops_desk.jobs.queue.view import Wish
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.waiter import Waiter
from mlops_desk.jobs.runtimes.runtime import Runtime
from mlops_desk.kit.base.errors import DeskError

_log = logging.getLogger(__name__)

REDEEM_SECONDS = 120.0
"""Chosen: an agent looks every second, and a slow engine is given a minute; who hasn't started by then won't."""
_BLINK_SECONDS = 60.0
"""Chosen: nobody has looked for longer (the machine slept), so nothing was kept from anybody meanwhile."""


class Patience:
    """``limit_seconds`` returns how long GPUs may stay unused for a user; 0: none are kept for anybody's."""

    def __init__(self, limit_seconds: Callable[[], float]) -> None:
        self._limit_seconds = limit_seconds
        self._spent: dict[int, float] = {}
        self._stepped_back: set[int] = set()
        self._ready_since: dict[str, float] = {}
        self._at = 0.0

    def heeded(self, waiters: Iterable[Waiter]) -> tuple[Waiter, ...]:
        """Return those for whom GPUs are kept; our own stay, for where they stand is not ours to forget."""
        none = self._limit_seconds() <= 0
        return tuple(one for one in waiters if one.job_id is not None or not (none or one.uid in self._stepped_back))

    def note(self, promises: Sequence[Promise], now: float) -> None:
        """Take note of what is kept at ``now`` (monotonic seconds)."""
        limit, passed = self._limit_seconds(), min(max(0.0, now - self._at), _BLINK_SECONDS)
        self._at = now
        idle = {one.waiter.uid for one in promises if one.is_idle}
        for uid in idle | self._spent.keys():
            spent = self._spent.get(uid, 0.0) + (passed if uid in idle else -passed)
            self._spent[uid] = min(spent, limit)
            if spent >= limit:
                self._stepped_back.add(uid)
        self._note_ready(promises, now, limit)
        for uid, spent in [*self._spent.items()]:
            if spent <= limit / 2:
                self._stepped_back.discard(uid)
            if spent <= 0:
                del self._spent[uid]

    def _note_ready(self, promises: Sequence[Promise], now: float, limit: float) -> None:
        """Have those step back who could have started for long."""
        ready = {one.waiter.id: one.waiter for one in promises if one.is_ready}
        self._ready_since = {id_: self._ready_since.get(id_, now) for id_ in ready}
        for id_, since in self._ready_since.items():
            if now - since > REDEEM_SECONDS:
                self._spent[ready[id_].uid] = limit
                self._stepped_back.add(ready[id_].uid)


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


# What runtimes that give out the same GPUs know of one another's queues: together they are one queue.

_OWN = "own "


class Pool:
    """The promises of decisions, until they are leases. ``lock`` is held from a look at the queue to its promises.

    ``line`` is our place among those who wait for these GPUs in other agents; None: nobody else gives them out.
    """

    def __init__(self, runtimes: Iterable[str], line: PlaceInLine | None = None) -> None:
        self.line = line
        self.runtimes = frozenset(runtimes)
        self.lock = threading.RLock()
        self._promised: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in self.runtimes}
        self._unready: dict[str, Mapping[str, Reason]] = {}

    def promise(self, runtime: str, job_id: str, gpus: tuple[str, ...]) -> None:
        """Promise GPUs to a job that a hand is about to begin."""
        with self.lock:
            self._promised[runtime][job_id] = gpus

    def keep(self, runtime: str, begun: Collection[str]) -> None:
        """Forget the promises to jobs that no hand begins any more."""
        with self.lock:
            self._promised[runtime] = _of(self._promised[runtime], begun)

    def promised(self, runtime: str, begun: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the GPUs of all jobs that are about to begin; of one runtime those that hands do begin."""
        with self.lock:
            known = {**self._promised, runtime: _of(self._promised[runtime], begun)}
            return {job_id: gpus for promises in known.values() for job_id, gpus in promises.items()}

    def unready(self, runtime: str, now: Mapping[str, Reason]) -> dict[str, Reason]:
        """Note which jobs of a runtime can't begin now, and return those of all of them, each with the reason."""
        with self.lock:
            self._unready[runtime] = now
            return {job_id: reason for known in self._unready.values() for job_id, reason in known.items()}


def _of(promises: Mapping[str, tuple[str, ...]], begun: Collection[str]) -> dict[str, tuple[str, ...]]:
    return {job_id: gpus for job_id, gpus in promises.items() if job_id in begun}


def pools_of(runtimes: Iterable[Runtime], line: PlaceInLine | None = None) -> dict[str, Pool]:
    """Return the pool of each runtime, by its name; ``line`` is that of the GPUs which all agents give out."""
    together: dict[str, list[str]] = {}
    for runtime in runtimes:
        gpus = runtime.abilities().gpus
        together.setdefault(f"{_OWN}{runtime.name}" if gpus is None else gpus, []).append(runtime.name)
    pools = [Pool(names, None if gpus.startswith(_OWN) else line) for gpus, names in together.items()]
    return {name: pool for pool in pools for name in pool.runtimes}
