"""Measures of alerts as they were: at each point of the history reckoned of the readings that they are made of. Pure.

A share, a sum, what is left to a limit: whatever is told by readings alone has a past, in which a mean of shares is
taken for the share of the means. What rests on more than readings (the state of a GPU, an incident, a job), and
counters that are judged by their growth, have none; why is told. The kind of a mount is no state: it has the one that
it has now for as long as it is there.
"""

from bisect import bisect_right
from collections.abc import Mapping
from types import SimpleNamespace

from mlops_desk.alerts.table import WATCHED
from mlops_desk.alerts.watched import Watched
from mlops_desk.records.history import History
from mlops_desk.records.metric import Reading

_OF = {watched.named: watched for watched in WATCHED if watched.measure.declared is not None}
_NVLINKS = "gpu.nvlinks_down"
KIND = "kind"
"""What a file system is; ``facts`` have it beside the readings."""


def why_untold(device: str, metric: str) -> str | None:
    """Return why a measure can't be told of the history; None where it can, and for what is recorded itself."""
    watched = _OF.get((device, metric))
    if watched is None:
        return None
    if watched.pulse:
        return "it is told when it happens, and its history is that of the incidents"
    if watched.grown_over:
        return "it is by how much a counter grew within a minute, and the history is kept by the minute"
    if metric == _NVLINKS:
        return "whether links are missing is known of the GPU at work alone"
    if set(watched.measure.facts) - {KIND} or not watched.measure.reads:
        return "it rests on more than numbers, and of the rest no history is kept"
    return None


def readings_of(device: str, metric: str) -> tuple[str, ...]:
    """Return the metrics that a measure is reckoned of; none where it can't be, or is recorded itself."""
    watched = _OF.get((device, metric))
    return () if watched is None or why_untold(device, metric) else watched.measure.reads or ()


def reckoned(
    device: str, thing: str, metric: str, curves: Mapping[str, History], facts: Mapping[str, str]
) -> History | None:
    """Return a measure's curve by the curves of what it is made of; None where nothing of these was ever measured.

    One that is missing is missing at each point, as it is of a device that does not tell it. So is a fact: then the
    measure is not known at all.
    """
    watched = _OF[device, metric]
    if not curves or set(watched.measure.facts) - set(facts):
        return None
    finest = min(curves.values(), key=lambda curve: curve.step_seconds)
    values = tuple(_value(watched, curves, facts, at) for at in finest.times)
    coarsest = max(curve.tier_seconds for curve in curves.values())
    unit = watched.measure.declared.unit if watched.measure.declared is not None else watched.rule.unit
    return History(thing, metric, unit, coarsest, finest.step_seconds, finest.times, values, values, values)


def _value(watched: Watched, curves: Mapping[str, History], facts: Mapping[str, str], at: float) -> float | None:
    metrics = {
        name: Reading(value, curve.unit) for name, curve in curves.items() if (value := _at(curve, at)) is not None
    }
    return watched.measure.of(SimpleNamespace(metrics=metrics, **facts)) if metrics else None


def _at(curve: History, at: float) -> float | None:
    """Return a curve's mean in the bucket in which a moment lies."""
    place = bisect_right(curve.times, at) - 1
    return curve.mean[place] if place >= 0 and at < curve.times[place] + curve.step_seconds else None
