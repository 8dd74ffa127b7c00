"""A curve in memory: what the agent sent, and what it announced since, in flat arrays. No Qt here.

NaN is a gap. A track of fine steps keeps each sample as it came; one of coarse steps folds them into its newest
bucket, so that a live curve over a year does not grow by one point a second.
"""

from __future__ import annotations

import math
import sys
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlops_desk.machine.records.history import Curve, Curves

FINE_SECONDS = 2.0  # twice the usual tick: coarser steps are folds
GAP_FACTOR, FINE_GAP_FACTOR = 1.5, 2.2
"""Chosen: of what is folded no step is missing; of samples one may be, and two are a gap."""
KEPT_BEYOND = 1.5  # chosen: an array is copied when a third of it is too old, not at each sample
NAN = math.nan


@dataclass(frozen=True, slots=True)
class Figures:
    """What a curve amounts to over a span; None where it has no value there."""

    last: float | None
    mean: float | None
    most: float | None


class Track:
    """One curve. ``version`` counts what can't be followed by looking at new points only.

    ``sent`` tells how many points, from the first, came as buckets of the agent: among fine ones, an empty bucket is
    no gap yet, for samples come a little early and late. ``every`` is how many seconds lie between two looks at what it
    shows, where that is known: beside finer curves each look comes as several points.
    """

    __slots__ = ("_count", "_edge", "_middle", "every", "high", "low", "mean", "sent", "step", "times", "version")

    def __init__(self, step: float = 1.0) -> None:
        self.step = step
        self.times = array("d")
        self.low, self.mean, self.high = array("f"), array("f"), array("f")
        self.version = 0
        self.sent = 0
        self.every = 0.0
        self._edge = -math.inf
        self._count = 0
        self._middle: float | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def fine(self) -> bool:
        """Whether each point is one sample."""
        return self.step <= FINE_SECONDS

    def push(self, at: float, value: float | None) -> None:
        """Take the newest value (None: there is none)."""
        if self.times and at < self.times[-1] and at < self._edge:
            return
        number = NAN if value is None else value
        if self.fine or at >= self._edge + self.step:
            self._open(at, number)
        else:
            self._fold(at, number)

    def _open(self, at: float, number: float) -> None:
        if self.times and at <= self.times[-1]:
            return
        behind = at - self._edge
        known = math.isfinite(self._edge)
        self._edge = self._edge + behind // self.step * self.step if known and not self.fine else at
        self.times.append(at)
        for values in (self.low, self.mean, self.high):
            values.append(number)
        self._count = 0 if math.isnan(number) else 1

    def _fold(self, at: float, number: float) -> None:
        """Put a value into the newest bucket."""
        self.version += 1
        self.times[-1] = max(self.times[-1], min(at, self._edge + self.step / 2))
        if math.isnan(number):
            return
        self._count += 1
        if math.isnan(self.mean[-1]):
            self.low[-1] = self.mean[-1] = self.high[-1] = number
            return
        self.low[-1] = min(self.low[-1], number)
        self.high[-1] = max(self.high[-1], number)
        self.mean[-1] += (number - self.mean[-1]) / self._count

    def go_on_from(self, other: Track) -> None:
        """Take the samples of ``other`` that are newer than this track."""
        if not len(self) or not other.fine:
            return
        newest = self.times[-1] + (self.step / 2 if self.fine else 0.0)
        for number in range(bisect_left(other.times, newest), len(other)):
            self.push(other.times[number], finite(other.mean[number]))

    def forget_before(self, moment: float) -> None:
        """Drop what is long out of sight; one point before ``moment`` stays, so that lines come in from outside."""
        cut = bisect_left(self.times, moment) - 1
        if cut > max(len(self.times) * (1 - 1 / KEPT_BEYOND), 16):
            for values in (self.times, self.low, self.mean, self.high):
                del values[:cut]
            self.sent = max(self.sent - cut, 0)
            self.version += 1

    def has_band(self) -> bool:
        """Whether buckets hold more than one sample, so that their extremes tell something."""
        return not self.fine

    def usual_step(self) -> float:
        """Return how far apart its points usually are."""
        if not self.fine:
            return self.step
        if self._middle is None or len(self.times) % 64 == 0:
            known = [at for at, value in zip(self.times, self.mean, strict=True) if math.isfinite(value)]
            gaps = sorted(later - earlier for earlier, later in pairwise(known))
            self._middle = max(gaps[len(gaps) // 2], self.step) if len(gaps) > 3 else None
        return max(self._middle or max(self.step, 1.0), self.every)

    def gap_seconds(self) -> float:
        """Return the distance from which two neighbours are not joined."""
        return self.usual_step() * (FINE_GAP_FACTOR if self.fine else GAP_FACTOR)

    def value_at(self, moment: float | None) -> float | None:
        """Return the value nearest to a time (the newest for None), or None where there is a gap."""
        if not self.times:
            return None
        if moment is None:
            return finite(self.mean[-1])
        place = bisect_left(self.times, moment)
        near = min(range(max(place - 1, 0), min(place + 1, len(self.times))), key=lambda n: abs(self.times[n] - moment))
        if abs(self.times[near] - moment) > self.gap_seconds():
            return None
        return finite(self.mean[near])

    def places(self, start: float, end: float) -> range:
        """Return the numbers of the points within a span."""
        first = bisect_left(self.times, start)
        return range(first, max(bisect_left(self.times, end + 1e-3), first))

    def figures(self, start: float, end: float) -> Figures:
        """Return newest, mean and highest value within a span."""
        inside = self.places(start, end)
        values = list(filter(math.isfinite, self.mean[inside.start : inside.stop]))
        tops = list(filter(math.isfinite, self.high[inside.start : inside.stop]))
        if not values:
            return Figures(None, None, None)
        return Figures(values[-1], sum(values) / len(values), max(tops))

    def extremes(self, start: float, end: float) -> tuple[float, float] | None:
        """Return lowest and highest value within a span, or None where there is none."""
        inside = self.places(start, end)
        lows = list(filter(math.isfinite, self.low[inside.start : inside.stop]))
        highs = list(filter(math.isfinite, self.high[inside.start : inside.stop]))
        return (min(lows), max(highs)) if lows else None

    def last_known(self) -> float | None:
        """Return the time of the newest value that is there."""
        for number in range(len(self.times) - 1, -1, -1):
            if not math.isnan(self.mean[number]):
                return self.times[number]
        return None

    def rows(self, start: float, end: float) -> Iterator[tuple[float, float, float, float]]:
        """Yield time, minimum, mean and maximum within a span."""
        for number in self.places(start, end):
            yield self.times[number], self.low[number], self.mean[number], self.high[number]


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def of_points(points: Iterable[tuple[float, float | None]], step: float = 1.0) -> Track:
    """Return a track of single samples."""
    track = Track(min(step, FINE_SECONDS))
    for at, value in points:
        track.push(at, value)
    return track


def of_curve(curves: Curves, curve: Curve) -> Track:
    """Return a curve that the agent sent as a track; a damaged one is empty."""
    track = Track(curves.step_seconds)
    parts = [_floats(data) for data in (curve.minimum, curve.mean, curve.maximum)]
    if {len(part) for part in parts} != {curves.buckets}:
        return track
    step, first = curves.step_seconds, curves.start + curves.step_seconds / 2
    last = curves.buckets
    while last and math.isnan(parts[1][last - 1]):
        last -= 1  # what has not been measured yet is no gap, it is to come
    track.times = array("d", [first + number * step for number in range(last)])
    track.low, track.mean, track.high = (part[:last] for part in parts)
    track.sent = last
    if last:
        track._edge = curves.start + (last - 1) * step  # noqa: SLF001 - made here
        track._count = max(1, round(step))  # noqa: SLF001 - likewise
    return track


def _floats(data: bytes) -> array[float]:
    values = array("f")
    if len(data) % values.itemsize == 0:
        values.frombytes(data)
        if sys.byteorder == "big":
            values.byteswap()
    return values
