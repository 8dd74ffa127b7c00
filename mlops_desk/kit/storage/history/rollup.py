"""A curve to fewer rows: minimum, mean, maximum and count of what fell into each stretch of time.

Rows stay in the order they were written. A clock that jumps back makes a stretch appear twice; both stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rolled:
    """Rows of one curve. ``times``: Unix seconds at which a row begins; a row of ``count`` 0 is a gap (NaN)."""

    times: Floats
    low: Floats
    mean: Floats
    high: Floats
    count: Floats

    def between(self, start: float, end: float) -> "Rolled":
        """Return the rows that begin in ``start`` ≤ t < ``end``."""
        keep = (self.times >= start) & (self.times < end)
        return self if keep.all() else self.only(keep)

    def first(self, rows: int) -> "Rolled":
        """Return the first ``rows`` rows."""
        return self.only(slice(rows))

    def only(self, which: Mask | slice) -> "Rolled":
        """Return some of the rows."""
        return Rolled(self.times[which], self.low[which], self.mean[which], self.high[which], self.count[which])


def single(times: Floats, values: Floats) -> Rolled:
    """Return values as rows of one each; NaN is a gap."""
    return Rolled(times, values, values, values, (~np.isnan(values)).astype(np.float64))


def join(parts: Sequence[Rolled]) -> Rolled:
    """Put rows one after the other."""
    if len(parts) == 1:
        return parts[0]
    empty = np.empty(0)
    return Rolled(
        *(
            np.concatenate([getattr(part, name) for part in parts]) if parts else empty
            for name in ("times", "low", "mean", "high", "count")
        )
    )


def stretches(times: Floats, seconds: float) -> Places:
    """Return where, in written order, each stretch of ``seconds`` of wall time begins."""
    if not len(times):
        return np.empty(0, np.intp)
    numbers = np.floor(times / seconds)
    return np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))


def roll(rows: Rolled, seconds: float) -> Rolled:
    """Return one row for each stretch of ``seconds``: means are weighted by how many values they are of."""
    if not len(rows.times):
        return rows
    places = stretches(rows.times, seconds)
    there = rows.count > 0
    count = np.add.reduceat(rows.count, places)
    total = np.add.reduceat(np.where(there, rows.mean * rows.count, 0.0), places)
    low = np.minimum.reduceat(np.where(there, rows.low, np.inf), places)
    high = np.maximum.reduceat(np.where(there, rows.high, -np.inf), places)
    full = count > 0
    mean = np.full(len(places), np.nan)
    np.divide(total, count, out=mean, where=full)
    starts = np.floor(rows.times[places] / seconds) * seconds
    return Rolled(starts, np.where(full, low, np.nan), mean, np.where(full, high, np.nan), count)
