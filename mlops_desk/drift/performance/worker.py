"""The worker that reports on answers: ``python -m mlops_desk.drift.performance.worker``, one request on stdin.

Request: {"data": path, "label": column, "prediction": column, "scores": [columns], "reference": path, "positive":
class, "kind": PredictionKind, "window_rows": number, "folder": path}; all but the first two may be missing. The answer
is a PerformanceReport. How far it is it says on stderr, a line a second at most. What it writes on its way lies in
``folder``.

Labels, answers and probabilities of a file, row by row, and the inputs beside them.

The kinds are decided as for a drift report, over the reference where there is one: numbers with groups of thousands are
numbers here too, and yes and no are true and false. What is one class in the label is one in the answer: whether their
words are truths is asked of both at once, for either may hold but one of them ("no" alone), or a third.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift import scikit_learn
from mlops_desk.drift.data import value_parsers
from mlops_desk.drift.data.categories import labels_by_row
from mlops_desk.drift.data.column_kinds import freeze
from mlops_desk.drift.data.file_formats import open_data
from mlops_desk.drift.data.numbers import numbers_by_row
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.probabilities import class_of_column, lists_by_row
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.cells import Cells, cells_of
from mlops_desk.drift.performance.report import AnsweredData, performance_of
from mlops_desk.drift.performance.rows import AnsweredRows, rows_of
from mlops_desk.drift.progress import WorkerProgress
from mlops_desk.drift.records.answers import AnswerColumns
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.drift.records.performance import PerformanceReport, PredictionKind
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.workspace import work_room
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

MOST_CELLS = 50_000_000
"""Of inputs, 400 MB; chosen: of more the errors to expect are not estimated, and the report says so."""
_CODES = {ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN}
_NAMED = 10  # chosen: enough to see what the names look like
Sides = tuple[OpenedTable, OpenedTable]


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A column of both sides, one below the other: numbers with what is missing, or values of any kind."""

    missing: NDArray[np.bool_]
    numbers: Floats | None = None
    values: NDArray[np.object_] | None = None


def read_columns(
    connection: Any, sides: Sides, names: Sequence[str], alike: Sequence[str] = ()
) -> dict[str, ReadColumn]:
    """Read columns of both sides (the second may be empty); ``alike`` are those of them that hold the same classes.

    Raises Invalid where a side lacks one, duckdb.Error.
    """
    for side in sides:
        for name in names:
            if name not in side.columns:
                known = ", ".join(plain(one, 60) for one in list(side.columns)[:_NAMED])
                raise Invalid(f"The data have no column {plain(name)!r}.", f"They have {known}.")
    frozen = {column.name: column for column in freeze(connection, *sides, DriftOptions())}
    frozen |= _alike(connection, sides, [frozen[name] for name in alike])
    return {name: _read(connection, sides, frozen[name]) for name in names}


def _alike(connection: Any, sides: Sides, columns: Sequence[FrozenColumn]) -> dict[str, FrozenColumn]:
    """Return columns of words as truths where all that any of them holds is one, and is not one and the same word."""
    words = [column for column in columns if column.kind in _CODES]
    if not words:
        return {}
    texts = " UNION ALL ".join(
        f"SELECT CAST({side.columns[column.name][0]} AS VARCHAR) AS t FROM {side.relation}"  # noqa: S608 - quoted
        for column in columns
        for side in sides
    )
    counted = f"""
        SELECT count(DISTINCT trim(t)), coalesce(bool_and({value_parsers.boolean("t")} NOTNULL), false)
        FROM ({texts}) WHERE NOT {value_parsers.missing("t")}"""  # noqa: S608 - of quoted identifiers
    n_words, are_truths = connection.execute(counted).fetchall()[0]
    kind = ColumnKind.BOOLEAN if are_truths and n_words > 1 else ColumnKind.CATEGORICAL
    return {column.name: replace(column, kind=kind) for column in words}


def _read(connection: Any, sides: Sides, column: FrozenColumn) -> ReadColumn:
    if column.kind is ColumnKind.NUMERIC:
        found = [numbers_by_row(connection, side, column) for side in sides]
        numbers, missing = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return ReadColumn(missing, numbers)
    if column.kind is None:
        values = np.concatenate([lists_by_row(connection, side, column.name) for side in sides])
    else:
        values = np.concatenate(labels_by_row(connection, sides, column))
    return ReadColumn(np.array([value is None for value in values], dtype=bool), values=values)


def inputs_of(connection: Any, sides: Sides, without: Sequence[str]) -> tuple[Floats | None, list[str]]:
    """Return the inputs as numbers (rows x columns, NaN is missing, categories by their place), and their names.

    A category that the first side does not know is missing too.

    Left out are the columns ``without``, texts, identifiers, arrays and moments. None where there are too many.
    Raises duckdb.Error.
    """
    kinds = {ColumnKind.NUMERIC, *_CODES}
    columns = [
        column
        for column in freeze(connection, *sides, DriftOptions())
        if column.kind in kinds and column.name not in without and all(column.name in side.columns for side in sides)
    ]
    n = sum(side.n_rows for side in sides)
    if n * len(columns) > MOST_CELLS:
        return None, []
    found = np.empty((n, len(columns)))
    for at, column in enumerate(columns):
        if column.kind is ColumnKind.NUMERIC:
            found[:, at] = np.concatenate([numbers_by_row(connection, side, column)[0] for side in sides])
        else:
            found[:, at] = _codes(*labels_by_row(connection, sides, column))
    return np.where(np.isfinite(found), found, np.nan), [column.name for column in columns]


def _codes(reference: NDArray[np.object_], current: NDArray[np.object_]) -> Floats:
    """Return categories as numbers, the reference's most frequent first; NaN where there is none, or it knows none.

    The same whatever the current rows hold, so that what was learned of the reference once can be kept.
    """
    held = np.array([label for label in reference if label is not None], dtype=str)
    values, sizes = np.unique(held, return_counts=True)
    places = dict(zip(values[np.argsort(-sizes, kind="stable")].tolist(), map(float, range(values.size)), strict=True))
    return np.array(
        [np.nan if label is None else places.get(str(label), np.nan) for side in (reference, current) for label in side]
    )


MODULE = "mlops_desk.drift.performance.worker"


def performance_of_files(
    data: Path,
    columns: AnswerColumns,
    reference: Path | None = None,
    window_rows: int | None = None,
    within: str | None = None,
) -> PerformanceReport:
    """Report on a file or a folder of answers. Raises NotFound or Invalid with what is wrong."""
    if columns.prediction is None and not columns.scores:
        raise Invalid("There is nothing to hold against the labels.", "Name the answers' column (--prediction).")
    if window_rows is not None and window_rows < 1:
        raise Invalid(f"A window can't have {window_rows:,} rows.", "Give a number from 30 on.")
    with work_room(within) as (connection, folder):
        current = open_data(connection, data.absolute(), folder)
        before = None if reference is None else open_data(connection, reference.absolute(), folder)
        try:
            read = read_answers(connection, before, current, columns)
        except duckdb.Error as error:
            text = f"The data can't be read: {plain(str(error).splitlines()[0], 300)}"
            raise Invalid(text, "Is the file complete? Write it again.") from error
    progress = WorkerProgress()
    return performance_of(read, window_rows, lambda done, total: progress.say(f"{done} of {total} windows"))


def read_answers(
    connection: Any, before: OpenedTable | None, current: OpenedTable, columns: AnswerColumns
) -> AnsweredData:
    """Read reference and current rows as one. Raises Invalid where a column lacks, duckdb.Error."""
    nothing = replace(current, relation=f"(SELECT * FROM {current.relation} LIMIT 0)", n_rows=0)  # noqa: S608 - ours
    sides = (current, nothing) if before is None else (before, current)
    alike = [name for name in (columns.label, columns.prediction) if name is not None]
    found = read_columns(connection, sides, columns.named, alike)
    rows = rows_of(
        _cells(found[columns.label]),
        None if columns.prediction is None else _cells(found[columns.prediction]),
        _scores(found, columns.scores),
        kind=columns.kind,
        positive=columns.positive,
        score_classes=[class_of_column(name) for name in columns.scores] if len(columns.scores) > 1 else None,
    )
    notes = tuple(dict.fromkeys(note for side in sides for note in side.notes))
    if before is None:
        return AnsweredData(rows, notes=notes)
    return _with_inputs(connection, AnsweredData(rows, before.n_rows, notes=notes), sides, columns, rows)


def _with_inputs(
    connection: Any,
    data: AnsweredData,
    sides: tuple[OpenedTable, OpenedTable],
    columns: AnswerColumns,
    rows: AnsweredRows,
) -> AnsweredData:
    """Read what stands beside the answers, where something is to be learned from it."""
    if rows.kind is PredictionKind.CLASSIFICATION or not scikit_learn.is_there():
        return data
    inputs, names = inputs_of(connection, sides, columns.named)
    if inputs is None:
        return replace(data, notes=(*data.notes, "The inputs are too many to learn from which errors to expect."))
    return replace(data, inputs=inputs if names else None, input_names=tuple(names))


def _cells(column: ReadColumn) -> Cells:
    if column.numbers is not None:
        return Cells(column.missing, column.numbers)
    return cells_of([] if column.values is None else column.values)


def _scores(found: dict[str, ReadColumn], names: Sequence[str]) -> Any:
    """Return the scores as ``rows_of`` takes them: a table, or lists in the rows of one column."""
    if not names:
        return None
    if len(names) == 1:
        only = found[names[0]]
        return only.numbers[:, None] if only.numbers is not None else only.values
    return np.stack([_cells(found[name]).numbers for name in names], axis=1)


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    columns = wire.from_builtins(
        {name: request[name] for name in ("label", "prediction", "scores", "positive", "kind") if name in request},
        AnswerColumns,
    )
    reference = request.get("reference")
    return wire.to_builtins(
        performance_of_files(
            Path(request["data"]),
            columns,
            None if reference is None else Path(reference),
            request.get("window_rows"),
            request.get("folder"),
        )
    )


if __name__ == "__main__":
    serve_one(answer)
