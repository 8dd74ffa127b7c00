"""A job's place in the queue as text: when it starts, what stands before it, what would start it sooner."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.queue_position import Alternative, DryRun, Explanation, QueuePlace, WaitingFor
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import duration_text, plain
from mlops_desk.kit.text.cells import facts, moment

_NAMED = 8  # chosen: as many as a machine has GPUs
_PLACES = 20  # chosen: a screen of a terminal
_TEXT = 200  # chosen: two lines


def told(job: Job) -> dict[str, str]:
    """Return the lines about a queued job's place; none for a job that is in no queue."""
    if job.state is not JobState.QUEUED or job.position is None:
        return {}
    lines = {"position": str(job.position), "start": starts(job.forecast_start)}
    if job.priority:
        lines["priority"] = str(job.priority)
    return {**lines, **_waiting_for(job.waiting_for)}


def starts(forecast: float | None) -> str:
    """Say when something starts: "now", "14:30, in 2 h", "not known"."""
    if forecast is None:
        return "not known"
    left = forecast - agent_clock.now()
    return "now" if left < 1 else f"about {moment(forecast)}, in {duration_text(left)}"


def explanation(told: Explanation) -> str:
    lines = {"job": told.job_id, "state": told.state, "why": plain(told.text, _TEXT)}
    if told.topology:
        lines["GPUs"] = told.topology
    place = told.place
    if place is not None:
        lines["position"] = str(place.position)
        lines["start"] = starts(place.forecast_start)
        lines.update(_waiting_for(place.waiting_for))
        if place.reason is not None and place.reason.hint:
            lines["next"] = place.reason.hint
    if told.ahead:
        more = f" and {len(told.ahead) - _NAMED} more" if len(told.ahead) > _NAMED else ""
        lines["before it"] = ", ".join(told.ahead[-_NAMED:]) + more
    return facts({**lines, **_sooner(told.alternatives)})


def dry_run(told: DryRun) -> str:
    head = {"jobs": str(told.jobs), "queued": "nothing, this was a dry run"}
    if told.warnings:
        head["warning"] = "; ".join(plain(warning, _TEXT) for warning in told.warnings)
    data = (
        {"data": "\n".join(f"{plain(one.target)}: {plain(one.text, _TEXT)}" for one in told.staging)}
        if told.staging
        else {}
    )
    lines = [facts({**head, **data, **_sooner(told.alternatives)}), *map(_place, told.places[:_PLACES])]
    if len(told.places) > _PLACES:
        lines.append(f"and {len(told.places) - _PLACES} more (--json has all)")
    return "\n".join(lines)


def _place(place: QueuePlace) -> str:
    why = "" if place.reason is None else f"  {plain(place.reason.text, _TEXT)}"
    if place.position == 0:
        return f"blocked{why}"
    return f"position {place.position}  start {starts(place.forecast_start)}{why}"


def _waiting_for(gpus: Sequence[WaitingFor]) -> dict[str, str]:
    if not gpus:
        return {}
    return {"waits for": "; ".join(map(_held, gpus[:_NAMED]))}


def _held(gpu: WaitingFor) -> str:
    who = plain(gpu.holder or "somebody", 40) + (f" of {plain(gpu.user, 40)}" if gpu.user else "")
    until = "" if gpu.until is None else f" until {moment(gpu.until)}"
    gives_way = "" if gpu.gives_way_at is None else f", gives way from {moment(gpu.gives_way_at)}"
    return f"{plain(gpu.gpu, 40)} ({who}{until}{gives_way})"


def _sooner(found: Sequence[Alternative]) -> dict[str, str]:
    if not found:
        return {}
    return {"sooner": "; ".join(f"{plain(one.text, _TEXT)}: {starts(one.forecast_start)}" for one in found)}


FORMS: dict[type, Callable[[Any], str]] = {Explanation: explanation, DryRun: dry_run}
