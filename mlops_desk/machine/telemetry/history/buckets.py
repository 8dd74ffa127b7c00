"""Rows of a curve to the buckets of a screen. Pure.

A value stands for the time until the next one, at most for about the interval at which the curve is measured: a
bucket that is narrower than that is filled with it. What nobody measured stays a gap, nothing is interpolated.
"""

import numpy as np
from numpy.typing import NDArray

from mlops_desk.kit.storage.history.chunks import TIER_SECONDS
from mlops_desk.kit.storage.history.rollup import Rolled

_LATE = 1.6  # chosen: a sample that is late by half a step is no gap, a lost one is
Floats = NDArray[np.float64]


def choose_tier(span_seconds: float, points: int) -> int:
    """Return the coarsest tier that still gives at least ``points`` rows over the span; the finest if none does."""
    fitting = [tier for tier, seconds in enumerate(TIER_SECONDS) if span_seconds / seconds >= points]
    return max(fitting, default=0)


def interval(times: Floats) -> float | None:
    """Return the usual time between two rows, to 10 ms; None if there are not two."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    return None if not len(steps) else max(0.01, round(float(np.median(steps)), 2))


def binned(rows: Rolled, start: float, step: float, buckets: int, every: float) -> tuple[Floats, Floats, Floats]:
    """Return minimum, mean and maximum of each bucket, NaN where there is nothing.

    ``every``: seconds for which a row stands when no other follows.
    """
    places = np.floor((rows.times - start) / step).astype(np.int64)
    keep = (rows.count > 0) & (places >= 0) & (places < buckets)
    places, weight = places[keep], rows.count[keep]
    low, high = np.full(buckets, np.inf), np.full(buckets, -np.inf)
    np.minimum.at(low, places, rows.low[keep])
    np.maximum.at(high, places, rows.high[keep])
    count = np.bincount(places, weight, buckets)
    total = np.bincount(places, weight * rows.mean[keep], buckets)
    empty = count == 0
    mean = np.full(buckets, np.nan)
    np.divide(total, count, out=mean, where=~empty)
    low[empty] = high[empty] = np.nan
    if step < _LATE * every:
        _hold(rows, start, step, every, (low, mean, high), empty)
    return low, mean, high


def _hold(
    rows: Rolled, start: float, step: float, every: float, out: tuple[Floats, ...], empty: NDArray[np.bool_]
) -> None:
    """Fill empty buckets with the row before, while that still stands."""
    order = np.argsort(rows.times, kind="stable")
    times = rows.times[order]
    if not len(times):
        return
    following = np.append(times[1:], np.inf)
    ends = np.where(following - times <= _LATE * every, following, times + every)
    begins = start + step * np.flatnonzero(empty)
    owner = np.searchsorted(times, begins, side="right") - 1
    good = owner >= 0
    good[good] &= (begins[good] < ends[owner[good]]) & (rows.count[order][owner[good]] > 0)
    where = np.flatnonzero(empty)[good]
    for values, source in zip(out, (rows.low, rows.mean, rows.high), strict=True):
        values[where] = source[order][owner[good]]
