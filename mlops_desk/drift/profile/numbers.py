"""The sketch of a column of numbers or moments: count and sum in each bin of a frame, and what was no number.

Sketches of one frame add up, in any order and any grouping, and one without rows changes nothing. Counts are exact;
sums are, within the rounding of their last digits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.pair import Counts, Floats
from mlops_desk.drift.profile.bin_edges import FrozenBins

SQUARED_LARGEST = 2.0**480  # so that the sum of as many squares as there can be rows stays within a double


@dataclass(frozen=True, slots=True, eq=False)
class NumericSketch:
    """Rows in each bin and the sum of their distances from the bin's anchor; ``squares`` about the frame's center.

    All in units of the frame. ``least`` and ``most`` are None without any value, ``n_future`` where the values are no
    moments.
    """

    counts: Counts
    sums: Floats
    squares: float = 0.0
    least: float | None = None
    most: float | None = None
    n_missing: int = 0
    n_infinite: int = 0
    n_wrong_type: int = 0
    n_future: int | None = None

    @property
    def n_usable(self) -> int:
        return int(self.counts.sum())

    @property
    def n_rows(self) -> int:
        return self.n_usable + self.n_missing + self.n_infinite + self.n_wrong_type


def empty_numbers(frame: FrozenBins) -> NumericSketch:
    """Return the sketch of no rows."""
    bins = frame.edges.size + 1
    return NumericSketch(np.zeros(bins, dtype=np.int64), np.zeros(bins))


def sketch_numbers(frame: FrozenBins, side: NumericSide) -> NumericSketch:
    """Count one side's values in the frame's bins."""
    ordered = np.sort(frame.scaled(side.finite))
    found = replace(
        empty_numbers(frame),
        n_missing=side.n_missing,
        n_infinite=side.n_infinite,
        n_wrong_type=side.n_wrong_type,
        n_future=side.n_future,
    )
    if not ordered.size:
        return found
    below = np.searchsorted(ordered, frame.edges, "left")
    counts = np.diff(below, prepend=0, append=ordered.size).astype(np.int64)
    sums = np.zeros(counts.size)
    used = np.flatnonzero(counts)
    starts = np.concatenate([[0], below])[used]
    sums[used] = np.add.reduceat(ordered - np.repeat(frame.anchors, counts), starts)
    away = np.clip(ordered - frame.center, -SQUARED_LARGEST, SQUARED_LARGEST)
    return replace(
        found,
        counts=counts,
        sums=sums,
        squares=float(np.dot(away, away)),
        least=float(ordered[0]),
        most=float(ordered[-1]),
    )


def add_numbers(sketches: Iterable[NumericSketch]) -> NumericSketch:
    """Add sketches of one frame, at least one."""
    some = list(sketches)
    least = [one.least for one in some if one.least is not None]
    most = [one.most for one in some if one.most is not None]
    future = [one.n_future for one in some if one.n_future is not None]
    return NumericSketch(
        np.sum([one.counts for one in some], axis=0),
        np.sum([one.sums for one in some], axis=0),
        float(sum(one.squares for one in some)),
        min(least, default=None),
        max(most, default=None),
        sum(one.n_missing for one in some),
        sum(one.n_infinite for one in some),
        sum(one.n_wrong_type for one in some),
        sum(future) if future else None,
    )
