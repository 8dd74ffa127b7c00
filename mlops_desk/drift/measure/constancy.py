"""Whether a column's current values are all one, and how common that one is in the reference."""

import numpy as np

from mlops_desk.drift.columns import CategoricalColumn, Column, NumericColumn


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
