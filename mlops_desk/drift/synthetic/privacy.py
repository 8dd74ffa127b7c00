"""How near made rows come to the real ones that they were learned from, beside real rows that were held back. Pure.

A copy is a row that equals a learned one in every column; of rounded or coarse data some rows are alike by chance, so
the rows that were held back tell how many. A row is new when no learned one is equal in its categories and within 1 %
of its numbers (SDMetrics' NewRowSynthesis). The distance of two rows is Gower's (1971): the mean over the columns of
the gap by the column's span, and of 0 or 1 for categories. The protection is SDMetrics' DCROverfittingProtection: made
rows ought to be as near to rows that were held back as to those learned from; of few rows that share is not known well,
so two standard errors are allowed for. Nor may they come nearer to what was learned from than the rows held back do,
which is how copies with some noise are found.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.automation.records.pipelines.synthetic import RowPrivacy
from mlops_desk.drift.synthetic.cells import CellTable, MadeColumn, MadeKind, keys_of
from mlops_desk.drift.synthetic.fidelity import Values, numbers

MOST_COMPARED = 1000  # chosen: a share of one half is then known to 1.6 points
MOST_BESIDE = 5000  # chosen: 5 million distances of 50 columns in some seconds
TOLERANCE = 0.01  # as SDMetrics: of a number's own size
_NUMBERS = frozenset({MadeKind.NUMBER, MadeKind.INTEGER, MadeKind.TIME})
_TIE = 1e-12  # distances are sums of doubles: what differs by less is as near


def row_privacy(learned: CellTable, held: CellTable, made: CellTable, seed: int) -> RowPrivacy:
    """Return how near the made rows come. ``seed`` draws those that are compared by distance."""
    names = [one.name for one in learned.columns]
    known = set(keys_of(learned, names))
    copies = _share([key in known for key in keys_of(made, names)])
    by_chance = _share([key in known for key in keys_of(held, names)]) if held.n_rows else None
    draw = np.random.default_rng(seed)
    some = _some(made, MOST_COMPARED, draw)
    near = _nearness(learned, held, some, draw)
    new = _new_rows(_some(learned, MOST_BESIDE, draw), some)
    if near is None:
        return RowPrivacy(copies or 0.0, by_chance, new, compared=some.n_rows)
    closer, distance, held_distance = near
    n = min(learned.n_rows, held.n_rows, MOST_BESIDE)
    protection = min(1.0, 2.0 * (1.0 - closer + 1.0 / math.sqrt(n)))  # two standard errors of a share of n rows
    if held_distance > 0:
        protection = min(protection, distance / held_distance)
    return RowPrivacy(copies or 0.0, by_chance, new, distance, held_distance, closer, protection, some.n_rows)


def _share(found: list[bool]) -> float | None:
    return sum(found) / len(found) if found else None


def _some(table: CellTable, most: int, draw: np.random.Generator) -> CellTable:
    if table.n_rows <= most:
        return table
    return table.taken(sorted(map(int, draw.choice(table.n_rows, most, replace=False))))


def _nearness(
    learned: CellTable, held: CellTable, made: CellTable, draw: np.random.Generator
) -> tuple[float, float, float] | None:
    """Return the share of made rows that lie closer to the learned rows, and the median distances to the closest one.

    For the share as many rows of both parts are looked at, or the larger one would be nearer by chance. Of the
    distances the first is of made rows, the second of those held back, both to all that was learned from. None where
    no rows are held back.
    """
    n = min(learned.n_rows, held.n_rows, MOST_BESIDE)
    if not n or not made.n_rows:
        return None
    beside = _Distances(learned)
    mine, others = beside.coded(made), beside.coded(_some(held, n, draw))
    to_learned = beside.closest(mine, beside.coded(_some(learned, n, draw)))
    to_held = beside.closest(mine, others)
    ties = np.abs(to_learned - to_held) <= _TIE
    closer = float(np.mean(np.where(ties, 0.5, to_learned < to_held)))
    known = beside.coded(_some(learned, MOST_BESIDE, draw))
    distances = [float(np.median(beside.closest(one, known))) for one in (mine, others[:MOST_COMPARED])]
    return closer, distances[0], distances[1]


class _Distances:
    """Gower's distance with the spans of the learned rows; ``coded`` gives numbers for categories."""

    def __init__(self, learned: CellTable) -> None:
        self._columns = [one for one in learned.columns if one.kind is not MadeKind.TEXT]
        self._codes: dict[str, dict[str, float]] = {}
        self._spans = []
        for column in self._columns:
            if column.kind in _NUMBERS:
                values = numbers(learned, column)
                known = values[~np.isnan(values)]
                self._spans.append(float(np.ptp(known)) if len(known) else 0.0)
            else:
                self._spans.append(-1.0)
                self._codes[column.name] = {one: float(at) for at, one in enumerate(column.values)}

    def coded(self, table: CellTable) -> Values:
        columns = [
            numbers(table, one)
            if one.kind in _NUMBERS
            else np.array(
                [np.nan if cell is None else self._codes[one.name].get(cell, -1.0) for cell in table.rows[one.name]]
            )
            for one in self._columns
        ]
        return np.column_stack(columns) if columns else np.zeros((table.n_rows, 0))

    def closest(self, rows: Values, others: Values) -> Values:
        """Return each row's distance (0-1) to the closest of the others."""
        found = [self._gaps(row, others).min() for row in rows]
        return np.array(found, dtype=np.float64)

    def _gaps(self, row: Values, others: Values) -> Values:
        total = np.zeros(len(others))
        for at, span in enumerate(self._spans):
            mine, theirs = row[at], others[:, at]
            lacks = np.isnan(theirs)
            if np.isnan(mine):
                total += ~lacks
                continue
            if span > 0:
                gap: NDArray[np.float64] = np.minimum(np.abs(theirs - mine) / span, 1.0)
            else:
                gap = (theirs != mine).astype(np.float64)
            total += np.where(lacks, 1.0, gap)
        return total / max(1, len(self._spans))


def _new_rows(learned: CellTable, made: CellTable) -> float:
    """Return the share of made rows that no learned row matches."""
    columns = [(one.kind in _NUMBERS, _values(learned, one), _values(made, one)) for one in learned.columns]
    matched = 0
    for at in range(made.n_rows):
        alike = np.ones(learned.n_rows, dtype=bool)
        for is_number, values, made_values in columns:
            mine = made_values[at]
            if not is_number:
                alike &= values == mine
            else:
                alike &= np.isnan(values) if np.isnan(mine) else np.abs(values - mine) <= abs(mine) * TOLERANCE
            if not alike.any():
                break
        matched += bool(alike.any())
    return 1.0 - matched / made.n_rows if made.n_rows else 0.0


def _values(table: CellTable, column: MadeColumn) -> NDArray[Any]:
    if column.kind in _NUMBERS:
        return numbers(table, column)
    return np.array([cell or "" for cell in table.rows[column.name]], dtype=object)
