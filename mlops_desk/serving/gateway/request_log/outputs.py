"""What an endpoint answered, as one row for each row of input: MLflow's predictions, Open Inference v2, chats. Pure."""

from collections.abc import Mapping
from typing import Any

from mlops_desk.base import wire
from mlops_desk.serving.gateway.request_log import protocols
from mlops_desk.serving.gateway.request_log.protocols import Row

_TEXT_LIMIT = 4096  # chosen: an answer that can't be read is kept to be looked at
UNNAMED = ""


def outputs_of(answer: str, count: int) -> list[Row] | None:
    """Return what was answered for each of ``count`` rows, by name; None where the answer is of no known form."""
    try:
        document = wire.document(answer)
    except (ValueError, RecursionError):
        said = protocols.outputs_of_stream(answer) if count == 1 else None
        return None if said is None else [said]
    if isinstance(document, dict):
        if protocols.are_tensors(document.get("outputs")):
            return _of_count(protocols.rows_of_tensors(document["outputs"]), count)
        if isinstance(document.get("choices"), list) and count == 1:
            return [protocols.outputs_of_chat(document)]
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
