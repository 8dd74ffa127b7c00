"""What the request log holds: features with their kinds, rows of requests, and what a window of them is.

The Parquet files are ``storage.request_log``'s. This module is free of databases: the gateway's table names features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LoggedFeature:
    """An input of a model: its name and its kind.

    ``boolean``, ``integer``, ``long``, ``float``, ``double``, ``text``, ``datetime``, ``binary`` or ``json``, as MLflow
    signatures have them; ``number`` is what revisions of older versions say.
    """

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class LoggedRow:
    """One row of one request. ``received_at`` is Unix seconds, ``row`` its place in the request.

    ``outputs`` is what was answered for it, by name, "" for an answer without names; ``prediction`` is the answer as
    text where it is no row of outputs. One that ``is_try`` was sent by hand, and is no traffic.
    """

    request_id: str
    received_at: float
    revision: int
    status: int
    latency_seconds: float
    row: int
    prediction: str | None
    values: Mapping[str, Any]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    is_shadow: bool = False
    is_try: bool = False


@dataclass(frozen=True, slots=True)
class LogWindow:
    """What ``newest`` exported: rows, and the Unix time of the oldest and the newest of them."""

    rows: int
    first_at: float | None
    last_at: float | None
