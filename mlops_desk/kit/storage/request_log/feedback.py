# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by ``files``
"""What turned out later: feedback by request id, in files of its own beside the log, joined when requests are read.

It may come before its request, twice, or for requests that nobody knows: the newest value of a column counts, that of a
row before that of its whole request.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.governance.records.data.retention import DAY_SECONDS, RowsKeep
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import identifier, pattern, quoted
from mlops_desk.kit.storage.request_log.files import FORMAT, connect, read, united
from mlops_desk.kit.storage.request_log.kinds import DATABASE_TYPES, fit, guess
from mlops_desk.kit.storage.request_log.layout import parts
from mlops_desk.kit.storage.request_log.redaction import RedactionRules
from mlops_desk.serving.records.request import FeedbackTaken

FOLDER = "feedback"
ID_PATTERN = r"[A-Za-z0-9._-]{1,64}"
"""What a request id looks like: the gateway takes no other."""
_WHOLE = r"\d{1,9}(\.0+)?"  # readers of CSV write 1.0 where others of the column are empty
_MERGE_FROM = 32  # chosen: as for requests
_HINT = "The columns are request_id, row where only one row of a request is meant, and at least one of your own."
_LOOK_BYTES = 64  # a JSON document's first sign comes after blanks at most
_JSON_TYPES = frozenset({"BOOLEAN", "BIGINT", "DOUBLE"})
_OURS = ("_request_id", "_row", "_given_at")


@dataclass(frozen=True, slots=True)
class Feedback:
    """What turned out for a request, or for one row of it. ``given_at`` is Unix seconds."""

    request_id: str
    row: int | None
    given_at: float
    values: Mapping[str, Any]


def write_feedback(folder: Path, given: Sequence[Feedback], stamp_ms: int) -> None:
    """Write feedback as one Parquet file, whole or not at all; writing it again replaces it.

    Raises OSError, duckdb.Error.
    """
    columns = guess(one.values for one in given)
    target = folder / FOLDER / f"feedback-{stamp_ms:013d}.parquet"
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = target.with_suffix(f".{os.getpid()}.rows")
    types = {"_request_id": "VARCHAR", "_row": "BIGINT", "_given_at": "DOUBLE"}
    types |= {column.name: DATABASE_TYPES[column.kind] for column in columns}
    struct = ", ".join(f"{quoted(name)}: '{type_}'" for name, type_ in types.items())
    try:
        with lines.open("w", encoding="utf-8") as file:
            for one in given:
                ours: dict[str, Any] = {"_request_id": one.request_id, "_row": one.row, "_given_at": one.given_at}
                values = {c.name: fit(c.kind, one.values[c.name])[0] for c in columns if c.name in one.values}
                file.write(json.dumps(ours | values, allow_nan=False) + "\n")
        with closing(connect(target.parent)) as connection:
            source = f"read_json({pattern(lines)}, format = 'newline_delimited', columns = {{{struct}}})"
            _copy(connection, _newest_of(source, [column.name for column in columns], "rowid_"), target)
    finally:
        lines.unlink(missing_ok=True)


def import_feedback(
    folder: Path, file: Path, given_at: float, stamp_ms: int, rules: RedactionRules | None = None
) -> FeedbackTaken:
    """Take the rows of a CSV, JSON lines or Parquet file, as rules have them. Raises Invalid, OSError, duckdb.Error."""
    target = folder / FOLDER / f"feedback-{stamp_ms:013d}.parquet"
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(connect(target.parent)) as connection:
        source = _source_of(connection, file)
        names = {name.lower(): name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
        columns = [name for lowered, name in names.items() if lowered not in {"request_id", "row"}]
        _check_columns(names, columns)
        row = (
            f"TRY_CAST(TRY_CAST({identifier(names['row'])} AS DOUBLE) AS BIGINT)" if "row" in names else "NULL::BIGINT"
        )
        shown = ", ".join(map(identifier, columns))
        connection.execute(f"""
            CREATE TEMP TABLE given AS SELECT CAST({identifier(names["request_id"])} AS VARCHAR) AS _request_id,
            {row} AS _row, {float(given_at)!r}::DOUBLE AS _given_at, {shown} FROM {source}""")
        _check_rows(connection, names, source)
        if rules:
            columns = _redacted(connection, columns, rules)
        _copy(connection, _newest_of("given", columns, "rowid"), target)
        rows = int(connection.execute("SELECT count(*) FROM given").fetchall()[0][0])
        asked = int(connection.execute("SELECT count(DISTINCT _request_id) FROM given").fetchall()[0][0])
        known = _known_requests(connection, folder)
    return FeedbackTaken(rows, known, asked - known)


def _redacted(connection: Any, columns: Sequence[str], rules: RedactionRules) -> list[str]:
    """Have the rows that were given be what may be kept of them; return the columns that are left."""
    kept = [name for name in columns if not rules.drops(name)]
    for number, name in enumerate(one for one in kept if rules.rewrites(one)):
        column, table = identifier(name), f"map_{number}"
        values = connection.execute(f"SELECT DISTINCT {column} FROM given WHERE {column} NOTNULL").fetchall()
        connection.execute(f"CREATE TEMP TABLE {table} AS SELECT {column} AS before, '' AS after FROM given LIMIT 0")
        if values:
            pairs = [(value, str(rules.value(name, value))) for (value,) in values]
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", pairs)
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE given AS SELECT given.* REPLACE ({table}.after AS {column})
            FROM given LEFT JOIN {table} ON given.{column} = {table}.before ORDER BY given.rowid""")
    return kept


def feedback_of(
    connection: Any, folder: Path, request_ids: Iterable[str]
) -> dict[tuple[str, int | None], dict[str, Any]]:
    """Return what is known of requests by id and row; row None is that of a whole request. Raises duckdb.Error."""
    paths, ids = feedback_files(folder), sorted(set(request_ids))
    if not paths or not ids:
        return {}
    listed = ", ".join(map(quoted, ids))
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE wanted AS
        SELECT * FROM ({united(connection, paths)}) WHERE _request_id IN ({listed})""")
    names = [name for name, *_ in connection.execute("DESCRIBE wanted").fetchall() if name not in _OURS]
    found = connection.execute(_newest_of("wanted", names, "_given_at"))
    heads = [str(column[0]) for column in found.description]
    told = (dict(zip(heads, values, strict=True)) for values in found.fetchall())
    return {
        (row["_request_id"], row["_row"]): {name: row[name] for name in names if row[name] is not None} for row in told
    }


def tidy_feedback(folder: Path, now: float, keep: RowsKeep) -> None:
    """Merge small files of a day, and delete what is not to be kept any more. Raises OSError, duckdb.Error.

    A file is as old as its newest row: merged with later ones, what a person said once would never be old enough.
    """
    days: dict[int, list[Path]] = {}
    for path in feedback_files(folder):
        given_at = int(path.stem.removeprefix("feedback-")) / 1000
        if keep.keeps(0.0, given_at, now):  # of requests of any time before
            days.setdefault(_day_of(given_at), []).append(path)
        else:
            path.unlink(missing_ok=True)
    for day, small in days.items():
        if len(small) >= (2 if day < _day_of(now) else _MERGE_FROM):
            with closing(connect(folder / FOLDER)) as connection:
                _copy(connection, united(connection, small), small[-1])  # a crash leaves some twice, which is the same
            for path in small[:-1]:
                path.unlink(missing_ok=True)


def _day_of(at: float) -> int:
    """Return the day of a Unix time, in days since 1970, UTC."""
    return int(at // DAY_SECONDS)


def feedback_files(folder: Path) -> list[Path]:
    """Return the files of feedback beside a log, oldest first."""
    return sorted((folder / FOLDER).glob("feedback-?????????????.parquet"))


def _copy(connection: Any, query: str, target: Path) -> None:
    written = target.with_suffix(f".{os.getpid()}.new")
    try:
        connection.execute(f"COPY ({query}) TO {quoted(str(written))} {FORMAT}")
        written.replace(target)
    finally:
        written.unlink(missing_ok=True)


def _newest_of(source: str, columns: Sequence[str], order: str) -> str:
    """Return the query that leaves one row for each request and row: of each column its newest value."""
    numbered = f"(SELECT *, row_number() OVER () AS rowid_ FROM {source})" if order == "rowid_" else source
    newest = ", ".join(f"arg_max({identifier(name)}, {order}) AS {identifier(name)}" for name in columns)
    return f"""SELECT _request_id, _row, max(_given_at) AS _given_at{", " if newest else ""}{newest}
        FROM {numbered} GROUP BY _request_id, _row"""


def _source_of(connection: Any, file: Path) -> str:
    """Return what reads a file; ids as they are written, though they look like numbers, dates or UUIDs."""
    with file.open("rb") as opened:
        beginning = opened.read(_LOOK_BYTES).lstrip()
    if beginning.startswith(b"PAR1"):
        return read([file])
    if not beginning:
        raise Invalid("The file is empty.", _HINT)
    if not beginning.startswith((b"{", b"[")):
        csv = f"read_csv({pattern(file)}, header = true, sample_size = -1"
        names = [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {csv})").fetchall()]
        ids = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names if name.lower() == "request_id")
        return f"{csv}, types = {{{ids}}})" if ids else f"{csv})"
    seen = f"read_json({pattern(file)}, sample_size = -1, maximum_depth = 2)"
    types = {
        name: type_ if type_ in _JSON_TYPES and name != "request_id" else "VARCHAR"
        for name, type_, *_ in connection.execute(f"DESCRIBE SELECT * FROM {seen}").fetchall()
    }
    struct = ", ".join(f"{quoted(name)}: '{type_}'" for name, type_ in types.items())
    return f"read_json({pattern(file)}, columns = {{{struct}}})"


def _check_columns(names: Mapping[str, str], columns: Sequence[str]) -> None:
    if "request_id" not in names:
        raise Invalid("The file has no column request_id.", _HINT)
    if not columns:
        raise Invalid("The file has nothing beside request ids.", _HINT)
    if odd := next((name for name in columns if name.startswith("_")), None):
        raise Invalid(f"The column {plain(odd)!r} begins with an underscore, as our own do.", "Name it otherwise.")


def _check_rows(connection: Any, names: Mapping[str, str], source: str) -> None:
    odd = f"_request_id IS NULL OR NOT regexp_full_match(_request_id, '{ID_PATTERN}')"
    if n := connection.execute(f"SELECT count(*) FROM given WHERE {odd}").fetchall()[0][0]:
        raise Invalid(f"{n:,} rows have no request id, or none that the gateway gives. Nothing was taken.", _HINT)
    if "row" not in names:
        return
    row = identifier(names["row"])
    query = f"""
        SELECT count(*) FROM {source}
        WHERE {row} NOTNULL AND NOT regexp_full_match(CAST({row} AS VARCHAR), '{_WHOLE}')"""
    if n := connection.execute(query).fetchall()[0][0]:
        raise Invalid(f"{n:,} rows have a row that is no whole number from 0 on. Nothing was taken.", _HINT)


def _known_requests(connection: Any, folder: Path) -> int:
    paths = [part.path for part in parts(folder)]
    if not paths:
        return 0
    query = f"""
        SELECT count(*) FROM (SELECT DISTINCT _request_id FROM given) AS asked
        SEMI JOIN (SELECT _request_id FROM {read(paths)}) AS logged USING (_request_id)"""
    return int(connection.execute(query).fetchall()[0][0])
