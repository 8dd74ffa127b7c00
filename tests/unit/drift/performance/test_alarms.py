"""When figures alarm: the interval leaves the reference's mean in two of three windows, on the same side."""

from dataclasses import replace

import numpy as np
import pytest

from mlops_desk.drift.performance.alarms import alarms_of, beyond, levels_of, outside
from mlops_desk.drift.performance.report import AnsweredData, performance_of
from mlops_desk.drift.performance.rows import rows_of
from mlops_desk.drift.records.performance import Direction, Figure, PerformanceWindow, ReferenceLevel, RowCounts

LEVELS = {"accuracy": ReferenceLevel(0.9, 0.85, 0.95, 10)}


def window(value, half=0.02, n=200):
    figures = {"accuracy": Figure(value, value - half, value + half, n)}
    found = PerformanceWindow(1, n, RowCounts(n, n), figures)
    sides = outside(figures, LEVELS, n), beyond(figures, LEVELS, n)
    return replace(found, outside=sides[0], beyond_band=sides[1])


@pytest.mark.parametrize(
    ("values", "alarm"),
    [
        ([0.8], False),
        ([0.8, 0.8], True),
        ([0.8, 0.9, 0.8], True),
        ([0.8, 0.8, 0.9], False),
        ([0.8, 0.9, 0.9, 0.8], False),
        ([0.97, 0.8], False),
        ([0.97, 0.97], True),
        ([0.88, 0.88], False),
    ],
)
def test_an_alarm_takes_two_of_three_windows_the_newest_among_them(values, alarm):
    found = alarms_of([window(value) for value in values], LEVELS)
    assert bool(found) is alarm
    if alarm:
        assert found[0].direction is (Direction.WORSE if values[-1] < 0.9 else Direction.BETTER)
        assert found[0].reference == 0.9


def test_windows_with_too_few_rows_say_nothing():
    few = window(0.8, n=29)
    assert (few.outside, few.beyond_band) == ({}, ())
    assert alarms_of([window(0.8), few], LEVELS) == ()
    assert len(alarms_of([window(0.8), few, few, window(0.8)], LEVELS)) == 1


def test_three_deviations_are_the_second_line():
    inside, far = window(0.87, half=0.01), window(0.84)
    assert (inside.outside, inside.beyond_band) == ({"accuracy": Direction.WORSE}, ())
    assert far.beyond_band == ("accuracy",)
    (alarm,) = alarms_of([inside, far], LEVELS)
    assert alarm.beyond_band
    assert alarm.text == "Accuracy is worse than in the reference: 0.84 after 0.9, in 2 of the last 2 windows."


def test_the_reference_is_cut_into_chunks_and_scaled_to_the_windows():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 10_000)
    reference = rows_of(y, np.where(rng.random(10_000) < 0.9, y, 1 - y))
    level = levels_of(reference, 500)["accuracy"]
    assert level.n_chunks == 20
    assert level.mean == pytest.approx(0.9, abs=0.01)
    binomial = 3 * (0.9 * 0.1 / 500) ** 0.5
    assert level.high - level.mean == pytest.approx(binomial, rel=0.5)
    wide = levels_of(reference, 100)["accuracy"]
    assert wide.mean - wide.low == pytest.approx(3 * (0.9 * 0.1 / 100) ** 0.5, rel=0.4)
    assert wide.n_chunks == 50
    same = levels_of(reference, 200)["accuracy"]  # of chunks that are as large
    assert wide.mean - wide.low == pytest.approx(2**0.5 * (same.mean - same.low))


def test_a_reference_of_too_few_rows_has_its_own_value_and_no_band():
    rows = rows_of([1, 0] * 40, [1, 0] * 39 + [0, 0])
    level = levels_of(rows, 30)["accuracy"]
    assert (level.mean, level.low, level.high, level.n_chunks) == (79 / 80, None, None, 1)


def stream(seed, n, accuracy):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return y, np.where(rng.random(n) < accuracy, y, 1 - y)


def alarms(seed, accuracy):
    before, after = stream(seed, 5000, 0.9), stream(seed + 1000, 2500, accuracy)
    y, p = (np.concatenate(side) for side in zip(before, after, strict=True))
    return performance_of(AnsweredData(rows_of(y, p), 5000), 500).windows


@pytest.mark.slow
def test_without_a_change_hardly_any_window_alarms_and_with_one_they_do():
    """Two of three windows of 5 % each: 0.5 % of windows and figure; four figures of 40 x 5 windows. Seen: 4."""
    quiet = [window for seed in range(40) for window in alarms(seed, 0.9)]
    assert sum(bool(window.alarms) for window in quiet) <= 10
    loud = [alarms(seed, 0.84)[-1] for seed in range(20)]
    assert all("accuracy" in {alarm.figure for alarm in window.alarms} for window in loud)
