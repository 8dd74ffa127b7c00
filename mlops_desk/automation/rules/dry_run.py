"""What a rule would have done: the engine itself, fed with history instead of the present. Pure.

Time goes by in steps of a minute, which is how long the history keeps fine points at most; a coarser point counts for
all of its span. What a rule's jobs would have taken is not known, so its budget never holds it back here.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from mlops_desk.automation.records.dry_run import WouldFire
from mlops_desk.automation.records.rule_state import RuleClock
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.kit.rule_engine.engine import Key, RuleEngine
from mlops_desk.kit.rule_engine.plan import BUDGET_FACT, Value

STEP_SECONDS = 60.0
"""What history of more than a day is kept in, and less than the gap that ends a duration (180 s)."""
_BOOT = "a dry run"
Fact: TypeAlias = tuple[str, str, Value]
"""Its class, the thing, and what it is now."""


@dataclass(frozen=True, slots=True)
class PastSeries:
    """One fact over time: a value for ``step_seconds`` from each of ``times`` (Unix, ascending); None is a gap."""

    fact: str
    thing: str
    step_seconds: float
    times: Sequence[float]
    values: Sequence[float | None]


def would_fire(
    spec: RuleSpec,
    past: Sequence[PastSeries],
    since: float,
    until: float,
    tell: Callable[[float], None] = lambda _at: None,
) -> list[WouldFire]:
    """Return when a rule would have fired between two Unix times, and when it was held back, oldest first.

    ``tell`` hears of each step up to which time all is judged.
    """
    engine = RuleEngine([spec], _clock(since, since))
    if spec.gpu_hours is not None:
        engine.look([(BUDGET_FACT, spec.name, 0.0)], _clock(since, since))
    waiting: dict[Key, tuple[float, str]] = {}
    found: list[WouldFire] = []
    for at, facts in _looks(past, since, until):
        look = engine.look(facts, _clock(at, since))
        tell(at)
        for firing in look.firings:
            began, why = waiting.pop((firing.rule, firing.subject), (at, None))
            found.append(WouldFire(at, firing.subject, fired=True, waited_seconds=at - began, held_by=why))
        for key in [key for key in waiting if key not in look.held]:
            began, why = waiting.pop(key)
            found.append(WouldFire(began, key[1], fired=False, waited_seconds=at - began, held_by=why))
        for key, why in look.held.items():
            waiting.setdefault(key, (at, why))
    found += [
        WouldFire(began, key[1], fired=False, waited_seconds=until - began, held_by=why, waits=True)
        for key, (began, why) in waiting.items()
    ]
    return sorted(found, key=lambda one: one.at)


def known_seconds(series: PastSeries) -> float:
    """Return for how long a series says anything."""
    return series.step_seconds * sum(value is not None for value in series.values)


def _clock(at: float, since: float) -> RuleClock:
    return RuleClock(at, at - since, _BOOT)


def _looks(
    past: Sequence[PastSeries], since: float, until: float
) -> Iterator[tuple[float, list[tuple[str, str, Value]]]]:
    """Yield each step with the facts that are others then."""
    of: dict[tuple[str, str], list[PastSeries]] = {}
    for series in past:
        of.setdefault((series.fact, series.thing), []).append(series)
    by_time = [chain.from_iterable(map(_changes, sorted(pieces, key=_begins))) for pieces in of.values()]
    changes = heapq.merge(*by_time, key=lambda change: change[0])  # never all at once: they are millions
    change, at = next(changes, None), since
    while at < until:
        facts: list[Fact] = []
        while change is not None and change[0] <= at:
            facts.append(change[1:])
            change = next(changes, None)
        yield at, facts
        at += STEP_SECONDS


def _begins(series: PastSeries) -> float:
    return series.times[0] if len(series.times) else 0.0


def _changes(series: PastSeries) -> Iterator[tuple[float, str, str, float | None]]:
    """Yield when a fact became what; None where the history ends or has a gap."""
    last, ends = None, None
    for at, told in zip(series.times, series.values, strict=True):
        value = None if told is None or math.isnan(told) else told
        if ends is not None and at > ends + series.step_seconds / 2:
            yield ends, series.fact, series.thing, None
            last = None
        if value != last:
            yield at, series.fact, series.thing, value
        last, ends = value, at + series.step_seconds
    if ends is not None:
        yield ends, series.fact, series.thing, None
