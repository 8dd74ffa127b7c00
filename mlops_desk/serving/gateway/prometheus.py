"""The gateway's counters as Prometheus reads them (text format 0.0.4). Pure.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterator, Mapping

from mlops_desk.serving.gateway.lane import EndpointLane
from mlops_desk.serving.gateway.traffic import BOUNDS_SECONDS, TrafficCounters

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_EVERY = 12  # of the bounds one in so many: 13 of 146, each three times the one before it
_SHADOW = "shadow_request"
_TYPES = (
    ("requests_total", "counter", "Answered requests by revision and class of status."),
    ("request_seconds", "histogram", "From a request's head to its answer."),
    ("shadow_requests_total", "counter", "Copies that a shadow answered, by revision and class of status."),
    ("shadow_request_seconds", "histogram", "From a copy's sending to the shadow's answer."),
    ("in_flight", "gauge", "Requests that replicas are answering."),
    ("queued", "gauge", "Requests that wait for a place."),
    ("unlogged_total", "counter", "Requests that the request log did not take."),
    ("shadows_dropped_total", "counter", "Copies for a shadow that were left out."),
)


def exposition(lanes: Mapping[str, EndpointLane], unlogged: Mapping[str, int]) -> bytes:
    """Return the text for ``lanes`` by endpoint; ``unlogged`` is what the log dropped by itself."""
    lines: list[str] = []
    for what, kind, text in _TYPES:
        lines += [f"# HELP mlops_desk_gateway_{what} {text}", f"# TYPE mlops_desk_gateway_{what} {kind}"]
        for name, lane in sorted(lanes.items()):
            lines += _lines(what, name, lane, unlogged.get(name, 0))
    return "".join(f"{line}\n" for line in lines).encode()


def _lines(what: str, name: str, lane: EndpointLane, unlogged: int) -> Iterator[str]:
    counted = lane.shadow_counters if what.startswith(_SHADOW) else lane.counters
    if what.endswith("requests_total"):
        for revision, counters in sorted(counted.items()):
            yield from _classes(what, name, revision, counters)
    elif what.endswith("request_seconds"):
        for revision, counters in sorted(counted.items()):
            yield from _histogram(what, name, revision, counters)
    else:
        figures = {
            "in_flight": lane.in_flight,
            "queued": lane.waiting,
            "unlogged_total": lane.unlogged + unlogged,
            "shadows_dropped_total": lane.shadows_dropped,
        }
        yield f'mlops_desk_gateway_{what}{{endpoint="{name}"}} {figures[what]}'


def _classes(what: str, name: str, revision: int, counters: TrafficCounters) -> Iterator[str]:
    for digit, count in enumerate(counters.classes):
        if count:
            labels = f'endpoint="{name}",revision="{revision}",code="{digit}xx"'
            yield f"mlops_desk_gateway_{what}{{{labels}}} {count}"


def _histogram(what: str, name: str, revision: int, counters: TrafficCounters) -> Iterator[str]:
    labels = f'endpoint="{name}",revision="{revision}"'
    reached = 0
    for index, (bound, count) in enumerate(zip(BOUNDS_SECONDS, counters.buckets, strict=False)):
        reached += count
        if index % _EVERY == 0:
            yield f'mlops_desk_gateway_{what}_bucket{{{labels},le="{bound:.6g}"}} {reached}'
    yield f'mlops_desk_gateway_{what}_bucket{{{labels},le="+Inf"}} {counters.requests}'
    yield f"mlops_desk_gateway_{what}_sum{{{labels}}} {counters.seconds:.9g}"
    yield f"mlops_desk_gateway_{what}_count{{{labels}}} {counters.requests}"
