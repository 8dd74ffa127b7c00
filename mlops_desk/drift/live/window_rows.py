"""The worker that reads a window's rows again: ``python -m mlops_desk.drift.live.window_rows``, one request on stdin.

A row belongs to the window in whose time its moment lies: that of the time column, else when its file was written last,
as it was when windows were cut. Request: ``RowsRequest``. Answer: ``RowsFound``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.drift.data.file_formats import data_files_of, open_data
from mlops_desk.drift.data.numbers import moment_of
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.drift.workspace import database_in
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

_THREADS = 1  # the machine is busy with other people's trainings
_MOST_COLUMNS = 300  # chosen: more are not read side by side
_CELL = 200  # characters; chosen: a row is read at a glance
_NOTES = 5  # chosen: as many as one reads


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """Which rows: of a file or folder ``path``, with a moment from ``start`` to ``end`` (Unix times, both among them).

    ``folder`` is for what is written on the way.
    """

    path: str
    start: float
    end: float
    limit: int
    folder: str
    time_column: str | None = None


@dataclass(frozen=True, slots=True)
class RowsFound:
    """The first ``limit`` rows of ``n_found``, by their moments; each has a text or None for each of the columns."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    moments: tuple[float, ...] = ()
    n_found: int = 0
    notes: tuple[str, ...] = ()


def find_rows(request: RowsRequest) -> RowsFound:
    """Read the rows of a window. Raises DeskError with what is wrong."""
    path, folder = Path(request.path), Path(request.folder)
    try:
        with database_in(folder, _THREADS) as connection:
            parts = [
                _of_file(connection, file, request, folder) for file in data_files_of(path, plain(request.path, 1000))
            ]
    except FileNotFoundError as error:
        text = f"There is no {plain(request.path, 1000)} any more."
        raise Invalid(text, "What was judged of it is kept all the same.") from error
    except OSError as error:
        raise Invalid(
            f"{plain(request.path, 1000)} can't be read: {error.strerror}.", "Check its permissions."
        ) from error
    except duckdb.Error as error:
        text = f"The rows can't be read: {plain(str(error).splitlines()[0], 300)}"
        raise Unavailable(text, "Is there room on the disk for temporary files?") from error
    return _together(parts, request.limit)


def _of_file(connection: Any, file: Path, request: RowsRequest, folder: Path) -> RowsFound:
    written_at = file.stat().st_mtime
    if request.time_column is None and not request.start <= written_at <= request.end:
        return RowsFound()  # all of its rows have one moment, and it is another
    table = open_data(connection, file, folder)
    known = _moment(connection, table, request.time_column, written_at)
    within = f"FROM {table.relation} WHERE {known} BETWEEN {request.start!r} AND {request.end!r}"
    ((n_found,),) = connection.execute(f"SELECT count(*) {within}").fetchall()
    names = list(table.columns)[:_MOST_COLUMNS]
    listed = ", ".join(f"left(CAST({table.columns[name][0]} AS VARCHAR), {_CELL})" for name in names)
    rows = connection.execute(f"SELECT {known}, {listed} {within} ORDER BY 1 LIMIT {int(request.limit)}").fetchall()
    more = len(table.columns) - len(names)
    notes = (f"{more:,} more columns are not shown.",) if more > 0 else ()
    return RowsFound(tuple(names), tuple(row[1:] for row in rows), tuple(row[0] for row in rows), n_found, notes)


def _moment(connection: Any, table: OpenedTable, time_column: str | None, written_at: float) -> str:
    if time_column is not None and time_column not in table.columns:
        raise Invalid(f"The data have no column {plain(time_column)!r} for the time of a row any more.")
    named = None if time_column is None else FrozenColumn(time_column, ColumnKind.TIME)
    moment = None if named is None else moment_of(connection, table, named)
    return f"coalesce({moment or 'NULL'}, {written_at!r}::DOUBLE)"


def _together(parts: list[RowsFound], limit: int) -> RowsFound:
    """Return the rows of all files by their moments; a column that a file lacks has no values there."""
    columns = tuple(dict.fromkeys(name for one in parts for name in one.columns))
    found: list[tuple[float, tuple[str | None, ...]]] = []
    for one in parts:
        places = {name: at for at, name in enumerate(one.columns)}
        for moment, row in zip(one.moments, one.rows, strict=True):
            found.append((moment, tuple(row[places[name]] if name in places else None for name in columns)))
    found.sort(key=lambda each: each[0])
    notes = tuple(dict.fromkeys(note for one in parts for note in one.notes))[:_NOTES]
    kept = found[:limit]
    total = sum(one.n_found for one in parts)
    return RowsFound(columns, tuple(row for _, row in kept), tuple(moment for moment, _ in kept), total, notes)


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    return wire.to_builtins(find_rows(wire.from_builtins(request, RowsRequest)))


if __name__ == "__main__":
    serve_one(answer)
