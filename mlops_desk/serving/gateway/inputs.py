"""What an endpoint was asked and what it answered, as rows: MLflow's input formats, read leniently. Pure.

The gateway logs requests as they came; this reads them when the log is rolled up. What can't be read
gives one empty row, so that every request is in the log.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]

ROWS_LIMIT = 10_000  # chosen: drift needs a few thousand rows of a window
_COLUMNS_LIMIT = 2000  # chosen: a Parquet file costs memory for each column, whatever it holds
_TEXT_LIMIT = 4096  # chosen: drift compares texts as categories; longer ones are all different anyway


def rows_of(content_type: str, body: str, names: Sequence[str] = ()) -> list[Row]:
    """Return the rows of a request's body; ``names`` are the model's features, for inputs that name none."""
    try:
        if content_type.partition(";")[0].strip().lower() == "text/csv":
            rows = _from_csv(body)
        else:
            rows = _from_json(json.loads(body), names)
    except (ValueError, RecursionError, csv.Error):
        rows = []
    return rows[:ROWS_LIMIT] or [{}]


def predictions_of(body: str, count: int) -> list[str | None]:
    """Return one text for each of ``count`` rows from the answer's body: the prediction, plain or as JSON."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return [None] * count
    found = answer.get("predictions", answer) if isinstance(answer, dict) else answer
    if isinstance(found, list) and len(found) == count:
        return [_text(item) for item in found]
    return [_text(found), *[None] * (count - 1)]


def _text(item: Any) -> str | None:
    if item is None or isinstance(item, str):
        return item if item is None else item[:_TEXT_LIMIT]
    return json.dumps(item)[:_TEXT_LIMIT]


def _from_csv(body: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(body))
    return [
        {name: (None if value == "" else value) for name, value in row.items() if isinstance(name, str)}
        for row, _ in zip(reader, range(ROWS_LIMIT), strict=False)
    ]


def _from_json(document: Any, names: Sequence[str]) -> list[Row]:
    if not isinstance(document, dict):
        return []
    if isinstance(split := document.get("dataframe_split"), dict):
        return _from_split(split)
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
        return [_named([value], names)]
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
    return _named(item if isinstance(item, list) else [item], names)


def _named(values: Sequence[Any], names: Sequence[str]) -> Row:
    """Name a row's values by position: the model's names where they are as many, else their numbers."""
    if len(values) != len(names):
        names = [str(index) for index in range(len(values))]
    return dict(zip(names, values[:_COLUMNS_LIMIT], strict=False))
