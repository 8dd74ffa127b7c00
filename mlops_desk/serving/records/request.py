"""What the request log tells of a request, and what was taken of feedback."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One row of one request: what was asked, what was answered, and what turned out later.

    Values are JSON's, moments as ISO 8601 and bytes as base64; names without a value are left out. ``received_at`` is
    Unix seconds. ``answer`` is an answer that is no row of outputs, as text; an output without a name is named "". One
    that ``is_try`` was sent by ``endpoints try``.
    """

    request_id: str
    row: int
    received_at: float
    revision: int
    status: int
    latency_seconds: float
    is_shadow: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    feedback: Mapping[str, Any] = field(default_factory=dict)
    answer: str | None = None
    is_try: bool = False


@dataclass(frozen=True, slots=True)
class FeedbackTaken:
    """Rows of feedback that were taken, and how many requests they name that the log has, or does not have (yet)."""

    rows: int
    known_requests: int
    unknown_requests: int
