"""What a model answered when it was asked beside its traffic."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tried:
    """The answer to one request that somebody sent by hand. ``seconds`` is how long it took to be there whole.

    ``revision`` is None where none was asked. Of a ``body`` that is cut, ``body_bytes`` and ``cut`` tell how long it
    is, or was when it was read no further, and why.
    """

    endpoint: str
    status: int
    seconds: float
    request_id: str
    revision: int | None
    content_type: str
    body: str
    body_bytes: int
    cut: str | None = None


@dataclass(frozen=True, slots=True)
class LatencyFigures:
    """How long requests took, in seconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class ReplayDifference:
    """One value that a revision answered otherwise than is logged: for which request, row and output.

    ``gap`` is how far two numbers are apart, by the larger one; None for what is no number.
    """

    request_id: str
    row: int
    output: str
    logged: str
    replayed: str
    gap: float | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a revision answered to logged requests, beside what was answered then.

    A request is ``same``, ``close`` (its numbers differ as rounding makes them), ``different``, or one that ended in an
    error: ``errors`` counts those by their status, or ``lost``. Some were ``skipped``: the log has not all that was
    sent. ``worst`` are the largest differences. The latencies are those of the same requests; the replayed ones are
    taken beside the gateway, one after the other. None: there was none.
    """

    endpoint: str
    revision: int
    requests: int
    skipped: int
    same: int
    close: int
    different: int
    errors: Mapping[str, int]
    logged_latency: LatencyFigures | None
    latency: LatencyFigures | None
    worst: tuple[ReplayDifference, ...]
    seconds: float
