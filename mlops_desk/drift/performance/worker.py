"""The worker that reports on answers: ``python -m mlops_desk.drift.performance.worker``, one request on stdin.

Request: {"data": path, "label": column, "prediction": column, "scores": [columns], "reference": path, "positive":
class, "kind": PredictionKind, "window_rows": number, "folder": path}; all but the first two may be missing. The answer
is a PerformanceReport. How far it is it says on stderr, a line a second at most. What it writes on its way lies in
``folder``.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from mlops_desk.base import wire
from mlops_desk.base.errors import Invalid
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.drift import learning
from mlops_desk.drift.data.answers import ReadColumn, inputs_of, read_columns
from mlops_desk.drift.data.opened import OpenedTable
from mlops_desk.drift.data.opening import open_data
from mlops_desk.drift.data.probabilities import class_of_column
from mlops_desk.drift.performance.cells import Cells, cells_of
from mlops_desk.drift.performance.report import AnsweredData, performance_of
from mlops_desk.drift.performance.rows import AnsweredRows, rows_of
from mlops_desk.drift.progress import WorkerProgress
from mlops_desk.drift.room import work_room
from mlops_desk.records.drift.answers import AnswerColumns
from mlops_desk.records.drift.performance import PerformanceReport, PredictionKind

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
    if rows.kind is PredictionKind.CLASSIFICATION or not learning.is_there():
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
