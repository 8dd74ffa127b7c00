"""A CSV file from anywhere, made into a Parquet file of texts in one streaming pass.

Whatever the encoding, the line ends, the quotes or the names in the header: values come out as text, an
unquoted empty field as NULL and a quoted one as "". Lines that are no rows are counted and named, never
guessed at; a row that ends too early lacks its last values, and is named too. What the texts mean is decided
later, from the whole column.
"""

# ruff: noqa: S608 - DuckDB binds no paths; ``quoted`` and ``pattern`` quote them, and the columns' names are our own

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.drift.data.csv_errors import counted, refused, unclosed
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import pattern, quoted

COLUMNS_LIMIT = 5000  # chosen: a header of more is mostly a file of another kind
_NAME_LIMIT = 131_072  # what Python's reader takes for a field, unless somebody in the process has raised it
_HEADER = (
    f"A CSV file needs a header line with 1 to {COLUMNS_LIMIT:,} names, each of {_NAME_LIMIT:,} characters at most."
)
_DELIMITERS = ",;\t|"
_CHUNK_BYTES = 1 << 20  # chosen: larger ones gain nothing
LINE_LIMIT_BYTES = 16 << 20  # chosen: DuckDB keeps some lines of this size in memory at once
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class AsTexts:
    """What became of a file of text: column ``names[i]`` is ``c<i>`` of the Parquet file at ``path``.

    ``notes`` say in words which lines are no rows or not whole ones.
    """

    path: Path
    names: tuple[str, ...]
    n_rejected: int
    notes: tuple[str, ...] = ()


def to_parquet(connection: Any, source: Path, folder: Path) -> AsTexts:
    """Convert ``source``; files made on the way lie in ``folder``. Raises Invalid, OSError, duckdb.Error."""
    readable = as_utf8(source, folder)
    names, delimiter = header(readable, source)
    target = folder / f"{source.stem[:50]}-{len(list(folder.iterdir()))}.parquet"
    rows = _reading(readable, len(names), delimiter, pad=True)
    connection.execute(f"COPY (SELECT * FROM {rows}) TO {quoted(str(target))} (FORMAT parquet)")
    rejected, faults = refused(connection, readable)
    notes = [f"{counted(rejected, 'line')} left out, being no row: {faults}."] if rejected else []
    short, where = _short(connection, readable, target, delimiter, len(names))
    notes += [f"{counted(short, 'row')} too short, the missing fields taken for blank: {where}."] if short else []
    if line := unclosed(readable, delimiter):
        rejected += 1
        notes.append(f"The quote that opens in line {line} does not end: what follows it is left out.")
    return AsTexts(target, names, rejected, tuple(notes))


def _reading(readable: Path, n_columns: int, delimiter: str, *, pad: bool) -> str:
    """Return the table function that reads the file; with ``pad`` a row that ends early is a row."""
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(n_columns))
    return f"""read_csv({pattern(readable)},
        auto_detect = false, header = true, columns = {{{columns}}}, delim = '{delimiter}',
        quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
        null_padding = {str(pad).lower()}, parallel = false, max_line_size = {LINE_LIMIT_BYTES},
        store_rejects = true, rejects_limit = 0)"""


def _short(connection: Any, readable: Path, table: Path, delimiter: str, n_columns: int) -> tuple[int, str]:
    """Count rows that end too early, and name the first. Only a file whose last column has blanks is read again."""
    query = f"SELECT count(*) - count(c{n_columns - 1}) FROM read_parquet({pattern(table)})"
    if not connection.execute(query).fetchall()[0][0]:
        return 0, ""
    strict = _reading(readable, n_columns, delimiter, pad=False)
    connection.execute(f"SELECT count(COLUMNS(*)) FROM {strict}").fetchall()
    return refused(connection, readable, "MISSING COLUMNS")


def as_utf8(source: Path, folder: Path) -> Path:
    """Return ``source`` if it is UTF-8, else a copy that is: UTF-16 by its mark, anything else as Latin-1."""
    with open_plain(source, links=True) as file:
        start = file.read(4096)
    encoding = next((name for bom, name in _BOMS if start.startswith(bom)), "utf-8")
    if b"\0" in start and encoding != "utf-16":
        text = f"{plain(str(source))} is neither a Parquet nor a CSV file."
        raise Invalid(text, "Give the data as Parquet, or as CSV with a header line.")
    if encoding == "utf-8" and _decodes(source):
        return source
    copy = folder / f"{source.stem[:50]}-{len(list(folder.iterdir()))}.csv"
    with copy.open("w", encoding="utf-8", newline="") as target:
        target.writelines(_decoded(source, encoding if encoding != "utf-8" else "latin-1"))
    return copy


def _decodes(source: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(source):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _decoded(source: Path, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    for chunk in _chunks(source):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def _chunks(source: Path) -> Iterator[bytes]:
    with open_plain(source, links=True) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def header(readable: Path, source: Path) -> tuple[tuple[str, ...], str]:
    """Return the names in the first row, made unique, and the delimiter that splits it into most fields."""
    with readable.open(encoding="utf-8", newline="") as file:
        first = file.readline(_CHUNK_BYTES)
        delimiter = max(_DELIMITERS, key=lambda mark: _n_fields(first, mark))
        file.seek(0)
        try:
            fields = next(csv.reader(file, delimiter=delimiter), [])
        except csv.Error as error:
            raise Invalid(f"The header of {plain(str(source))} can't be read: {error}.", _HEADER) from error
    if any(len(field) > _NAME_LIMIT for field in fields):
        raise Invalid(f"The header of {plain(str(source))} has a name that is too long.", _HEADER)
    if not any(fields) or len(fields) > COLUMNS_LIMIT:
        text = f"{plain(str(source))} has {f'{len(fields):,}' if any(fields) else 'no'} columns in its first line."
        raise Invalid(text, _HEADER)
    return unlike([field.strip() for field in fields]), delimiter


def _n_fields(line: str, delimiter: str) -> int:
    """Count a line's fields; one that is longer than Python reads is none."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return 0


def unlike(fields: Sequence[str]) -> tuple[str, ...]:
    """Return names that are all different: one that is there already, or none at all, is told by its place."""
    names: dict[str, None] = {}
    for at, field in enumerate(fields, 1):
        name = field or f"column {at}"
        while name in names:
            name = f"{name} ({at})"
        names[name] = None
    return tuple(names)
