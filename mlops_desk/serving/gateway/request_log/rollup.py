"""From a spool to a part of the log: rows of features, typed, written as Parquet, once.

A spool is rolled up into the part of its own moment, so that rolling it up twice changes nothing; spools left over
from a dead gateway are rolled up by the next one.

What an endpoint answered, as one row for each row of input: MLflow's predictions, Open Inference v2, chats. Pure.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import set_aside
from mlops_desk.kit.storage.request_log.feedback import Feedback, write_feedback
from mlops_desk.kit.storage.request_log.kinds import guess, join
from mlops_desk.kit.storage.request_log.layout import hour_of, part_path
from mlops_desk.kit.storage.request_log.redaction import RedactionRules
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow
from mlops_desk.serving.gateway.request_log import inputs
from mlops_desk.serving.gateway.request_log.inputs import Row
from mlops_desk.serving.gateway.request_log.inputs import rows_of as input_rows
from mlops_desk.serving.gateway.request_log.redaction import (
    features_of,
    redacted,
    redacted_feedback,
    redacted_values,
    rules_for,
)
from mlops_desk.serving.gateway.routes import EndpointRoutes
from mlops_desk.serving.gateway.spool import Exchange, records

_log = logging.getLogger(__name__)

_TEXT_LIMIT = 4096  # chosen: an answer that can't be read is kept to be looked at
UNNAMED = ""


def outputs_of(answer: str, count: int) -> list[Row] | None:
    """Return what was answered for each of ``count`` rows, by name; None where the answer is of no known form."""
    try:
        document = wire.document(answer)
    except (ValueError, RecursionError):
        said = inputs.outputs_of_stream(answer) if count == 1 else None
        return None if said is None else [said]
    if isinstance(document, dict):
        if inputs.are_tensors(document.get("outputs")):
            return _of_count(inputs.rows_of_tensors(document["outputs"]), count)
        if isinstance(document.get("choices"), list) and count == 1:
            return [inputs.outputs_of_chat(document)]
        if "predictions" not in document:
            return None
        document = document["predictions"]
    return _of_predictions(document, count)


def text_of(answer: str) -> str | None:
    """Return an answer that is no row of outputs as text; None for an empty one."""
    return answer[:_TEXT_LIMIT] or None


def _of_predictions(found: Any, count: int) -> list[Row] | None:
    if isinstance(found, dict):
        return _of_columns(found, count)
    if not isinstance(found, list) or len(found) != count:
        return None
    return [item if isinstance(item, dict) else {UNNAMED: item} for item in found]


def _of_columns(columns: Mapping[str, Any], count: int) -> list[Row] | None:
    if not columns or not all(isinstance(values, list) and len(values) == count for values in columns.values()):
        return None
    return [{name: values[index] for name, values in columns.items()} for index in range(count)]


def _of_count(rows: list[Row], count: int) -> list[Row] | None:
    return rows if len(rows) == count else None


_TRIES = 3  # chosen: a disk that was full for a moment; a file that fails for good must not stop the others


class Rollup:
    """Rolls spools up; what fails is tried again next time, and set aside the third time."""

    def __init__(self) -> None:
        self._failures: dict[Path, int] = {}

    def roll(self, folder: Path, waiting: Sequence[tuple[Path, int]], rules: EndpointRoutes | None = None) -> None:
        """Turn spools, each with its moment, into Parquet, by the rules of now. Raises OSError when the disk is why."""
        for path, stamp_ms in waiting:
            self._roll_up(folder, path, stamp_ms, rules)

    def _roll_up(self, folder: Path, path: Path, stamp_ms: int, rules: EndpointRoutes | None) -> None:
        try:
            rows, features, given = read_spool(path, rules)
            for hour in sorted({hour_of(row.received_at) for row in rows}):
                of_hour = [row for row in rows if hour_of(row.received_at) == hour]
                write_part(of_hour, features, part_path(folder, stamp_ms, hour))
            if given:
                write_feedback(folder, given, stamp_ms)
            path.unlink(missing_ok=True)
        except (duckdb.Error, ValueError):
            self._failures[path] = self._failures.get(path, 0) + 1
            if self._failures[path] < _TRIES:
                raise
            _log.exception("The spool %s can't be rolled up; it is kept as %s", path, set_aside(path))
            del self._failures[path]


def read_spool(
    path: Path, rules: EndpointRoutes | None = None
) -> tuple[list[LoggedRow], list[LoggedFeature], list[Feedback]]:
    """Read a spool's rows, the features they have, and feedback. Raises OSError."""
    described = {route.revision: route.features for route in rules.routes} if rules else {}
    hidden = rules_for(rules)
    rows: list[LoggedRow] = []
    given: list[Feedback] = []
    for record in records(path):
        if isinstance(record, Exchange):
            features = described.get(record.revision, ())
            kept = redacted(record, hidden, [feature.name for feature in features]) if hidden else record
            rows.extend(_redacted(row, hidden) if hidden else row for row in rows_of(kept, features))
        elif isinstance(record, Feedback):
            given.append(redacted_feedback(record, hidden) if hidden else record)
        else:
            described[record[0]] = record[1]
    unknown = [row.values for row in rows if not described.get(row.revision)]
    known = [one for features in described.values() for one in features_of(features, hidden)]
    return rows, join([*known, *guess(unknown)]), given


def _redacted(row: LoggedRow, rules: RedactionRules) -> LoggedRow:
    """Take out what got the name of a column with a rule as the row was read, such as its place."""
    return replace(row, values=redacted_values(row.values, rules))


def rows_of(exchange: Exchange, features: Sequence[LoggedFeature]) -> Iterator[LoggedRow]:
    """Yield the rows of one exchange."""
    body = exchange.body.decode("utf-8", "replace")
    found = input_rows(exchange.content_type, body, [feature.name for feature in features])
    answer = exchange.answer.decode("utf-8", "replace")
    outputs = outputs_of(answer, len(found))
    for index, values in enumerate(found):
        yield LoggedRow(
            request_id=exchange.request_id,
            received_at=exchange.received_at,
            revision=exchange.revision,
            status=exchange.status,
            latency_seconds=exchange.latency_seconds,
            row=index,
            prediction=text_of(answer) if outputs is None and index == 0 else None,
            values=values,
            outputs=outputs[index] if outputs else {},
            is_shadow=exchange.is_shadow,
            is_try=exchange.is_try,
        )
