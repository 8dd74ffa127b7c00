"""How what a rule watches went: one curve of its condition, of the thing that is worst off. Pure, but for the history.

What fires at once is shown by the most (or least) of each step, or a line that stays below its threshold would have
fired; what has to last by the mean. A counter is shown by its growth, which begins anew after a gap as it does for the
engine after a restart. What is reckoned of several readings is reckoned of their means.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from mlops_desk.base.errors import NotFound
from mlops_desk.records.history import History
from mlops_desk.records.metric import Metric
from mlops_desk.records.rules.conditions import (
    DriftClause,
    DvcClause,
    Leaf,
    ManualClause,
    MetricClause,
    NewDataClause,
    NewRowsClause,
    PushClause,
    ScheduleClause,
    StateClause,
    leaves,
)
from mlops_desk.records.rules.course import ConditionCurve, OfEach, RuleCourse
from mlops_desk.records.rules.kept import ThingStanding
from mlops_desk.records.rules.spec import RuleSpec
from mlops_desk.rules.document.conditions import Metrics
from mlops_desk.rules.documents import RulePast
from mlops_desk.rules.sentence import condition_words

POINTS = 96
"""Of a curve at most: quarters of an hour of a day, which the history keeps for long and reads fast."""
_MOST_POINTS = 3000  # chosen: of what a counter's growth is told by; two days of minutes, and the history gives 5,000
_MOST_THINGS = 32  # chosen: the GPUs of any machine, as in a dry run
_MOST_PARTS = 8  # chosen: a condition of more parts is no line to look at; the first that is told is shown
_AT_ONCE_SECONDS = 60.0  # chosen: what lasts shorter is lost in the mean of a quarter of an hour
_FINEST_SECONDS = 60.0  # what is older than a few minutes is kept by the minute
_AS_GOOD_AS = 1.05  # chosen: spans that are no multiple of a minute are cut into steps that are a little longer
_UNTOLD: dict[type, str] = {
    StateClause: "it is about a state, of which no numbers are kept",
    ScheduleClause: "it waits for times of a schedule",
    NewDataClause: "it waits for new data",
    NewRowsClause: "it waits for new data",
    DvcClause: "it waits for new data",
    PushClause: "it waits for a commit",
    DriftClause: "it waits for a report of drift",
    ManualClause: "a person fires it",
}

Values: TypeAlias = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """What is shown of a thing: values for ``step`` seconds each from ``start`` on."""

    thing: str
    start: float
    step: float
    values: Values


class CourseReading:
    """Reads what the parts of conditions were between two Unix times."""

    def __init__(self, metrics: Metrics, past: RulePast, since: float, until: float) -> None:
        self._metrics, self._past = metrics, past
        self._since, self._until = since, until

    def course(self, name: str, spec: RuleSpec, standings: Sequence[ThingStanding]) -> RuleCourse:
        """Return the curve of the first part of a rule's condition that has one. Raises Unavailable, TimedOut."""
        why: list[str] = []
        for leaf in [*dict.fromkeys(leaves(spec.when))][:_MOST_PARTS]:
            found = self._part(leaf, spec, standings)
            if isinstance(found, ConditionCurve):
                return RuleCourse(name, found)
            why.append(found)
        return RuleCourse(name, untold="; ".join(dict.fromkeys(why)))

    def _part(self, leaf: Leaf, spec: RuleSpec, standings: Sequence[ThingStanding]) -> ConditionCurve | str:
        """Return the curve of a part, or why there is none."""
        if not isinstance(leaf, MetricClause):
            return _UNTOLD[type(leaf)]
        why = self._past.why_untold(leaf.device, leaf.metric)
        if why is not None:
            return why
        metric = self._metrics[leaf.device, leaf.metric]
        each = _of_each(leaf, metric, spec)
        things = self._things(leaf, standings)
        lines = self._lines(leaf, each, things) if things else []
        if lines is None:
            return "it is by how much a counter grew in less time than the history tells apart here"
        known = [line for line in lines if any(value is not None for value in line.values)]
        if not known:
            return "nothing of it was measured in this time"
        holding = {one.subject for one in standings if one.holds is True}
        worst = max(known, key=lambda line: (line.thing in holding, _nearest(line.values, leaf)))
        return ConditionCurve(
            condition_words(leaf, self._metrics), leaf.device, worst.thing, leaf.metric, metric.unit, leaf.threshold,
            leaf.above, each, worst.start, worst.step, worst.values, len(things),
        )  # fmt: skip

    def _things(self, leaf: MetricClause, standings: Sequence[ThingStanding]) -> dict[str, str]:
        """Return the things of a part that there are, each with the name that its history goes by.

        Of those that the engine judges, while there are any; those for which the rule holds come first.
        """
        if leaf.of is not None:
            found: Sequence[str] = [leaf.of]
        else:
            judged = [one.subject for one in sorted(standings, key=lambda one: one.holds is not True) if one.subject]
            found = judged or self._past.things(leaf.device, leaf.metric)
        known = {}
        for thing in found[:_MOST_THINGS]:
            try:
                known[thing] = self._past.name(leaf.device, thing)
            except NotFound:
                continue  # it is gone, and so is its curve
        return known

    def _lines(self, leaf: MetricClause, each: OfEach, things: Mapping[str, str]) -> list[_Line] | None:
        """Return what is shown of each thing; None where the history is too coarse to tell a growth."""
        window = leaf.grown_over or 0.0
        span = self._until - self._since
        step = max(min(window or span, span / POINTS), _FINEST_SECONDS if window else 0.0)
        points = math.ceil((span + window) / step - 1e-9)
        if window and (window < step or points > _MOST_POINTS):
            return None
        names = [*things.values()]
        found = self._past.curves(leaf.device, leaf.metric, names, self._since - window, self._until, points)
        lines = []
        for thing, curve in zip(things, found, strict=True):
            if curve is None:
                continue
            if not window:
                lines.append(_Line(thing, curve.times[0], curve.step_seconds, _shown(curve, each)))
            elif curve.step_seconds <= window * _AS_GOOD_AS:
                lines.append(_growth(thing, curve, window))
            else:
                return None
        return lines


def _of_each(leaf: MetricClause, metric: Metric, spec: RuleSpec) -> OfEach:
    if leaf.grown_over is not None:
        return OfEach.GROWTH
    lasts = max(leaf.for_seconds, spec.for_seconds) >= _AT_ONCE_SECONDS
    if metric.derived or leaf.averaged or lasts:
        return OfEach.MEAN
    return OfEach.MOST if leaf.above else OfEach.LEAST


def _shown(curve: History, each: OfEach) -> Values:
    return {OfEach.MOST: curve.maximum, OfEach.LEAST: curve.minimum}.get(each, curve.mean)


def _growth(thing: str, curve: History, window: float) -> _Line:
    """Return by how much a counter had grown within so many seconds, the most in each of at most 96 steps.

    Counters do not fall, so what was the most of a step is what it ended with; one that falls was set back, and has
    not grown.
    """
    count = round(window / curve.step_seconds) or 1
    ends = curve.maximum
    grown = [0.0, *(max(0.0, now - before) if now is not None and before is not None else 0.0
                    for before, now in pairwise(ends))]  # fmt: skip
    sums = [None if end is None else sum(grown[max(0, place - count + 1) : place + 1])
            for place, end in enumerate(ends)][count:]  # fmt: skip
    together = math.ceil(len(sums) / POINTS) or 1
    values = tuple(_most(sums[at : at + together]) for at in range(0, len(sums), together))
    start = curve.times[0] + count * curve.step_seconds
    return _Line(thing, start, together * curve.step_seconds, values)


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _nearest(values: Values, leaf: MetricClause) -> float:
    """Return how far a thing came beyond the threshold: below 0 is how much was left."""
    return max((value - leaf.threshold) * (1 if leaf.above else -1) for value in values if value is not None)
