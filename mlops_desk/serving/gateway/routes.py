"""The routing table the gateway is handed, and the one decision it makes with it: which revision answers. Pure.

The agent writes the table as one JSON file, renamed into place; the gateway reads it again when it
changed. An address is ``unix:PATH`` of the socket that a container answers on; ``host:port`` is that of
a container which an older agent has started on a bridge.
"""

import bisect
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlops_desk.governance.records.data.retention import LogKeep
from mlops_desk.kit.storage.requests import LoggedFeature

EVERYTHING = "*"
"""Stands in ``passes`` for any path."""


@dataclass(frozen=True, slots=True)
class Route:
    """One revision of an endpoint: its share of requests, where it answers and the features it takes."""

    revision: int
    weight: float
    addresses: tuple[str, ...] = ()
    features: tuple[LoggedFeature, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointRoutes:
    """An endpoint. ``sticky_header`` names a request header whose value keeps a caller on one revision.

    ``tokens`` are SHA-256 of the bearer tokens that hold, in hex: they are 32 random bytes, so that no slow hash is
    needed; ``is_open`` wants none. ``passes`` are first parts of paths that are handed on as they are, such as ``v1``
    (``*``: all).
    ``shadow`` gets a copy of each request, and its answers reach the log alone. ``queue`` is how many requests may
    wait for a place, ``sample`` the share of requests that is logged, ``redacted`` columns that never are,
    ``masked`` and ``hashed`` those whose values are not, the latter by ``redaction_key`` (hex). While none of its
    replicas is up, requests wait ``hold_seconds`` for one, as many as may wait, and the agent is told of them.
    ``paused`` says why callers are turned away though replicas are up; those who ask by the agent are not. ``keep``
    tells how long the log is kept; None in the table of an earlier agent: nothing of it goes by its age.
    """

    routes: tuple[Route, ...]
    log: str
    sticky_header: str | None = None
    timeout_seconds: float = 30.0
    note: str | None = None
    tokens: tuple[str, ...] = ()
    is_open: bool = True
    passes: tuple[str, ...] = ()
    shadow: Route | None = None
    requests_per_second: float | None = None
    queue: int = 0
    sample: float = 1.0
    redacted: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    redaction_key: str = field(default="", repr=False)
    hold_seconds: float = 0.0
    paused: str | None = None
    keep: LogKeep | None = None


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """What the gateway allows: size of a request, how many at once (in all, of one peer), how much log is kept.

    And how long a caller may take: for a request's head from its first byte on (on loopback it comes in one
    piece), for a whole body (16 MiB through a slow tunnel to this machine), for the next piece of one,
    without reading any of an answer (a slow reader takes pieces as large as the kernel's buffers), and between
    two requests. A request waits ``queue_seconds`` for a place at most.
    """

    body_bytes: int = 16 << 20
    answer_bytes: int = 64 << 20
    in_flight: int = 384
    in_flight_of_one: int = 256
    log_bytes: int = 2 << 30
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    body_idle_seconds: float = 10.0
    unread_seconds: float = 30.0
    rest_seconds: int = 30
    queue_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class NetworkListening:
    """Where the gateway listens beyond loopback, with TLS: a numeric address (``0.0.0.0``, ``::`` for all) and a port.

    ``identity`` is a PEM file of key and certificates; its content never changes, another one has another name.
    ``names`` are what the certificate is for, in lower case: hosts, addresses, ``*.domain``.
    """

    address: str
    port: int
    identity: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkState:
    """What became of the way in from the network: where it is wanted, by which ``identity``, and what keeps it shut."""

    address: str
    port: int
    identity: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """All endpoints of one instance. ``serial`` grows with every table, so that the agent sees which one is in use."""

    serial: int = 0
    endpoints: Mapping[str, EndpointRoutes] = field(default_factory=dict)
    limits: GatewayLimits = field(default_factory=GatewayLimits)
    network: NetworkListening | None = None


class Split:
    """Weights made ready to be asked: which revision answers at a point of their sum."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Revisions without an address take no part; when all that are up have weight 0, they share evenly."""
        up = [route for route in routes if route.addresses]
        weighed = [route for route in up if route.weight > 0.0]
        self._routes = weighed or up
        self._bounds = list(itertools.accumulate(route.weight if weighed else 1.0 for route in self._routes))

    def at(self, point: float) -> Route | None:
        """Return the route at ``point`` (0 <= point < 1); None when nothing is up."""
        if not self._routes:
            return None
        place = bisect.bisect_right(self._bounds, point * self._bounds[-1])
        return self._routes[min(place, len(self._routes) - 1)]  # a product may be rounded up to the sum


def sticky_point(key: str) -> float:
    """Return the same point of [0, 1) for the same key, evenly spread over keys."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:6], "big") / (1 << 48)
