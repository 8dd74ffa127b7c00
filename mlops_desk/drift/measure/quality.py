"""What is wrong with a column's values, side by side, and whether that has changed.

Missing and unreadable values take no part in the distances, so they get tests of their own: the change of each share.
Two shares are expected to differ without any drift, for the reference defines what they count, and have tests that
know:

out_of_range  values beyond the reference's least and largest. Of m new values of the same law K lie beyond those of n,
              and K is beta-binomial with m, 2, n - 1 (Wilks 1942: the range covers a share that is beta (n - 1, 2));
              2 m / (n + 1) are expected
unseen        categories that the reference does not have. By Good (1953) a new value is one with the probability f1 /
n,
              f1 being the categories that occur once; the share of the current data is tested against that one
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mlops_desk.drift.columns import CategoricalColumn, Column, NumericColumn
from mlops_desk.drift.measure import p_values
from mlops_desk.drift.measure.text_drift import WordDrift
from mlops_desk.drift.numerics import special
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.records.report import Quality
from mlops_desk.drift.records.verdict import Measure


# What moments tell beside their distribution: the first, the last, and the gaps between them.
def span_of(moments: Floats) -> tuple[float | None, float | None]:
    """Return the first and the last of some moments (seconds since 1970); None without any."""
    return (float(moments.min()), float(moments.max())) if moments.size else (None, None)


def gaps_of(moments: Floats) -> tuple[float | None, float | None]:
    """Return the largest and the median gap (seconds) between distinct moments in order; None with fewer than two."""
    gaps = np.diff(np.unique(moments))
    return (float(gaps.max()), float(np.median(gaps))) if gaps.size else (None, None)


# Whether a column's current values are all one, and how common that one is in the reference.
def only_value_shares(column: Column) -> tuple[float | None, float | None]:
    """Return the shares (0-1) of the usable rows of either side that hold the current data's only value.

    None of both where the current data hold several values or none; of the reference where that has no value.
    """
    if isinstance(column, NumericColumn):
        before, after = column.reference.finite, column.current.finite
        if not after.size or after.min() != after.max():
            return None, None
        return (float(np.mean(before == after[0])) if before.size else None), 1.0
    if isinstance(column, CategoricalColumn):
        used = np.flatnonzero(column.current.counts)
        if used.size != 1 or used[0] >= len(column.labels):  # beyond the labels a count may be of many categories
            return None, None
        n = column.reference.n_usable
        return (int(column.reference.counts[used[0]]) / n if n else None), 1.0
    texts = set(column.current.texts)
    if len(texts) != 1 or len(column.current.texts) < column.current.n_usable:
        return None, None
    known = column.reference.texts
    return (known.count(next(iter(texts))) / len(known) if known else None), 1.0


CHANGE_LIMIT = 0.01
"""A share has to change by at least one point, beyond what is expected, to be worth a word."""
SIGNALS = {
    "missing": "missing values",
    "infinite": "infinite values",
    "wrong_type": "values of the wrong type",
    "out_of_range": "values outside the reference's range",
    "unseen": "categories that the reference does not have",
    "future": "moments that lie ahead",
}
_DEFINED_BY_REFERENCE = {"out_of_range", "unseen"}
_TAIL = 80  # a further value is likelier by at most m / (n + m): exp(-80) of the probability is left out
_EXPECTED_LEAST = 5.0  # below, the normal approximation of a 2 x 2 table fails (Cochran 1954)


def quality_of(column: Column, words: WordDrift | None = None) -> dict[str, Quality]:
    """Return what was found on either side, as shares of its rows (None without rows)."""
    outside = _n_outside(column) if isinstance(column, NumericColumn) else None
    unseen = None
    if isinstance(column, CategoricalColumn) and column.reference.n_usable:
        unseen = column.n_unseen
    current = _quality(column, "current", outside, unseen)
    if words is None:
        return {"reference": _quality(column, "reference"), "current": current}
    return {
        "reference": _quality(column, "reference", unseen_ratio=words.unseen_reference),
        "current": _quality(column, "current", unseen_ratio=words.unseen_current),
    }


def signals_of(
    quality: Mapping[str, Quality], column: Column | None = None, words: WordDrift | None = None
) -> dict[str, Measure]:
    """Test whether each share has changed; ``alert`` is set once the p-values are adjusted (``verdict``)."""
    reference, current = quality["reference"], quality["current"]
    found = {}
    for name in SIGNALS:
        after = getattr(current, f"{name}_ratio")
        before = getattr(reference, f"{name}_ratio")
        if before is None and name in _DEFINED_BY_REFERENCE:
            before = 0.0 if reference.n_rows else None
        if before is not None and after is not None and (before or after):
            p_value, expected = _tested(name, (before, after), quality, column, words)
            found[name] = Measure(after - before, p_value, threshold=CHANGE_LIMIT + expected)
    return found


def _tested(
    name: str,
    shares: tuple[float, float],
    quality: Mapping[str, Quality],
    column: Column | None,
    words: WordDrift | None,
) -> tuple[float, float]:
    """Return the p-value of a change, and how much of it is expected without any."""
    before, after = shares
    n, m = quality["reference"].n_rows, quality["current"].n_rows
    if words is not None and name == "unseen":
        return (1.0 if words.unseen_p_value is None else words.unseen_p_value), 0.0
    if isinstance(column, NumericColumn) and name == "out_of_range":
        usable = column.reference.n_usable, column.current.n_usable
        return beyond_range(*usable, round(after * m)), 2 / (usable[0] + 1)
    if isinstance(column, CategoricalColumn) and name == "unseen":
        expected = column.n_single / column.reference.n_usable
        return (two_proportions(expected, n, after, m) if after > expected else 1.0), expected
    return two_proportions(before, n, after, m), 0.0


def two_proportions(before: float, n: int, after: float, m: int) -> float:
    """Two-sided p-value of the two-proportion z test with pooled variance; 1 where both shares are 0 or 1.

    Where fewer than 5 are expected of what is rarer on a side, Fisher's exact one instead.
    """
    pooled = (before * n + after * m) / (n + m)
    if min(pooled, 1 - pooled) * min(n, m) < _EXPECTED_LEAST:
        k, j = round(before * n), round(after * m)
        return p_values.fisher(np.array([[k, n - k], [j, m - j]]))
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    return p_values.normal_two_sided(abs(after - before) / math.sqrt(variance))


def beyond_range(n: int, m: int, count: int) -> float:
    """Return the probability that at least ``count`` of m values lie beyond the range of n others of the same law.

    P(K = k) = (k + 1) C(n + m - k - 2, n - 2) / C(n + m, n), the beta-binomial with m, 2, n - 1; exact where no two
    values are equal, and else too large.
    """
    if count <= 0 or n < 2:
        return 1.0
    last = min(m, count + math.ceil(_TAIL * (n + m) / n))
    k = np.arange(count, last + 1, dtype=np.float64)
    ways = special.gammaln(n + m - k - 1) - special.gammaln(m - k + 1) - special.gammaln(n - 1)
    total = special.gammaln(n + m + 1) - special.gammaln(n + 1) - special.gammaln(m + 1)
    return float(min(1.0, np.exp(np.log1p(k) + ways - total).sum()))


def _n_outside(column: NumericColumn) -> int | None:
    reference, current = column.reference.finite, column.current.finite
    if not reference.size:
        return None
    return int(np.count_nonzero((current < reference.min()) | (current > reference.max())))


def _quality(
    column: Column,
    which: str,
    outside: int | None = None,
    unseen: int | None = None,
    *,
    unseen_ratio: float | None = None,
) -> Quality:
    side = column.reference if which == "reference" else column.current
    n = side.n_rows

    def share(count: int | None) -> float | None:
        return None if count is None or not n else count / n

    found = Quality(
        n_rows=n,
        missing_ratio=share(side.n_missing),
        infinite_ratio=share(side.n_infinite),
        wrong_type_ratio=share(side.n_wrong_type),
        out_of_range_ratio=share(outside),
        unseen_ratio=share(unseen) if unseen_ratio is None else unseen_ratio,
        constant_ratio=only_value_shares(column)[which == "current"],
    )
    return _with_times(found, column, which) if isinstance(column, NumericColumn) else found


def _with_times(found: Quality, column: NumericColumn, which: str) -> Quality:
    if column.kind is not ColumnKind.TIME:
        return found
    side = column.reference if which == "reference" else column.current
    earliest, latest = span_of(side.finite)
    largest, median = gaps_of(side.finite)
    return replace(
        found,
        future_ratio=None if side.n_future is None or not side.n_rows else side.n_future / side.n_rows,
        earliest=earliest,
        latest=latest,
        largest_gap_seconds=largest,
        median_gap_seconds=median,
    )
