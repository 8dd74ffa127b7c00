"""Every figure against scikit-learn, and its interval against what it promises."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from mlops_desk.drift.performance.figures import direction_of, figures_of
from mlops_desk.drift.performance.intervals import bootstrap_of_counts, bootstrap_of_sums, wilson
from mlops_desk.drift.performance.ranking import auc_interval, roc_auc
from mlops_desk.drift.performance.rows import rows_of
from mlops_desk.drift.records.performance import Direction, PredictionKind

NAN = float("nan")


def near(figure, expected):
    if expected is None or math.isnan(expected):
        assert figure.value is None
    else:
        assert figure.value == pytest.approx(expected, rel=1e-9, abs=1e-12)


two = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 8)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(two)
@example([(1, 0, 3)])
@example([(0, 0, 0), (0, 0, 8)])
@example([(1, 1, 8), (0, 0, 0)])
def test_figures_of_two_classes_are_scikit_learns(rows):
    y, p, s = (np.array(one) for one in zip(*rows, strict=True))
    found = figures_of(rows_of(y, p, s / 8))
    near(found["accuracy"], metrics.accuracy_score(y, p))
    near(found["precision"], metrics.precision_score(y, p, zero_division=NAN))
    near(found["recall"], metrics.recall_score(y, p, zero_division=NAN))
    near(found["f1"], metrics.f1_score(y, p, zero_division=NAN) if (y + p).any() else None)
    near(found["roc_auc"], metrics.roc_auc_score(y, s) if 0 < y.sum() < y.size else None)
    near(found["log_loss"], metrics.log_loss(y, s / 8, labels=[0, 1]))
    near(found["brier"], float(np.mean((s / 8 - y) ** 2)))


several = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=12, max_size=60).filter(
    lambda rows: {y for y, _ in rows} == {0, 1, 2, 3}
)


@settings(max_examples=40, deadline=None)
@given(several, st.integers(0, 1000))
def test_figures_of_several_classes_are_scikit_learns(rows, seed):
    y, p = (np.array(one) for one in zip(*rows, strict=True))
    s = np.random.default_rng(seed).dirichlet(np.ones(4), y.size)
    found = figures_of(rows_of([f"k{one}" for one in y], [f"k{one}" for one in p], s))
    near(found["precision"], metrics.precision_score(y, p, average="macro", zero_division=NAN))
    near(found["recall"], metrics.recall_score(y, p, average="macro", zero_division=NAN))
    near(found["f1"], metrics.f1_score(y, p, average="macro"))
    near(found["roc_auc"], metrics.roc_auc_score(y, s, multi_class="ovr"))
    near(found["log_loss"], metrics.log_loss(y, s))
    near(found["brier"], float(((s - np.eye(4)[y]) ** 2).sum(axis=1).mean()))


numbers = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=60)


@settings(max_examples=60, deadline=None)
@given(numbers, st.sampled_from([1.0, 1e-200, 1e150]))
@example([(1, 2), (1, 3)], 1.0)
def test_figures_of_numbers_are_scikit_learns_in_any_unit(rows, unit):
    y, p = (np.array(one, dtype=float) for one in zip(*rows, strict=True))
    found = figures_of(rows_of(y * unit, p * unit, kind=PredictionKind.REGRESSION))
    for name, expected in (
        ("mae", metrics.mean_absolute_error(y, p)),
        ("rmse", metrics.root_mean_squared_error(y, p)),
        ("bias", float(np.mean(p - y))),
    ):
        assert found[name].value == pytest.approx(expected * unit, rel=1e-9, abs=1e-12 * unit)
    near(found["r2"], None if y.min() == y.max() else metrics.r2_score(y, p))


def test_errors_beyond_what_a_square_can_hold_have_figures():
    found = figures_of(rows_of([1e300, -1e300] * 20, [1.5e300, -1.5e300] * 20, kind=PredictionKind.REGRESSION))
    assert (found["mae"].value, found["rmse"].value) == pytest.approx((5e299, 5e299))
    assert found["r2"].value == pytest.approx(0.75)


@given(st.integers(0, 40), st.integers(1, 40))
def test_wilson_is_scipys(count, more):
    n = count + more - 1
    expected = stats.binomtest(count, n).proportion_ci(method="wilson") if n else (None, None)
    assert wilson(count, n) == pytest.approx(tuple(expected), abs=1e-12)


def test_intervals_of_shares_are_wilsons_over_their_own_rows():
    y, p = [1] * 30 + [0] * 70, [1] * 20 + [0] * 75 + [1] * 5
    found = figures_of(rows_of(y, p))
    assert (found["accuracy"].low, found["accuracy"].high) == pytest.approx(wilson(85, 100))
    assert (found["precision"].low, found["precision"].high, found["precision"].n) == pytest.approx(
        (*wilson(20, 25), 25)
    )
    assert (found["recall"].low, found["recall"].high, found["recall"].n) == pytest.approx((*wilson(20, 30), 30))


def test_delongs_interval_by_hand():
    """Placements of 3 and 2 values: V10 = 1, 1/2, 1; V01 = 2/3, 1."""
    off, on = np.array([0.1, 0.5]), np.array([0.6, 0.4, 0.9])
    assert roc_auc(off, on) == pytest.approx(5 / 6)
    variance = np.var([1, 0.5, 1], ddof=1) / 3 + np.var([1, 2 / 3], ddof=1) / 2
    half = 1.959963984540054 * math.sqrt(variance) / (5 / 6 / 6)
    ends = [1 / (1 + math.exp(-(math.log(5) + sign * half))) for sign in (-1, 1)]
    assert auc_interval(off, on) == pytest.approx(ends)


@pytest.mark.parametrize(("off", "on", "auc"), [([0.1] * 20, [0.9] * 20, 1.0), ([0.9] * 20, [0.1] * 20, 0.0)])
def test_an_auc_that_does_not_vary_is_not_sure(off, on, auc):
    low, high = auc_interval(np.array(off), np.array(on))
    assert (low if auc == 0 else high) == auc
    assert 0.05 < high - low < 0.25


def coverage(draw, truth, name, repeats=100):
    hit = 0
    for seed in range(repeats):
        figure = figures_of(draw(np.random.default_rng(seed)))[name]
        hit += figure.low <= truth <= figure.high
    return hit / repeats


def two_classes(rng):
    y = rng.integers(0, 2, 200)
    s = stats.norm.cdf(rng.normal(y * 1.0, 1.0))
    return rows_of(y, (s > 0.7).astype(int), s)


def line(rng):
    y = rng.normal(0, 2, 200)
    return rows_of(y, y + rng.normal(0.5, 1, 200))


SHIFTED, FALSE_ALARM = stats.norm.sf(stats.norm.ppf(0.7) - 1), stats.norm.sf(stats.norm.ppf(0.7))


@pytest.mark.parametrize(
    ("draw", "name", "truth"),
    [
        (two_classes, "accuracy", (SHIFTED + 1 - FALSE_ALARM) / 2),
        (two_classes, "f1", 2 * SHIFTED / (SHIFTED + FALSE_ALARM + 1)),
        (two_classes, "roc_auc", stats.norm.cdf(1 / math.sqrt(2))),
        (line, "bias", 0.5),
        (line, "rmse", math.sqrt(1.25)),
        (line, "r2", 1 - 1.25 / 4),
    ],
)
def test_intervals_hold_the_truth_about_as_often_as_they_promise(draw, name, truth):
    """Of 100 repeats 95 % are 95; three binomial deviations are 7, and bootstraps of 200 rows are a little narrow."""
    assert 0.87 <= coverage(draw, truth, name) <= 1.0


def test_a_bootstrap_of_many_rows_is_that_of_few_and_the_same_each_time():
    rows = np.random.default_rng(4).normal(1, 2, (20_000, 1))
    low, high = bootstrap_of_sums(rows, lambda sums: sums[:, 0] / sums[:, 1])
    assert high - low == pytest.approx(2 * 1.96 * 2 / math.sqrt(20_000), rel=0.2)
    assert (low, high) == bootstrap_of_sums(rows, lambda sums: sums[:, 0] / sums[:, 1])
    table = np.array([[60, 20], [10, 110]])
    low, high = bootstrap_of_counts(table, lambda drawn: (drawn[:, 0, 0] + drawn[:, 1, 1]) / 200)
    assert (low, high) == pytest.approx(wilson(170, 200), abs=0.02)


def test_where_hardly_any_draw_defines_a_figure_it_has_no_interval():
    found = figures_of(rows_of([0] * 59 + [1], [0] * 60))
    assert found["recall"].n == 1
    assert found["precision"].value is None
    one = figures_of(rows_of([1.5], [2.5]))["mae"]
    assert (one.value, one.low, one.high) == (1.0, None, None)


@pytest.mark.parametrize(
    ("name", "value", "before", "side"),
    [
        ("accuracy", 0.8, 0.9, Direction.WORSE),
        ("accuracy", 0.9, 0.8, Direction.BETTER),
        ("mae", 2.0, 1.0, Direction.WORSE),
        ("log_loss", 0.1, 0.2, Direction.BETTER),
        ("bias", -2.0, 1.0, Direction.WORSE),
        ("bias", 0.5, -1.0, Direction.BETTER),
        ("r2", 0.1, 0.2, Direction.WORSE),
    ],
)
def test_which_way_is_better(name, value, before, side):
    assert direction_of(name, value, before) is side
