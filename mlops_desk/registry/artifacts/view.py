"""A file as it can be looked at: its kind is found out, and the module of that kind makes what is shown.

What a file is not able to be (a table that is none, an archive that is cut off) is told beside what could be seen.

The first rows of a table: CSV by its beginning alone, Parquet by DuckDB, which may open that one file alone.
"""

import csv
import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any

import duckdb

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import connect, identifier, quoted
from mlops_desk.registry.artifacts.files import Files, OpenFile
from mlops_desk.registry.artifacts.views import archives, notebooks, onnx, pickles, pictures, tensors, texts
from mlops_desk.registry.artifacts.views.kinds import HEAD_BYTES, kind_of, language_of
from mlops_desk.registry.artifacts.views.texts import decoded
from mlops_desk.registry.records.artifact_view import ArtifactTable, ArtifactView

# ruff: noqa: S608 - DuckDB binds no names; ``quoted`` and ``identifier`` quote them


N_ROWS = 200
"""So many rows are shown: a few screens."""
N_COLUMNS = 200
"""So many columns are shown: more than anybody scrolls through."""
_CELL = 200  # chosen: a few words; a text has its own page
_CSV_BYTES = 1 << 20  # chosen: 200 rows of 5 KB
_DELIMITERS = ",;\t|"
_MEMORY_MB = 256  # chosen: pages of a file that is looked at, in a process of little memory
_SNIFFED_CHARACTERS = 16_384  # chosen: a dozen rows, quickly


def view_csv(path: str, opened: OpenFile) -> ArtifactView:
    """Show the first rows of a CSV file, as texts. Raises Invalid."""
    data = opened.stream.read(_CSV_BYTES + 1)
    is_cut = len(data) > _CSV_BYTES
    text = decoded(data[:_CSV_BYTES])
    csv.field_size_limit(_CSV_BYTES)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(path, text))
        read = [row for _, row in zip(range(N_ROWS + 2), (row for row in rows if row), strict=False)]
    except csv.Error as error:
        raise Invalid(f"This can't be read as a CSV file: {plain(str(error), 200)}.") from error
    if not read:
        raise Invalid("The file is empty.")
    if is_cut and len(read) < N_ROWS + 2:
        read = read[:-1] or read  # the last one was cut off
    goes_on = is_cut or len(read) > N_ROWS + 1
    width = max(len(row) for row in read[: N_ROWS + 1])
    columns = [*read[0], *("" for _ in range(width - len(read[0])))]
    shown = [[*row, *(None for _ in range(width - len(row)))] for row in read[1 : N_ROWS + 1]]
    table = ArtifactTable(
        tuple(plain(name) for name in columns[:N_COLUMNS]),
        tuple(tuple(_cell(cell) for cell in row[:N_COLUMNS]) for row in shown),
        None if goes_on else len(shown),
    )
    return ArtifactView(path, "table", table=table, language="csv", is_cut=goes_on or width > N_COLUMNS)


def view_parquet(path: str, opened: OpenFile) -> ArtifactView:
    """Show the first rows of a Parquet file, and tell how many there are. Raises Invalid."""
    if not opened.is_whole:
        raise Invalid("The file is too large to be looked at from here: a Parquet file is read from its end.")
    connection = _connect(opened.path)
    try:
        relation = f"read_parquet({quoted(opened.path)}, hive_partitioning = false)"
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        names = [str(name) for name, *_ in described]
        cells = ", ".join(f"left(CAST({identifier(name)} AS VARCHAR), {_CELL + 1})" for name in names[:N_COLUMNS])
        rows = connection.execute(f"SELECT {cells} FROM {relation} LIMIT {N_ROWS}").fetchall()
        n_rows = int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])
    except duckdb.Error as error:
        text = f"This can't be read as a Parquet file: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Is the file complete?") from error
    finally:
        connection.close()
    heads = tuple(f"{plain(name)} ({plain(str(kind).lower(), 40)})" for name, kind, *_ in described[:N_COLUMNS])
    table = ArtifactTable(heads, tuple(tuple(_cell(cell) for cell in row) for row in rows), n_rows)
    is_cut = n_rows > N_ROWS or len(names) > N_COLUMNS
    return ArtifactView(path, "table", table=table, language="parquet", is_cut=is_cut)


def _connect(path: str) -> Any:
    connection = connect(None, memory_mb=_MEMORY_MB)
    connection.execute(f"SET allowed_paths = [{quoted(path)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _delimiter(path: str, text: str) -> str:
    if path.lower().endswith(".tsv"):
        return "\t"
    try:
        return csv.Sniffer().sniff(text[:_SNIFFED_CHARACTERS], _DELIMITERS).delimiter
    except csv.Error:
        return ","  # a single column, for one


def _cell(value: Any) -> str | None:
    return None if value is None else plain(str(value), _CELL)


READ_BYTES = 64 << 20
"""So much of a file is brought from another machine, and read to its end for its hash."""
_CHUNK_BYTES = 1 << 20  # chosen: few calls, little memory

Maker = Callable[[str, OpenFile], ArtifactView]


def view(files: Files, path: str) -> ArtifactView:
    """Return how a file looks. Raises NotFound, Refused and what reading it raises."""
    with files.open(path, READ_BYTES) as opened:
        kind = kind_of(path, opened.stream.read(HEAD_BYTES))
        opened.stream.seek(0)
        seen = _made(kind, path, opened)
        sha256 = _hash(opened.stream) if opened.is_whole and (opened.size_bytes or 0) <= READ_BYTES else None
        return replace(seen, size_bytes=opened.size_bytes, sha256=sha256)


def _made(kind: str, path: str, opened: OpenFile) -> ArtifactView:
    maker = _MAKERS.get(kind, _binary)
    try:
        return maker(path, opened)
    except DeskError as error:
        return ArtifactView(path, _SHOWN_AS.get(kind, kind), problem=error.message)
    except (ValueError, RecursionError, MemoryError, OSError, EOFError) as error:
        # What a library says of a file that it can't read, or that takes more than there is.
        problem = f"It can't be read as what it seems to be: {type(error).__name__} {plain(str(error), 300)}".rstrip()
        return ArtifactView(path, _SHOWN_AS.get(kind, kind), problem=problem)


def _text(kind: str) -> Maker:
    def made(path: str, opened: OpenFile) -> ArtifactView:
        text, is_cut = texts.read_json(opened.stream) if kind == "json" else texts.read_text(opened.stream)
        language = {"html": "html", "json": "json", "markdown": "markdown"}.get(kind) or language_of(path)
        return ArtifactView(path, kind, text=text, language=language, is_cut=is_cut)

    return made


def _binary(path: str, opened: OpenFile) -> ArtifactView:  # noqa: ARG001 - nothing of it is shown
    return ArtifactView(path, "binary")


def _hash(stream: IO[bytes]) -> str:
    """Return the hash of a file up to where it ends now."""
    stream.seek(0)
    digest, left = hashlib.sha256(), READ_BYTES + 1
    while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest()


_MAKERS: dict[str, Maker] = {
    **{kind: _text(kind) for kind in ("text", "code", "json", "markdown", "html")},
    "image": pictures.view,
    "csv": view_csv,
    "parquet": view_parquet,
    "notebook": notebooks.view,
    "pickle": pickles.view,
    "archive": archives.view,
    "safetensors": tensors.view,
    "onnx": onnx.view,
}
_SHOWN_AS = {"csv": "table", "parquet": "table", "safetensors": "binary", "onnx": "binary", "hdf5": "binary"}
