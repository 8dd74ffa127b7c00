"""Texts for logged requests and for feedback that was taken."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from mlops_desk.kit.text.cells import moment
from mlops_desk.serving.records.request import FeedbackTaken, LoggedRequest


def taken(told: FeedbackTaken) -> str:
    """Say how much feedback was taken, and whether the log has the requests that it names."""
    text = f"{_counted(told.rows, 'row')} taken, for {_counted(told.known_requests, 'logged request')}."
    if not told.unknown_requests:
        return text
    if told.unknown_requests == 1:
        return f"{text}\n1 other is not in the log: it was not logged, is too old, or is still to come."
    others = f"{told.unknown_requests:,} others are not in the log"
    return f"{text}\n{others}: they were not logged, are too old, or are still to come."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _values(values: Mapping[str, Any]) -> str:
    if not values:
        return "–"
    return " ".join(f"{name}={_value(value)}" if name else _value(value) for name, value in values.items())


def _kind(request: LoggedRequest) -> str:
    return " shadow" if request.is_shadow else " try" if request.is_try else ""


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


REQUEST_COLUMNS: dict[str, Callable[[LoggedRequest], str]] = {
    "RECEIVED": lambda request: moment(request.received_at),
    "REQUEST": lambda request: f"{request.request_id}#{request.row}" if request.row else request.request_id,
    "REVISION": lambda request: f"{request.revision}{_kind(request)}",
    "STATUS": lambda request: str(request.status),
    "MS": lambda request: f"{request.latency_seconds * 1000:.1f}",
    "ANSWERED": lambda request: request.answer or _values(request.outputs),
    "FEEDBACK": lambda request: _values(request.feedback),
    "ASKED": lambda request: _values(request.inputs),
}
