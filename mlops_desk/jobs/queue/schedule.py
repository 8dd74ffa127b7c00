"""The one function that decides: who starts on which GPUs, who is stopped for whom, who waits for what.

Jobs are looked at in their order. The first that finds no GPUs has those kept for it that it can have soonest; a
later job starts only on other GPUs, or where its time limit ends before that. So nobody is starved by smaller jobs.
Before all, GPUs are kept likewise for the jobs of other agents that have waited longer (``waiters``).
A job that can't be started by waiting (too large for the machine, or in need of a card that is not in the queue's
hands) keeps nobody back.
"""

import math
from collections.abc import Callable, Sequence
from enum import Enum
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from mlops_desk.jobs.queue import words
from mlops_desk.jobs.queue.gpu_table import Spot, Table
from mlops_desk.jobs.queue.placement import place
from mlops_desk.jobs.queue.plan import Plan, Preempted, Promise, Wait
from mlops_desk.jobs.queue.preemption import Preemptions
from mlops_desk.jobs.queue.queue_order import Turns, held_elsewhere, line_up
from mlops_desk.jobs.queue.view import QueueLine, QueueView, Wish
from mlops_desk.jobs.records.waiter import KeptFor, Waiter

if TYPE_CHECKING:
    from mlops_desk.jobs.records.reason import Reason


# The queues of other agents: GPUs are kept for the first of each user there, in the order in which they wait. Pure.
# Every agent reckons by the same rules from what all of them see, so what one keeps for another's job is what that
# agent waits for. Whoever has waited longest waits for nobody, so that no two jobs can wait for one another, each
# with half of the GPUs. A user's place in the line serves their jobs in the order of their own queue, until the first
# of them that can't start; a start that was only possible by it uses it up.
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


_TOLD = 50
"""Chosen: of so many lines it is said in full why they wait; what is behind them waits its turn."""
_WORTH_SECONDS = 120.0
"""Chosen: GPUs that are free two minutes later than others make room are waited for; a checkpoint costs as much."""


class _Chance(Enum):
    """Which of a line may still start, when one of it was looked at."""

    ANY = "any"
    SHORTER = "shorter"
    NONE = "none"


def schedule(view: QueueView) -> Plan:
    """Decide about everything that waits, as of ``view.now``."""
    return _Decision(view).plan()


class _Decision:
    def __init__(self, view: QueueView) -> None:
        self._view = view
        self._order = Turns(view)
        self._table = Table(view)
        self._preemptions = Preemptions(view, self._table)
        self._promises = promises(view, self._table)
        self._turns = OurTurns(view, self._table)
        self._kept: dict[str, KeptFor] = {}
        self._starts: dict[str, tuple[str, ...]] = {}
        self._waits: dict[str, Wait] = {}
        self._blocked: dict[str, Reason] = {}
        self._preempts: list[Preempted] = []
        self._keepers: list[Wish] = []
        self._busy_slots = sum(not job.gpus for job in view.running)
        self._held: dict[int, int] = {}
        for job in view.running:
            self._held[job.uid] = self._held.get(job.uid, 0) + len(job.gpus)
        for holder in held_elsewhere(view):
            self._held[holder.uid or 0] = self._held.get(holder.uid or 0, 0) + 1

    def plan(self) -> Plan:
        lines = [*self._view.waiting, *line_up(self._released())]
        if self._view.slots is None:
            for wish in self._order.sorted(lines):
                self._starts[wish.job_id] = ()
        else:
            self._serve([line for line in lines if line.need.gpus == 0], self._start_without_gpu)
            self._serve_gpus([line for line in lines if line.need.gpus > 0])
        return Plan(
            self._starts,
            self._waits,
            self._blocked,
            tuple(self._preempts),
            self._promises,
            {**_promised(self._promises), **self._kept},
            self._turns.heads,
            frozenset(self._turns.used),
        )

    def _released(self) -> list[Wish]:
        """Return the jobs that have nothing more to wait for than room; say of the others what they wait for."""
        ready = []
        for wish in self._view.held:
            if wish.hopeless is not None:
                self._blocked[wish.job_id] = wish.hopeless
            elif wish.unready is not None:
                self._waits[wish.job_id] = Wait(wish.unready)
            elif wish.after:
                self._waits[wish.job_id] = Wait(words.until_jobs(wish))
            elif wish.begin_at is not None and wish.begin_at > self._view.now:
                self._waits[wish.job_id] = Wait(words.LATER)
            else:
                ready.append(wish)
        return ready

    # -- one after the other -------------------------------------------------------------------

    def _serve(self, lines: Sequence[QueueLine], offer: Callable[[Wish], _Chance]) -> None:
        """Offer a start to the first of each line, in order; a line is done where nothing more comes of that."""
        heap = [(self._order.key(line, 0), number, 0) for number, line in enumerate(lines)]
        heapify(heap)
        while heap:
            _, number, index = heappop(heap)
            line = lines[number]
            following = self._following(line, index, offer(line.wishes[index]))
            if following is not None:
                heappush(heap, (self._order.key(line, following), number, following))

    def _following(self, line: QueueLine, index: int, chance: _Chance) -> int | None:
        """Return the next of a line that is worth a look."""
        if chance is _Chance.ANY:
            return index + 1 if index + 1 < len(line.wishes) else None
        longest = self._table.longest_seconds
        if chance is _Chance.NONE or longest is None:
            return None
        failed = line.wishes[index].seconds
        below = min(longest, math.nextafter(math.inf if failed is None else failed, 0.0))
        later = range(index + 1, len(line.wishes))
        return next((one for one in later if (line.wishes[one].seconds or math.inf) <= below), None)

    def _start_without_gpu(self, wish: Wish) -> _Chance:
        if self._busy_slots < (self._view.slots or 0):
            self._busy_slots += 1
            self._starts[wish.job_id] = ()
            return _Chance.ANY
        self._waits[wish.job_id] = Wait(words.no_slot(self._view.slots or 0))
        return _Chance.NONE

    def _serve_gpus(self, lines: Sequence[QueueLine]) -> None:
        if self._view.cards is None:
            for line in lines:
                self._waits.update((wish.job_id, Wait(words.NO_DRIVER)) for wish in line.wishes)
            return
        possible = [line for line in lines if not self._is_hopeless(line)]
        if not possible:
            return
        highest = max(line.priority for line in possible)
        if self._table.longest_seconds is None and not self._preemptions.possible_for(highest):
            # Nothing can be given out, so all that is to be decided is for whom the next GPUs are kept.
            possible = [min(possible, key=lambda line: self._order.key(line, 0))]
        self._serve(possible, self._start_on_gpus)

    def _is_hopeless(self, line: QueueLine) -> bool:
        """Block jobs that this machine can never start."""
        need, most = line.need, self._view.policy.gpus_per_user
        fitting = len(self._table.fitting(need))
        if fitting < need.gpus:
            reason = words.never(need, fitting, self._view.cards or ())
        elif 0 < most < need.gpus:
            reason = words.over_quota(need, most)
        else:
            return False
        self._blocked.update((wish.job_id, reason) for wish in line.wishes)
        return True

    # -- on GPUs -------------------------------------------------------------------------------

    def _start_on_gpus(self, wish: Wish) -> _Chance:
        """Start a job, have others stopped for it, or say what it waits for."""
        most, held = self._view.policy.gpus_per_user, self._held.get(wish.uid, 0)
        if most and held + wish.need.gpus > most:
            self._waits[wish.job_id] = Wait(words.quota(most, held))
            return _Chance.NONE
        if self._may_find_some(wish):
            gpus = place(wish.need, self._table.open_to(wish))
            turn = self._turns.of(wish)
            if gpus is None and turn < math.inf and wish.uid not in self._turns.started_users:
                gpus = place(wish.need, self._table.open_to(wish, turn))
            if gpus is not None:
                self._turns.started(wish, gpus)
                self._table.take(wish, gpus)
                self._held[wish.uid] = held + len(gpus)
                self._starts[wish.job_id] = gpus
                return _Chance.ANY
        if len(self._waits) < _TOLD or self._may_keep(wish):
            stopped = len(self._preempts)
            self._waits[wish.job_id] = self._wait(wish)
            if len(self._preempts) > stopped:
                return _Chance.ANY
        return _Chance.SHORTER

    def _may_keep(self, wish: Wish) -> bool:
        """Tell whether a job that can't start could have cards kept for it."""
        return self._preemptions.possible_for(wish.priority) or not any(
            self._is_kept(spot, wish) for spot in self._table.fitting(wish.need)
        )

    def _is_kept(self, spot: Spot, wish: Wish) -> bool:
        """Tell whether a card is kept for somebody who goes before a job."""
        return self._table.kept_until(spot, self._turns.of(wish)) is not None

    def _may_find_some(self, wish: Wish) -> bool:
        """Tell at little cost whether it makes sense to look at the cards."""
        longest = self._table.longest_seconds
        if longest is not None and self._turns.of(wish) < math.inf:
            return True
        return longest is not None and (longest == math.inf or (wish.seconds is not None and wish.seconds <= longest))

    def _wait(self, wish: Wish) -> Wait:
        """Keep cards for a job that can't start, if it is the first for these, and say what it waits for."""
        wait = self._kept_or_behind(wish)
        if wait.is_reachable:
            self._turns.waits(wish)
        return wait

    def _kept_or_behind(self, wish: Wish) -> Wait:
        fitting = self._table.fitting(wish.need)
        if not self._may_keep(wish):
            return self._wait_behind(wish, fitting)
        preempting = self._preemptions.possible_for(wish.priority)
        free = len(self._table.open_to(wish, self._turns.of(wish)))
        ends = [(self._table.free_at(spot, wish), spot) for spot in fitting if not self._is_kept(spot, wish)]
        within = sorted(
            ((at, spot.card.index, spot.card.uuid) for at, spot in ends if at is not None), key=lambda end: end
        )
        soonest = within[: wish.need.gpus]
        is_enough = len(soonest) == wish.need.gpus
        starts_at = soonest[-1][0] if is_enough else math.inf
        if preempting:
            stopped = self._preempt(wish, free, soonest if is_enough else None)
            if stopped is not None:
                return stopped
        if any(self._is_kept(spot, wish) for spot in fitting):
            return self._wait_behind(wish, fitting)
        if not is_enough:
            away = [spot.card for at, spot in ends if at is None]
            return Wait(
                words.out_of_reach(wish.need, free, away), tuple(card.uuid for card in away), is_reachable=False
            )
        kept = tuple(uuid for _, _, uuid in soonest)
        is_known = starts_at < math.inf
        self._keep(wish, kept, starts_at if is_known else self._view.now + UNKNOWN_WAIT_SECONDS)
        broken = [spot.card for spot in fitting if spot.card.is_broken]
        return Wait(words.first(wish.need, free, broken), kept, starts_at if is_known else None)

    def _frees_soon(self, soonest: Sequence[tuple[float, int, str]], grace_seconds: float) -> bool:
        """Tell whether all cards are free, or hardly later so than those would be of whoever has such a grace."""
        for at, _, uuid in soonest:
            ending = all(job.ending for job in self._table.spots[uuid].jobs) and self._table.spots[uuid].jobs
            if at > self._view.now + grace_seconds + _WORTH_SECONDS and not ending:
                return False
        return True

    def _preempt(self, wish: Wish, free: int, soonest: Sequence[tuple[float, int, str]] | None) -> Wait | None:
        """Have others stop for a job, unless it has the ``soonest`` cards about as early without that."""
        chosen = self._preemptions.choose(wish, self._turns.of(wish))
        if chosen is None:
            return None
        victims, gpus = chosen
        grace = max(job.grace_seconds for job in victims)
        if soonest is not None and self._frees_soon(soonest, grace):
            return None
        self._preemptions.stop(victims)
        self._preempts += [Preempted(job.job_id, wish.job_id) for job in victims]
        at = self._view.now + grace
        self._keep(wish, gpus, at)
        return Wait(words.stopping(wish.need, free, [job.name or job.job_id for job in victims]), gpus, at)

    def _keep(self, wish: Wish, gpus: tuple[str, ...], until: float) -> None:
        self._table.keep(gpus, until)
        self._keepers.append(wish)
        since = min(self._turns.of(wish), wish.ready_at)
        kept = KeptFor(wish.name or wish.job_id, wish.user, since, until, wish.job_id)
        self._kept.update(dict.fromkeys(gpus, kept))

    def _wait_behind(self, wish: Wish, fitting: Sequence[Spot]) -> Wait:
        """Say for whom cards are kept that this job could use as well."""
        turn = self._turns.of(wish)
        promised = [spot for spot in fitting if spot.promise is not None and spot.promise.waiter.since < turn]
        if promised and not any(spot.kept_until is not None for spot in fitting):
            return self._wait_for_others(wish, promised, turn)
        kept = [spot for spot in fitting if spot.kept_until is not None and spot.is_open]
        if not kept or not self._keepers:
            return Wait(words.turn(wish.need, len(self._table.open_to(wish, turn))))
        return Wait(words.behind(wish.need, len(kept), self._keepers[0].name or self._keepers[0].job_id))

    def _wait_for_others(self, wish: Wish, promised: Sequence[Spot], turn: float) -> Wait:
        """Say which GPUs are kept for the job of another agent."""
        first = promised[0].promise
        theirs = [spot.card for spot in promised if spot.promise is first]
        free = len(self._table.open_to(wish, turn))
        gpus = tuple(card.uuid for card in theirs)
        waiter = first.waiter if first is not None else None
        return Wait(words.turn(wish.need, free) if waiter is None else words.kept_for(wish.need, theirs, waiter), gpus)


def _promised(made: Sequence[Promise]) -> dict[str, KeptFor]:
    return {
        gpu: KeptFor(one.waiter.name, one.waiter.user, one.waiter.since, one.until) for one in made for gpu in one.gpus
    }
