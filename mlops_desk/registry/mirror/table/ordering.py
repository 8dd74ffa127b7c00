"""Rows in MLflow's order: by the keys, then the newest run first, then by id.

What has no value stands last whichever way a key goes, and NaN before it; both keep the order of the later keys.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.mirror.column import ColumnKey, Sorting, Which
from mlops_desk.registry.mirror.table.columns import NumberColumn, Rows, TextColumn
from mlops_desk.registry.mirror.table.runs import RunTable
from mlops_desk.registry.reading.batch import NO_TIME
from mlops_desk.registry.reading.reader import TextOrder

_THERE, _NAN, _MISSING = 0, 1, 2  # the order in which MLflow puts them
_FEW = 8  # chosen: to find an eighth of them costs less than to sort all
Spots = Callable[[ColumnKey], NumberColumn]
"""Gives the least, largest, first … values of a metric, as far as they are known."""


@dataclass(frozen=True, slots=True)
class Dense:
    """A column with a value for each row. ``ranks``: there, NaN or missing."""

    values: NDArray[np.float64] | NDArray[np.int64] | NDArray[np.int32]
    ranks: NDArray[np.int8]


def in_order(table: RunTable, rows: Rows, sortings: Sequence[Sorting], spots: Spots, most: int | None = None) -> Rows:
    """Return ``rows`` (which stand in the natural order) by these keys, the first counting most.

    Where only the first ``most`` are needed there may be fewer than all.
    """
    for sorting in reversed(sortings):
        enough = most if sorting is sortings[0] else None
        rows = _by(rows, dense(table, sorting.column, spots), enough, is_descending=sorting.is_descending)
    return rows


def _by(rows: Rows, column: Dense, most: int | None, *, is_descending: bool) -> Rows:
    ranks = column.ranks[rows]
    there = rows[ranks == _THERE]
    values = column.values[there]
    if is_descending:
        values = ~values if np.issubdtype(values.dtype, np.integer) else -values
    if most is not None and most < len(there) // _FEW:
        # Those that may be among the first, ties with the last of them too, are found without sorting the rest.
        first = np.flatnonzero(values <= np.partition(values, most)[most])
        best: Rows = there[first[np.argsort(values[first], kind="stable")]]
        return best
    ordered = there[np.argsort(values, kind="stable")]
    return np.concatenate([ordered, rows[ranks == _NAN], rows[ranks == _MISSING]])


def dense(table: RunTable, key: ColumnKey, spots: Spots) -> Dense:
    """Return a column as it is sorted by."""
    if key.kind == "metrics":
        column = table.metrics.get(key.key) if key.which is Which.LAST else spots(key)
        return _numbers(column or NumberColumn(), len(table))
    if key.kind != "attributes":
        return _texts(table.texts(key.kind).get(key.key) or TextColumn(), len(table), table.text_order)
    if key.key in {"start_time", "end_time"}:
        times = table.starts if key.key == "start_time" else table.ends
        return Dense(times, np.where(times == NO_TIME, _MISSING, _THERE).astype(np.int8))
    if key.key == "duration":
        seconds = table.durations()
        return Dense(seconds, np.where(np.isnan(seconds), _MISSING, _THERE).astype(np.int8))
    if key.key == "run_id":
        return _ids(table)
    return _texts(table.attributes[key.key], len(table), table.text_order)


def _numbers(column: NumberColumn, n_rows: int) -> Dense:
    values, ranks = np.zeros(n_rows), np.full(n_rows, _MISSING, np.int8)
    values[column.rows] = column.values
    ranks[column.rows] = np.where(np.isnan(column.values), _NAN, _THERE)
    return Dense(values, ranks)


def _texts(column: TextColumn, n_rows: int, text_order: TextOrder | None) -> Dense:
    values, ranks = np.zeros(n_rows, np.int32), np.full(n_rows, _MISSING, np.int8)
    if len(column.rows):
        values[column.rows] = column.ranks(text_order)[column.codes]
        ranks[column.rows] = _THERE
    return Dense(values, ranks)


def _ids(table: RunTable) -> Dense:
    values = np.empty(len(table), np.int32)
    values[sorted(range(len(table)), key=table.run_ids.__getitem__)] = np.arange(len(table), dtype=np.int32)
    return Dense(values, np.zeros(len(table), np.int8))


def nested(table: RunTable, rows: Rows) -> Rows:
    """Return rows with those of the runs that each has started directly below it, in the same order.

    A run whose parent is not among them stands as it did; so do runs that name each other as parents, at the end.
    """
    parents = parents_of(table, rows)
    among = set(rows.tolist())
    below: dict[int, list[int]] = {}
    for row, parent in zip(rows.tolist(), parents, strict=True):
        below.setdefault(parent if parent in among and parent != row else -1, []).append(row)
    ordered: list[int] = []
    stack = below.pop(-1, [])[::-1]
    while stack:
        ordered.append(stack.pop())
        stack += below.pop(ordered[-1], [])[::-1]
    return np.asarray(ordered + [row for rest in below.values() for row in rest], np.int32)


def parents_of(table: RunTable, rows: Rows) -> list[int]:
    """Return the row of each row's parent, -1 where it names none that is here."""
    column = table.tags.get("mlflow.parentRunId")
    if column is None:
        return [-1] * len(rows)
    rows_of_words = [table.row_of(word) for word in column.words]
    found = []
    for place in column.places(rows).tolist():
        parent = rows_of_words[column.codes[place]] if place >= 0 else None
        found.append(-1 if parent is None else parent)
    return found
