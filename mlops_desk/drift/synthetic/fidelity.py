"""How alike made rows are to real ones: each column by itself, and each two columns together. Pure.

The measures are those of SDMetrics' quality report (docs.sdv.dev/sdmetrics): for numbers and times the complement of
the Kolmogorov-Smirnov statistic, for categories that of the total variation distance; for two columns of numbers the
likeness of Pearson's correlations, else that of the contingency tables. All pairs count here, also those that hardly
hang together, and numbers are put into ten bins of the real ones' span. They are reckoned here because the rows are
judged by the desk and not by their maker, and because that library needs one whose licence (BUSL) is not for everyone.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mlops_desk.automation.records.pipelines.synthetic import ColumnFidelity, PairFidelity
from mlops_desk.drift.synthetic.cells import CellTable, MadeColumn, MadeKind, normal

BINS = 10  # as SDMetrics cuts numbers for a contingency table
MOST_PAIRS = 1000  # chosen: 45 columns; each takes a millisecond or so for every 10,000 rows
_NUMBERS = frozenset({MadeKind.NUMBER, MadeKind.INTEGER, MadeKind.TIME})
Values = NDArray[np.float64]


def column_fidelity(real: CellTable, made: CellTable) -> tuple[ColumnFidelity, ...]:
    """Return how alike each column is; texts are not compared."""
    found = []
    for column in real.columns:
        if column.kind is MadeKind.TEXT:
            continue
        if column.kind in _NUMBERS:
            score = ks_complement(_known(real, column), _known(made, column))
            found.append(ColumnFidelity(column.name, "KSComplement", score))
        else:
            score = tv_complement(real.rows[column.name], made.rows[column.name])
            found.append(ColumnFidelity(column.name, "TVComplement", score))
    return tuple(found)


def pair_fidelity(real: CellTable, made: CellTable) -> tuple[tuple[PairFidelity, ...], int]:
    """Return how alike pairs of columns go together, and how many pairs there are: of too many the first are taken."""
    compared = [one for one in real.columns if one.kind is not MadeKind.TEXT]
    n_pairs = len(compared) * (len(compared) - 1) // 2
    return tuple(_pairs(real, made, compared)), n_pairs


def _pairs(real: CellTable, made: CellTable, columns: Sequence[MadeColumn]) -> Iterator[PairFidelity]:
    codes: dict[str, tuple[list[object], list[object]]] = {}
    for number, (first, second) in enumerate(combinations(columns, 2)):
        if number >= MOST_PAIRS:
            return
        if first.kind in _NUMBERS and second.kind in _NUMBERS:
            score = correlation_similarity(_both(real, first, second), _both(made, first, second))
            yield PairFidelity(first.name, second.name, "CorrelationSimilarity", score)
            continue
        for one in (first, second):
            if one.name not in codes:
                codes[one.name] = _codes(real, made, one)
        tables = [list(zip(codes[first.name][side], codes[second.name][side], strict=True)) for side in (0, 1)]
        yield PairFidelity(first.name, second.name, "ContingencySimilarity", tv_complement(*tables))


def ks_complement(real: Values, made: Values) -> float | None:
    """Return 1 - the largest gap between the two distribution functions; None where a side has no value."""
    if not len(real) or not len(made):
        return None
    places = np.concatenate([real, made])
    first = np.searchsorted(np.sort(real), places, side="right") / len(real)
    second = np.searchsorted(np.sort(made), places, side="right") / len(made)
    return 1.0 - float(np.abs(first - second).max())


def tv_complement(real: Sequence[object], made: Sequence[object]) -> float | None:
    """Return 1 - half the sum of the gaps between the shares of each value; a missing one is a value."""
    if not real or not made:
        return None
    shares: dict[object, list[float]] = {}
    for side, values in enumerate((real, made)):
        for one in values:
            shares.setdefault(one, [0.0, 0.0])[side] += 1 / len(values)
    return max(0.0, 1.0 - sum(abs(first - second) for first, second in shares.values()) / 2)


def correlation_similarity(real: tuple[Values, Values], made: tuple[Values, Values]) -> float | None:
    """Return 1 - half the gap between the two correlations of Pearson; None where one of them is not defined."""
    found = [_correlation(*side) for side in (real, made)]
    if found[0] is None or found[1] is None:
        return None
    return 1.0 - abs(found[0] - found[1]) / 2


def _correlation(first: Values, second: Values) -> float | None:
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:  # two points at least, and none of them constant
        return None
    value = float(np.corrcoef(first, second)[0, 1])
    return value if np.isfinite(value) else None


def numbers(table: CellTable, column: MadeColumn) -> Values:
    """Return a column's numbers, a missing one as NaN; times in seconds."""
    found = (normal(column.kind, one) for one in table.rows[column.name])
    return np.array([one if isinstance(one, float) else np.nan for one in found], dtype=np.float64)


def _known(table: CellTable, column: MadeColumn) -> Values:
    values = numbers(table, column)
    return values[~np.isnan(values)]


def _both(table: CellTable, first: MadeColumn, second: MadeColumn) -> tuple[Values, Values]:
    one, other = numbers(table, first), numbers(table, second)
    there = ~(np.isnan(one) | np.isnan(other))
    return one[there], other[there]


def _codes(real: CellTable, made: CellTable, column: MadeColumn) -> tuple[list[object], list[object]]:
    """Return both sides of a column as values to be counted: numbers as one of ten bins of equal width."""
    if column.kind not in _NUMBERS:
        return list(real.rows[column.name]), list(made.rows[column.name])
    sides = numbers(real, column), numbers(made, column)
    known = sides[0][~np.isnan(sides[0])]
    if not len(known):
        return [None] * len(sides[0]), [None] * len(sides[1])
    edges = np.linspace(known.min(), known.max(), BINS + 1)[1:-1]
    return _binned(sides[0], edges), _binned(sides[1], edges)


def _binned(values: Values, edges: Values) -> list[object]:
    return [
        None if np.isnan(one) else int(place) for one, place in zip(values, np.digitize(values, edges), strict=True)
    ]
