"""The load that is remembered: in order, not older than it says, one ring for each endpoint."""

import pytest

from mlops_desk.base.errors import Invalid
from mlops_desk.records.endpoint import Traffic
from mlops_desk.serving.gateway import past
from mlops_desk.serving.gateway.past import KEPT_SECONDS, Past


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(past.time, "time", lambda: now[0])
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
