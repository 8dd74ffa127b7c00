"""What is recorded of an endpoint each minute, from counters that only grow."""

import pytest

from mlops_desk.records.history import SeriesName
from mlops_desk.serving.figures import MinuteFigures
from mlops_desk.serving.gateway.traffic import Snapshot, TrafficCounters, snapshot_of
from mlops_desk.serving.metrics import RECORDED

MINUTE = 1_794_999_600.0


class Endpoint:
    """Counters of one endpoint, read every two seconds on a clock of its own."""

    def __init__(self) -> None:
        self.counters = TrafficCounters()
        self.points: dict[str, list[tuple[float, float]]] = {}
        self.figures = MinuteFigures(self.record)
        self.at = 0.0

    def record(self, series: SeriesName, points) -> None:
        assert (series.kind, series.key) == ("endpoint", "iris")
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
        snapshot: Snapshot = snapshot_of(self.counters, 500.0 + self.at)
        self.figures.take({"iris": snapshot}, MINUTE + self.at)


@pytest.fixture
def endpoint() -> Endpoint:
    made = Endpoint()
    made.look()
    return made


def test_a_minute_is_told_of_when_it_is_over(endpoint: Endpoint) -> None:
    endpoint.seconds(58, *[0.010] * 98, 0.5, 0.5)
    assert endpoint.points == {}
    endpoint.seconds(2)
    assert endpoint.points["endpoint.requests"] == [(MINUTE, pytest.approx(100 / 60))]
    assert endpoint.points["endpoint.errors"] == [(MINUTE, 0.0)]
    assert endpoint.points["endpoint.latency.p50"] == [(MINUTE, pytest.approx(0.010, rel=0.1))]
    assert endpoint.points["endpoint.latency.p95"] == [(MINUTE, pytest.approx(0.010, rel=0.1))]
    assert endpoint.points["endpoint.latency.p99"] == [(MINUTE, pytest.approx(0.5, rel=0.1))]


def test_a_minute_without_a_request_has_no_latency_and_each_has_its_own_numbers(endpoint: Endpoint) -> None:
    endpoint.seconds(60, 0.1, status=500)
    endpoint.seconds(60)
    assert endpoint.points["endpoint.errors"] == [(MINUTE, pytest.approx(1 / 60)), (MINUTE + 60, 0.0)]
    assert endpoint.points["endpoint.requests"][1] == (MINUTE + 60, 0.0)
    assert [at for at, _ in endpoint.points["endpoint.latency.p99"]] == [MINUTE]


def test_a_minute_that_was_hardly_seen_is_left_out(endpoint: Endpoint) -> None:
    endpoint.at = 38.0
    endpoint.figures = MinuteFigures(endpoint.record)  # the agent starts late in a minute
    endpoint.seconds(22, 0.1)
    assert endpoint.points == {}
    endpoint.seconds(60, 0.1)
    assert [at for at, _ in endpoint.points["endpoint.requests"]] == [MINUTE + 60]
    endpoint.at += 300.0  # nobody could read the counters
    endpoint.look()
    endpoint.seconds(60)
    assert [at for at, _ in endpoint.points["endpoint.requests"]] == [MINUTE + 60, MINUTE + 420]


def test_a_new_gateway_begins_anew(endpoint: Endpoint) -> None:
    endpoint.seconds(10, *[0.1] * 50)
    endpoint.counters = TrafficCounters()
    endpoint.seconds(50, 0.2, 0.2)
    assert endpoint.points["endpoint.requests"] == [(MINUTE, 0.0)]  # what came before it was first read is not known
    assert "endpoint.latency.p50" not in endpoint.points


def test_an_endpoint_that_went_away_is_forgotten(endpoint: Endpoint) -> None:
    endpoint.seconds(50, 0.1)
    endpoint.figures.take({}, MINUTE + 52)
    endpoint.seconds(10)
    assert endpoint.points == {}
