"""New rows of a file or a folder that grows, each once: whole lines of text, and rows of Parquet.

Files are read in the order of their names, each from where it was left. What is being written is waited for: a line
without its end, a Parquet file without its foot. A file that has become shorter was replaced, and is read anew. A row's
moment is that of the time column, and else, or where that can't be read, when its file was written last.

When rows were made, by which they are cut: a column tells that was named, or when they were written or read.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlops_desk.drift.data import split_table
from mlops_desk.drift.data.file_formats import data_files_of, kind_of, open_data
from mlops_desk.drift.data.numbers import moment_of
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.live.spans import MOMENT, NUMBER, RowBatch
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import identifier

# ruff: noqa: S608 - DuckDB binds no names; ``spelling`` makes expressions of quoted identifiers


def batch_of(
    connection: Any, table: OpenedTable, relation: str, moments: tuple[str | None, float, float]
) -> RowBatch:  # fmt: skip
    """Keep a relation's rows as the connection's table ``fresh``, numbered by their moments.

    ``moments``: the column that has them if one was named, the Unix time of rows without one, and now. Raises Invalid
    where there is no such column, duckdb.Error.
    """
    time_column, written_at, now = moments
    if time_column is not None and time_column not in table.columns:
        raise Invalid(f"The data have no column {plain(time_column)!r} for the time of a row.", "Name another one.")
    named = None if time_column is None else FrozenColumn(time_column, ColumnKind.TIME)
    moment = None if named is None else moment_of(connection, table, named)
    known = f"coalesce({moment or 'NULL'}, {written_at!r}::DOUBLE)"
    listed = ", ".join(f"{column} AS k{at}" for at, (column, _) in enumerate(table.columns.values()))
    order = "file_row_number" if relation != table.relation else "0"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE fresh AS
        SELECT {listed}, {known} AS {MOMENT}, row_number() OVER (ORDER BY {known}, {order}) - 1 AS {NUMBER}
        FROM {relation}""")
    columns = {name: (identifier(f"k{at}"), kind) for at, (name, (_, kind)) in enumerate(table.columns.items())}
    found = connection.execute(f"SELECT {MOMENT} FROM fresh ORDER BY {NUMBER}").fetchnumpy()[MOMENT]
    values = np.asarray(found, dtype=np.float64)
    fresh = replace(table, relation="fresh", columns=columns, n_rows=values.size, numbered=None, lengths=())
    return RowBatch(fresh, values, now)


# ruff: noqa: S608 - the relation is one that ``opening`` has quoted, the rest are numbers


_PART_BYTES = 16 << 20  # chosen: a hundred thousand rows of a few columns; the next read goes on
_OPEN_LINES = 100  # chosen: a value that is still being written has fewer; else a quote is one too many
_HEADER_BYTES = 1 << 20  # chosen: a header of 5,000 columns is less
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")  # UTF-16, whose line ends are two bytes


@dataclass(frozen=True, slots=True)
class FileMark:
    """How far a file was read: bytes of text, or rows of what is read whole: Parquet, UTF-16, MLflow's tables."""

    name: str
    n_bytes: int = 0
    n_rows: int = 0


@dataclass(frozen=True, slots=True)
class FileCursor:
    """How far each file of a folder was read, by its name within."""

    marks: tuple[FileMark, ...] = ()


@dataclass(frozen=True, slots=True)
class FileRows:
    """What was read of one file; ``batch`` is None where it has nothing new that is whole."""

    batch: RowBatch | None
    cursor: FileCursor
    n_rejected: int = 0
    notes: tuple[str, ...] = ()
    has_more: bool = False


def read_files(
    connection: Any,
    path: Path,
    cursor: FileCursor | None,
    time_column: str | None,
    now: float,
    limit: int,
    folder: Path,
) -> FileRows:
    """Read at most ``limit`` new rows of the first file that has some; ``folder`` is for what is written on the way.

    Raises NotFound, Invalid, OSError, duckdb.Error.
    """
    files = data_files_of(path, plain(str(path), 1000))
    top = path if path.is_dir() else path.parent
    known = {mark.name: mark for mark in (cursor or FileCursor()).marks}
    names = {str(file.relative_to(top)): file for file in files}
    marks = {name: known.get(name, FileMark(name)) for name in names}
    notes: list[str] = []
    for name, file in names.items():
        found = _read_file(connection, file, marks[name], time_column, now, limit, folder)
        notes += found.notes
        if found.batch is not None or found.mark != marks[name]:
            marks[name] = found.mark
            return FileRows(
                found.batch, FileCursor(tuple(marks.values())), found.n_rejected, tuple(notes), has_more=True
            )
    return FileRows(None, FileCursor(tuple(marks.values())), notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class _Read:
    mark: FileMark
    batch: RowBatch | None = None
    n_rejected: int = 0
    notes: tuple[str, ...] = ()


def _read_file(
    connection: Any, file: Path, mark: FileMark, time_column: str | None, now: float, limit: int, folder: Path
) -> _Read:  # fmt: skip
    facts = file.stat()
    if _is_by_rows(file):
        return _rows(connection, file, mark, (time_column, facts.st_mtime, now), limit, folder)
    if facts.st_size < mark.n_bytes:
        mark = FileMark(mark.name)
    part, end = _new_lines(file, mark.n_bytes, folder)
    if part is None:
        return _Read(mark)
    table = open_data(connection, part, folder)
    after = replace(mark, n_bytes=end, n_rows=mark.n_rows + table.n_rows)
    batch = batch_of(connection, table, table.relation, (time_column, facts.st_mtime, now))
    return _Read(after, batch if table.n_rows else None, table.n_rejected, table.notes)


def _is_by_rows(file: Path) -> bool:
    with open_plain(file, links=True) as opened:
        return opened.read(2) in _WIDE_MARKS or kind_of(file) in {"Parquet", split_table.KIND}


def _rows(
    connection: Any, file: Path, mark: FileMark, moments: tuple[str | None, float, float], limit: int, folder: Path
) -> _Read:  # fmt: skip
    """Read a file's rows after those that were; one that is not whole yet is waited for, and named."""
    try:
        table = open_data(connection, file, folder)
    except Invalid as error:
        return _Read(mark, notes=(f"{plain(file.name, 100)} is left for later: {error.message}",))
    if table.n_rows < mark.n_rows:
        mark = FileMark(mark.name)
    n = min(limit, table.n_rows - mark.n_rows)
    if n <= 0 or table.numbered is None:
        return _Read(mark)
    first = mark.n_rows
    chosen = f"(SELECT * FROM {table.numbered} WHERE file_row_number >= {first} AND file_row_number < {first + n})"
    after = replace(mark, n_rows=first + n)
    return _Read(after, batch_of(connection, table, chosen, moments), table.n_rejected, table.notes)


def _new_lines(file: Path, start: int, folder: Path) -> tuple[Path | None, int]:
    """Write the whole lines after ``start`` into a file of their own, below the header; return where they end."""
    is_json = kind_of(file) == "JSON lines"
    with open_plain(file, links=True) as opened:
        header = b"" if is_json else opened.readline(_HEADER_BYTES)
        start = max(start, len(header))
        opened.seek(start)
        data = opened.read(_PART_BYTES)
    end = data.rfind(b"\n") + 1 if is_json else _end_of_rows(data)
    if not end:
        if len(data) == _PART_BYTES:
            text = f"{plain(file.name, 100)} has a line of more than {_PART_BYTES >> 20} MiB."
            raise Invalid(text, "Is it CSV with a header line, or JSON lines?")
        return None, start
    part = folder / f"part-{len(list(folder.iterdir()))}{file.suffix}"
    part.write_bytes(header + data[:end])
    return part, start + end


def _end_of_rows(data: bytes) -> int:
    """Return where the last whole row of CSV ends; a line's end within quotes is none."""
    last = end = data.rfind(b"\n") + 1
    for _ in range(_OPEN_LINES):
        if not end or data.count(b'"', 0, end) % 2 == 0:
            return end
        end = data.rfind(b"\n", 0, end - 1) + 1
    return last
