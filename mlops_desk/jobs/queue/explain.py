"""Why a job waits, and what would start it sooner: the scheduler asked again about a job or GPUs that are made up.

So an answer that says "now" is what the next look at the queue does, as long as nothing else changes before it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlops_desk.base.text import plain
from mlops_desk.jobs.queue.forecast import end_of
from mlops_desk.jobs.queue.lines import Turns, line_up
from mlops_desk.jobs.queue.plan import Plan
from mlops_desk.jobs.queue.preemption import spared_until
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.table import Table
from mlops_desk.jobs.queue.view import QueueView, RunningJob, Wish
from mlops_desk.records.jobs.card import CardState, GpuCard
from mlops_desk.records.jobs.need import Need
from mlops_desk.records.jobs.place import Alternative, QueuePlace, WaitingFor
from mlops_desk.records.jobs.waiter import KeptFor

_GIB = 1 << 30
_LIMITS_SECONDS = (("8 h", "8h", 28_800.0), ("1 h", "1h", 3600.0), ("10 min", "10m", 600.0))
_ALTERNATIVES = 6  # chosen: as many as one reads
_SIZES_GIB = (64, 40, 24, 16, 8)  # what cards have, the largest first
_SHARES_GIB = (16, 8)  # chosen: a notebook, a small model


def all_wishes(view: QueueView) -> list[Wish]:
    """Return all that wait, in the order in which it is their turn; those that wait for a time or jobs come last."""
    return [*Turns(view).sorted(view.waiting), *sorted(view.held, key=lambda wish: (wish.ready_at, wish.job_id))]


def put(view: QueueView, *made_up: Wish) -> QueueView:
    """Return the view with jobs put in; one of an id that waits already takes its place."""
    ids = {wish.job_id for wish in made_up}
    waiting = [wish for line in view.waiting for wish in line.wishes if wish.job_id not in ids]
    held = [wish for wish in view.held if wish.job_id not in ids]
    for wish in made_up:
        is_held = wish.after or wish.hopeless or wish.unready or (wish.begin_at or 0.0) > view.now
        (held if is_held else waiting).append(wish)
    return replace(view, waiting=line_up(waiting), held=tuple(held))


def place_of(view: QueueView, plan: Plan, wish: Wish, position: int, forecast: float | None) -> QueuePlace:
    """Tell where a job stands."""
    if wish.job_id in plan.starts:
        return QueuePlace(wish.job_id, position, view.now)
    wait = plan.wait_of(wish.job_id)
    gpus = wait.gpus or tuple(spot.card.uuid for spot in Table(view).fitting(wish.need) if wish.need.gpus)
    return QueuePlace(wish.job_id, position, forecast, waiting_for(view, gpus, plan.kept, wish.priority), wait.reason)


def waiting_for(
    view: QueueView, gpus: tuple[str, ...], kept: Mapping[str, KeptFor], priority: int
) -> tuple[WaitingFor, ...]:
    """Tell who has the GPUs that a job of ``priority`` waits for, or for whose job of another agent they are kept."""
    cards = {card.uuid: card for card in view.cards or ()}
    ours = {uuid: job for job in view.running for uuid in job.gpus}
    found = []
    for uuid in gpus:
        card, job = cards.get(uuid), ours.get(uuid)
        if job is not None:
            found.append(_held_by_ours(uuid, job, view, priority))
        elif card is not None and card.state is not CardState.FREE:
            found.append(_held_by(card))
        elif (other := kept.get(uuid)) is not None and other.job_id is None:
            found.append(WaitingFor(uuid, other.name, other.user, other.since, is_kept=True))
    return tuple(found)


def _held_by_ours(uuid: str, job: RunningJob, view: QueueView, priority: int) -> WaitingFor:
    gives_way = spared_until(job, view) if job.priority < priority else None
    ends = end_of(job, view.now)
    return WaitingFor(uuid, job.name or job.job_id, job.user or None, job.since, ends, gives_way_at=gives_way)


def _held_by(card: GpuCard) -> WaitingFor:
    holder = card.holders[0] if card.holders else None
    if holder is None:
        return WaitingFor(card.uuid, plain(card.text) or card.state.value)
    return WaitingFor(card.uuid, plain(holder.label), holder.user, holder.since, holder.until)


def alternatives(view: QueueView, wish: Wish) -> tuple[Alternative, ...]:
    """Tell what would start a job now; of fewer GPUs also when, where that is sooner and known."""
    found: list[Alternative] = []
    told: set[str] = set()
    for text, field, value, changed in _variants(view, wish):
        if field in told or len(found) >= _ALTERNATIVES:
            continue
        if wish.job_id in schedule(changed).starts:
            told.add(field)
            found.append(Alternative(text, field, value, view.now))
    return tuple(found)


def _variants(view: QueueView, wish: Wish) -> Iterator[tuple[str, str, str, QueueView]]:
    """Yield what could be asked for instead; of each field what is nearest to the wish first."""
    need = wish.need
    for count in range(need.gpus - 1, 0, -1):
        fewer = replace(need, gpus=count)
        yield f"with {count} GPU{'s' * (count > 1)}", "resources.gpus", str(count), _asking(view, wish, fewer)
    if need.memory_bytes is not None:
        for size in _SIZES_GIB:
            if size * _GIB < need.memory_bytes:
                text = f"with gpu_memory {size}GiB"
                less = replace(need, memory_bytes=size * _GIB)
                yield text, "resources.gpu_memory", f"{size}GiB", _asking(view, wish, less)
    if need.gpus and (need.model is not None or need.uuids):
        any_model = replace(need, model=None, uuids=())
        yield "with any model of GPU", "resources.gpu_model", "*", _asking(view, wish, any_model)
    if need.gpus and not need.shares:
        for size in _SHARES_GIB:
            shared = replace(need, exclusive=False, share_bytes=size * _GIB, memory_bytes=None)
            yield f"sharing a GPU, with {size}GiB of it", "resources.share", f"{size}GiB", _asking(view, wish, shared)
    for words, value, seconds in _LIMITS_SECONDS:
        longest = seconds + wish.grace_seconds
        if wish.seconds is None or longest < wish.seconds:
            limited = put(view, replace(wish, seconds=longest))
            yield f"with a time limit of {words}", "timeLimit", value, limited
    yield from _without_strangers(view, wish)


def _asking(view: QueueView, wish: Wish, need: Need) -> QueueView:
    return put(view, replace(wish, need=need))


def _without_strangers(view: QueueView, wish: Wish) -> Iterator[tuple[str, str, str, QueueView]]:
    """Yield the view as it would be without each process that asked nobody, and without the driver's doubts."""
    for card in view.cards or ():
        if wish.need.gpus and card.state is CardState.EXTERNAL:
            freed = replace(card, state=CardState.FREE, holders=(), room_bytes=card.memory_bytes, text="")
            cards = tuple(freed if one.uuid == card.uuid else one for one in view.cards or ())
            text = f"if the outside process on GPU {card.index} ended"
            yield text, f"gpu.{card.uuid}", "free", replace(view, cards=cards)
