"""Curves laid over one another, and runs as points: what is drawn is what was logged, whatever that was."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from mlops_desk.kit.window.charts.overlay import grid
from mlops_desk.kit.window.charts.overlay import lines as bands
from mlops_desk.kit.window.charts.overlay.canvas import CurveCanvas
from mlops_desk.kit.window.charts.overlay.grid import Axes
from mlops_desk.kit.window.charts.overlay.lines import METRIC, RELATIVE, Subject, Way, drawn, extent, smoothed
from mlops_desk.kit.window.charts.overlay.picture import Levels
from mlops_desk.kit.window.charts.space import axis as axes
from mlops_desk.kit.window.charts.space.chart import SpaceRun
from mlops_desk.kit.window.charts.space.parallel import ParallelChart
from mlops_desk.kit.window.charts.space.scatter import front
from mlops_desk.registry.records.curve import RunCurve


def curve(values, run="r1", steps=None, times=None):
    steps = tuple(steps if steps is not None else range(len(values)))
    times = tuple(times if times is not None else (1000 * step for step in steps))
    return RunCurve(run, "loss", len(values), steps, times, tuple(values))


def one_by_one(values, weight):
    """The average as its definition has it."""
    state, count, out = 0.0, 0, []
    for value in values:
        if math.isfinite(value):
            state, count = state * weight + (1 - weight) * value, count + 1
            out.append(state / (1 - weight**count))
        else:
            out.append(value)
    return out


@given(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf]), max_size=300), st.floats(0.01, 0.995))
@example([1.0] * 500, 0.01)
@example([math.nan], 0.5)
@example([], 0.5)
def test_smoothing_is_the_debiased_average_of_what_is_a_number(values, weight):
    told = smoothed(np.array(values, dtype=float), weight)
    wanted = one_by_one(values, weight)
    assert np.allclose(told, wanted, rtol=1e-6, atol=1e-3, equal_nan=True)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=5000), st.integers(2, 300))
@example([0.0] * 4000 + [9.0] + [0.0] * 4000, 100)
@example([math.nan] * 4000 + [9.0] + [math.nan] * 4000, 100)
def test_no_peak_is_lost_however_few_pixels_there_are(values, pixels):
    xs, ys = np.arange(len(values), dtype=float), np.array(values)
    seen_x, seen = Levels(xs, ys).seen(0.0, len(values) - 1.0, pixels)
    assert np.nanmax(seen) == np.nanmax(ys)
    assert np.nanmin(seen) == np.nanmin(ys)
    assert seen_x.size == seen.size <= max(len(values), 8 * pixels + 16)


def test_what_an_axis_can_not_show_is_a_gap_and_has_a_mark():
    line = drawn(Subject("r1", "one"), curve([1.0, -1.0, math.nan, 0.0, 100.0]), Way(log_y=True))
    assert np.isnan(line.ys).tolist() == [False, True, True, True, False]
    assert line.ys[-1] == 2.0
    assert line.odd.tolist() == [2.0]


def test_curves_run_over_the_time_since_their_start_or_over_another_metric():
    late = curve([1.0, 2.0], times=[50_000, 52_500])
    assert drawn(Subject("r1", ""), late, Way(RELATIVE)).xs.tolist() == [0.0, 2.5]
    other = RunCurve("r1", "tokens", 1, (1,), (0,), (700.0,))
    assert np.isnan(drawn(Subject("r1", ""), late, Way(METRIC, xs_of={"r1": other})).xs).tolist() == [True, False]
    assert not drawn(Subject("r1", ""), curve([1.0, 2.0], steps=[5, 1]), Way()).is_sorted


def test_the_range_is_of_what_is_drawn_with_room_for_a_flat_line_and_without_outliers_on_request():
    assert extent([np.array([np.nan])]) is None
    assert extent([np.array([3.0, np.nan]), np.array([5.0])]) == (3.0, 5.0)
    low, high = extent([np.array([2.0])])
    assert low < 2.0 < high
    wild = np.concatenate((np.linspace(0, 1, 1000), [1e9]))
    assert extent([wild], cut=True)[1] < 2.0


def test_a_group_is_read_only_where_a_run_has_values():
    short = drawn(Subject("a", "", group="g"), curve([1.0, 3.0]), Way())
    long = drawn(Subject("b", "", group="g"), curve([3.0, 5.0, 9.0], "b"), Way())
    (line,), (members,) = bands.banded([short, long], bands.SPREAD)
    assert line.ys.tolist() == [2.0, 4.0, 9.0]
    assert (line.low.tolist(), line.high.tolist()) == ([1.0, 3.0, 9.0], [3.0, 5.0, 9.0])
    assert members.keys == ("a", "b")
    (line,), _ = bands.banded([short, long], bands.DEVIATION)
    assert line.high[0] == pytest.approx(2.0 + math.sqrt(2.0))


def test_marks_are_round_and_told_apart():
    assert [mark.text for mark in grid.linear(0.0, 1.0, 4)] == ["0", "0.25", "0.50", "0.75", "1.00"]
    assert [mark.text for mark in grid.decades(-3.0, 1.0, 5)] == ["0.001", "0.01", "0.1", "1", "10"]
    assert grid.linear(0.0, math.inf, 4) == []
    assert len(grid.clock(-1e18, 1e18, 4)) > 0, "a time that no clock tells is still a number"


@given(st.floats(-1e300, 1e300), st.floats(1e-6, 1e300))
def test_any_range_has_few_marks_inside(low, length):
    high = low + length
    for mark in grid.linear(low, high, 6):
        assert low - length * 1e-6 <= mark.at <= high + length * 1e-6
    assert len(grid.linear(low, high, 6)) <= 40


@pytest.fixture
def canvas(qtbot):
    made = CurveCanvas()
    qtbot.addWidget(made)
    made.resize(600, 300)
    lines = [drawn(Subject(f"r{n}", f"run {n}", n), curve([float(n)] * 50, f"r{n}"), Way()) for n in range(3)]
    made.show_lines(lines, Axes())
    made.show()
    qtbot.waitUntil(made.is_settled)
    return made


def test_the_curve_under_the_pointer_is_meant_and_keys_go_from_one_to_the_next(canvas):
    plane = canvas.plane()
    assert canvas.nearest(plane.x(20.0), plane.y(1.0) + 3) == "r1"
    assert canvas.nearest(plane.x(20.0), plane.y(1.5)) is None
    told = []
    canvas.pointed.connect(told.append)
    canvas.pointed.connect(canvas.light)
    canvas.setFocus()
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Escape):
        QTest.keyClick(canvas, key)
    assert told[:3] == ["r0", "r1", None]


def test_panning_and_zooming_move_what_is_seen_and_home_sees_all(canvas, qtbot):
    whole = canvas.plane().seen
    canvas._zoom(2.0, QPointF(300, 150), up=False)
    assert canvas.plane().seen.width == pytest.approx(whole.width / 2)
    qtbot.waitUntil(canvas.is_settled)
    QTest.keyClick(canvas, Qt.Key.Key_Home)
    assert canvas.plane().seen == whole


@pytest.mark.slow
def test_a_thousand_curves_are_painted_a_few_at_a_time(qtbot):
    canvas = CurveCanvas()
    qtbot.addWidget(canvas)
    canvas.resize(600, 300)
    noise = np.random.default_rng(1).normal(size=(1000, 2000))
    lines = [drawn(Subject(f"r{n}", "", n), curve(noise[n].tolist(), f"r{n}"), Way()) for n in range(1000)]
    canvas.show()
    canvas.show_lines(lines, Axes())
    assert not canvas.is_settled()
    qtbot.waitUntil(canvas.is_settled, timeout=60_000)
    image = canvas.grab().toImage()
    plane = canvas.plane()
    inks = {image.pixelColor(round(plane.x(x)), round(plane.y(0.0))).name() for x in range(100, 1900, 50)}
    assert len(inks) > 1, "curves cover the middle"


# Spaces.

POINTS = st.lists(st.tuples(st.none() | st.floats(-5, 5), st.floats(-5, 5) | st.just(math.nan)), max_size=30)


@given(POINTS, st.booleans(), st.booleans())
@example([(1.0, 1.0), (1.0, 1.0)], True, True)
@example([(1.0, 2.0), (2.0, 2.0)], False, True)
def test_the_front_has_exactly_those_that_no_other_beats(points, more_x, more_y):
    def beats(one, two):
        better = [(a > b) if more else (a < b) for a, b, more in zip(one, two, (more_x, more_y), strict=True)]
        worse = [(a < b) if more else (a > b) for a, b, more in zip(one, two, (more_x, more_y), strict=True)]
        return any(better) and not any(worse)

    known = [place for place, (x, y) in enumerate(points) if x is not None and math.isfinite(y)]
    wanted = {one for one in known if not any(beats(points[two], points[one]) for two in known)}
    assert set(front(points, more_x=more_x, more_y=more_y)) == wanted


def test_an_axis_reads_texts_as_numbers_where_all_are_and_else_as_categories():
    lr = axes.axis("params.lr", "lr", ["0.001", "0.1", None, ""], log=True)
    assert [round(lr.share(place), 3) for place in (0, 1)] == [0.0, 1.0]
    assert lr.share(2) == axes.MISSING
    model = axes.axis("params.model", "model", ["cnn", "vit", "cnn", None])
    assert (model.categories, model.share(0), model.share(1)) == (("cnn", "vit"), 0.25, 0.75)
    assert axes.axis("x", "x", [None, None]) is None
    assert axes.axis("x", "x", [f"t{n}" for n in range(200)]) is None
    assert axes.axis("x", "x", [math.nan, 1.0]).share(0) == axes.MISSING


def test_a_brush_keeps_the_runs_that_pass_there_and_a_click_keeps_all_again(qtbot):
    chart = ParallelChart()
    qtbot.addWidget(chart)
    chart.resize(600, 300)
    runs = [SpaceRun(f"r{n}", f"run {n}") for n in range(11)]
    first = axes.axis("params.a", "a", [float(n) for n in range(11)])
    last = axes.axis("metrics.b", "b", [float(10 - n) for n in range(11)])
    chart.show_runs(runs, [first, last])
    chart.brush(0, 0.75, 1.0)
    assert [run.key for run in chart.kept()] == ["r8", "r9", "r10"]
    chart.brush(1, 0.0, 0.1)
    assert [run.key for run in chart.kept()] == ["r9", "r10"]
    chart.brush(0, 0.5, 0.5)
    assert [run.key for run in chart.kept()] == ["r9", "r10"]
    chart.flip(1)
    assert len(chart.kept()) == 11, "a brush is of the axis as it stood"
    chart.grab()


def test_a_scale_is_logarithmic_where_most_values_span_decades_and_not_for_a_few_that_are_tiny_by_chance():
    rates = [10 ** -(1 + number / 10) for number in range(30)]
    assert axes.spans_decades(rates)
    assert axes.spans_decades(["0.1", "0.01", "0.001"])
    even = [number / 1000 for number in range(1, 1000)]
    assert not axes.spans_decades(even)
    assert not axes.spans_decades([-0.1, *rates])
    assert not axes.spans_decades([])
    assert not axes.spans_decades([0.5, None, "text", math.nan])


def test_an_axis_on_which_all_runs_stand_in_one_place_tells_nothing_apart():
    assert not axes.axis("a", "a", [5.0, "5", None]).tells_apart
    assert axes.axis("a", "a", [5.0, 6.0]).tells_apart
    assert not axes.axis("a", "a", ["x", "x"]).tells_apart
    assert axes.axis("a", "a", ["x", "y"]).tells_apart
