"""What an endpoint was asked, as rows: MLflow's input formats, Open Inference v2 and chats, read leniently. Pure.

The gateway logs requests as they came; this reads them when the log is rolled up. What can't be read
gives one empty row, so that every request is in the log.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_desk.base import wire
from mlops_desk.serving.gateway.request_log import protocols
from mlops_desk.serving.gateway.request_log.protocols import Row, named
from mlops_desk.storage.request_log.kinds import cell

ROWS_LIMIT = 10_000  # chosen: drift needs a few thousand rows of a window


def rows_of(content_type: str, body: str, names: Sequence[str] = ()) -> list[Row]:
    """Return the rows of a request's body; ``names`` are the model's features, for inputs that name none."""
    try:
        if content_type.partition(";")[0].strip().lower() == "text/csv":
            rows = _from_csv(body, names)
        else:
            rows = _from_json(wire.document(body), names)
    except (ValueError, RecursionError, csv.Error):
        rows = []
    return rows[:ROWS_LIMIT] or [{}]


def _from_csv(body: str, names: Sequence[str]) -> list[Row]:
    """Read a CSV body. Columns that the model does not know by name are typed by all that the body has in them."""
    reader = csv.DictReader(io.StringIO(body))
    texts = [
        {name: (None if value == "" else value) for name, value in row.items() if isinstance(name, str)}
        for row, _ in zip(reader, range(ROWS_LIMIT), strict=False)
    ]
    rows: list[Row] = [dict(row) for row in texts]
    for name in dict.fromkeys(name for row in texts for name in row if name not in names):
        _type(rows, name)
    return rows


def _type(rows: Sequence[Row], name: str) -> None:
    """Turn a column's texts into numbers or booleans where all of them are."""
    values = [None if (text := row.get(name)) is None else cell(text) for row in rows]
    types = {type(value) for value in values if value is not None}
    if types and (types <= {int, float} or types == {bool}):
        for row, value in zip(rows, values, strict=True):
            if name in row:
                row[name] = value


def _from_json(document: Any, names: Sequence[str]) -> list[Row]:
    if not isinstance(document, dict):
        return []
    if isinstance(split := document.get("dataframe_split"), dict):
        return _from_split(split)
    if protocols.are_tensors(document.get("inputs")):
        return protocols.rows_of_tensors(document["inputs"], names)[:ROWS_LIMIT]
    if "messages" in document or ("prompt" in document and "model" in document):
        return [protocols.row_of_chat(document)]
    for key in ("dataframe_records", "instances", "inputs"):
        if key in document:
            return _from_value(document[key], names)
    return []


def _from_split(split: Mapping[str, Any]) -> list[Row]:
    columns, data = split.get("columns"), split.get("data")
    if not isinstance(data, list):
        return []
    names = [str(column) for column in columns] if isinstance(columns, list) else []
    return _from_value(data, names)


def _from_value(value: Any, names: Sequence[str]) -> list[Row]:
    if isinstance(value, dict):
        return _from_columns(value)
    if not isinstance(value, list):
        return [named([value], names)]
    return [_row(item, names) for item in value[:ROWS_LIMIT]]


def _from_columns(columns: Mapping[str, Any]) -> list[Row]:
    lists = {name: value for name, value in columns.items() if isinstance(value, list)}
    if not lists:
        return [dict(columns)]
    count = min(ROWS_LIMIT, max(len(value) for value in lists.values()))
    return [
        {name: value[index] if index < len(value) else None for name, value in lists.items()}
        | {name: value for name, value in columns.items() if name not in lists}
        for index in range(count)
    ]


def _row(item: Any, names: Sequence[str]) -> Row:
    if isinstance(item, dict):
        return item
    return named(item if isinstance(item, list) else [item], names)
