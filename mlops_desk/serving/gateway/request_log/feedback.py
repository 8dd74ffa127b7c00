"""Feedback that is sent to the gateway: a document, a list of them, or lines of them, checked. Pure."""

import json
import re
from typing import Any

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.storage.request_log.feedback import ID_PATTERN, Feedback

_ID = re.compile(ID_PATTERN)
_COLUMNS_LIMIT = 100  # chosen: what turned out is a truth, a score, a comment
_NAME_LIMIT = 200  # chosen: longer ones are values that stand where a name should
_HINT = 'For example: {"request_id": "the x-request-id of the answer", "truth": 1}, one document a line.'


def feedback_in(body: bytes, given_at: float) -> list[Feedback]:
    """Return what a body says, all of it or nothing. Raises Invalid."""
    documents = _documents(body)
    if not documents:
        raise Invalid("The body has no feedback.", _HINT)
    return [_feedback(document, number, given_at) for number, document in enumerate(documents, 1)]


def _documents(body: bytes) -> list[Any]:
    try:
        text = body.decode()
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The body is not JSON: {plain(str(error), 100)}.", _HINT) from error
    if isinstance(found, dict) and isinstance(found.get("feedback"), list) and "request_id" not in found:
        found = found["feedback"]
    return found if isinstance(found, list) else [found]


def _feedback(document: Any, number: int, given_at: float) -> Feedback:
    if not isinstance(document, dict):
        raise Invalid(f"Feedback {number} is no JSON object.", _HINT)
    values = dict(document)
    request_id, row = values.pop("request_id", None), values.pop("row", None)
    if not isinstance(request_id, str) or not _ID.fullmatch(request_id):
        raise Invalid(f"Feedback {number} has no request id, or none that the gateway gives.", _HINT)
    if row is not None and (isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < 1 << 31):
        raise Invalid(f"The row of feedback {number} is no whole number from 0 on.", _HINT)
    if not values or len(values) > _COLUMNS_LIMIT:
        raise Invalid(f"Feedback {number} has {len(values)} values; 1 to {_COLUMNS_LIMIT} are taken.", _HINT)
    for name in values:
        if not name or len(name) > _NAME_LIMIT or not name.isprintable() or name.startswith("_"):
            raise Invalid(f"Feedback {number} names a value {plain(name, 40)!r}, which is no name for one.", _HINT)
    return Feedback(request_id, row, given_at, values)
