"""The p-values of the tests, by ``scipy.special`` alone: loading ``scipy.stats`` takes longer than a small report.

Each is what ``scipy.stats`` computes, which the tests hold it against. Only Kolmogorov-Smirnov of larger samples loads
that package, where it has the faster code.
"""

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from math import gcd

import numpy as np

from mlops_desk.drift.numerics import special
from mlops_desk.drift.pair import Counts, Floats, Pair

KS_EXACT_LIMIT = 10_000
"""Up to this many values on the larger side the Kolmogorov-Smirnov p-value is exact."""
KS_COUNTED_LIMIT = 2_000
"""Of both sides together; chosen: to count 50 columns of this size here takes as long as to load ``scipy.stats``."""
_KEPT_SHARES = 4_096
"""Shares of paths that are remembered, some 200 bytes each; chosen: 50 columns of one length that are compared window
after window have some hundreds of distances between them, and each takes milliseconds to count."""
_LARGEST_PATHS = 650.0  # natural logarithm; a double holds e to the power of 709, and some products are formed of it
_TIE = 1e-10  # relative; chosen: rounding of tables of some thousand rows is less, and no two probabilities are so near


def chi2_above(statistic: float, freedom: int) -> float:
    """Return the probability of a chi-square value above ``statistic``."""
    return float(special.chdtrc(freedom, statistic))


def chi2_point(share: float, freedom: int) -> float:
    """Return the value below which a chi-square value lies with the probability ``share``."""
    return 2 * float(special.gammaincinv(freedom / 2, share))


def normal_two_sided(deviations: float) -> float:
    """Return the probability of a normal value at least so many deviations from its mean, on either side."""
    return min(1.0, 2 * float(special.ndtr(-deviations)))


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number: p of rank i of m becomes the least p m / i of its rank and those above.

    Benjamini & Hochberg (1995), as Yekutieli & Benjamini (1999) give adjusted values.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values)
    raised = values[order] * (values.size / np.arange(1, values.size + 1))
    found = np.empty_like(raised)
    found[order] = np.minimum(1.0, np.minimum.accumulate(raised[::-1])[::-1])
    return [float(one) for one in found]


def fisher(table: Counts) -> float:
    """Two-sided p-value of a 2 x 2 table by Fisher's exact test (1935); 1 where a row or a column is empty.

    The sum of the hypergeometric probabilities of all tables with the same margins that are no likelier than this one.
    They follow from the likeliest by the ratio p(x + 1) / p(x) = (r - x) (c - x) / ((x + 1) (N - r - c + x + 1)), r and
    c being the first row's and column's sums, and are made to sum to 1.
    """
    (a, b), (c, d) = ([float(cell) for cell in row] for row in table)
    row, column, total = a + b, a + c, a + b + c + d
    if not (row and column and c + d and b + d):
        return 1.0
    least, most = max(0.0, row + column - total), min(row, column)
    mode = min(most, max(least, math.floor((row + 1) * (column + 1) / (total + 2))))
    up, down = np.arange(mode, most), np.arange(mode, least, -1)
    above = np.cumprod((row - up) * (column - up) / ((up + 1) * (total - row - column + up + 1)))
    below = np.cumprod(down * (total - row - column + down) / ((row - down + 1) * (column - down + 1)))
    likely: Floats = np.concatenate([below[::-1], [1.0], above])
    own = likely[int(a - least)]
    return min(1.0, float(likely[likely <= own * (1 + _TIE)].sum() / likely.sum()))


def ks(pair: Pair, distance: float) -> float:
    """Two-sided p-value of a Kolmogorov-Smirnov ``distance`` (0-1) of two samples.

    Exact up to 10,000 values on the larger side (Hodges 1958), asymptotic above (Simard & L'Ecuyer 2011), the
    same switch as ``scipy.stats.ks_2samp``.
    """
    n, m = pair.reference.size, pair.current.size
    if max(n, m) > KS_EXACT_LIMIT:
        return ks_asymptotic(distance, n, m)
    steps = round(distance * math.lcm(n, m))
    if not steps:
        return 1.0
    if n == m:
        return _plain(_outside_square(n, steps))
    if n + m <= KS_COUNTED_LIMIT:
        by_column = special.gammaln(n + m + 1) - special.gammaln(n + 1) - special.gammaln(m + 1) < _LARGEST_PATHS
        return _plain(_outside_by_column(max(n, m), min(n, m), steps) if by_column else _outside(n, m, steps))
    from scipy import stats  # noqa: PLC0415 - likewise

    with warnings.catch_warnings():
        # Where rounding spoils the exact count SciPy says so and takes the asymptotic value: so do we.
        warnings.simplefilter("ignore", RuntimeWarning)
        return _plain(stats.ks_2samp(pair.reference, pair.current).pvalue)


def ks_asymptotic(distance: float, n: int, m: int) -> float:
    """Return the same p-value of many values (Simard & L'Ecuyer 2011)."""
    from scipy import stats  # noqa: PLC0415 - takes half a second to load, and few reports need it

    return _plain(stats.kstwo.sf(distance, np.round(n * m / (n + m))))


def _outside_square(n: int, steps: int) -> float:
    """Return the share of paths from (0, 0) to (n, n) that come ``steps`` away from the diagonal.

    2 (C(2n, n-h) - C(2n, n-2h) + ...) / C(2n, n), by the reflection principle (Gnedenko & Korolyuk 1951), from the
    innermost term of its nested form on.
    """
    found = 0.0
    for k in range(n // steps, 0, -1):
        at = np.arange((k - 1) * steps, k * steps, dtype=np.float64)
        found = float(np.prod((n - at) / (n + at + 1))) * (1 - found)
    return 2 * found


@lru_cache(_KEPT_SHARES)
def _outside(n: int, m: int, steps: int) -> float:
    """Return the share of paths from (0, 0) to (n, m) on which |i/n - j/m| reaches ``steps`` / lcm(n, m).

    Of those to (i, j) the share i / (i + j) comes from (i - 1, j) and the others from (i, j - 1), so that
    P(i, j) = (i P(i-1, j) + j P(i, j-1)) / (i + j), and P = 1 where the bound is reached (Hodges 1958). A whole
    diagonal i + j is one step; all terms are positive, so that small p-values keep their digits.
    """
    across, up = n // gcd(n, m), m // gcd(n, m)
    shares = np.ones(n + 2)  # of (i, s - i) at i + 1
    places = np.arange(n + 2, dtype=np.float64)
    shares[1] = 0.0
    first = 0
    for s in range(1, n + m + 1):
        before = first
        first = max(0, s - m, (across * s - steps) // (across + up) + 1)
        last = min(n, s, -((-across * s - steps) // (across + up)) - 1)
        if last < first:
            return 1.0
        i = places[first : last + 1]
        shares[first + 1 : last + 2] = (i * shares[first : last + 1] + (s - i) * shares[first + 1 : last + 2]) / s
        shares[before + 1 : first + 1] = 1.0
    return float(shares[n + 1])


@lru_cache(_KEPT_SHARES)
def _outside_by_column(n: int, m: int, steps: int) -> float:
    """Return the same as ``_outside`` for n >= m, a column j at a time: there are fewer of these than diagonals.

    Within a column P(i) = a P(i-1) + b is solved at once by P(i) = A (P(first - 1) + sum of b / A), A being the product
    of all a up to i; all terms are positive here too. 1/A is at most the number of paths, which must fit a double.
    """
    across, up = n // gcd(n, m), m // gcd(n, m)
    shares = np.ones(n + 1)  # of (i, j) at i
    shares[: min(n, -(-steps // up) - 1) + 1] = 0.0
    places = np.arange(n + 1, dtype=np.float64)
    for j in range(1, m + 1):
        first = max(0, (across * j - steps) // up + 1)
        last = min(n, -((-across * j - steps) // up) - 1)
        if last < first:
            return 1.0
        begin = first or 1  # (0, j) is reached from (0, j - 1) alone
        i = places[begin : last + 1]
        product = np.cumprod(i / (i + j))
        came = np.cumsum(j / (i + j) * shares[begin : last + 1] / product)
        left = 1.0 if first else float(shares[0])
        shares[:first] = 1.0
        shares[begin : last + 1] = product * (left + came)
    return float(shares[n])


def _plain(value: float) -> float:
    return min(1.0, max(0.0, float(value)))
