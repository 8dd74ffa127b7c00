"""Runs in groups by what they have in common, with how their metrics lie."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlops_desk.records.registry.run_window import MetricSpread, RunGroup
from mlops_desk.registry.mirror.column import ColumnKey
from mlops_desk.registry.mirror.table.columns import NumberColumn, Rows
from mlops_desk.registry.mirror.table.ordering import Spots
from mlops_desk.registry.mirror.table.rows import LONGEST_TEXT, values
from mlops_desk.registry.mirror.table.runs import RunTable

MOST_IDS = 1000  # chosen: more runs of one group nobody overlays
MOST_GROUPS = 10_000  # chosen: a list of so many is looked through by nobody
Codes = NDArray[np.int64]


def grouped(
    table: RunTable, rows: Rows, by: Sequence[ColumnKey], metrics: Sequence[str], spots: Spots
) -> list[RunGroup]:
    """Return ``rows`` in groups, the largest first, then by their values; the ids of each in the rows' order."""
    if not len(rows):
        return []
    told = [_told(table, rows, key, spots) for key in by]
    groups, codes = _numbered(told, len(rows))
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(groups))
    ends = np.cumsum(counts)
    spreads = [_spreads(name, table.metrics.get(name), rows, codes, len(groups)) for name in metrics]
    made = [
        RunGroup(
            shared,
            int(counts[at]),
            tuple(table.run_ids[row] for row in rows[order[ends[at] - counts[at] : ends[at]][:MOST_IDS]].tolist()),
            tuple(spread[at] for spread in spreads),
        )
        for at, shared in enumerate(groups)
    ]
    made.sort(key=lambda group: (-group.n_runs, [(value is None, value or "") for value in group.values]))
    return made[:MOST_GROUPS]


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


def _spreads(name: str, column: NumberColumn | None, rows: Rows, codes: Codes, n_groups: int) -> list[MetricSpread]:
    """Return how the finite values of a metric lie in each group."""
    if column is None:
        return [MetricSpread(name, 0)] * n_groups
    places = column.places(rows)
    found = np.where(places >= 0, column.values[places], np.nan)
    finite = np.isfinite(found)
    numbers, of = found[finite], codes[finite]
    counts = np.bincount(of, minlength=n_groups)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        means = np.bincount(of, numbers / counts[of], n_groups)
        squares = np.bincount(of, (numbers - means[of]) ** 2, n_groups)
        deviations = np.sqrt(squares / (counts - 1))
    least, largest = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
    np.minimum.at(least, of, numbers)
    np.maximum.at(largest, of, numbers)
    return [
        MetricSpread(
            name,
            int(counts[at]),
            float(means[at]),
            float(least[at]),
            float(largest[at]),
            float(deviations[at]) if counts[at] > 1 and np.isfinite(deviations[at]) else None,
        )
        if counts[at]
        else MetricSpread(name, 0)
        for at in range(n_groups)
    ]
