"""One view of the queue and the decision about it, as people see it: places, forecasts, explanations.

What is asked is worked out when it is first asked for, and kept as long as the view is.
"""

import time
from collections.abc import Mapping
from dataclasses import replace

from mlops_desk.jobs.queue.explain import all_wishes, alternatives, place_of, put
from mlops_desk.jobs.queue.forecast import FORESEEN, foresee
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.topology import topology
from mlops_desk.jobs.queue.view import QueueView, Wish
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.jobs.place import Alternative, Explanation, QueuePlace

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
