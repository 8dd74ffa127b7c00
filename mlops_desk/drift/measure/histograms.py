"""Both sides in the same bins, for the eye: the page draws them over each other.

These bins are not those of the scores: equal in width, cut where only the outermost values lie, so that
one stray value does not flatten the picture.
"""

import numpy as np

from mlops_desk.drift.pair import Counts, Floats, Pair
from mlops_desk.drift.records.report import Histogram

BINS = 30  # chosen: bars that one still tells apart
LABELS = 20  # chosen: bars that one still tells apart; the rest is one more
TAIL = 0.002  # of the values at each end; chosen: one outlier must not squeeze all others into one bar


def numeric_histogram(pair: Pair) -> Histogram:
    """Count a complete pair in 30 equal bins; the outer bins hold what lies beyond them too."""
    low = min(_cut(side, TAIL) for side in (pair.reference, pair.current))
    high = max(_cut(side, 1 - TAIL) for side in (pair.reference, pair.current))
    edges = np.linspace(low, high, BINS + 1) if high > low else around(low)
    shares = [_shares(side, edges) for side in (pair.reference, pair.current)]
    shown = np.ldexp(edges, pair.exponent)
    return Histogram(shares[0], shares[1], edges=tuple(float(edge) for edge in np.nan_to_num(shown)))


def categorical_histogram(reference: Counts, current: Counts, labels: tuple[str, ...]) -> Histogram | None:
    """Share of the most frequent categories of both sides, the rest as one."""
    n, m = float(reference.sum()), float(current.sum())
    if not (n or m):
        return None
    first, second = reference / max(n, 1.0), current / max(m, 1.0)
    order = np.argsort(-(first + second)[: len(labels)], kind="stable")[:LABELS]
    rest = np.setdiff1d(np.arange(reference.size), order)
    names = [labels[at] for at in order]
    shares = [[float(side[at]) for at in order] for side in (first, second)]
    if rest.size:
        names.append(f"{rest.size} others")
        for share, side in zip(shares, (first, second), strict=True):
            share.append(float(side[rest].sum()))
    return Histogram(tuple(shares[0]), tuple(shares[1]), labels=tuple(names))


def _cut(ordered: Floats, quantile: float) -> float:
    """Return the value at ``quantile``, never interpolated."""
    return float(ordered[round(quantile * (ordered.size - 1))])


def around(value: float) -> Floats:
    """Edges of a single bin for data that are one value."""
    half = max(abs(value) * 0.05, 0.5)
    return np.array([value - half, value + half])


def _shares(ordered: Floats, edges: Floats) -> tuple[float, ...]:
    below = np.searchsorted(ordered, edges[1:-1], "left")
    counts = np.diff(below, prepend=0, append=ordered.size)
    return tuple(float(count) / ordered.size for count in counts)
