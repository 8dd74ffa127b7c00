"""Maximum mean discrepancy: whether two samples of points are of one law, by the distances of all pairs. Pure.

MMD^2 = mean of k(x, x') + mean of k(y, y') - 2 mean of k(x, y) over pairs of different points, unbiased, so that it may
be a little below 0 (Gretton et al. 2012, equation 3); k(a, b) = exp(-|a - b|^2 / (2 s^2)), s being the median distance
of all pairs of both samples together (their median heuristic). The p-value is (k + 1) / (N + 1), k of N = 500 random
divisions of the pooled points being at least as far apart.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlops_desk.drift.pair import Floats

PERMUTATIONS = 500
"""Divisions; a p-value of 0.05 is then known to 0.01."""
_AT_ONCE = 50  # chosen: a tenth of the work, after which it tells how far it is
_SEED = 17  # any; fixed, so that the same rows have the same p-value
_TIE = 1e-12  # of a mean of kernel values (0-1): rounding of their sums
_SMALL = 1e-7  # of the largest distance; rounding of differences of squares makes equal points that far apart


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """``value`` (MMD^2) with its p-value; ``bandwidth`` is the kernel's s. None where a side has no 2 points."""

    value: float | None
    p_value: float | None = None
    bandwidth: float | None = None


def mmd2(first: Floats, second: Floats, tell: Callable[[int, int], None] | None = None) -> Discrepancy:
    """Compare two samples (rows x dimensions); ``tell`` hears how many of how many divisions are done."""
    n, m = first.shape[0], second.shape[0]
    if min(n, m) < 2:
        return Discrepancy(None)
    squares = _squared_distances(np.concatenate([first, second]))
    bandwidth = _median_distance(squares)
    if bandwidth is None:
        return Discrepancy(0.0, 1.0)
    kernel = np.exp(squares / (-2 * bandwidth**2), out=squares)
    np.fill_diagonal(kernel, 0.0)
    sums = kernel.sum(axis=1)
    own = np.zeros((n + m, 1))
    own[:n] = 1.0
    value = float(_values(kernel, sums, own, n)[0])
    rng = np.random.default_rng(_SEED)
    beyond = 0
    for done in range(0, PERMUTATIONS, _AT_ONCE):
        if tell is not None:
            tell(done, PERMUTATIONS)
        dealt = np.zeros((n + m, _AT_ONCE))
        for at in range(_AT_ONCE):
            dealt[rng.permutation(n + m)[:n], at] = 1.0
        beyond += int(np.count_nonzero(_values(kernel, sums, dealt, n) >= value - _TIE))
    return Discrepancy(value, (beyond + 1) / (PERMUTATIONS + 1), bandwidth)


def _values(kernel: Floats, sums: Floats, chosen: Floats, n: int) -> Floats:
    """Return MMD^2 of several divisions; a column of ``chosen`` has a 1 for each point of the first side."""
    m = kernel.shape[0] - n
    within = np.einsum("ij,ij->j", chosen, kernel @ chosen)
    all_of_first = sums @ chosen
    across = all_of_first - within
    others = float(sums.sum()) - 2 * all_of_first + within
    found: Floats = within / (n * (n - 1)) + others / (m * (m - 1)) - 2 * across / (n * m)
    return found


def _squared_distances(points: Floats) -> Floats:
    norms = np.einsum("ij,ij->i", points, points)
    found: Floats = points @ points.T
    found *= -2
    found += norms[:, None]
    found += norms[None, :]
    np.maximum(found, 0.0, out=found)
    np.fill_diagonal(found, 0.0)
    return found


def _median_distance(squares: Floats) -> float | None:
    """Return the median distance of all pairs of different points; where half of them are 0 the mean of the others.

    None where all points are one. Each pair stands twice in the table, and the diagonal's zeros below all of them.
    """
    size = squares.shape[0]
    pairs = size * (size - 1) // 2
    places = [size + pairs - 1, size + pairs]
    middle = float(np.sqrt(np.partition(squares, places, axis=None)[places]).mean())
    if middle > _SMALL * float(np.sqrt(squares.max())):
        return middle
    apart = squares[squares > 0]
    return float(np.sqrt(apart).mean()) if apart.size else None
