"""Rows of the table as records: what is on screen, and whole runs."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mlops_desk.records.model import Run
from mlops_desk.records.registry.run_window import RunRow, RunValue
from mlops_desk.registry.mirror.column import ColumnKey, Which
from mlops_desk.registry.mirror.table.columns import NumberColumn, Rows, TextColumn
from mlops_desk.registry.mirror.table.ordering import Spots
from mlops_desk.registry.mirror.table.runs import RunTable
from mlops_desk.registry.reading.batch import NO_TIME

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
