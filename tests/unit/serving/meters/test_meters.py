"""From the gateway's counters to series of endpoints and revisions, with what containers take."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.jobs.records.job_activity import LiveUse
from mlops_desk.machine.records.history import SeriesName
from mlops_desk.serving.gateway.process_control import Stats
from mlops_desk.serving.gateway.traffic import Snapshot, TrafficCounters, snapshot_of
from mlops_desk.serving.meters import ContainerUsage, EndpointMeters, EndpointPast, EndpointUsage, summed
from mlops_desk.serving.metrics import RECORDED
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef, Replica
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard

START = 1_794_999_600.0
IRIS = Endpoint(
    "iris",
    EndpointState.LIVE,
    None,
    1,
    ModelRef("iris", "1", "models:/iris/1"),
    replicas=(Replica("c1", 1, "running"), Replica("c2", 2, "running")),
)


def stats(second: float, counted: Mapping[int, TrafficCounters]) -> Stats:
    at = 50.0 + second
    revisions: dict[int, Snapshot] = {number: snapshot_of(one, at) for number, one in counted.items()}
    return Stats(at, 1, {"iris": revisions[2]} if 2 in revisions else {}, {"iris": revisions}, {}, {})


def test_an_endpoint_and_its_revisions_that_are_up_have_series_of_their_own() -> None:
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}

    def record(series: SeriesName, found) -> None:
        points.setdefault((series.key, series.metric), []).extend(found)

    meters = EndpointMeters(EndpointPast(record, lambda: {"c2": 7 << 20}))
    meters.take(stats(0, {}), [IRIS], START)
    counters = TrafficCounters()
    counters.count(500, 0.1)
    for second in range(2, 12, 2):
        recent = meters.take(stats(second, {2: counters, 9: counters}), [IRIS], START + second)
    assert points["iris", "endpoint.requests"] == points["iris/2", "endpoint.requests"] == [(START, 0.1)]
    assert points["iris/1", "endpoint.requests"] == [(START, 0.0)]  # it is up, and nobody asked
    assert ("iris/9", "endpoint.requests") not in points  # it is not
    assert points["iris/2", "endpoint.gpu.memory"] == points["iris", "endpoint.gpu.memory"] == [(START, 7 << 20)]
    assert ("iris/1", "endpoint.gpu.memory") not in points
    assert ("iris", "endpoint.cpu") not in points  # the kernel counts nothing of them here
    assert recent["iris"].errors == {"5xx": 1}


def test_copies_of_a_shadow_are_series_of_their_own_and_of_no_other() -> None:
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}

    def record(series: SeriesName, found) -> None:
        points.setdefault((series.key, series.metric), []).extend(found)

    guard = RolloutGuard(0.02, 1.5, 100, 300.0)
    shadowed = replace(IRIS, rollout=Rollout(2, 0.0, (), guard, 0.0))
    meters = EndpointMeters(EndpointPast(record))
    meters.take(stats(0, {}), [shadowed], START)
    counters = TrafficCounters()
    for _ in range(20):
        counters.count(502, 0.1)
    for second in range(2, 12, 2):
        at = 50.0 + second
        seen = replace(
            stats(second, {}), shadows={"iris": {2: snapshot_of(counters, at), 1: snapshot_of(counters, at)}}
        )
        recent = meters.take(seen, [shadowed], START + second)
    assert points["iris/2", "endpoint.shadow.requests"] == points["iris/2", "endpoint.shadow.errors"] == [(START, 2.0)]
    assert points["iris/2", "endpoint.shadow.latency.p99"] == [(START, pytest.approx(0.1, rel=0.1))]
    assert points["iris", "endpoint.requests"] == points["iris/2", "endpoint.requests"] == [(START, 0.0)]
    assert ("iris/1", "endpoint.shadow.requests") not in points, "it is a shadow no more"
    assert ("iris/2", "endpoint.queue") not in points
    assert recent["iris"].errors == {}
    assert {metric for _, metric in points} <= {metric.name for metric in RECORDED}


def test_the_past_is_asked_once_for_each_class() -> None:
    asked: list[tuple[str, str]] = []
    meters = EndpointMeters(EndpointPast(errors=lambda name, class_: asked.append((name, class_)) or ()))
    from threading import Event

    meters.remember(["iris"], Event())
    assert asked == [("iris", "4xx"), ("iris", "5xx"), ("iris", "timeout")]
    over = Event()
    over.set()
    meters.remember(["other"], over)
    assert len(asked) == 3


class Counters:
    """What the kernel would tell of containers."""

    def see(self, running: list[ContainerFacts]) -> None:
        self.seen = [facts.name for facts in running]

    def read(self, name: str) -> LiveUse | None:
        return LiveUse(START, 0.5, 100) if name in self.seen else None


def test_only_containers_that_run_are_read() -> None:
    counters = Counters()
    usage = ContainerUsage(dict, counters)  # type: ignore[arg-type]  # a double of two methods
    usage.see([ContainerFacts("1", "c1", "i", "running", {}), ContainerFacts("2", "c2", "i", "exited", {})])
    assert usage.of(["c1", "c2"]) == {"c1": EndpointUsage(0.5, 100), "c2": EndpointUsage()}


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([], EndpointUsage()),
        ([EndpointUsage(1.0, 10, 5), EndpointUsage(0.5, 20)], EndpointUsage(1.5, 30, 5)),
        ([EndpointUsage(1.0, 10), EndpointUsage()], EndpointUsage()),
    ],
)
def test_a_sum_is_told_only_where_all_of_it_is_known(parts: list[EndpointUsage], whole: EndpointUsage) -> None:
    assert summed(parts) == whole
