"""Rates and percentiles of an endpoint, against exact numbers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.gateway import traffic
from mlops_desk.serving.gateway.traffic import (
    KEPT_SECONDS,
    LoadWindow,
    Past,
    Snapshot,
    TrafficCounters,
    load_between,
    percentile,
    snapshot_of,
)
from mlops_desk.serving.records.endpoint import Traffic


def snapshot(at: float, counters: TrafficCounters) -> Snapshot:
    return snapshot_of(counters, at)


@given(st.lists(st.floats(0.0002, 50.0), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_percentile_is_within_a_bucket_of_the_exact_one(latencies: list[float], share: float) -> None:
    counters = TrafficCounters()
    for latency in latencies:
        counters.count(200, latency)
    exact = sorted(latencies)[max(0, -(-int(share * 100) * len(latencies) // 100) - 1)]
    found = percentile(counters.buckets, share)
    assert found is not None
    assert found == pytest.approx(exact, rel=0.11)


def test_no_requests_have_no_latency() -> None:
    empty = TrafficCounters()
    load = load_between(snapshot(0, empty), snapshot(10, empty))
    assert load.requests_per_second == 0.0
    assert load.latency_p50_seconds is None
    assert load.latency_p95_seconds is None


def test_rates_are_of_the_window_and_errors_count_from_400() -> None:
    window, counters = LoadWindow(seconds=10), TrafficCounters()
    window.add(snapshot(0.0, counters))
    for status in (200, 200, 404, 500):
        counters.count(status, 0.01)
    load = window.add(snapshot(2.0, counters))
    assert (load.requests_per_second, load.errors_per_second) == (2.0, 1.0)
    for at in (4.0, 8.0, 12.0, 14.0):
        load = window.add(snapshot(at, counters))
    assert (load.requests_per_second, load.requests_total, load.errors_total) == (0.0, 4, 2)


def test_a_new_gateway_starts_the_window_over() -> None:
    window, counters = LoadWindow(), TrafficCounters()
    for _ in range(10):
        counters.count(200, 0.01)
    window.add(snapshot(0.0, counters))
    load = window.add(snapshot(2.0, TrafficCounters()))
    assert load.requests_per_second == 0.0


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(traffic.time, "time", lambda: now[0])
    return now


def test_what_is_old_is_dropped_and_the_rest_stands_in_order(clock):
    kept = Past()
    for second in range(0, 2000, 2):
        clock[0] = 1000.0 + second
        kept.note("a", Traffic(float(second)))
    points = kept.since("a", KEPT_SECONDS)
    assert points[0].at == clock[0] - KEPT_SECONDS
    assert [point.at for point in points] == sorted(point.at for point in points)
    assert [point.traffic.requests_per_second for point in kept.since("a", 4.0)] == [1994.0, 1996.0, 1998.0]


def test_endpoints_have_rings_of_their_own_and_are_forgotten(clock):
    kept = Past()
    kept.note("a", Traffic(1.0))
    kept.note("b", Traffic(2.0))
    kept.forget("a")
    assert kept.since("a", 10.0) == []
    assert len(kept.since("b", 10.0)) == 1


@pytest.mark.parametrize("seconds", [0.0, -1.0, KEPT_SECONDS + 1, float("nan")])
def test_a_span_that_is_not_kept_is_refused(seconds):
    with pytest.raises(Invalid):
        Past().since("a", seconds)


def test_what_was_not_logged_is_told() -> None:
    first = snapshot(0.0, TrafficCounters())
    assert LoadWindow().add(replace(first, unlogged=7)).unlogged_total == 7
