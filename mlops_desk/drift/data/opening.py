"""Files and folders as tables: Parquet, CSV or JSON lines, told by what they hold and not by their names.

DuckDB streams and spills to a folder of its own, downloads nothing, and gets paths as literal names. Files of text
become Parquet files of texts first; what those mean is decided later, from whole columns (``kinds``).
"""

# ruff: noqa: S608 - DuckDB binds neither names nor paths; ``identifier`` and ``pattern`` quote them

import json
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.base.disk.files import open_plain
from mlops_desk.base.errors import Invalid, NotFound
from mlops_desk.base.text import plain
from mlops_desk.drift.data import delimited_text, json_lines, split_table
from mlops_desk.drift.data.delimited_text import AsTexts
from mlops_desk.drift.data.opened import OpenedTable
from mlops_desk.storage.data_files import identifier, pattern
from mlops_desk.storage.request_log.names import sent

FILES_LIMIT = 1000  # chosen: of more files a query no longer fits in memory
_SUFFIXES = frozenset({".parquet", ".pq", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json"})
_PARQUET = b"PAR1"
_PACKED = {
    b"\x1f\x8b": ("gzip", "gunzip -k FILE"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd FILE"),
    b"\xfd7zXZ": ("xz", "unxz -k FILE"),
    b"BZh": ("bzip2", "bunzip2 -k FILE"),
    b"PK\x03\x04": ("zip, or a spreadsheet", "unzip FILE, or save the sheet as CSV"),
}
_MARK_BYTES = 6  # as long as the longest of these
_LOOKED_AT = 20  # lines; chosen: a broken first line makes no CSV file of JSON
_LINE_BYTES = 1 << 20  # chosen: a longer one is looked at when it is read
_ABOUT_BYTES = 4 << 20  # chosen: what pandas says of 5,000 columns is a tenth
_DURATION = re.compile(r"timedelta64\[(?P<unit>s|ms|us|ns)\]")
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}
_ROW_NUMBER = "file_row_number"  # DuckDB's word
_WAYS = "Give Parquet, CSV with a header line, or JSON lines: a file, or a folder of files of one kind."


def open_data(connection: Any, path: Path, folder: Path) -> OpenedTable:
    """Open a file, or a folder's files as one table; what is written lies in ``folder``. Raises NotFound, Invalid."""
    shown = plain(str(path), 1000)
    try:
        files = data_files_of(path, shown)
        kinds = {kind_of(file) for file in files}
        if len(kinds) > 1:
            raise Invalid(f"{shown} holds files of several kinds: {', '.join(sorted(kinds))}.", _WAYS)
        if kinds == {"Parquet"}:
            return _parquet(connection, files)
        if kinds == {split_table.KIND}:
            return split_table.open_table(connection, files, folder)
        convert = json_lines.to_parquet if kinds == {"JSON lines"} else delimited_text.to_parquet
        found = [(file, convert(connection, file, folder)) for file in files]
        return _of_texts(connection, found, tells_empty=kinds == {"JSON lines"})
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {shown}.", "Check the path.") from error
    except OSError as error:
        raise Invalid(f"{shown} can't be read: {error.strerror}.", "Check its permissions.") from error
    except duckdb.Error as error:
        text = f"{shown} can't be read as a table: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Is the file complete? Write it again as Parquet, or as CSV with a header line.") from error


def data_files_of(path: Path, shown: str) -> list[Path]:
    """Return a file, or a folder's files of data by their names. Raises Invalid, OSError."""
    facts = path.stat()
    if stat.S_ISDIR(facts.st_mode):
        found = [file for file in sorted(path.rglob("*")) if _is_data(file, path)]
        if not found or len(found) > FILES_LIMIT:
            count = f"more than {FILES_LIMIT:,}" if found else "no"
            raise Invalid(f"The folder {shown} holds {count} files of data.", _WAYS)
        return found
    if not stat.S_ISREG(facts.st_mode):
        raise Invalid(f"{shown} is not a file, nor a folder.", _WAYS)
    if not facts.st_size:
        raise Invalid(f"{shown} is empty.", "A CSV file needs at least its header line.")
    return [path]


def _is_data(file: Path, top: Path) -> bool:
    """Tell whether a file of a folder is data: what begins with a dot or an underscore is what programs leave there."""
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(top).parts)
    return not hidden and file.suffix.lower() in _SUFFIXES and file.is_file() and file.stat().st_size > 0


def kind_of(file: Path) -> str:
    """Tell ``Parquet``, ``CSV`` and ``JSON lines`` by their beginning. Raises OSError, and Invalid if it is packed."""
    with open_plain(file, links=True) as opened:
        start = opened.read(_MARK_BYTES)
        if start.startswith(_PARQUET):
            return "Parquet"
        for mark, (what, command) in _PACKED.items():
            if start.startswith(mark):
                raise Invalid(f"{plain(str(file), 1000)} is packed ({what}).", f"Unpack it first: {command}")
        opened.seek(0)
        if split_table.begins(opened.read(_LINE_BYTES)):
            return split_table.KIND
        opened.seek(0)
        lines = [opened.readline(_LINE_BYTES) for _ in range(_LOOKED_AT)]
    return "JSON lines" if any(json_lines.is_object(line) for line in lines) else "CSV"


def _parquet(connection: Any, files: Sequence[Path]) -> OpenedTable:
    listed = ", ".join(pattern(file) for file in files)
    relation = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    if durations := _durations(connection, files[0], described):
        relation = f"(SELECT * {durations} FROM {relation})"
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    columns = {sent(name): (identifier(name), kind) for name, kind, *_ in described}  # a log's names, as they were
    lengths = tuple(_count(connection, f"read_parquet({pattern(file)})") for file in files)
    numbered = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false, {_ROW_NUMBER} = true)"
    numbered = f"(SELECT * {durations} FROM {numbered})" if durations else numbered
    is_taken = any(name.lower() == _ROW_NUMBER for name in columns)
    return OpenedTable(relation, columns, sum(lengths), numbered=None if is_taken else numbered, lengths=lengths)


def _durations(connection: Any, file: Path, described: Sequence[Sequence[Any]]) -> str:
    """Return what makes durations of the numbers that pandas has written for them, "" where it has written none.

    Parquet has no type for them, and pandas' own words about its columns (metadata of that name) tell which they are.
    """
    rows = connection.execute(f"""
        SELECT value FROM parquet_kv_metadata({pattern(file)})
        WHERE CAST(key AS VARCHAR) = 'pandas' AND octet_length(value) <= {_ABOUT_BYTES}""").fetchall()
    try:
        columns = json.loads(rows[0][0])["columns"] if rows else []
        told = {str(one["field_name"]): _DURATION.fullmatch(str(one["numpy_type"])) for one in columns}
    except (ValueError, KeyError, TypeError, RecursionError):  # whoever wrote it so meant nothing that we know
        return ""
    units = {name: _NANOSECONDS[found["unit"]] for name, found in told.items() if found is not None}
    made = [
        f"to_microseconds(CAST({name} * {units[plain_name]} / 1000 AS BIGINT)) AS {name}"
        for plain_name, kind, *_ in described
        if plain_name in units and kind == "BIGINT" and (name := identifier(plain_name))
    ]
    return f"REPLACE ({', '.join(made)})" if made else ""


def _of_texts(connection: Any, found: Sequence[tuple[Path, AsTexts]], *, tells_empty: bool) -> OpenedTable:
    """Return the converted files as one table: columns of one name are one, blank where a file lacks it."""
    places = {name: at for at, name in enumerate(dict.fromkeys(name for _, one in found for name in one.names))}
    selects, numbered, lengths = [], [], []
    for _, one in found:
        columns = ", ".join(f"c{at} AS k{places[name]}" for at, name in enumerate(one.names))
        options = "hive_partitioning = false"
        selects.append(f"SELECT {columns} FROM read_parquet({pattern(one.path)}, {options})")
        options += f", {_ROW_NUMBER} = true"
        numbered.append(f"SELECT {columns}, {_ROW_NUMBER} FROM read_parquet({pattern(one.path)}, {options})")
        lengths.append(_count(connection, f"read_parquet({pattern(one.path)})"))
    relation = f"({' UNION ALL BY NAME '.join(selects)})"
    return OpenedTable(
        relation,
        {name: (f'"k{at}"', "VARCHAR") for name, at in places.items()},
        sum(lengths),
        is_text=True,
        tells_empty=tells_empty,
        n_rejected=sum(one.n_rejected for _, one in found),
        notes=tuple(f"{plain(file.name, 100)}: {note}" for file, one in found for note in one.notes),
        numbered=f"({' UNION ALL BY NAME '.join(numbered)})",
        lengths=tuple(lengths),
    )


def _count(connection: Any, relation: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])
