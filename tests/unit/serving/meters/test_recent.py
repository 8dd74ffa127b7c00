"""Latency of the last minute and errors of the last day, against counting by hand."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.serving.gateway.traffic import TrafficCounters, snapshot_of
from mlops_desk.serving.meters import Recent, RecentFigures

START = 1_794_999_600.0


class Counted:
    def __init__(self) -> None:
        self.figures = RecentFigures()
        self.counters = TrafficCounters()

    def at(self, second: float, *statuses: int, latency: float = 0.1) -> Recent:
        for status in statuses:
            self.counters.count(status, latency)
        return self.figures.take("iris", snapshot_of(self.counters, 100.0 + second), START + second)


def test_nothing_is_told_of_latency_without_a_request() -> None:
    counted = Counted()
    counted.at(0)
    found = counted.at(2)
    assert (found.latency.p50, found.latency.p99, found.errors) == (None, None, {})


def test_latency_is_that_of_the_last_minute() -> None:
    counted = Counted()
    counted.at(0)
    counted.at(2, *[200] * 100, latency=1.0)
    found = counted.at(50, *[200] * 100, latency=0.01).latency
    assert found.p99 == pytest.approx(1.0, rel=0.1)
    for second in range(52, 70, 2):
        found = counted.at(second).latency
    assert found.p99 == pytest.approx(0.01, rel=0.1)
    for second in range(70, 130, 2):
        found = counted.at(second).latency
    assert found.p99 is None


def test_errors_are_those_of_a_day_and_of_several_gateways() -> None:
    counted = Counted()
    counted.at(0, 500)  # counted before this agent looked first
    assert counted.at(2, 404, 504, 502).errors == {"4xx": 1, "5xx": 1, "timeout": 1}
    counted.counters = TrafficCounters()  # the gateway was replaced
    assert counted.at(4).errors == {"4xx": 1, "5xx": 1, "timeout": 1}
    assert counted.at(6, 404).errors == {"4xx": 2, "5xx": 1, "timeout": 1}
    assert counted.at(86_390).errors == {"4xx": 2, "5xx": 1, "timeout": 1}
    assert counted.at(86_410).errors == {}


def test_what_an_earlier_agent_counted_is_taken_in() -> None:
    counted = Counted()
    counted.at(0)
    counted.at(2, 500)
    counted.figures.remember("iris", "5xx", [(START - 90_000.0, 9.0), (START - 600.0, 2.0)])
    assert counted.at(4).errors == {"5xx": 3}
    counted.figures.forget("iris")
    assert counted.at(6).errors == {}


@given(st.lists(st.tuples(st.integers(0, 200_000), st.sampled_from([200, 404, 500, 504])), max_size=60))
@example([(0, 500), (86_400, 500), (86_461, 200)])
def test_errors_of_a_day_are_within_a_minute_of_the_exact_ones(requests: list[tuple[int, int]]) -> None:
    counted = Counted()
    counted.at(-1)
    found = counted.at(-1).errors
    for second, status in sorted(requests):
        found = counted.at(second, status).errors
    now = max((second for second, _ in requests), default=0)
    errors = [second for second, status in requests if status >= 400]
    surely = sum(second > now - 86_400 + 60 for second in errors)
    perhaps = sum(second >= now - 86_400 - 60 for second in errors)
    assert surely <= sum(found.values()) <= perhaps
