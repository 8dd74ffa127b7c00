# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by ``files``
"""The newest requests of a log as one Parquet file, for drift."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from mlops_desk.kit.storage.data_files import identifier, json_pointer, quoted
from mlops_desk.kit.storage.request_log.files import FORMAT, connect, read, schema_of, united
from mlops_desk.kit.storage.request_log.layout import parts
from mlops_desk.kit.storage.request_log.names import sent
from mlops_desk.kit.storage.request_log.writer import META, is_output
from mlops_desk.kit.storage.requests import LogWindow

_READ_TRIES = 3  # chosen: a merge takes files away while they are read, and seldom twice
_FIRST_ERROR_STATUS = 400  # RFC 9110, 15: client errors begin here


def newest(
    folder: Path,
    rows: int,
    target: Path,
    *,
    revision: int | None = None,
    since: float = 0.0,
    with_meta: bool = False,
    oldest_after: int | None = None,
) -> LogWindow:
    """Write the newest ``rows`` answered rows as one Parquet file, features only unless ``with_meta``.

    With ``oldest_after`` these are the first rows, after so many of them.

    ``since`` is Unix seconds. Requests that were refused or failed, and those that somebody only tried, are left out.
    An empty log writes nothing.
    Raises OSError, duckdb.Error.
    """
    import duckdb  # noqa: PLC0415 - 12 MB that an agent without endpoints does not need

    condition = f"_status < {_FIRST_ERROR_STATUS} AND _received_at >= {float(since)}"
    if revision is not None:
        condition += f" AND _revision = {int(revision)}"
    for attempt in range(_READ_TRIES):
        try:
            return _newest(folder, rows, target, condition, since=since, with_meta=with_meta, oldest_after=oldest_after)
        except duckdb.IOException:  # a part was merged away between listing and reading
            if attempt == _READ_TRIES - 1:
                raise
    raise AssertionError


def _newest(
    folder: Path, rows: int, target: Path, condition: str, *, since: float, with_meta: bool, oldest_after: int | None
) -> LogWindow:
    is_first, skipped = oldest_after is not None, oldest_after or 0
    with closing(connect(target.parent)) as connection:
        chosen: list[Path] = []
        found = 0
        known = parts(folder, since)
        for part in known if is_first else reversed(known):
            count = f"SELECT count(*) FROM {read([part.path])} WHERE {condition}{_no_tries(connection, [part.path])}"
            found += connection.execute(count).fetchall()[0][0]
            chosen.insert(len(chosen) if is_first else 0, part.path)
            if found >= rows + skipped:
                break
        if found <= skipped:
            return LogWindow(0, None, None)
        wanted = f"{condition}{_no_tries(connection, chosen)}"
        order = (
            f"WHERE {wanted} ORDER BY _received_at {'ASC' if is_first else 'DESC'}, _request_id, _row "
            f"LIMIT {int(rows)} OFFSET {int(skipped)}"
        )
        connection.execute(f"CREATE TEMP TABLE newest AS SELECT * FROM ({united(connection, chosen)}) {order}")
        window = connection.execute("SELECT count(*), min(_received_at), max(_received_at) FROM newest").fetchall()[0]
        described = connection.execute("DESCRIBE newest").fetchall()
        ours = [identifier(name) for name, *_ in described if name in META or is_output(name)]
        left = f"EXCLUDE ({', '.join(ours)})" if ours and not with_meta else ""
        names = [name for name, *_ in described if name not in META and not is_output(name)]
        told = as_sent(connection, "newest", names)
        connection.execute(f"COPY (SELECT * {left} {told} FROM newest) TO {quoted(str(target))} {FORMAT}")
    return LogWindow(*window)


def as_sent(connection: Any, table: str, columns: Sequence[str]) -> str:
    """Return the REPLACE of a table's columns by which values that did not fit them are texts in them, not missing.

    Empty where all fit. Raises duckdb.Error.
    """
    keys = connection.execute(f"""
        SELECT DISTINCT unnest(json_keys(_extra)) FROM {table}
        WHERE CASE WHEN json_valid(_extra) THEN json_type(_extra) = 'OBJECT' ELSE false END""").fetchall()
    odd = {key for (key,) in keys}
    told = []
    for column in columns:
        if sent(column) in odd:
            name = identifier(column)
            key = quoted(json_pointer(sent(column)))
            extra = f"CASE WHEN json_valid(_extra) THEN json_extract_string(_extra, {key}) END"
            told.append(f"coalesce(CAST({name} AS VARCHAR), {extra}) AS {name}")
    return f"REPLACE ({', '.join(told)})" if told else ""


def _no_tries(connection: Any, paths: Sequence[Path]) -> str:
    """Return the condition that leaves tries out; parts of an older version know of none."""
    known = any("_is_try" in schema_of(connection, path) for path in paths)
    return " AND NOT coalesce(_is_try, false)" if known else ""
