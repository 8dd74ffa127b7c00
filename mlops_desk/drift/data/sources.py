"""Where a side of a comparison comes from, opened: a file, a folder of files, or a database's answer.

What lies in a registry is fetched before, by who has one; then it is a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.drift.data.file_formats import open_data
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.rows import table_of_rows
from mlops_desk.drift.progress import WorkerProgress
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

QUERY_SECONDS = 600.0  # chosen: a table of some ten million rows over a network
_SHOWN_QUERY = 300  # chosen: enough to see which rows were asked for


@dataclass(frozen=True, slots=True)
class SourceAccess:
    """What opening a source needs that nobody writes down: a database's password, and how long it may take."""

    password: str | None = None
    query_seconds: float = QUERY_SECONDS


@dataclass(frozen=True, slots=True)
class DataSide:
    """One side of a comparison: where it comes from, and what opening it needs."""

    source: Source
    access: SourceAccess = field(default_factory=SourceAccess)


def source_in(request: Mapping[str, Any], side: str) -> Source:
    """Return a side of a worker's request: a path, or a source as JSON has it. Raises Invalid."""
    given = request[side]
    if isinstance(given, str) and "\0" in given:
        raise Invalid(f"{plain(given, 1000)} is no path.", "Check the path.")
    return file_at(Path(given)) if isinstance(given, str) else wire.from_builtins(given, Source)


def access_in(request: Mapping[str, Any], side: str) -> SourceAccess:
    """Return what a worker's request has beside a side. Raises Invalid."""
    return wire.from_builtins((request.get("access") or {}).get(side) or {}, SourceAccess)


def file_at(path: Path) -> Source:
    """Return the source that is a file or a folder."""
    return Source(SourceKind.FILE, str(path))


def open_source(connection: Any, side: DataSide, folder: Path, progress: WorkerProgress) -> OpenedTable:
    """Open one; what is written lies in ``folder``. Raises DeskError."""
    source = side.source
    if source.kind is SourceKind.FILE:
        progress.say(f"reading {plain(Path(source.place).name, 60)}")
        return open_data(connection, Path(source.place).absolute(), folder)
    if source.kind is not SourceKind.SQL:
        raise Invalid(f"Data of the kind {source.kind} can't be opened as they are.", "Give a file, or a database.")
    if not source.query:
        raise Invalid("A database needs a query.", "Give it with --query, or --reference-query for the reference.")
    return _queried(connection, side, folder, progress)


def _queried(connection: Any, side: DataSide, folder: Path, progress: WorkerProgress) -> OpenedTable:
    from mlops_desk.kit.storage.queries.query_reader import asked  # noqa: PLC0415 - a tenth of a second that files don't need

    source, access = side.source, side.access
    try:
        with asked(source.place, source.query or "", access.query_seconds, access.password) as answer:
            return table_of_rows(connection, answer.names, answer.batches, folder, progress.say)
    except (OSError, duckdb.Error) as error:
        said = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        text = f"The answer of {shown(source)} can't be kept: {plain(str(said), 300)}"
        raise Invalid(text, "Is there room on the disk for temporary files?") from error


def shown(source: Source) -> str:
    """Return how a report names a source: a database without its password."""
    if source.kind is not SourceKind.SQL:
        return source.place
    from mlops_desk.kit.storage.queries import address  # noqa: PLC0415 - as above

    return f"sql:{address.shown(source.place)} {plain(source.query or '', _SHOWN_QUERY)}".strip()
