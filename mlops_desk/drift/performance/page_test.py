"""A change between windows: Page's test (1954) against a reference, in Hinkley's form (1971), on one value a row.

Values are taken in deviations from the reference's mean, and a slack is taken off each: half of the shift that is to be
found (half a deviation) and what the reference leaves open about its own mean (two standard errors). The sum of what
is left falls while nothing changes; how far it stands above its own lowest point is the statistic, and where that point
was is since when. Falls are watched the same way, with the sign turned.

The limit is ln(A) / w, A being the rows that shall pass on average between two false alarms and w the positive root of
E[exp(w z)] = 1 over the reference's own values z with their slack. By Wald's inequality fewer false alarms than one
in A rows follow, whatever the law: of rare errors (0 or 1) a normal limit would give many more.

This one watch suffices where others offer ADWIN, too (Bifet & Gavalda 2007, delta 0.002). ADWIN holds a stream against
its own past, whatever that was: once it has been bad for long it forgets what was good, so that a slow decline never
rings, and its bound holds only for values between known ends, which errors of numbers do not have. Here there
is a reference, what was good stays so, and the law of its own values sets the limit. Nor do ADWIN's buckets add up:
parts of a stream that were read apart have no common state.

The mean is the reference's, and not a running one as in Page and Hinkley's own writing: a state of two parts of a
stream is then made of the parts' states, by addition and comparison, and takes as little room as one.

How far Page's test has come in a part of a stream: small, of plain numbers, and two parts' states add up. Pure.
"""

import math
from dataclasses import dataclass

import numpy as np

from mlops_desk.drift.numerics import optimize
from mlops_desk.drift.pair import Floats


@dataclass(frozen=True, slots=True)
class PageState:
    """One direction of one stream, or of a part of it; positions are rows, counted from 0 at its beginning.

    ``level`` is the sum, ``low`` its lowest point (0 at the beginning among them) after ``at_low`` rows, ``high`` its
    highest after ``at_high``; ``rise`` is the most that it stood above an earlier lowest point, from ``since`` to
    ``until``.
    """

    n: int = 0
    level: float = 0.0
    low: float = 0.0
    at_low: int = 0
    high: float = 0.0
    at_high: int = 0
    rise: float = 0.0
    since: int = 0
    until: int = 0

    def joined(self, after: "PageState") -> "PageState":
        """Return the state of this part and the one after it together."""
        low, at_low = self.level + after.low, self.n + after.at_low
        high, at_high = self.level + after.high, self.n + after.at_high
        found = [
            (self.rise, self.since, self.until),
            (high - self.low, self.at_low, at_high),
            (after.rise, self.n + after.since, self.n + after.until),
        ]
        rise, since, until = max(found, key=lambda one: one[0])
        below, above = low < self.low, high > self.high
        return PageState(
            self.n + after.n,
            self.level + after.level,
            low if below else self.low,
            at_low if below else self.at_low,
            high if above else self.high,
            at_high if above else self.at_high,
            rise,
            since,
            until,
        )


ROWS_BETWEEN_FALSE_ALARMS = 1e6  # chosen: a busy endpoint's day; a shift of half a deviation is found in 120 rows
_SHIFT = 0.5  # deviations; chosen: what a drift report of 300 rows finds for sure
_STANDARD_ERRORS = 2.0  # of the reference's mean
LEAST_ROWS = 30  # as for a column of a drift report
_LARGEST = 1e150  # squares of larger values are no doubles
_FURTHEST = 1e6  # deviations; chosen: one wild value alarms, and the sum stays one that a double can hold
_STEEPEST = 64.0  # chosen: a limit of a fifth of a deviation, below which one single value alarms


@dataclass(frozen=True, slots=True)
class Baseline:
    """What values of the reference are like: mean and deviation in their unit, slack and limits in deviations."""

    mean: float
    deviation: float
    slack: float
    limit_up: float
    limit_down: float


_BEGINNING = PageState()


@dataclass(frozen=True, slots=True)
class ChangeWatch:
    """Both directions of a stream, and the sum of its values; small, JSON's own types, joined by ``joined``."""

    up: PageState = _BEGINNING
    down: PageState = _BEGINNING

    def joined(self, after: "ChangeWatch") -> "ChangeWatch":
        """Return the state of this part and the one after it together."""
        return ChangeWatch(self.up.joined(after.up), self.down.joined(after.down))

    def with_values(self, values: Floats, baseline: Baseline) -> "ChangeWatch":
        """Return the state after more values, in order; NaN are no values and not counted."""
        z = _standardised(values, baseline)
        return self.joined(ChangeWatch(_state(z - baseline.slack), _state(-z - baseline.slack)))

    def alarms(self, baseline: Baseline) -> tuple[bool, bool]:
        """Tell whether the values have risen, and whether they have fallen."""
        return self.up.rise >= baseline.limit_up, self.down.rise >= baseline.limit_down


def baseline_of(values: Floats, rows_between: float = ROWS_BETWEEN_FALSE_ALARMS) -> Baseline | None:
    """Learn what a reference's values are like; None of fewer than 30 finite ones, of huge ones, or where all are one.

    Zeros and ones that are all one are taken as if half a row more had been the other (Jeffreys).
    """
    known = values[np.isfinite(values)]
    n = known.size
    if n < LEAST_ROWS or np.abs(known).max() > _LARGEST:
        return None
    mean, deviation = float(known.mean()), float(known.std())
    weights = np.full(n, 1 / n)
    if known.min() == known.max():
        if known[0] not in {0.0, 1.0}:
            return None
        other = 0.5 / (n + 1)
        mean = other if known[0] == 0 else 1 - other
        deviation = math.sqrt(mean * (1 - mean))
        known, weights = np.array([0.0, 1.0]), np.array([1 - mean, mean])
    if deviation <= 0:  # differences too small for a square
        return None
    slack = _SHIFT / 2 + _STANDARD_ERRORS / math.sqrt(n)
    z = (known - mean) / deviation
    goal = math.log(rows_between)
    return Baseline(
        mean, deviation, slack, goal / _root(z - slack, weights), goal / _root(-z - slack, weights)
    )  # fmt: skip


def first_crossing(values: Floats, baseline: Baseline) -> list[tuple[str, int, int]]:
    """Return each direction (``up``, ``down``) that crosses its limit: the row since when, and where it was found.

    Rows count from 0 among the values that are finite.
    """
    z = _standardised(values, baseline)
    found = []
    for name, sign, limit in (("up", 1.0, baseline.limit_up), ("down", -1.0, baseline.limit_down)):
        sums = np.concatenate([[0.0], np.cumsum(sign * z - baseline.slack)])
        crossed = np.flatnonzero(sums - np.minimum.accumulate(sums) >= limit)
        if crossed.size:
            until = int(crossed[0])
            found.append((name, int(np.argmin(sums[: until + 1])), until - 1))
    return found


def _standardised(values: Floats, baseline: Baseline) -> Floats:
    known = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        z: Floats = np.clip((known - baseline.mean) / baseline.deviation, -_FURTHEST, _FURTHEST)
    return z


def _state(steps: Floats) -> PageState:
    sums = np.concatenate([[0.0], np.cumsum(steps)])
    above = sums - np.minimum.accumulate(sums)
    until = int(np.argmax(above))
    return PageState(
        n=steps.size,
        level=float(sums[-1]),
        low=float(sums.min()),
        at_low=int(np.argmin(sums)),
        high=float(sums.max()),
        at_high=int(np.argmax(sums)),
        rise=float(above[until]),
        since=int(np.argmin(sums[: until + 1])),
        until=until,
    )


def _root(z: Floats, weights: Floats) -> float:
    """Return w > 0 with E[exp(w z)] = 1, z falling on average; where no value rises there is none, and any will do."""
    highest = float(z.max())
    if highest <= 0:
        return _STEEPEST

    def beyond(w: float) -> float:
        return float(np.log(np.sum(weights * np.exp(w * (z - highest)))) + w * highest)

    top = 1.0
    while beyond(top) < 0 and top < _STEEPEST:
        top *= 2
    if beyond(top) < 0:
        return _STEEPEST
    low = top / 2
    while beyond(low) > 0:
        low /= 2
    return float(optimize.brentq(beyond, low, top))
