"""The GPUs during one decision: which are open to whom, which are kept for somebody, when the others become free.

EXTERNAL, FAULTED and UNKNOWN cards are given to nobody, and nobody can tell when that changes: a job that needs one of
them keeps no card back for itself meanwhile. So it is with a broken one that somebody still has.
"""

import math
from collections.abc import Iterable, Sequence

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.queue.placement import fits
from mlops_desk.jobs.queue.plan import Promise
from mlops_desk.jobs.queue.view import QueueView, RunningJob, Wish

DRAINING_SECONDS = 10.0
"""Chosen: a GPU that was let go is shown empty at the next samples, a second or two apart; a large one needs longer."""
_UNBOOKED_SECONDS = 86_400.0
"""Chosen: a job without a time limit is taken to run a day, so that it stands in no booking's way that is near."""
_OUT_OF_REACH = frozenset({CardState.EXTERNAL, CardState.FAULTED, CardState.UNKNOWN})
_GIVEN = frozenset({CardState.FREE, CardState.RESERVED, CardState.SHARED})


class Spot:
    """One card while it is decided: who of ours is on it, and how much of its memory nobody has been promised."""

    def __init__(self, card: GpuCard, jobs: Sequence[RunningJob]) -> None:
        self.card = card
        self.jobs = list(jobs)
        self.kept_until: float | None = None
        """Until when others may use it though it is kept for somebody of ours; None: it is not."""
        self.promise: Promise | None = None
        """For whom of another agent it is kept."""
        known = {holder.job_id for holder in card.holders if holder.job_id is not None}
        promised = [job for job in jobs if job.job_id not in known]
        self.room = card.room_bytes
        if self.room is not None:
            self.room -= sum(job.share_bytes or 0 for job in promised)
        self.is_free = card.state in {CardState.FREE, CardState.RESERVED} and not jobs
        self.is_shared = card.state is CardState.SHARED or (card.state is CardState.FREE and bool(jobs))
        if any(job.share_bytes is None for job in jobs) or card.state not in _GIVEN:
            self.is_shared = False

    @property
    def is_open(self) -> bool:
        """Tell whether anybody at all could be given it, or a share of it."""
        return self.is_free or self.is_shared

    def has_room(self, need: Need) -> bool:
        asked = max(need.memory_bytes or 0, need.share_bytes or 0 if need.shares else 0)
        return asked == 0 or (self.room is not None and self.room >= asked)


class Table:
    """All cards at one moment. What is given out is taken from it at once."""

    def __init__(self, view: QueueView) -> None:
        self._now = view.now
        on: dict[str, list[RunningJob]] = {}
        for job in view.running:
            for uuid in job.gpus:
                on.setdefault(uuid, []).append(job)
        cards = view.cards or ()
        split = {card.parent for card in cards if card.parent is not None}
        whole = [card for card in cards if card.uuid not in split]
        self._only_slices = bool(whole) and all(card.parent is not None for card in whole)
        self.spots = {
            card.uuid: Spot(card, on.get(card.uuid, ()))
            for card in sorted(whole, key=lambda one: (one.index, one.uuid))
        }
        self._fitting: dict[Need, list[Spot]] = {}
        self._longest: float | None = None
        self._reckon_longest()

    @property
    def longest_seconds(self) -> float | None:
        """How long a job may run at most on some open card; None: there is none."""
        return self._longest

    def fitting(self, need: Need) -> list[Spot]:
        """Return the cards that a job could ever use."""
        found = self._fitting.get(need)
        if found is None:
            found = [spot for spot in self.spots.values() if fits(need, spot.card, only_slices=self._only_slices)]
            self._fitting[need] = found
        return found

    def open_to(self, wish: Wish, turn: float = math.inf) -> list[GpuCard]:
        """Return the cards that a job may be given now; ``turn`` is since when its user is in the machine's line."""
        return [
            spot.card for spot in self.fitting(wish.need) if self._admits(spot, wish) and self.spares(spot, wish, turn)
        ]

    def take(self, wish: Wish, gpus: Iterable[str]) -> None:
        """Give cards to a job."""
        until = None if wish.seconds is None else self._now + wish.seconds
        share = wish.need.share_bytes if wish.need.shares else None
        job = RunningJob(wish.job_id, wish.uid, since=self._now, until=until, share_bytes=share, name=wish.name)
        for uuid in gpus:
            spot = self.spots[uuid]
            spot.jobs.append(job)
            spot.is_free = False
            spot.is_shared = share is not None
            if share is not None and spot.room is not None:
                spot.room -= share
        self._reckon_longest()

    def keep(self, gpus: Iterable[str], until: float) -> None:
        """Keep cards for somebody: others may have them if they are over by then."""
        for uuid in gpus:
            self.spots[uuid].kept_until = until
        self._reckon_longest()

    def promise(self, promise: Promise) -> None:
        """Keep cards for another agent's job."""
        for uuid in promise.gpus:
            self.spots[uuid].promise = promise
        self._reckon_longest()

    def kept_until(self, spot: Spot, turn: float = math.inf) -> float | None:
        """Return by when others have to be over on a card that is kept; None: it is kept for nobody before ``turn``."""
        promise = spot.promise if spot.promise is not None and spot.promise.waiter.since < turn else None
        ends = (spot.kept_until, None if promise is None else promise.until)
        return min((end for end in ends if end is not None), default=None)

    def _reckon_longest(self) -> None:
        found = [
            math.inf if until is None else until - self._now
            for spot, until in ((spot, self.kept_until(spot)) for spot in self.spots.values())
            if spot.is_open
        ]
        self._longest = max(found, default=None)

    def free_at(self, spot: Spot, wish: Wish) -> float | None:
        """Return when a job may have a card: ``inf`` where nobody said, None where that is not in the queue's hands."""
        card = spot.card
        if spot.is_free:
            if self._admits(spot, wish):
                return self._now
            return self._booked_until(card, wish)
        if card.is_broken or (card.state in _OUT_OF_REACH and not spot.jobs):
            return None
        if card.state is CardState.DRAINING and not spot.jobs:
            return self._now + DRAINING_SECONDS
        ours = {job.job_id for job in spot.jobs}
        ends = [job.until for job in spot.jobs]
        ends += [holder.until for holder in card.holders if holder.job_id not in ours]
        if not ends or None in ends:
            return math.inf
        return max(self._now + 1.0, *(end for end in ends if end is not None))

    def _admits(self, spot: Spot, wish: Wish) -> bool:
        """Tell whether a card is open to a job, apart from what is kept for others."""
        need = wish.need
        if not (spot.is_free or (spot.is_shared and need.shares)) or not spot.has_room(need):
            return False
        return self.is_unbooked(spot, wish)

    def is_unbooked(self, spot: Spot, wish: Wish) -> bool:
        """Tell whether the bookings of a card leave it to a job for as long as it may run."""
        if not spot.card.bookings and spot.card.state is not CardState.RESERVED:
            return True
        end = self._now + (_UNBOOKED_SECONDS if wish.seconds is None else wish.seconds)
        mine = False
        for booking in spot.card.bookings:
            begun = booking.starts_at <= self._now
            over = booking.ends_at is not None and booking.ends_at <= self._now
            if over:
                continue
            if booking.uid == wish.uid:
                mine = mine or begun
            elif booking.starts_at < end:
                return False
        return mine or spot.card.state is not CardState.RESERVED

    def _booked_until(self, card: GpuCard, wish: Wish) -> float | None:
        """Return when the bookings of others are over; None where it is not they that keep a free card away."""
        others = [one for one in card.bookings if one.uid != wish.uid]
        if not others or any(one.ends_at is None for one in others):
            return None
        return max(self._now + 1.0, *(one.ends_at for one in others if one.ends_at is not None))

    def spares(self, spot: Spot, wish: Wish, turn: float = math.inf) -> bool:
        """Tell whether a job on this card keeps nobody waiting for whom it is kept."""
        until = self.kept_until(spot, turn)
        return until is None or (wish.seconds is not None and self._now + wish.seconds <= until)
