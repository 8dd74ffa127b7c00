"""Curves in memory: what is a gap, what is folded, what is kept, and how they become lines."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.window.charts import feature_curves, scale
from mlops_desk.kit.window.charts.chart_painter import Outline
from mlops_desk.kit.window.curves.track import Track, of_curve, of_points
from mlops_desk.machine.records.history import Curve, Curves

NAN = math.nan


def sent(values, step=1.0, start=1000.0):
    data = array("f", values).tobytes()
    curve = Curve("d", "m", "1", data, data, data)
    return of_curve(Curves(start, step, len(values), step, (curve,)), curve)


def lines(track):
    outline = Outline()
    outline.follow(track, decades=False)
    return [[point.x() + outline.origin for point in run.toList()] for run in outline.runs]


def test_a_missing_sample_is_a_gap_never_a_zero():
    track = of_points([(1.0, 0.5), (2.0, None), (3.0, 0.7)])
    assert track.value_at(2.0) is None
    assert lines(track) == [[1.0], [3.0]]


def test_samples_that_come_a_little_late_are_joined_and_a_hole_of_seconds_is_not():
    track = sent([1, NAN, 1, 1, 1, 1, NAN, NAN, NAN, NAN, 1, 1])
    assert [len(line) for line in lines(track)] == [5, 2]


def test_an_empty_coarse_bucket_is_a_gap():
    assert [len(line) for line in lines(sent([1, 1, NAN, 1, 1], step=60.0))] == [2, 2]


def test_what_is_not_measured_yet_is_no_gap_and_a_damaged_curve_is_empty():
    assert len(sent([1, 1, NAN, NAN])) == 2
    damaged = Curve("d", "m", "1", b"123", b"1234", b"12345678")
    assert len(of_curve(Curves(0.0, 1.0, 2, 1.0, (damaged,)), damaged)) == 0


def test_a_coarse_curve_folds_what_is_announced_into_its_newest_bucket():
    track = sent([1.0, 1.0], step=60.0)
    for second, value in enumerate((5.0, 3.0, None, 4.0)):
        track.push(1120.0 + second, value)
    assert len(track) == 3
    assert (track.low[-1], track.mean[-1], track.high[-1]) == (3.0, 4.0, 5.0)
    track.push(1181.0, 9.0)
    assert len(track) == 4


def test_a_line_goes_on_where_it_was_without_being_made_anew():
    track, outline = of_points([(1.0, 1.0), (2.0, 1.0)]), Outline()
    outline.follow(track, decades=False)
    first = outline.runs[0]
    track.push(3.0, 2.0)
    outline.follow(track, decades=False)
    assert outline.runs[0] is first
    assert first.size() == 3


def test_an_answer_is_followed_by_what_was_announced_while_it_was_under_way():
    announced, answer = of_points([(1004.5, 1.0), (1005.5, 2.0), (1006.5, 3.0)]), sent([1, 1, 1, 1, 1, 1])
    answer.go_on_from(announced)
    assert list(answer.times[-2:]) == [1005.5, 1006.5]


def test_what_is_long_gone_is_forgotten_but_for_the_point_before():
    track = of_points([(float(at), 1.0) for at in range(1000)])
    track.forget_before(900.0)
    assert track.times[0] == 899.0
    assert len(track.mean) == len(track) == 101


points = st.lists(st.tuples(st.integers(1, 5), st.one_of(st.none(), st.floats(0, 1e6, width=32))), max_size=300)


@given(points)
def test_every_value_is_drawn_once_and_no_missing_one(steps):
    at, raw = 0.0, []
    for step, value in steps:
        at += step
        raw.append((at, value))
    assert [x for line in lines(of_points(raw)) for x in line] == [at for at, value in raw if value is not None]


@given(points, st.integers(0, 300))
def test_lines_made_piece_by_piece_hold_every_value_once(steps, cut):
    at, raw = 0.0, []
    for step, value in steps:
        at += step
        raw.append((at, value))
    track, outline = of_points(raw[:cut]), Outline()
    outline.follow(track, decades=False)
    for moment, value in raw[cut:]:
        track.push(moment, value)
        outline.follow(track, decades=False)
    drawn = [round(point.x() + outline.origin) for run in outline.runs for point in run.toList()]
    assert drawn == [at for at, value in raw if value is not None]


@given(st.floats(1e-6, 1e15), st.integers(1, 8), st.booleans())
def test_a_scale_holds_its_value_with_few_round_marks(most, marks, binary):
    fitted = scale.fitting(most, marks, binary=binary)
    assert fitted.high >= most
    assert fitted.marks[0] == 0.0
    assert len(fitted.marks) <= marks + 2
    assert 0.0 <= fitted.share(most) <= 1.0


@pytest.mark.parametrize(("most", "high"), [(10.0, 15.0), (9.5, 10.0), (0.0, 1.0), (-3.0, 1.0)])
def test_the_highest_point_is_never_at_the_edge_of_a_scale(most, high):
    assert scale.fitting(most, 4).high == high
    assert scale.fitting(most, 4, at_least=50.0).high == 50.0


def test_a_scale_of_shares_ends_with_the_whole():
    assert scale.fixed(1.0, 4).marks == (0.0, 0.25, 0.5, 0.75, 1.0)


def test_a_value_without_bounds_leaves_a_scale_to_draw_on():
    assert scale.fitting(float("inf"), 4) == scale.fitting(0.0, 4)


@given(st.floats(1e-3, 1e6), st.floats(1.0, 1e9))
def test_decades_hold_everything_between(least, factor):
    fitted = scale.decades(least, least * factor, 3)
    assert -1e-6 <= fitted.share(least) <= fitted.share(least * factor) <= 1.0 + 1e-6
    assert fitted.share(0.0) == 0.0


@pytest.mark.parametrize("values", [[], [NAN], [NAN, NAN]])
def test_a_curve_without_values_has_no_figures(values):
    track = Track()
    for at, value in enumerate(values):
        track.push(float(at), value)
    assert track.figures(-1, 10).last is None
    assert track.extremes(-1, 10) is None
    assert track.last_known() is None


def answered(step: float, times: list[float]) -> Track:
    made = Track(step)
    for at in times:
        made.push(at, 1.0)
    return made


def test_points_of_a_day_of_an_endpoint_stay_one_line_while_newer_ones_come_closer():
    day = feature_curves.sparse(answered(144.0, [144.0 * number for number in range(600)]), "endpoint:churn")
    for number in range(1, 2000):
        day.push(144.0 * 599 + 10.0 * number, 1.0)
    assert day.gap_seconds() > 144.0


def test_a_few_minutes_of_yesterday_are_a_line():
    minutes = feature_curves.sparse(answered(0.5, [0.0, 60.0, 120.0, 180.0]), "endpoint:churn")
    assert minutes.gap_seconds() > 60.0


def test_a_minute_without_an_endpoint_stays_a_gap_where_points_come_every_ten_seconds():
    live = feature_curves.sparse(answered(0.5, [10.0 * number for number in range(30)]), "endpoint:churn")
    assert live.gap_seconds() < 60.0
