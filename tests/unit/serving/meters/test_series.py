"""What is recorded of an endpoint each ten seconds, from counters that only grow."""

import pytest

from mlops_desk.machine.records.history import SeriesName
from mlops_desk.serving.gateway.traffic import Snapshot, TrafficCounters, snapshot_of
from mlops_desk.serving.meters import EndpointSeries, EndpointUsage
from mlops_desk.serving.metrics import RECORDED

START = 1_794_999_600.0


class Endpoint:
    """Counters of one endpoint, read every two seconds on a clock of its own."""

    def __init__(self, key: str = "iris") -> None:
        self.key = key
        self.counters = TrafficCounters()
        self.points: dict[str, list[tuple[float, float]]] = {}
        self.series = EndpointSeries(self.record)
        self.queued = 0
        self.at = 0.0

    def record(self, series: SeriesName, points) -> None:
        assert (series.kind, series.key) == ("endpoint", self.key)
        assert series.metric in {metric.name for metric in RECORDED}
        self.points.setdefault(series.metric, []).extend(points)

    def seconds(self, count: int, *latencies: float, status: int = 200) -> None:
        """Let time go by, with a request of each latency at its beginning."""
        for latency in latencies:
            self.counters.count(status, latency)
        for _ in range(count // 2):
            self.at += 2.0
            self.look()

    def look(self) -> None:
        snapshot: Snapshot = snapshot_of(self.counters, 500.0 + self.at, self.queued)
        self.series.take({self.key: snapshot}, START + self.at)


@pytest.fixture
def endpoint() -> Endpoint:
    made = Endpoint()
    made.look()
    return made


def test_ten_seconds_are_told_of_when_they_are_over(endpoint: Endpoint) -> None:
    endpoint.seconds(8, *[0.010] * 98, 0.5, 0.5)
    assert endpoint.points == {}
    endpoint.seconds(2)
    assert endpoint.points["endpoint.requests"] == [(START, 10.0)]
    assert endpoint.points["endpoint.errors"] == [(START, 0.0)]
    assert endpoint.points["endpoint.latency.p50"] == [(START, pytest.approx(0.010, rel=0.1))]
    assert endpoint.points["endpoint.latency.p95"] == [(START, pytest.approx(0.010, rel=0.1))]
    assert endpoint.points["endpoint.latency.p99"] == [(START, pytest.approx(0.5, rel=0.1))]


def test_a_stretch_without_a_request_has_no_latency_and_each_has_its_own_numbers(endpoint: Endpoint) -> None:
    endpoint.seconds(10, 0.1, status=500)
    endpoint.seconds(10)
    assert endpoint.points["endpoint.errors"] == [(START, pytest.approx(0.1)), (START + 10, 0.0)]
    assert endpoint.points["endpoint.requests"][1] == (START + 10, 0.0)
    assert [at for at, _ in endpoint.points["endpoint.latency.p99"]] == [START]


def test_errors_are_told_by_class_from_the_first_one_on(endpoint: Endpoint) -> None:
    endpoint.seconds(10, 0.1)
    endpoint.seconds(10, 30.0, 30.0, status=504)
    endpoint.seconds(10, 0.1, status=404)
    endpoint.seconds(10, 0.1, status=503)
    assert endpoint.points["endpoint.errors.timeout"] == [(START + 10, 0.2), (START + 20, 0.0), (START + 30, 0.0)]
    assert endpoint.points["endpoint.errors.4xx"] == [(START + 20, 0.1), (START + 30, 0.0)]
    assert endpoint.points["endpoint.errors.5xx"] == [(START + 30, 0.1)]  # a timeout is none of these


def test_the_longest_queue_that_was_seen_is_kept_and_a_revision_has_none(endpoint: Endpoint) -> None:
    endpoint.seconds(2)
    endpoint.queued = 7
    endpoint.seconds(2)
    endpoint.queued = 0
    endpoint.seconds(16)
    assert endpoint.points["endpoint.queue"] == [(START, 7.0), (START + 10, 0.0)]
    revision = Endpoint("iris/3")
    revision.look()
    revision.seconds(10, 0.1)
    assert "endpoint.requests" in revision.points
    assert "endpoint.queue" not in revision.points


def test_a_stretch_that_was_hardly_seen_is_left_out(endpoint: Endpoint) -> None:
    endpoint.at = 6.0
    endpoint.series = EndpointSeries(endpoint.record)  # the agent starts late in it
    endpoint.seconds(4, 0.1)
    assert endpoint.points == {}
    endpoint.seconds(10, 0.1)
    assert [at for at, _ in endpoint.points["endpoint.requests"]] == [START + 10]
    endpoint.at += 300.0  # nobody could read the counters
    endpoint.look()
    endpoint.seconds(10)
    assert [at for at, _ in endpoint.points["endpoint.requests"]] == [START + 10, START + 320]


def test_a_new_gateway_begins_anew(endpoint: Endpoint) -> None:
    endpoint.seconds(2, *[0.1] * 50)
    endpoint.counters = TrafficCounters()
    endpoint.seconds(8, 0.2, 0.2)
    assert endpoint.points["endpoint.requests"] == [(START, 0.0)]  # what came before it was first read is not known
    assert "endpoint.latency.p50" not in endpoint.points


def test_an_endpoint_that_went_away_is_forgotten(endpoint: Endpoint) -> None:
    endpoint.seconds(8, 0.1)
    endpoint.series.take({}, START + 9)
    endpoint.seconds(2)
    assert endpoint.points == {}


@pytest.mark.slow
def test_many_endpoints_get_a_point_a_minute_and_there_is_an_end_to_them() -> None:
    points: list[tuple[str, float]] = []
    series = EndpointSeries(lambda name, found: points.extend((name.key, at) for at, _ in found))
    names = [f"e{number}" for number in range(2001)]
    for second in range(0, 62, 2):
        series.take({name: snapshot_of(TrafficCounters(), float(second)) for name in names}, START + second)
    assert {at for _, at in points} == {START}
    assert {name for name, _ in points} == set(names[:2000])


def test_only_what_is_known_of_containers_is_kept(endpoint: Endpoint) -> None:
    endpoint.series.tell_usage("iris", START, EndpointUsage(None, 5 << 20, None))
    assert endpoint.points == {"endpoint.memory": [(START, float(5 << 20))]}
