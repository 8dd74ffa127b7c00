"""When those who wait are expected to start: the scheduler itself, asked again at each moment at which something ends.

What runs ends when it is expected to, or at its time limit; of what nobody knows when it ends nothing is made up, so
a job that waits for it has no time. Foreign processes, and cards that are out of order, are taken to stay.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from mlops_desk.gpus.records.gpu_status import CardHolder, CardState, GpuCard
from mlops_desk.jobs.queue.gpu_table import DRAINING_SECONDS
from mlops_desk.jobs.queue.plan import Plan
from mlops_desk.jobs.queue.preemption import spared_until
from mlops_desk.jobs.queue.queue_order import Turns, line_up
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.view import QueueView, RunningJob, Wish
from mlops_desk.jobs.records.waiter import Waiter

FORESEEN = 200
"""Chosen: how many are looked at, the next first; one moment of them costs about a millisecond."""
_MOMENTS = 400
"""Chosen: after so many ends the times are a guess anyway."""
_A_MOMENT_SECONDS = 1.0  # what is overdue ends at the next look


def foresee(view: QueueView, job_id: str | None = None) -> dict[str, float]:
    """Return when each of those who wait is expected to start (Unix seconds), as far as that can be told.

    With ``job_id`` it is looked no further than until that one starts.
    """
    view = _cut(view)
    view = replace(view, held=tuple(_awaited(wish, view.now) for wish in view.held))
    starts: dict[str, float] = {}
    for _ in range(_MOMENTS):
        plan = schedule(view)
        starts.update(dict.fromkeys(plan.starts, view.now))
        if job_id is not None and job_id in starts:
            break
        view = _begin(view, plan.starts, {one.job_id for one in plan.preempts})
        view = _others_begin(view, plan)
        if not view.waiting and not view.held:
            break
        moment = _next_moment(view)
        if moment is None:
            break
        view = _advance(view, moment)
    return starts


def _awaited(wish: Wish, now: float) -> Wish:
    """Return a job whose data are on their way as one that begins when they are here; what is overdue comes next."""
    if wish.unready is None or wish.ready_by is None:
        return wish
    at = max(wish.begin_at or 0.0, wish.ready_by, now + _A_MOMENT_SECONDS)
    return replace(wish, unready=None, ready_by=None, begin_at=at)


def _cut(view: QueueView) -> QueueView:
    """Leave out those who stand too far behind."""
    if sum(len(line.wishes) for line in view.waiting) > FORESEEN:
        first = Turns(view).sorted(view.waiting)[:FORESEEN]
        view = replace(view, waiting=line_up(first))
    return replace(view, held=view.held[:FORESEEN])


def _begin(view: QueueView, given: Mapping[str, tuple[str, ...]], stopped: set[str]) -> QueueView:
    """Return the view with those running that start, and those ending that are stopped."""
    left = [wish for line in view.waiting for wish in line.wishes]
    held = [wish for wish in view.held if wish.job_id not in given]
    begun = [wish for wish in (*left, *view.held) if wish.job_id in given]
    running = [_stopping(job, view.now) if job.job_id in stopped else job for job in view.running]
    running += [started(view, wish, given[wish.job_id]) for wish in begun]
    waiting = view.waiting if not begun else line_up(wish for wish in left if wish.job_id not in given)
    return replace(view, waiting=waiting, held=tuple(held), running=tuple(running))


def _stopping(job: RunningJob, now: float) -> RunningJob:
    """Return a job that is asked to stop, and takes all of its grace for that."""
    ends = now + job.grace_seconds
    return replace(job, ending=True, until=ends, expected_until=ends)


def _others_begin(view: QueueView, plan: Plan) -> QueueView:
    """Return the view with those jobs of other agents running whose GPUs are free, and without our used places."""
    given = {uuid for gpus in plan.starts.values() for uuid in gpus}
    ready = [one for one in plan.promises if one.is_ready and not given & set(one.gpus)]
    begun = {one.waiter.id for one in ready}
    over = {one.id for one in view.waiters if one.job_id in plan.starts or one.uid in plan.used_turns}
    if not begun | over:
        return view
    holders = {uuid: _holder(one.waiter, view.now) for one in ready for uuid in one.gpus}
    cards = view.cards and tuple(
        replace(card, state=CardState.LEASED, holders=(holders[card.uuid],), room_bytes=0) if card.uuid in holders
        else card
        for card in view.cards
    )  # fmt: skip
    waiters = tuple(one for one in view.waiters if one.id not in begun and (one.job_id is None or one.id not in over))
    return replace(view, cards=cards, waiters=waiters)


def _holder(waiter: Waiter, now: float) -> CardHolder:
    until = None if waiter.seconds is None else now + waiter.seconds
    return CardHolder(waiter.name, waiter.user, waiter.uid, since=now, until=until)


def started(view: QueueView, wish: Wish, gpus: tuple[str, ...]) -> RunningJob:
    """Return a job as it runs from now on."""
    now, expected = view.now, view.expected.get((wish.uid, wish.kind))
    return RunningJob(
        wish.job_id,
        wish.uid,
        gpus,
        since=now,
        until=None if wish.seconds is None else now + wish.seconds,
        expected_until=None if expected is None else now + expected,
        priority=wish.priority,
        preemptible=wish.preemptible,
        share_bytes=wish.need.share_bytes if wish.need.shares else None,
        name=wish.name,
        user=wish.user,
        grace_seconds=wish.grace_seconds,
    )


def end_of(job: RunningJob, now: float) -> float | None:
    """Return when a running job is expected to end; None: nobody knows."""
    known = [at for at in (job.expected_until, job.until) if at is not None]
    later = [at for at in known if at > now]
    if later:
        return min(later)
    return now + _A_MOMENT_SECONDS if job.until is not None else None


def _next_moment(view: QueueView) -> float | None:
    """Return when something changes next."""
    moments = [end_of(job, view.now) for job in view.running]
    moments += _may_be_stopped(view)
    moments += [wish.begin_at for wish in view.held if not wish.after]
    for card in view.cards or ():
        moments += [at for booking in card.bookings for at in (booking.starts_at, booking.ends_at)]
        moments.append(_let_go(card, view))
    later = [at for at in moments if at is not None and view.now < at < math.inf]
    return min(later, default=None)


def _may_be_stopped(view: QueueView) -> list[float | None]:
    """Return when running jobs have run long enough to make room for one that waits."""
    highest = max((line.priority for line in view.waiting), default=-math.inf)
    return [spared_until(job, view) for job in view.running if job.priority < highest]


def _let_go(card: GpuCard, view: QueueView) -> float | None:
    """Return when a card becomes free that others have, as far as they say."""
    if card.state is CardState.DRAINING:
        return view.now + DRAINING_SECONDS
    if card.state not in {CardState.LEASED, CardState.SHARED} or any(card.uuid in job.gpus for job in view.running):
        return None
    ends = [holder.until for holder in card.holders]
    if not ends or None in ends:
        return None
    return max(view.now + _A_MOMENT_SECONDS, *(at for at in ends if at is not None))


def _advance(view: QueueView, moment: float) -> QueueView:
    over = [job for job in view.running if (end := end_of(job, view.now)) is not None and end <= moment]
    ended = {job.job_id for job in over}
    cards = view.cards and tuple(_card_at(card, view, moment, over) for card in view.cards)
    held = tuple(replace(wish, after=tuple(one for one in wish.after if one not in ended)) for wish in view.held)
    usage = dict(view.policy.usage)
    for job in over:
        usage[job.uid] = usage.get(job.uid, 0.0) + len(job.gpus) * max(0.0, moment - (job.since or moment))
    return replace(
        view,
        now=moment,
        running=tuple(job for job in view.running if job.job_id not in ended),
        cards=cards,
        held=held,
        policy=replace(view.policy, usage=usage),
    )


def _card_at(card: GpuCard, view: QueueView, moment: float, over: Iterable[RunningJob]) -> GpuCard:
    let_go = _let_go(card, view)
    gone = {job.job_id for job in over if card.uuid in job.gpus}
    if let_go is not None and let_go <= moment:
        return _emptied(card)
    if not gone:
        return card
    holders = tuple(holder for holder in card.holders if holder.job_id not in gone)
    if card.state is CardState.FREE or holders == card.holders:  # noted as ours alone
        stays = sum(card.uuid in job.gpus for job in view.running) > len(gone) or card.holders
        return card if stays or card.state is CardState.FREE else _emptied(card)
    if not holders:
        return _emptied(card)
    freed = sum(holder.share_bytes or 0 for holder in card.holders if holder.job_id in gone)
    return replace(card, holders=holders, room_bytes=None if card.room_bytes is None else card.room_bytes + freed)


def _emptied(card: GpuCard) -> GpuCard:
    if card.is_broken:
        return replace(card, state=CardState.FAULTED, holders=())
    return replace(card, state=CardState.FREE, holders=(), room_bytes=card.memory_bytes, text="")
