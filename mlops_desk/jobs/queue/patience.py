"""How long GPUs stay unused for a job of another user, before that one has to step back for a while. Pure.

Keeping GPUs costs whoever could use them, and the one they are kept for decides how much it asks for and whether it
ever starts. So a user has an account: time in which a GPU stays unused for them is spent, time in which none does comes
back. Whoever has spent all of it is not kept for until half has come back; so is whoever does not start though
everything is free. Each agent keeps this account by itself, from what it sees.
"""

from collections.abc import Callable, Iterable, Sequence

from mlops_desk.jobs.queue.plan import Promise
from mlops_desk.records.jobs.waiter import Waiter

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
