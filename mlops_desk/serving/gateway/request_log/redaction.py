"""Columns that must not be logged as they are, taken out of bodies before they are written anywhere. Pure.

They are recognised wherever a form names them: keys of objects, columns of a table, tensors, and places of a row
that only the model's signature names. A body that can't be read could hold anything, so it is not kept; nor is the
answer to a request that failed, for it may quote what was sent.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from mlops_desk.kit.storage.request_log.feedback import Feedback
from mlops_desk.kit.storage.request_log.redaction import RedactionRules, rules_of
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.gateway.routes import EndpointRoutes
from mlops_desk.serving.gateway.spool import Exchange

_FIRST_ERROR_STATUS = 400  # RFC 9110, 15: client errors begin here
_POSITIONAL = frozenset({"instances", "inputs", "dataframe_records"})


def rules_for(endpoint: EndpointRoutes | None) -> RedactionRules:
    """Return the rules that an endpoint's log is written by."""
    if endpoint is None:
        return RedactionRules()
    return rules_of(endpoint.redacted, endpoint.masked, endpoint.hashed, endpoint.redaction_key)


def redacted(exchange: Exchange, rules: RedactionRules, names: Sequence[str]) -> Exchange:
    """Return an exchange as it may be logged; ``names`` are the model's features in their order."""
    if exchange.content_type.partition(";")[0].strip().lower() == "text/csv":
        body = _csv(exchange.body, rules)
    else:
        body = _json(exchange.body, rules, names)
    is_answered = exchange.status < _FIRST_ERROR_STATUS and body is not None
    answer = _json(exchange.answer, rules, ()) if is_answered else None
    return structs.replace(exchange, body=body or b"", answer=answer or b"")


def redacted_feedback(given: Feedback, rules: RedactionRules) -> Feedback:
    """Return feedback as it may be logged."""
    return replace(given, values=redacted_values(given.values, rules))


def redacted_values(values: Mapping[str, Any], rules: RedactionRules) -> dict[str, Any]:
    """Return a row's values as they may be logged."""
    return {
        name: rules.value(name, value) if rules.rewrites(name) else value
        for name, value in values.items()
        if not rules.drops(name)
    }


def features_of(features: Sequence[LoggedFeature], rules: RedactionRules) -> tuple[LoggedFeature, ...]:
    """Return features as they are logged: what was masked or hashed is text, whatever it was."""
    return tuple(replace(one, kind="text") if rules.rewrites(one.name) else one for one in features)


def _json(body: bytes, rules: RedactionRules, names: Sequence[str]) -> bytes | None:
    try:
        document = json.loads(body)
        if isinstance(document, dict):
            places = {place: name for place, name in enumerate(names) if rules.concerns(name)}
            for key in _POSITIONAL & document.keys():
                document[key] = _by_place(document[key], places, len(names), rules)
        return json.dumps(_pruned(document, rules)).encode()
    except (ValueError, RecursionError):
        return None


def _by_place(rows: Any, places: Mapping[int, str], width: int, rules: RedactionRules) -> Any:
    """Take out the places of rows without names that a signature has a name for."""
    if not places or not isinstance(rows, list):
        return rows
    if width == 1:
        return [row if isinstance(row, dict) else _placed(row, places[0], rules) for row in rows]
    return [
        [_placed(value, places[place], rules) if place in places else value for place, value in enumerate(row)]
        if isinstance(row, list) and len(row) == width
        else row
        for row in rows
    ]


def _placed(value: Any, name: str, rules: RedactionRules) -> Any:
    return None if rules.drops(name) else rules.value(name, value)


def _pruned(value: Any, rules: RedactionRules) -> Any:
    if isinstance(value, list):
        return [_pruned(item, rules) for item in value if not _is_dropped_tensor(item, rules)]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        value = _table(value, rules)
    elif "data" in value and rules.rewrites(str(value.get("name", ""))):
        # A tensor of numbers that are words by now is one of texts.
        value = {**value, "data": rules.value(str(value["name"]), value["data"]), "datatype": "BYTES"}
    return {
        name: rules.value(name, item) if rules.rewrites(name) else _pruned(item, rules)
        for name, item in value.items()
        if not rules.drops(name)
    }


def _is_dropped_tensor(item: Any, rules: RedactionRules) -> bool:
    return isinstance(item, dict) and "data" in item and rules.drops(str(item.get("name", "")))


def _table(table: dict[str, Any], rules: RedactionRules) -> dict[str, Any]:
    names = [str(name) for name in table["columns"]]
    kept = [place for place, name in enumerate(names) if not rules.drops(name)]
    return {
        **table,
        "columns": [table["columns"][place] for place in kept],
        "data": [
            [_cell(row[place], names[place], rules) for place in kept if place < len(row)]
            for row in table["data"]
            if isinstance(row, list)
        ],
    }


def _cell(value: Any, name: str, rules: RedactionRules) -> Any:
    return rules.value(name, value) if rules.rewrites(name) else value


def _csv(body: bytes, rules: RedactionRules) -> bytes | None:
    try:
        rows = list(csv.reader(io.StringIO(body.decode())))
    except (ValueError, csv.Error):
        return None
    if not rows:
        return b""
    head = [name.strip() for name in rows[0]]
    kept = [place for place, name in enumerate(head) if not rules.drops(name)]
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow([rows[0][place] for place in kept])
    writer.writerows([_cell(row[place], head[place], rules) for place in kept if place < len(row)] for row in rows[1:])
    return written.getvalue().encode()
