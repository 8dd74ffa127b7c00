"""Files and folders as tables: Parquet, CSV or JSON lines, told by what they hold and not by their names.

DuckDB streams and spills to a folder of its own, downloads nothing, and gets paths as literal names. Files of text
become Parquet files of texts first; what those mean is decided later, from whole columns (``kinds``).

A file of JSON lines, made into a Parquet file of texts: one object a line, as logs and pandas write them.

Values come out as they are spelled (``true``, ``0.1``, ``[1, 2]``), JSON's null and what an object lacks as NULL, and
"" as what it is. Lines that are no objects are counted and named. What the texts mean is decided later, from the whole
column.
"""

import json
import re
import stat
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.drift.data import csv_text, split_table
from mlops_desk.drift.data.csv_errors import counted
from mlops_desk.drift.data.csv_text import COLUMNS_LIMIT, LINE_LIMIT_BYTES, AsTexts, as_utf8
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import identifier, json_pointer, pattern, quoted
from mlops_desk.kit.storage.request_log.names import sent

# ruff: noqa: S608 - DuckDB binds no paths; ``quoted`` and ``pattern`` quote them, and the columns' names are our own


_NAMED_LINES = 3  # chosen: as many as stand in one line


def to_parquet(connection: Any, source: Path, folder: Path) -> AsTexts:
    """Convert ``source``; files made on the way lie in ``folder``. Raises Invalid, OSError, duckdb.Error."""
    readable = as_utf8(source, folder)
    lines = _lines(readable)
    keys = connection.execute(f"""
        SELECT key FROM (SELECT unnest(json_keys(line)) AS key, number FROM {lines} WHERE {_IS_OBJECT})
        GROUP BY key ORDER BY min(number) LIMIT {COLUMNS_LIMIT + 1}""").fetchall()
    names = _in_order(connection, lines, [str(key) for (key,) in keys])
    if not names or len(names) > COLUMNS_LIMIT:
        text = f"The objects of {plain(str(source))} have {'too many' if names else 'no'} keys."
        raise Invalid(text, f"A line needs 1 to {COLUMNS_LIMIT} values by name.")
    target = folder / f"{source.stem[:50]}-{len(list(folder.iterdir()))}.parquet"
    paths = ", ".join(quoted(json_pointer(name)) for name in names)
    columns = ", ".join(f"found[{at + 1}] AS c{at}" for at in range(len(names)))
    connection.execute(f"""
        COPY (SELECT {columns} FROM (
            SELECT json_extract_string(line, [{paths}]) AS found FROM {lines} WHERE {_IS_OBJECT}))
        TO {quoted(str(target))} (FORMAT parquet)""")
    rejected, where = _refused(connection, lines, readable)
    notes = (f"{counted(rejected, 'line')} left out, being no object: {where}.",) if rejected else ()
    return AsTexts(target, names, rejected, notes)


_IS_OBJECT = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"


def _lines(readable: Path) -> str:
    """Return the relation of the file's lines, each with its number from 1; a line is one whatever quotes it holds."""
    reader = f"""read_csv({pattern(readable)},
        auto_detect = false, header = false, columns = {{'line': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '',
        nullstr = '\x02', parallel = false, max_line_size = {LINE_LIMIT_BYTES}, ignore_errors = true)"""
    return f"(SELECT line, row_number() OVER () AS number FROM {reader})"


def _in_order(connection: Any, lines: str, names: list[str]) -> tuple[str, ...]:
    """Return the names as the first object has them, then those that came later."""
    first = connection.execute(f"SELECT line FROM {lines} WHERE {_IS_OBJECT} ORDER BY number LIMIT 1").fetchall()
    known = list(json.loads(first[0][0])) if first else []
    return (*(name for name in known if name in names), *(name for name in names if name not in known))


def _refused(connection: Any, lines: str, readable: Path) -> tuple[int, str]:
    """Return how many lines are no objects, blank ones apart, and the first of them in words."""
    blank = "trim(coalesce(line, '')) = ''"
    query = f"SELECT count(*) FROM {lines} WHERE NOT ({blank}) AND NOT ({_IS_OBJECT})"
    total = int(connection.execute(query).fetchall()[0][0])
    if not total:
        return 0, ""
    with readable.open("rb") as file:
        numbers = islice((at for at, line in enumerate(file, 1) if line.strip() and not is_object(line)), _NAMED_LINES)
        named = [f"line {at}" for at in numbers]
    return total, ", ".join(named) + (f" and {total - len(named)} more" if total > len(named) else "")


def is_object(line: bytes) -> bool:
    """Tell whether a line is a JSON object."""
    if not line.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


# ruff: noqa: S608 - DuckDB binds neither names nor paths; ``identifier`` and ``pattern`` quote them


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
        convert = to_parquet if kinds == {"JSON lines"} else csv_text.to_parquet
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
    return "JSON lines" if any(is_object(line) for line in lines) else "CSV"


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
