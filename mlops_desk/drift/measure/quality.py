"""What is wrong with a column's values, side by side, and whether that has changed.

Missing and unreadable values take no part in the distances, so they get tests of their own: the change
of each share, two-proportion z, alarming at 1 point and p < 0.05.
"""

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats

from mlops_desk.drift.columns import CategoricalColumn, CategoricalSide, Column, NumericColumn, NumericSide
from mlops_desk.records.drift import Measure, Quality

CHANGE_LIMIT = 0.01
"""A share has to change by at least one point to be worth a word."""
SIGNALS = {
    "missing": "missing values",
    "infinite": "infinite values",
    "wrong_type": "values of the wrong type",
    "out_of_range": "values outside the reference's range",
    "unseen": "categories that the reference does not have",
}


def quality_of(column: Column) -> dict[str, Quality]:
    """Return what was found on either side, as shares of its rows (None without rows)."""
    reference, current = column.reference, column.current
    outside = _n_outside(column) if isinstance(column, NumericColumn) else None
    unseen = column.n_unseen if isinstance(column, CategoricalColumn) and reference.n_usable else None
    return {"reference": _quality(reference), "current": _quality(current, outside, unseen)}


def signals_of(quality: Mapping[str, Quality]) -> dict[str, Measure]:
    """Test whether each share has changed; ``alert`` is set once the p-values are adjusted (``verdict``)."""
    reference, current = quality["reference"], quality["current"]
    found = {}
    for name in SIGNALS:
        after = getattr(current, f"{name}_ratio")
        before = getattr(reference, f"{name}_ratio")
        if before is None and name in {"out_of_range", "unseen"}:
            before = 0.0 if reference.n_rows else None
        if before is not None and after is not None and (before or after):
            p_value = two_proportions(before, reference.n_rows, after, current.n_rows)
            found[name] = Measure(after - before, p_value, threshold=CHANGE_LIMIT)
    return found


def two_proportions(before: float, n: int, after: float, m: int) -> float:
    """Two-sided p-value of the two-proportion z test with pooled variance; 1 where both shares are 0 or 1."""
    pooled = (before * n + after * m) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    if variance <= 0:
        return 1.0
    return float(min(1.0, 2 * stats.norm.sf(abs(after - before) / math.sqrt(variance))))


def _n_outside(column: NumericColumn) -> int | None:
    reference, current = column.reference.finite, column.current.finite
    if not reference.size:
        return None
    return int(np.count_nonzero((current < reference.min()) | (current > reference.max())))


def _quality(side: NumericSide | CategoricalSide, outside: int | None = None, unseen: int | None = None) -> Quality:
    n = side.n_rows

    def share(count: int | None) -> float | None:
        return None if count is None or not n else count / n

    return Quality(
        n_rows=n,
        missing_ratio=share(side.n_missing),
        infinite_ratio=share(side.n_infinite),
        wrong_type_ratio=share(side.n_wrong_type),
        out_of_range_ratio=share(outside),
        unseen_ratio=share(unseen),
    )
