"""Rows of the table as records: what is on screen, and whole runs."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.mirror.column import ColumnKey, Sorting, Which
from mlops_desk.registry.mirror.table.runs import NumberColumn, Rows, RunTable, TextColumn
from mlops_desk.registry.readers.batch import NO_TIME
from mlops_desk.registry.readers.reader import TextOrder
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.records.run_window import RunRow, RunValue

# Rows in MLflow's order: by the keys, then the newest run first, then by id.
#
# What has no value stands last whichever way a key goes, and NaN before it; both keep the order of the later keys.

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
        return _row_order_numbers(column or NumberColumn(), len(table))
    if key.kind != "attributes":
        return _row_order_texts(table.texts(key.kind).get(key.key) or TextColumn(), len(table), table.text_order)
    if key.key in {"start_time", "end_time"}:
        times = table.starts if key.key == "start_time" else table.ends
        return Dense(times, np.where(times == NO_TIME, _MISSING, _THERE).astype(np.int8))
    if key.key == "duration":
        seconds = table.durations()
        return Dense(seconds, np.where(np.isnan(seconds), _MISSING, _THERE).astype(np.int8))
    if key.key == "run_id":
        return _ids(table)
    return _row_order_texts(table.attributes[key.key], len(table), table.text_order)


def _row_order_numbers(column: NumberColumn, n_rows: int) -> Dense:
    values, ranks = np.zeros(n_rows), np.full(n_rows, _MISSING, np.int8)
    values[column.rows] = column.values
    ranks[column.rows] = np.where(np.isnan(column.values), _NAN, _THERE)
    return Dense(values, ranks)


def _row_order_texts(column: TextColumn, n_rows: int, text_order: TextOrder | None) -> Dense:
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


LONGEST_TEXT = 500  # chosen: a cell of a table shows less
_PARENT = ColumnKey("tags", "mlflow.parentRunId")


def shown_rows(table: RunTable, rows: Rows, columns: Sequence[ColumnKey], spots: Spots) -> tuple[RunRow, ...]:
    """Return these rows with these columns; long texts are cut."""
    told = [_cut(values(table, rows, column, spots)) for column in columns]
    cells = zip(*told, strict=True) if told else iter([()] * len(rows))
    attributes = [values(table, rows, key, spots) for key in (_NAME, _STATUS, _START, _EXPERIMENT, _PARENT)]
    facts = zip(*attributes, strict=True)
    return tuple(
        RunRow(table.run_ids[row], name, status or "", start, experiment or "", parent, tuple(cell))
        for row, (name, status, start, experiment, parent), cell in zip(rows.tolist(), facts, cells, strict=True)
    )


_NAME, _STATUS, _START, _EXPERIMENT = (
    ColumnKey("attributes", key) for key in ("run_name", "status", "start_time", "experiment_id")
)


def values(table: RunTable, rows: Rows, key: ColumnKey, spots: Spots) -> list[RunValue]:
    """Return what these rows have in a column, None where they have nothing."""
    if key.kind == "metrics":
        return list(_numbers(column_of(table, key, spots), rows))
    if key.kind != "attributes":
        return list(_texts(table.texts(key.kind).get(key.key), rows))
    if key.key == "run_id":
        return [table.run_ids[row] for row in rows.tolist()]
    if key.key in {"start_time", "end_time"}:
        times = (table.starts if key.key == "start_time" else table.ends)[rows].tolist()
        return [None if at == NO_TIME else at for at in times]
    if key.key == "duration":
        return [None if math.isnan(seconds) else seconds for seconds in table.durations()[rows].tolist()]
    return list(_texts(table.attributes[key.key], rows))


def column_of(table: RunTable, key: ColumnKey, spots: Spots) -> NumberColumn | None:
    """Return a metric's values, those that are meant; None: no run has any."""
    return table.metrics.get(key.key) if key.which is Which.LAST else spots(key)


def _numbers(column: NumberColumn | None, rows: Rows) -> Iterator[float | None]:
    if column is None:
        yield from [None] * len(rows)
        return
    numbers = column.values
    for place in column.places(rows).tolist():
        yield None if place < 0 else float(numbers[place])


def _texts(column: TextColumn | None, rows: Rows) -> Iterator[str | None]:
    if column is None:
        yield from [None] * len(rows)
        return
    words, codes = column.words, column.codes
    for place in column.places(rows).tolist():
        yield None if place < 0 else words[codes[place]]


def _cut(found: list[RunValue]) -> list[RunValue]:
    return [value[:LONGEST_TEXT] if isinstance(value, str) else value for value in found]


def whole_runs(table: RunTable, rows: Rows) -> list[Run]:
    """Return runs with all that they have."""
    metrics: list[dict[str, float]] = [{} for _ in rows]
    params: list[dict[str, str]] = [{} for _ in rows]
    tags: list[dict[str, str]] = [{} for _ in rows]
    for name in sorted(table.metrics):
        numbers = table.metrics[name]
        places = numbers.places(rows)
        there = np.flatnonzero(places >= 0)
        for at, value in zip(there.tolist(), numbers.values[places[there]].tolist(), strict=True):
            metrics[at][name] = value
    for columns, found in ((table.params, params), (table.tags, tags)):
        for name in sorted(columns):
            texts = columns[name]
            places = texts.places(rows)
            there = np.flatnonzero(places >= 0)
            for at, code in zip(there.tolist(), texts.codes[places[there]].tolist(), strict=True):
                found[at][name] = texts.words[code]
    attributes = {name: list(_texts(column, rows)) for name, column in table.attributes.items()}
    return [
        Run(
            run_id=table.run_ids[row],
            name=attributes["run_name"][at],
            status=attributes["status"][at] or "",
            start_time=_time(int(table.starts[row])),
            metrics=metrics[at],
            params=params[at],
            tags=tags[at],
            experiment_id=attributes["experiment_id"][at],
            end_time=_time(int(table.ends[row])),
        )
        for at, row in enumerate(rows.tolist())
    ]


def _time(at: int) -> int | None:
    return None if at == NO_TIME else at


def runs_by_id(table: RunTable, run_ids: Iterable[str]) -> dict[str, Run]:
    """Return those of these runs that are here, deleted ones too."""
    rows = [row for run_id in run_ids if (row := table.row_of(run_id)) is not None]
    return {run.run_id: run for run in whole_runs(table, np.asarray(sorted(rows), np.int32))}
