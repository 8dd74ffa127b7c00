"""The distances between a reference and a current sample, each a pure function; None where it is undefined.

Distances of numbers take a ``Pair``; distances of shares take two arrays of counts over the same bins
or categories. None of them decides anything: that is ``verdict``.
"""

import math
import sys

import numpy as np

from mlops_desk.drift.measure import p_values
from mlops_desk.drift.pair import Counts, Floats, Pair, binary_exponent

EMPTY_SHARE = 1e-4
"""The share that PSI takes for an empty bin; the others are not renormalised."""


def wasserstein_normed(pair: Pair) -> float | None:
    """First Wasserstein distance over the reference's population standard deviation.

    W1 = integral of |F - G| (Vallender 1974; Ramdas et al. 2017), exact, not from bins. Undefined for a
    constant reference: a floor under the deviation would hide shifts of small-valued columns.
    """
    if not pair.is_complete or pair.reference_is_constant:
        return None
    distance = float(np.sum(np.abs(pair.differences) * pair.gaps))
    own = binary_exponent(pair.reference)
    deviation = float(np.std(np.ldexp(pair.reference, -own)))
    return scaled(distance / deviation, -own)


def ks(pair: Pair) -> tuple[float | None, float | None]:
    """Two-sample Kolmogorov-Smirnov: D = max |F - G| and its two-sided p-value.

    Ties are allowed and make p conservative.
    """
    if not pair.is_complete:
        return None, None
    distance = float(np.max(np.abs(pair.differences)))
    return distance, p_values.ks(pair, distance)


def energy(pair: Pair) -> float | None:
    """Energy distance sqrt(2 * integral of (F - G)^2) (Szekely 2003; Rizzo & Szekely 2016), as SciPy's."""
    if not pair.is_complete:
        return None
    distance = math.sqrt(2) * math.sqrt(float(np.sum(np.square(pair.differences) * pair.gaps)))
    half, odd = divmod(pair.exponent, 2)
    return scaled(distance * math.sqrt(2) ** odd, half)


def psi(reference: Counts, current: Counts) -> float | None:
    """Return the population stability index, sum of (q - p) ln(q / p) (Lewis 1994; Jeffreys 1946)."""
    shares = _shares(reference, current)
    if shares is None:
        return None
    p, q = (np.where(side > 0, side, EMPTY_SHARE) for side in shares)
    return float(np.sum((q - p) * np.log(q / p)))


def psi_critical(reference: Counts, current: Counts) -> float | None:
    """95 % point of PSI when nothing has changed: chi2(B-1, 0.95) (1/n + 1/m) over B bins in use (Yurdakul 2018)."""
    n, m = int(reference.sum()), int(current.sum())
    if not n or not m:
        return None
    used = int(np.count_nonzero(reference + current))
    return 0.0 if used < 2 else p_values.chi2_point(0.95, used - 1) * (1 / n + 1 / m)


def js(reference: Counts, current: Counts) -> float | None:
    """Jensen-Shannon distance, base 2: sqrt of the divergence, 0 to 1 (Lin 1991; Endres & Schindelin 2003)."""
    shares = _shares(reference, current)
    if shares is None:
        return None
    p, q = shares
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return math.sqrt(min(1.0, max(0.0, divergence / math.log(2))))


def hellinger(reference: Counts, current: Counts) -> float | None:
    """Hellinger distance sqrt(1/2 * sum of (sqrt p - sqrt q)^2), 0 to 1 (Hellinger 1909)."""
    shares = _shares(reference, current)
    if shares is None:
        return None
    p, q = shares
    return min(1.0, math.sqrt(0.5 * float(np.sum(np.square(np.sqrt(p) - np.sqrt(q))))))


def l_infinity(reference: Counts, current: Counts) -> float | None:
    """Return the largest difference of one category's shares (Chebyshev distance), 0 to 1."""
    shares = _shares(reference, current)
    return None if shares is None else float(np.max(np.abs(shares[0] - shares[1])))


def cramers_v(reference: Counts, current: Counts) -> float | None:
    """Cramer's V = sqrt(chi2 / N) of the whole 2 x K table, without bias correction (Cramer 1946, 21.9)."""
    if not reference.sum() or not current.sum():
        return None
    table = np.stack([reference, current])[:, (reference + current) > 0].astype(np.float64)
    return min(1.0, math.sqrt(_statistic(table) / table.sum()))


def chi2(reference: Counts, current: Counts) -> tuple[float | None, float | None]:
    """Two-sample chi-square of the 2 x K contingency table: statistic and p-value (Pearson 1900).

    No continuity correction. Rare categories (fewer than 5 expected on a side) are one cell, for this test
    only, and that cell joins its smallest neighbour when fewer than 1 is expected (Cochran 1954); where all
    categories are rare nothing is left to pool them against and the table stays whole. A 2 x 2 table with
    fewer than 5 expected gets Fisher's exact p-value. A single category gives p = 1.
    """
    if not reference.sum() or not current.sum():
        return None, None
    table = _pooled(np.stack([reference, current])[:, (reference + current) > 0])
    cells = table.shape[1]
    if cells == 1:
        return 0.0, 1.0
    statistic = _statistic(table.astype(np.float64))
    if cells == 2 and _expected(table).min() < 5:
        return statistic, p_values.fisher(table)
    return statistic, p_values.chi2_above(statistic, cells - 1)


def _pooled(table: Counts) -> Counts:
    rare = _expected(table).min(axis=0) < 5
    if not rare.any() or rare.all():
        return table
    kept, pool = table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)
    if _expected(np.hstack([kept, pool]))[:, -1].min() >= 1 or kept.shape[1] == 1:
        return np.hstack([kept, pool])
    smallest = int(np.argmin(kept.sum(axis=0)))
    kept[:, smallest] += pool[:, 0]
    return kept


def _expected(table: Counts) -> Floats:
    expected: Floats = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return expected


def _statistic(table: Floats) -> float:
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(np.sum(np.square(table - expected) / expected))


def _shares(reference: Counts, current: Counts) -> tuple[Floats, Floats] | None:
    n, m = reference.sum(), current.sum()
    return (reference / n, current / m) if n and m else None


def _relative_entropy(p: Floats, q: Floats) -> float:
    used = p > 0
    return float(np.sum(p[used] * np.log(p[used] / q[used])))


def scaled(value: float, exponent: int) -> float:
    """Undo a binary scaling; what no double can hold is as large as a double can be."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return sys.float_info.max
