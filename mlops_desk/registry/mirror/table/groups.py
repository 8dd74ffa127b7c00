"""Runs in groups by what they have in common, with how their metrics lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.mirror.column import ColumnKey
from mlops_desk.registry.mirror.table.rows import LONGEST_TEXT, Spots, column_of, values
from mlops_desk.registry.mirror.table.runs import NumberColumn, Rows, RunTable
from mlops_desk.registry.records.run_window import MetricSpread, RunGroup

MOST_IDS = 1000  # chosen: more runs of one group nobody overlays
MOST_GROUPS = 2000  # chosen: a list of so many is looked through by nobody
Codes = NDArray[np.int64]
Numbers = NDArray[np.float64]


def grouped(
    table: RunTable, rows: Rows, by: Sequence[ColumnKey], metrics: Sequence[ColumnKey], spots: Spots
) -> list[RunGroup]:
    """Return ``rows`` in groups, the largest first, then by their values; the ids of each in the rows' order."""
    if not len(rows):
        return []
    told = [_told(table, rows, key, spots) for key in by]
    groups, codes = _numbered(told, len(rows))
    counts = np.bincount(codes, minlength=len(groups))
    largest = sorted(range(len(groups)), key=lambda at: (-counts[at], [(one is None, one or "") for one in groups[at]]))
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(counts)
    spreads = [_spreads(key.spoken, column_of(table, key, spots), rows, codes, len(groups)) for key in metrics]
    return [
        RunGroup(
            groups[at],
            int(counts[at]),
            tuple(table.run_ids[row] for row in rows[order[ends[at] - counts[at] : ends[at]][:MOST_IDS]].tolist()),
            tuple(spread.of(at) for spread in spreads),
        )
        for at in largest[:MOST_GROUPS]
    ]


def _told(table: RunTable, rows: Rows, key: ColumnKey, spots: Spots) -> list[str | None]:
    return [
        value[:LONGEST_TEXT] if isinstance(value, str) else None if value is None else f"{value:.10g}"
        for value in values(table, rows, key, spots)
    ]


def _numbered(told: Sequence[list[str | None]], n_rows: int) -> tuple[list[tuple[str | None, ...]], Codes]:
    known: dict[tuple[str | None, ...], int] = {}
    shared = zip(*told, strict=True) if told else iter([()] * n_rows)
    codes = np.fromiter((known.setdefault(one, len(known)) for one in shared), np.int64, n_rows)
    return list(known), codes


@dataclass(frozen=True, slots=True)
class _Spreads:
    """How the finite values of a metric lie in each group."""

    name: str
    counts: Codes
    means: Numbers
    least: Numbers
    largest: Numbers
    deviations: Numbers

    def of(self, group: int) -> MetricSpread:
        count = int(self.counts[group])
        if not count:
            return MetricSpread(self.name, 0)
        least, largest = float(self.least[group]), float(self.largest[group])
        # Of equal values no rounding makes a spread, or a mean beside them.
        mean = min(max(float(self.means[group]), least), largest)
        deviation = 0.0 if least == largest else float(self.deviations[group])
        has_deviation = count > 1 and math.isfinite(deviation)
        return MetricSpread(self.name, count, mean, least, largest, deviation if has_deviation else None)


def _spreads(name: str, column: NumberColumn | None, rows: Rows, codes: Codes, n_groups: int) -> _Spreads:
    places = (column or NumberColumn()).places(rows)
    found = np.full(len(rows), np.nan)
    if column is not None:
        found[places >= 0] = column.values[places[places >= 0]]
    finite = np.isfinite(found)
    numbers, of = found[finite], codes[finite]
    counts = np.bincount(of, minlength=n_groups)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        means: Numbers = np.bincount(of, numbers / counts[of], n_groups).astype(np.float64)
        squares = np.bincount(of, (numbers - means[of]) ** 2, n_groups)
        deviations = np.sqrt(squares / (counts - 1))
    least, largest = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
    np.minimum.at(least, of, numbers)
    np.maximum.at(largest, of, numbers)
    return _Spreads(name, counts, means, least, largest, deviations)
