"""What an endpoint was asked, as rows: MLflow's input formats, Open Inference v2 and chats, read leniently. Pure.

The gateway logs requests as they came; this reads them when the log is rolled up. What can't be read
gives one empty row, so that every request is in the log.
"""

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.storage.request_log.kinds import cell

# Tensors of Open Inference v2 and chats of OpenAI's form, as rows. Pure, and lenient: what is of no such form is none.
#
# Specification: kserve/open-inference-protocol, ``specification/protocol/inference_rest.md``.

Row = dict[str, Any]
_DATA = "data:"
_LINE_END = re.compile("\r\n|\n|\r")  # of events: other marks that end lines elsewhere are text

COLUMNS_LIMIT = 2000  # chosen: a Parquet file costs memory for each column, whatever it holds


def named(values: Sequence[Any], names: Sequence[str]) -> Row:
    """Name a row's values by position: the model's names where they are as many, else their numbers."""
    if len(values) != len(names):
        names = [str(index) for index in range(len(values))]
    return dict(zip(names, values[:COLUMNS_LIMIT], strict=False))


def are_tensors(found: Any) -> bool:
    """Tell whether this is a list of tensors."""
    return isinstance(found, list) and bool(found) and all(_is_tensor(item) for item in found)


def rows_of_tensors(tensors: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> list[Row]:
    """Return one row for each of the tensors' first axis; a lone matrix is a table, whose columns are the model's."""
    if len(tensors) == 1 and len(tensors[0]["shape"]) == 2:
        return [named(values if isinstance(values, list) else [values], names) for values in _along_rows(tensors[0])]
    columns = {str(tensor["name"]): _along_rows(tensor) for tensor in tensors}
    count = max(len(values) for values in columns.values())
    return [{name: values[index] for name, values in columns.items() if index < len(values)} for index in range(count)]


def row_of_chat(document: Mapping[str, Any]) -> Row:
    """Return a chat, or a prompt, as one row: all that was sent, and the newest thing that the person said."""
    row: Row = dict(document)
    messages = document.get("messages")
    asked = [message for message in _dicts(messages) if message.get("role") == "user"]
    if asked and "prompt" not in row:
        row["prompt"] = _text_of(asked[-1].get("content"))
    return row


def outputs_of_chat(answer: Mapping[str, Any]) -> Row:
    """Return what was answered in a chat: the first choice's text, why it ended, and the tokens that were used."""
    choice = next(iter(_dicts(answer.get("choices"))), {})
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else choice.get("text")
    usage = answer.get("usage")
    tokens = usage if isinstance(usage, dict) else {}
    return {
        "content": _text_of(content),
        "finish_reason": choice.get("finish_reason"),
        **{name: tokens[name] for name in ("prompt_tokens", "completion_tokens") if name in tokens},
    }


def outputs_of_stream(answer: str) -> Row | None:
    """Return what a chat's stream of events says in all; None where it is no such stream.

    One that broke off says what came until then. Format: WHATWG HTML, "Server-sent events"; OpenAI's pieces as data.
    """
    pieces = [
        piece for line in _LINE_END.split(answer) if line.startswith(_DATA) and (piece := _piece(line)) is not None
    ]
    said = [one for piece in pieces for one in _dicts(piece["choices"])[:1]]
    if not pieces:
        return None
    contents = [_text_of(_delta(one)) for one in said]
    ended = [one["finish_reason"] for one in said if one.get("finish_reason") is not None]
    whole = {"message": {"content": "".join(filter(None, contents))}, "finish_reason": ended[-1] if ended else None}
    usage = next((piece["usage"] for piece in reversed(pieces) if isinstance(piece.get("usage"), dict)), None)
    return outputs_of_chat({"choices": [whole], "usage": usage})


def _delta(choice: Mapping[str, Any]) -> Any:
    delta = choice.get("delta")
    return delta.get("content") if isinstance(delta, dict) else choice.get("text")


def _piece(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line.removeprefix(_DATA))
    except (ValueError, RecursionError):
        return None  # its end, [DONE], or one that broke off
    return found if isinstance(found, dict) and isinstance(found.get("choices"), list) else None


def _is_tensor(item: Any) -> bool:
    if not isinstance(item, dict) or not {"name", "shape", "data"} <= item.keys():
        return False
    shape, data = item["shape"], item["data"]
    return isinstance(shape, list) and isinstance(data, list) and all(isinstance(n, int) and n >= 0 for n in shape)


def _along_rows(tensor: Mapping[str, Any]) -> list[Any]:
    """Cut a tensor along its first axis: single values, or what lies within as a flat list."""
    flat = _flat(tensor["data"])
    if str(tensor.get("datatype", "")).upper().startswith(("FP", "BF")):
        flat = [float(v) if isinstance(v, int) and not isinstance(v, bool) and abs(v) < 1 << 53 else v for v in flat]
    count, *within = tensor["shape"] or [1]
    width = math.prod(within)
    if count * width != len(flat):
        return [flat]
    return flat if width == 1 else [flat[index * width : (index + 1) * width] for index in range(count)]


def _flat(data: Sequence[Any]) -> list[Any]:
    level = list(data)
    while level and all(isinstance(item, list) for item in level):
        level = [inner for item in level for inner in item]
    return level


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _text_of(content: Any) -> str | None:
    """Return a message's text; one in parts is that of its parts."""
    if isinstance(content, str):
        return content
    texts = [part["text"] for part in _dicts(content) if isinstance(part.get("text"), str)]
    return "\n".join(texts) if texts else None


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
    if are_tensors(document.get("inputs")):
        return rows_of_tensors(document["inputs"], names)[:ROWS_LIMIT]
    if "messages" in document or ("prompt" in document and "model" in document):
        return [row_of_chat(document)]
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
