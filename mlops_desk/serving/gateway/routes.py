"""The routing table the gateway is handed, and the one decision it makes with it: which revision answers. Pure.

The agent writes the table as one JSON file, renamed into place; the gateway reads it again when it
changed. An address is ``unix:PATH`` of the socket that a container answers on; ``host:port`` is that of
a container which an older agent has started on a bridge.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlops_desk.storage.requests import LoggedFeature


@dataclass(frozen=True, slots=True)
class Route:
    """One revision of an endpoint: its share of requests, where it answers and the features it takes."""

    revision: int
    weight: float
    addresses: tuple[str, ...] = ()
    features: tuple[LoggedFeature, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointRoutes:
    """An endpoint. ``sticky_header`` names a request header whose value keeps a caller on one revision."""

    routes: tuple[Route, ...]
    log: str
    sticky_header: str | None = None
    timeout_seconds: float = 30.0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """What the gateway allows: size of a request, how many at once (in all, of one peer), how much log is kept.

    And how long a caller may take: for a request's head from its first byte on (on loopback it comes in one
    piece), for a whole body (16 MiB through a slow tunnel to this machine), for the next piece of one,
    without reading any of an answer (a slow reader takes pieces as large as the kernel's buffers), and between
    two requests.
    """

    body_bytes: int = 16 << 20
    answer_bytes: int = 64 << 20
    in_flight: int = 384
    in_flight_of_one: int = 256
    log_days: int = 30
    log_bytes: int = 2 << 30
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    body_idle_seconds: float = 10.0
    unread_seconds: float = 30.0
    rest_seconds: int = 30


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """All endpoints of one instance. ``serial`` grows with every table, so that the agent sees which one is in use."""

    serial: int = 0
    endpoints: Mapping[str, EndpointRoutes] = field(default_factory=dict)
    limits: GatewayLimits = field(default_factory=GatewayLimits)


def choose(routes: Sequence[Route], point: float) -> Route | None:
    """Return the route at ``point`` (0 <= point < 1) of the weights' sum; revisions without an address take no part.

    When all that are up have weight 0, they share evenly. None when nothing is up.
    """
    up = [route for route in routes if route.addresses]
    if not up:
        return None
    weights = [max(0.0, route.weight) for route in up]
    total = sum(weights)
    if total <= 0.0:
        return up[int(point * len(up))]
    reached = 0.0
    for route, weight in zip(up, weights, strict=True):
        reached += weight / total
        if point < reached:
            return route
    return next(route for route, weight in reversed(list(zip(up, weights, strict=True))) if weight > 0.0)


def sticky_point(key: str) -> float:
    """Return the same point of [0, 1) for the same key, evenly spread over keys."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:6], "big") / (1 << 48)
