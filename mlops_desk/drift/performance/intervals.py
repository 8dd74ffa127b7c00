"""95 % intervals of figures: Wilson's for shares, a bootstrap of sums for what is made of means.

The bootstrap draws rows anew 500 times with a fixed seed, so that the same rows have the same interval. Figures that
are functions of sums over rows need only the sums: many rows are dealt into 2,000 random groups first, whose sums vary
as those of single rows do.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from mlops_desk.drift.pair import Counts, Floats

LEVEL = 0.95  # what an interval covers, as everybody reads it
DEVIATIONS = NormalDist().inv_cdf((1 + LEVEL) / 2)
"""Of a normal law on either side of its mean within which it lies with that probability."""
DRAWS = 500  # chosen: the ends of an interval are then known to about a tenth of its width
_GROUPS = 2000  # chosen: a bootstrap of so many groups takes 0.1 s, and of fewer rows each row is one
SEED = 12  # any; fixed, so that nobody sees an interval move by itself

Interval = tuple[float | None, float | None]
NOTHING: Interval = (None, None)


def wilson(count: int, n: int) -> Interval:
    """Return Wilson's score interval (1927) of a share, ``count`` of ``n``; nothing without rows."""
    if n <= 0:
        return NOTHING
    share, z2 = count / n, DEVIATIONS**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = DEVIATIONS / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (0.0 if count == 0 else max(0.0, middle - half)), (1.0 if count == n else min(1.0, middle + half))


def bootstrap_of_sums(rows: Floats, figure: Callable[[Floats], Floats], *, seed: int = SEED) -> Interval:
    """Return the percentile interval (Efron 1979) of a figure made of sums.

    ``rows`` (n x k) are what is summed, ``figure`` makes one value of each row of sums (draws x (k + 1), the last being
    the number of rows), NaN where it is not defined. Nothing where hardly any draw defines it, or there are no 2 rows.
    """
    n = rows.shape[0]
    if n < 2:
        return NOTHING
    group, weights = _drawn(n, seed)
    summed = np.concatenate([rows, np.ones((n, 1))], axis=1)
    if group is not None:
        summed = np.stack([np.bincount(group, column, _GROUPS) for column in summed.T], axis=1)
    return percentiles(figure(weights @ summed))


@lru_cache(maxsize=2)  # a reference's chunks and a window's figures ask for one size again and again; 8 MB each
def _drawn(n: int, seed: int) -> tuple[Counts | None, Floats]:
    """Return in which group each row is (None: each is one), and how often each is drawn; the same whenever asked."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(n) % _GROUPS if n > _GROUPS else None
    size = n if group is None else _GROUPS
    return group, rng.multinomial(size, np.full(size, 1 / size), DRAWS).astype(np.float64)


def bootstrap_of_counts(table: Counts, figure: Callable[[Counts], Floats], *, seed: int = SEED) -> Interval:
    """Return the same of a figure made of a table of counts: its cells are drawn anew, which is to draw the rows.

    ``figure`` makes one value of each of several tables (draws x the table's shape).
    """
    n = int(table.sum())
    if n < 2:
        return NOTHING
    drawn = np.random.default_rng(seed).multinomial(n, table.ravel() / n, DRAWS)
    return percentiles(figure(drawn.reshape(DRAWS, *table.shape)))


def percentiles(values: Floats) -> Interval:
    """Return the ends between which ``LEVEL`` of the drawn values lie; nothing where fewer than half are defined."""
    known = values[np.isfinite(values)]
    if 2 * known.size < values.size or not known.size:
        return NOTHING
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
