"""Columns that must not be logged, taken out of bodies before they are written anywhere. Pure.

They are recognised wherever a form names them: keys of objects, columns of a table, tensors, and places of a row
that only the model's signature names. A body that can't be read could hold anything, so it is not kept; nor is the
answer to a request that failed, for it may quote what was sent.
"""

import csv
import io
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from mlops_desk.serving.gateway.spool import Exchange
from mlops_desk.storage.request_log.feedback import Feedback

_FIRST_ERROR_STATUS = 400  # RFC 9110, 15: client errors begin here
_POSITIONAL = frozenset({"instances", "inputs", "dataframe_records"})


def without(exchange: Exchange, columns: Collection[str], names: Sequence[str]) -> Exchange:
    """Return an exchange without some columns; ``names`` are the model's features in their order."""
    hidden = {column.casefold() for column in columns}
    if exchange.content_type.partition(";")[0].strip().lower() == "text/csv":
        body = _csv_without(exchange.body, hidden)
    else:
        body = _json_without(exchange.body, hidden, names)
    is_answered = exchange.status < _FIRST_ERROR_STATUS and body is not None
    answer = _json_without(exchange.answer, hidden, ()) if is_answered else None
    return structs.replace(exchange, body=body or b"", answer=answer or b"")


def feedback_without(given: Feedback, columns: Collection[str]) -> Feedback:
    """Return feedback without some columns."""
    hidden = {column.casefold() for column in columns}
    return replace(given, values={name: value for name, value in given.values.items() if name.casefold() not in hidden})


def _json_without(body: bytes, hidden: Collection[str], names: Sequence[str]) -> bytes | None:
    try:
        document = json.loads(body)
        if isinstance(document, dict):
            places = {place for place, name in enumerate(names) if name.casefold() in hidden}
            for key in _POSITIONAL & document.keys():
                document[key] = _blanked(document[key], places, len(names))
        return json.dumps(_pruned(document, hidden)).encode()
    except (ValueError, RecursionError):
        return None


def _blanked(rows: Any, places: Collection[int], width: int) -> Any:
    """Empty the places of rows without names that a signature has a name for."""
    if not places or not isinstance(rows, list):
        return rows
    if width == 1:
        return [row if isinstance(row, dict) else None for row in rows]
    return [
        [None if place in places else value for place, value in enumerate(row)]
        if isinstance(row, list) and len(row) == width
        else row
        for row in rows
    ]


def _pruned(value: Any, hidden: Collection[str]) -> Any:
    if isinstance(value, list):
        return [_pruned(item, hidden) for item in value if not _is_hidden_tensor(item, hidden)]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        value = _table_without(value, hidden)
    return {name: _pruned(item, hidden) for name, item in value.items() if name.casefold() not in hidden}


def _is_hidden_tensor(item: Any, hidden: Collection[str]) -> bool:
    return isinstance(item, dict) and "data" in item and str(item.get("name", "")).casefold() in hidden


def _table_without(table: dict[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    kept = [place for place, name in enumerate(table["columns"]) if str(name).casefold() not in hidden]
    rows = table["data"]
    return {
        **table,
        "columns": [table["columns"][place] for place in kept],
        "data": [[row[place] for place in kept if place < len(row)] for row in rows if isinstance(row, list)],
    }


def _csv_without(body: bytes, hidden: Collection[str]) -> bytes | None:
    try:
        rows = list(csv.reader(io.StringIO(body.decode())))
    except (ValueError, csv.Error):
        return None
    if not rows:
        return b""
    kept = [place for place, name in enumerate(rows[0]) if name.strip().casefold() not in hidden]
    written = io.StringIO()
    csv.writer(written).writerows([row[place] for place in kept if place < len(row)] for row in rows)
    return written.getvalue().encode()
