"""One view of the queue and the decision about it, as people see it: places, forecasts, explanations.

What is asked is worked out when it is first asked for, and kept as long as the view is.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.queue.forecast import FORESEEN, end_of, foresee
from mlops_desk.jobs.queue.gpu_table import Table
from mlops_desk.jobs.queue.placement import distance
from mlops_desk.jobs.queue.plan import Plan
from mlops_desk.jobs.queue.preemption import spared_until
from mlops_desk.jobs.queue.queue_order import Turns, line_up
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.view import QueueView, RunningJob, Wish
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.queue_position import Alternative, Explanation, QueuePlace, WaitingFor
from mlops_desk.jobs.records.waiter import KeptFor
from mlops_desk.kit.base.text import plain

# How the GPUs of a job are joined, in a few words: "on NUMA node 0, NVLink all to all". Pure.
_PATHS = (
    "NVLink all to all",
    "behind one PCIe switch",
    "behind PCIe switches",
    "over one PCIe host bridge",
    "over the PCIe host bridges of one NUMA node",
    "over the link between NUMA nodes",
    "by paths that the driver does not name",
)
"""What the farthest two are joined by, by the rank of their distance."""


def topology(cards: Sequence[GpuCard]) -> str:
    """Return how cards are joined; nothing for one alone."""
    if len(cards) <= 1:
        return ""
    paths = [distance(one, other) for one, other in combinations(cards, 2)]
    return ", ".join(part for part in (_nodes(cards), _links(paths)) if part)


def _nodes(cards: Sequence[GpuCard]) -> str:
    nodes = sorted({card.numa_node for card in cards if card.numa_node is not None})
    if not nodes or any(card.numa_node is None for card in cards):
        return ""
    if len(nodes) == 1:
        return f"on NUMA node {nodes[0]}"
    return f"across NUMA nodes {', '.join(map(str, nodes[:-1]))} and {nodes[-1]}"


def _links(paths: Sequence[int]) -> str:
    near, worst = paths.count(0), _PATHS[max(paths)]
    return worst if near in {0, len(paths)} else f"NVLink between {near} of {len(paths)} pairs, the others {worst}"


# Why a job waits, and what would start it sooner: the scheduler asked again about a job or GPUs that are made up.
# So an answer that says "now" is what the next look at the queue does, as long as nothing else changes before it.
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


_AHEAD = 20  # chosen: more names than anybody reads; the list of jobs has all
_BEGINS = "It starts now."
_FORESIGHT_SECONDS = 5.0
"""Chosen: a forecast is a time of the clock, so it holds on; foreseeing a long queue takes a tenth of a second."""


class Foresight:
    """When jobs are expected to start, as it was reckoned at ``at`` (a monotonic time)."""

    def __init__(self, starts: Mapping[str, float], at: float) -> None:
        self.starts = starts
        self.at = at

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.at < _FORESIGHT_SECONDS


class Board:
    """``foresight`` is what was foreseen a moment ago; a job that is not in it has everything reckoned anew."""

    def __init__(self, view: QueueView, foresight: Foresight | None = None) -> None:
        self.view = view
        self.plan = schedule(view)
        self.foresight = foresight
        self._is_own = False
        self._order: list[Wish] | None = None
        self._places: dict[str, int] = {}

    def order(self) -> list[Wish]:
        """Return all that wait and can start some day, the next first."""
        if self._order is None:
            self._order = [wish for wish in all_wishes(self.view) if wish.job_id not in self.plan.blocked]
            self._places = {wish.job_id: index for index, wish in enumerate(self._order)}
        return self._order

    def wish(self, job_id: str) -> Wish | None:
        """Return what a job waits for; None: it waits for nothing."""
        order = self.order()
        index = self._places.get(job_id)
        return None if index is None else order[index]

    def forecast(self, job_id: str) -> float | None:
        """Return when a job is expected to start; None: nobody can tell."""
        if job_id in self.plan.starts:
            return self.view.now
        if self._places.get(job_id, 0) >= FORESEEN:
            return None
        known = self.foresight
        if known is None or not (self._is_own or (known.is_fresh and known.starts.get(job_id, 0.0) > self.view.now)):
            self.foresight = known = Foresight(foresee(self.view), time.monotonic())
            self._is_own = True
        return known.starts.get(job_id)

    def place(self, job_id: str) -> QueuePlace | None:
        """Return where a job stands; None: it waits for nothing, or is blocked."""
        wish = self.wish(job_id)
        if wish is None:
            return None
        return place_of(self.view, self.plan, wish, self._places[job_id] + 1, self.forecast(job_id))

    def nowhere(self, job_id: str) -> QueuePlace:
        """Return the place of a job that is blocked: none in the line."""
        return QueuePlace(job_id, 0, None, (), self.plan.blocked.get(job_id))

    def shown(self, job: Job) -> Job:
        """Return a job with its place; one that is being taken out of the queue is next, and starts now."""
        place = self.place(job.id) if job.state is JobState.QUEUED else None
        if place is None:
            return replace(job, position=1, forecast_start=self.view.now) if self._begins(job) else job
        return replace(job, position=place.position, forecast_start=place.forecast_start, waiting_for=place.waiting_for)

    def explain(self, job: Job) -> Explanation:
        """Tell why a job waits, what stands before it, and what would start it sooner."""
        reason = self.plan.blocked.get(job.id)
        if reason is not None:
            wish = next(one for one in all_wishes(self.view) if one.job_id == job.id)
            return Explanation(job.id, job.state.value, reason.text, alternatives=alternatives(self.view, wish))
        place, waits = self.place(job.id), self.wish(job.id)
        if place is None or waits is None:
            text = _BEGINS if self._begins(job) else _not_waiting(job)
            return Explanation(job.id, job.state.value, text, topology=self._joined(job.id))
        text = place.reason.text if place.reason is not None else _BEGINS
        before = self.order()[: place.position - 1]
        same = [one.job_id for one in before if bool(one.need.gpus) is bool(waits.need.gpus)]
        sooner = () if job.id in self.plan.starts else alternatives(self.view, waits)
        ahead = tuple(same[-_AHEAD:])
        return Explanation(job.id, job.state.value, text, place, ahead, sooner, self._joined(job.id))

    def _joined(self, job_id: str) -> str:
        """Return how the GPUs of a job are joined that has them, or is about to."""
        running = next((one.gpus for one in self.view.running if one.job_id == job_id), ())
        gpus = self.plan.starts.get(job_id, running)
        return topology([card for card in self.view.cards or () if card.uuid in gpus])

    def _begins(self, job: Job) -> bool:
        return job.state is JobState.QUEUED and any(one.job_id == job.id for one in self.view.running)

    def preview(self, made_up: list[Wish]) -> tuple[tuple[QueuePlace, ...], tuple[Alternative, ...]]:
        """Tell where jobs would stand that nobody has submitted, and what would start the first of them sooner."""
        with_them = Board(put(self.view, *made_up))
        places = tuple(with_them.place(one.job_id) or with_them.nowhere(one.job_id) for one in made_up)
        first = made_up[0]
        if first.job_id in with_them.plan.starts:
            return places, ()
        return places, alternatives(with_them.view, first)


def _not_waiting(job: Job) -> str:
    if job.state.is_final:
        why = "" if job.reason is None else f" {job.reason.text}"
        return f"It is over: {job.state.value}.{why}"
    return f"It waits for nothing: it is {job.state.value}."
