# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by ``files``
"""Requests of a log by time, status and latency, newest first, with their feedback.

However long the log is, only hours and row groups that can hold an answer are read: hours by their folders, row groups
by the least and greatest values that Parquet keeps; columns of features for what is shown alone.
"""

import base64
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from mlops_desk.kit.storage.data_files import quoted
from mlops_desk.kit.storage.request_log.feedback import feedback_files, feedback_of
from mlops_desk.kit.storage.request_log.files import connect, read, united
from mlops_desk.kit.storage.request_log.layout import ArchivePart, parts
from mlops_desk.kit.storage.request_log.names import sent
from mlops_desk.kit.storage.request_log.writer import META, OUTPUT, is_output
from mlops_desk.serving.records.request import LoggedRequest

_READ_TRIES = 3  # chosen: a merge takes files away while they are read, and seldom twice
_FILES_AT_ONCE = 32  # chosen: opening one file after the other costs more than reading a few too many


@dataclass(frozen=True, slots=True)
class RequestQuery:
    """Which requests: received from ``since`` on and before ``until`` (Unix seconds; None: up to now).

    Their status is one from ``least_status`` to ``most_status``; ``revision`` is the one that answered, None: any.
    ``request_id`` is that of the only one that is meant, however old. ``has_feedback``: only those of which something
    turned out later, however many came since.
    """

    limit: int
    since: float = 0.0
    least_status: int = 0
    most_status: int = 999
    slower_seconds: float | None = None
    until: float | None = None
    revision: int | None = None
    request_id: str | None = None
    has_feedback: bool = False

    @property
    def condition(self) -> str:
        told = [f"_received_at >= {float(self.since)!r}"]
        if self.until is not None:
            told.append(f"_received_at < {float(self.until)!r}")
        if self.least_status:
            told.append(f"_status BETWEEN {int(self.least_status)} AND {int(self.most_status)}")
        if self.slower_seconds is not None:
            told.append(f"_latency_seconds > {float(self.slower_seconds)!r}")
        if self.revision is not None:
            told.append(f"_revision = {int(self.revision)}")
        if self.request_id is not None:
            told.append(f"_request_id = {quoted(self.request_id)}")
        if self.has_feedback:
            told.append("_request_id IN (SELECT _request_id FROM turned_out)")
        return " AND ".join(told)


def find(folder: Path, query: RequestQuery) -> list[LoggedRequest]:
    """Return requests, newest first. Raises OSError, duckdb.Error."""
    import duckdb  # noqa: PLC0415 - 12 MB that an agent without endpoints does not need

    for attempt in range(_READ_TRIES):
        try:
            return _find(folder, query)
        except duckdb.IOException:
            if attempt == _READ_TRIES - 1:
                raise
    raise AssertionError


def _find(folder: Path, query: RequestQuery) -> list[LoggedRequest]:
    with closing(connect(folder)) as connection:
        if query.has_feedback:
            later = feedback_files(folder)
            if not later:
                return []
            of_later = f"SELECT DISTINCT _request_id FROM ({united(connection, later)})"
            connection.execute(f"CREATE TEMP TABLE turned_out AS {of_later}")
        chosen, oldest = _chosen(connection, folder, query)
        if not chosen:
            return []
        condition = f"{query.condition} AND _received_at >= {oldest!r}"
        order = f"WHERE {condition} ORDER BY _received_at DESC, _request_id, _row LIMIT {query.limit}"
        found = connection.execute(f"SELECT * FROM ({united(connection, chosen)}) {order}")
        names = [str(column[0]) for column in found.description]
        rows = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
        told = feedback_of(connection, folder, {row["_request_id"] for row in rows})
    return [_told(row, told) for row in rows]


def _chosen(connection: Any, folder: Path, query: RequestQuery) -> tuple[list[Path], float]:
    """Return the files that hold the newest matching rows, and when the oldest of these rows came."""
    newest_first = list(reversed(parts(folder, query.since)))
    chosen: list[ArchivePart] = []
    moments: list[float] = []
    for start in range(0, len(newest_first), _FILES_AT_ONCE):
        group = newest_first[start : start + _FILES_AT_ONCE]
        wanted = f"WHERE {query.condition} ORDER BY _received_at DESC LIMIT {query.limit - len(moments)}"
        moments += [
            at
            for (at,) in connection.execute(
                f"SELECT _received_at FROM {read([part.path for part in group])} {wanted}"
            ).fetchall()
        ]
        chosen = [*reversed(group), *chosen]
        if len(moments) >= query.limit:
            break
    if not moments:
        return [], 0.0
    oldest = min(moments)
    return [part.path for part in chosen if part.hour is None or part.ends_at > oldest], oldest


def _told(row: Mapping[str, Any], feedback: Mapping[tuple[str, int | None], Mapping[str, Any]]) -> LoggedRequest:
    request_id, place = row["_request_id"], row["_row"]
    known = {**feedback.get((request_id, None), {}), **feedback.get((request_id, place), {})}
    extra = _extra_of(row.get("_extra"))
    values = {name: value for name, value in row.items() if name not in META and value is not None} | extra
    return LoggedRequest(
        request_id=request_id,
        row=place,
        received_at=row["_received_at"],
        revision=row["_revision"],
        status=row["_status"],
        latency_seconds=row["_latency_seconds"],
        is_shadow=bool(row.get("_is_shadow")),
        is_try=bool(row.get("_is_try")),
        inputs={sent(name): _plain(value) for name, value in values.items() if not is_output(name)},
        outputs={name[len(OUTPUT) + 1 :]: _plain(value) for name, value in values.items() if is_output(name)},
        feedback={name: _plain(value) for name, value in known.items()},
        answer=row["_prediction"],
    )


def _extra_of(text: str | None) -> dict[str, Any]:
    """Return what no column holds; a text that was cut is no JSON any more and stays text."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {"_extra": text}
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
