"""New rows of an endpoint's request log, each once: in the order in which they were received, after a cursor.

The log's files are merged and deleted while it is read, so the cursor is the last row itself. A row is logged when it
was answered, and may be logged after one that was received later; so the newest seconds are left for the next time, and
what still comes with an earlier moment than the cursor's is late: counted, and not part of a window. Rows that somebody
only tried, copies for a shadow, refused and failed requests are left out, and so are rows of other revisions: those of
another model version are never mixed into a window.
"""

# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by ``files``

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.live.spans import MOMENT, NUMBER, RowBatch
from mlops_desk.kit.storage.data_files import identifier
from mlops_desk.kit.storage.request_log.files import read, schema_of, united
from mlops_desk.kit.storage.request_log.layout import HOUR_SECONDS, ArchivePart, hour_of, parts
from mlops_desk.kit.storage.request_log.names import sent
from mlops_desk.kit.storage.request_log.reader import as_sent
from mlops_desk.kit.storage.request_log.writer import META, OUTPUT, is_output

_TRIES = 3  # chosen: a merge takes files away while they are read, and seldom twice
_FIRST_ERROR_STATUS = 400  # RFC 9110, 15: client errors begin here
_LEAST_GRACE, _MOST_GRACE = 2.0, 60.0
"""Seconds that the newest rows wait for those still being answered: as long as the slowest of late took, and chosen: at
least two, for the log is written in their order and a moment later; no more than a minute, for alarms are to come soon.
"""
_SET_BACK_SECONDS = 120.0  # chosen: clocks that are kept right move by less
_KEY = "_received_at, _request_id, _row"


@dataclass(frozen=True, slots=True)
class LogCursor:
    """The last row that was taken, and how many rows there were from ``since`` (Unix time) up to it.

    ``spent`` is a span of moments of which all rows were taken before the clock was set back; it is left out.
    """

    at: float
    request_id: str
    row: int
    since: float
    n_rows: int
    revisions: tuple[int, ...] = ()
    spent: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class LogPlace:
    """The log of an endpoint: its folder, the revisions that count, and from which Unix time on."""

    folder: str
    revisions: tuple[int, ...]
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class NewRows:
    """What was read: ``batch`` is None where nothing is new. ``over_before``: no row of an earlier moment will come."""

    batch: RowBatch | None
    cursor: LogCursor
    n_late: int = 0
    over_before: float | None = None
    has_more: bool = False


def read_log(connection: Any, place: LogPlace, cursor: LogCursor | None, now: float, limit: int) -> NewRows:
    """Read at most ``limit`` new rows into the connection's temporary tables. Raises OSError, duckdb.Error."""
    for attempt in range(_TRIES):
        try:
            return _read(connection, place, cursor or LogCursor(place.since, "", -1, place.since, 0), now, limit)
        except duckdb.IOException:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError


def _read(connection: Any, place: LogPlace, cursor: LogCursor, now: float, limit: int) -> NewRows:
    folder = Path(place.folder)
    known = parts(folder, min(cursor.since, cursor.at, now))
    conditions = row_conditions(connection, known, place)
    if cursor.at > now + _SET_BACK_SECONDS:
        cursor = _set_back(connection, known, conditions, cursor, now)
    if cursor.spent is not None:
        conditions += f" AND NOT _received_at BETWEEN {cursor.spent[0]!r} AND {cursor.spent[1]!r}"
    n_before = _count(connection, known, f"{conditions} AND _received_at >= {cursor.since!r} AND NOT {_after(cursor)}")
    is_same = cursor.revisions in {(), place.revisions}
    n_late = max(0, n_before - cursor.n_rows) if is_same and cursor.request_id else 0
    fresh = f"{conditions} AND {_after(cursor)}"
    files = _files(connection, [part for part in known if part.ends_at >= cursor.at], fresh, limit)
    over_before = now - _grace(connection, files, fresh)
    told = replace(cursor, n_rows=n_before, revisions=place.revisions)
    if not files:
        return NewRows(None, told, n_late, over_before)
    last, n = _last(connection, files, f"{fresh} AND _received_at < {over_before!r}", limit)
    if last is None:
        return NewRows(None, told, n_late, over_before)
    batch = _batch(connection, files, f"{fresh} AND NOT {_after(last)}", now)
    since = max(cursor.since, hour_of(last.at) - HOUR_SECONDS)
    n_now = _count(connection, known, f"{conditions} AND _received_at >= {since!r} AND NOT {_after(last)}")
    after = replace(last, since=since, n_rows=n_now, revisions=place.revisions, spent=cursor.spent)
    has_more = n >= limit
    return NewRows(batch, after, n_late, None if has_more else over_before, has_more)


def _set_back(
    connection: Any, known: Sequence[ArchivePart], conditions: str, cursor: LogCursor, now: float
) -> LogCursor:
    """Go on from now; what was received while the clock was ahead is not taken again when it gets there."""
    query = f"SELECT min(_received_at) FROM {read([part.path for part in known])} WHERE {conditions}"
    first = connection.execute(f"{query} AND _received_at > {now!r}").fetchall()[0][0] if known else None
    spent = None if first is None else (float(first), cursor.at)
    return LogCursor(now, "", -1, now, 0, cursor.revisions, spent)


def row_conditions(connection: Any, known: Sequence[ArchivePart], place: LogPlace) -> str:
    """Return the condition of a row that counts; parts of older versions lack some of its columns."""
    listed = ", ".join(str(int(one)) for one in place.revisions) or "NULL"
    columns = {name for part in known for name in schema_of(connection, part.path)}
    told = [f"_status < {_FIRST_ERROR_STATUS}", f"_revision IN ({listed})", f"_received_at >= {place.since!r}"]
    told += [f"NOT coalesce({name}, false)" for name in ("_is_try", "_is_shadow") if name in columns]
    return " AND ".join(told)


def _after(cursor: LogCursor) -> str:
    """Return the condition that a row comes after another in the order of the key."""
    at, request_id = repr(float(cursor.at)), cursor.request_id.replace("'", "''")
    later = f"(_request_id > '{request_id}' OR (_request_id = '{request_id}' AND _row > {int(cursor.row)}))"
    return f"(_received_at > {at} OR (_received_at = {at} AND {later}))"


def not_after(cursor: LogCursor) -> str:
    """Return the condition that a row comes before another in the order of the key, or is that one."""
    return f"NOT {_after(cursor)}"


def _count(connection: Any, some: Sequence[ArchivePart], condition: str) -> int:
    if not some:
        return 0
    query = f"SELECT count(*) FROM {read([part.path for part in some])} WHERE {condition}"
    return int(connection.execute(query).fetchall()[0][0])


def _files(connection: Any, known: Sequence[ArchivePart], fresh: str, limit: int) -> list[Path]:
    """Return the files that hold the first ``limit`` new rows: those without an hour, and then hour after hour."""
    found = [part for part in known if part.hour is None]
    n = _count(connection, found, fresh)
    for hour in sorted({part.hour for part in known if part.hour is not None}):
        if n >= limit:
            break
        of_hour = [part for part in known if part.hour == hour]
        n += _count(connection, of_hour, fresh)
        found += of_hour
    return [part.path for part in found] if n else []


def _grace(connection: Any, files: Sequence[Path], fresh: str) -> float:
    if not files:
        return _LEAST_GRACE
    query = f"SELECT max(_latency_seconds) FROM {read(files)} WHERE {fresh}"
    slowest = connection.execute(query).fetchall()[0][0] or 0.0
    return min(max(_LEAST_GRACE, float(slowest)), _MOST_GRACE)


def _last(connection: Any, files: Sequence[Path], condition: str, limit: int) -> tuple[LogCursor | None, int]:
    """Return the last of the first ``limit`` rows, and how many they are."""
    first = f"SELECT {_KEY} FROM {read(files)} WHERE {condition} ORDER BY {_KEY} LIMIT {int(limit)}"
    rows = connection.execute(f"""
        SELECT *, count(*) OVER () FROM ({first}) ORDER BY _received_at DESC, _request_id DESC, _row DESC
        LIMIT 1""").fetchall()
    if not rows:
        return None, 0
    at, request_id, row, n = rows[0]
    return LogCursor(float(at), str(request_id), int(row), 0.0, 0), int(n)


def _batch(connection: Any, files: Sequence[Path], condition: str, now: float) -> RowBatch:
    numbered = f"row_number() OVER (ORDER BY {_KEY}) - 1 AS {NUMBER}, _received_at AS {MOMENT}"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE fresh AS
        SELECT *, {numbered} FROM ({united(connection, files)}) WHERE {condition}""")
    described = connection.execute("DESCRIBE fresh").fetchall()
    asked = [name for name, *_ in described if name not in {*META, NUMBER, MOMENT} and not is_output(name)]
    if told := as_sent(connection, "fresh", asked):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT * {told} FROM fresh")
        described = connection.execute("DESCRIBE fresh").fetchall()
    columns = {
        name.removeprefix(f"{OUTPUT}."): (identifier(name), kind) for name, kind, *_ in described if is_output(name)
    }
    columns |= {  # what a model was asked goes before an answer of the same name, which keeps its own
        sent(name): (identifier(name), kind) for name, kind, *_ in described if name not in {*META, NUMBER, MOMENT}
    }
    found = connection.execute(f"SELECT {MOMENT} FROM fresh ORDER BY {NUMBER}").fetchnumpy()[MOMENT]
    moments = np.asarray(found, dtype=np.float64)
    return RowBatch(OpenedTable("fresh", columns, moments.size), moments, now)
