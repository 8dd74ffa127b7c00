"""The worker that pins answers: ``python -m mlops_desk.drift.live.reference_capture``, one request on stdin.

Where the data of a model have no answers to hold new ones against, those of a span of its own log do. It sketches them
as a reference, and in its bins those of the window that still grows, so that this window goes on with the new columns.
It changes nothing: whoever asked keeps both in one transaction.

Request: ``PinRequest``. Answer: {"rows": number}; the profiles lie at ``out`` and, where a window grows, at
``growing_out``.
"""

# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by ``files``

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.live.log_rows import LogCursor, LogPlace, not_after, row_conditions
from mlops_desk.drift.predictions import AnswersFound, as_reference, free_name, with_answers
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile
from mlops_desk.drift.profile.sketch_builder import profile_of
from mlops_desk.drift.profile.table_comparison import make_profile
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.workspace import database_in
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import identifier
from mlops_desk.kit.storage.request_log.files import united
from mlops_desk.kit.storage.request_log.layout import HOUR_SECONDS, parts
from mlops_desk.kit.storage.request_log.writer import OUTPUT, is_output

MODULE = "mlops_desk.drift.live.reference_capture"
MOST_ANSWERS = 20  # chosen: a model that answers with more columns has its first ones watched
_THREADS = 1  # the machine is busy with other people's trainings


@dataclass(frozen=True, slots=True)
class PinRequest:
    """Pin what was answered from ``start`` to ``end`` (Unix times); ``taken`` are names that answers can't have.

    ``cursor`` is the last row that was taken; ``n_growing`` rows up to it, received since ``growing_since``, are in the
    window that still grows.
    """

    log: LogPlace
    start: float
    end: float
    within: str
    out: str
    growing_out: str
    taken: tuple[str, ...] = ()
    cursor: LogCursor | None = None
    n_growing: int = 0
    growing_since: float = 0.0


def pinned(request: PinRequest) -> int:
    """Sketch the answers of a span; return how many rows it has. Raises NotFound, Invalid."""
    with database_in(Path(request.within), _THREADS) as connection:
        span = f"_received_at >= {request.start!r} AND _received_at <= {request.end!r}"
        table = _answers(connection, request, "pinned", span, request.start)
        found = with_answers(connection, table, list(table.columns))
        profile = _profile(connection, found)
        write_atomically(Path(request.out), to_bytes(profile), mode=0o600)
        if request.n_growing and request.cursor is not None:
            growing = _growing(connection, request, request.cursor, profile)
            write_atomically(Path(request.growing_out), to_bytes(growing), mode=0o600)
    return table.n_rows


def _profile(connection: Any, found: AnswersFound) -> DataProfile:
    profile = make_profile(connection, found.table, found.options(DriftOptions()))
    if not any(one.sketch is not None for one in profile.columns):
        why = " ".join(one.column.why_not or "" for one in profile.columns).strip()
        text = f"The answers of this endpoint can't be compared. {why}".strip()
        raise Invalid(text, "Have the model answer with a number, a class, a text, or probabilities.")
    return profile


def _answers(connection: Any, request: PinRequest, name: str, condition: str, since: float) -> OpenedTable:
    """Return what was answered to the rows of a condition, by name. Raises NotFound where nothing was, or is kept."""
    known = parts(Path(request.log.folder), since - HOUR_SECONDS)
    if known:
        told = row_conditions(connection, known, request.log)
        source = united(connection, [part.path for part in known])
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM ({source}) WHERE {told} AND {condition}"
        )
        described = {column: kind for column, kind, *_ in connection.execute(f"DESCRIBE {name}").fetchall()}
        n = int(connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])
        outputs = [column for column in described if is_output(column)][:MOST_ANSWERS]
        columns = {_told(one, request.taken): (identifier(one), described[one]) for one in outputs}
        columns = {told: where for told, where in columns.items() if told not in request.taken}
        if n and columns:
            return OpenedTable(name, columns, n)
        if n:
            text = "The log of this endpoint has no answers in it that could be compared."
            raise NotFound(text, "Have the model answer with one row for each row that it is asked.")
    raise NotFound("The requests of that time are no longer logged.", "The next windows without drift are taken.")


def _told(column: str, taken: Sequence[str]) -> str:
    return free_name(taken) if column == OUTPUT else column.removeprefix(f"{OUTPUT}.")


def _growing(connection: Any, request: PinRequest, cursor: LogCursor, profile: DataProfile) -> DataProfile:
    """Sketch the newest rows up to the cursor: those of the window that still grows. What is not logged is missing."""
    condition = f"{not_after(cursor)} AND _received_at >= {request.growing_since!r}"
    order = "_received_at DESC, _request_id DESC, _row DESC"
    try:
        whole = _answers(connection, request, "before", condition, request.growing_since)
    except NotFound:
        whole = OpenedTable("(SELECT 1 LIMIT 0)", {}, 0)
    else:
        n = min(whole.n_rows, request.n_growing)
        newest = f"(SELECT * FROM before ORDER BY {order} LIMIT {n})"
        whole = as_reference(replace(whole, relation=newest, n_rows=n), profile.answers)
    columns = [
        one if one.sketch is None else _filled(profile_of(connection, whole, one.column, one.frame), request.n_growing)
        for one in profile.columns
    ]
    return DataProfile(request.n_growing, tuple(columns))


def _filled(one: ColumnProfile, n_rows: int) -> ColumnProfile:
    """Count rows that are not logged any more as rows without an answer."""
    sketch = one.sketch
    if sketch is None:
        return one
    if isinstance(sketch, TextSketch):
        lengths = replace(sketch.lengths, n_missing=sketch.lengths.n_missing + n_rows - sketch.lengths.n_rows)
        return replace(one, sketch=replace(sketch, lengths=lengths))
    return replace(one, sketch=replace(sketch, n_missing=sketch.n_missing + n_rows - sketch.n_rows))


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    try:
        return {"rows": pinned(wire.from_builtins(request, PinRequest))}
    except duckdb.Error as error:
        text = f"The logged answers can't be read: {plain(str(error).splitlines()[0], 300)}"
        raise Unavailable(text, "Is there room on the disk for temporary files?") from error
    except OSError as error:
        text = f"The logged answers can't be pinned: {error.strerror}."
        raise Unavailable(text, "Is there room on the disk for temporary files?") from error


if __name__ == "__main__":
    serve_one(answer)
