"""New rows of a file or a folder that grows, each once: whole lines of text, and rows of Parquet.

Files are read in the order of their names, each from where it was left. What is being written is waited for: a line
without its end, a Parquet file without its foot. A file that has become shorter was replaced, and is read anew. A row's
moment is that of the time column, and else, or where that can't be read, when its file was written last.
"""

# ruff: noqa: S608 - the relation is one that ``opening`` has quoted, the rest are numbers

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_desk.base.disk.files import open_plain
from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.drift.data import split_table
from mlops_desk.drift.data.opening import data_files_of, kind_of, open_data
from mlops_desk.drift.live.moments import batch_of
from mlops_desk.drift.live.spans import RowBatch

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
