"""Bins fixed by the reference, for the scores that compare shares (PSI, Jensen-Shannon, Hellinger).

Numbers fall between the reference's unique deciles; few or constant values get a bin each and one for
"other". Categories need no bins: the union of both sides' categories is one.
"""

import numpy as np

from mlops_desk.drift.pair import Counts, Floats

DISCRETE_LIMIT = 20
"""A reference with at most this many distinct values ..."""
DISCRETE_ROWS = 5
"""... and at least this many rows for each on average is counted value by value."""

_DECILES = np.arange(1, 10) / 10


def distinct_values(ordered: Floats) -> Floats:
    """Return the distinct values of a sorted sample."""
    if not ordered.size:
        return ordered
    distinct: Floats = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return distinct


def is_discrete(ordered: Floats) -> bool:
    """Tell whether a sorted reference is constant, or has few values with enough rows each."""
    distinct = distinct_values(ordered).size
    return distinct == 1 or (0 < distinct <= DISCRETE_LIMIT and ordered.size >= DISCRETE_ROWS * distinct)


def decile_edges(ordered: Floats) -> Floats:
    """Return the unique interior deciles (linear interpolation) of a sorted reference."""
    return np.unique(np.quantile(ordered, _DECILES))


def numeric_counts(reference: Floats, current: Floats) -> tuple[Counts, Counts]:
    """Count two sorted samples in the reference's bins; ``reference`` has at least one value."""
    if is_discrete(reference):
        values = distinct_values(reference)
        return _count_values(reference, values), _count_values(current, values)
    edges = decile_edges(reference)
    return _count_between(reference, edges), _count_between(current, edges)


def _count_between(ordered: Floats, edges: Floats) -> Counts:
    """Bin of v = number of edges <= v, the outer bins open."""
    below = np.searchsorted(ordered, edges, "left")
    return np.diff(below, prepend=0, append=ordered.size).astype(np.int64)


def _count_values(ordered: Floats, values: Floats) -> Counts:
    """One bin for each of ``values``, the last one for all others."""
    counts = np.searchsorted(ordered, values, "right") - np.searchsorted(ordered, values, "left")
    return np.append(counts, ordered.size - counts.sum()).astype(np.int64)
