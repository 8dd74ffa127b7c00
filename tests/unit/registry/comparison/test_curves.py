"""A curve in few points: never without the least and the largest, and never more than were asked for."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.comparison.run_verbs import check_points, places, thinned
from mlops_desk.registry.records.curve import RunCurve

NAN, INF = math.nan, math.inf


@given(st.lists(st.floats(), max_size=200), st.integers(2, 40))
@example([3.0, 1.0, 2.0], 2)
@example([NAN, INF, -INF], 2)
@example([NAN] * 5 + [1.0], 3)
@example([5.0] * 30, 2)
@example([1e308, -1e308, 0.0, NAN], 3)
def test_the_extremes_are_there_and_no_more_than_was_asked_for(values, most):
    found = places(values, most)
    assert len(found) <= most
    assert found == sorted(set(found))
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        kept = [values[place] for place in found]
        assert min(finite) in kept
        assert max(finite) in kept
    if len(values) <= most:
        assert found == list(range(len(values)))


@given(st.lists(st.floats(), min_size=41, max_size=100))
def test_both_ends_are_there_where_there_is_room(values):
    assert {0, len(values) - 1} <= set(places(values, 10))


def test_a_curve_keeps_steps_times_and_values_together():
    curve = RunCurve("r", "loss", 5, (1, 2, 3, 4, 5), (10, 20, 30, 40, 50), (5.0, 9.0, 1.0, NAN, 3.0), "m")
    found = thinned(curve, 2)
    assert (found.steps, found.timestamps, found.values) == ((2, 3), (20, 30), (9.0, 1.0))
    assert (found.n_points, found.mark) == (5, "m")


@pytest.mark.parametrize("points", [1, 0, -1, 25_001])
def test_so_many_points_are_refused(points):
    with pytest.raises(Invalid):
        check_points(points)
