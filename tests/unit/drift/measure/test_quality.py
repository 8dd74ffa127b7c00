"""Shares of bad values, their tests, and what each measure alone would say: worked values, both sides of each limit."""

import math

import numpy as np
import pytest
from scipy import stats

from mlops_desk.drift.columns import CategoricalColumn, CategoricalSide, NumericColumn, NumericSide
from mlops_desk.drift.measure.quality import beyond_range, quality_of, signals_of, two_proportions
from mlops_desk.drift.measure.verdict import column_verdict, dataset_verdict, signal_verdict, with_alerts
from mlops_desk.drift.records.report import Quality
from mlops_desk.drift.records.verdict import Measure, Verdict


def test_the_two_proportion_test_by_hand():
    """10 of 100 against 20 of 200 is nothing; 10 of 100 against 40 of 200: z = 0.1 / sqrt(1/6 * 5/6 * 0.015)."""
    assert two_proportions(0.1, 100, 0.1, 200) == 1.0
    assert two_proportions(0.1, 100, 0.2, 200) == pytest.approx(0.02846, abs=1e-5)
    assert two_proportions(0.2, 200, 0.1, 100) == pytest.approx(0.02846, abs=1e-5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_two_shares_of_nothing_or_of_all_do_not_differ(share):
    assert two_proportions(share, 10, share, 20) == 1.0


def test_a_change_is_worth_a_word_from_one_point_on():
    quality = {"reference": Quality(1000, 0.0, None, None), "current": Quality(1000, 0.02, None, None)}
    signal = signals_of(quality)["missing"]
    assert (signal.value, signal.threshold) == (0.02, 0.01)


def test_what_is_nowhere_is_no_signal_and_what_has_ended_is_one():
    never = {"reference": Quality(10, 0.0, None, None), "current": Quality(10, 0.0, None, None)}
    assert signals_of(never) == {}
    ended = {"reference": Quality(10, 0.5, None, None), "current": Quality(10, 0.0, None, None)}
    assert signals_of(ended)["missing"].value == -0.5


def test_values_outside_are_those_beyond_either_end_and_the_ends_are_inside():
    column = NumericColumn(NumericSide(np.array([1.0, 5.0])), NumericSide(np.array([0.5, 1.0, 3.0, 5.0, 5.5])))
    quality = quality_of(column)
    assert quality["current"].out_of_range_ratio == pytest.approx(2 / 5)
    assert quality["reference"].out_of_range_ratio is None
    assert signals_of(quality)["out_of_range"].value == pytest.approx(2 / 5)


def test_without_values_of_the_reference_nothing_is_outside_or_unseen():
    empty = NumericColumn(NumericSide(np.array([]), n_missing=3), NumericSide(np.array([1.0])))
    assert quality_of(empty)["current"].out_of_range_ratio is None
    blank = CategoricalColumn(CategoricalSide(np.array([0])), CategoricalSide(np.array([4])), n_unseen=4)
    assert quality_of(blank)["current"].unseen_ratio is None


def test_shares_are_of_all_rows_and_none_without_rows():
    column = NumericColumn(NumericSide(np.array([])), NumericSide(np.array([1.0]), n_missing=3))
    assert quality_of(column)["current"].missing_ratio == 0.75
    assert quality_of(column)["reference"].missing_ratio is None


def alert(name: str, value: float | None, p: float | None = None, threshold: float | None = 0.1, **more: float):
    measures = {name: Measure(value, p, p_adjusted=p, threshold=threshold)}
    measures |= {other: Measure(size) for other, size in more.items()}
    return with_alerts(measures, 0.05)[name].alert


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (alert("psi", 0.1), True),
        (alert("psi", 0.0999), False),
        (alert("psi", None), None),
        (alert("psi", 0.5, threshold=None), None),
        (alert("ks", 0.2, 0.049), True),
        (alert("ks", 0.2, 0.05), False),
        (alert("ks", 0.2, None), False),
        (alert("ks", 0.09, 0.001), False),
        (alert("chi2", 9.0, 0.01, l_infinity=0.05), True),
        (alert("chi2", 9.0, 0.01, cramers_v=0.05), True),
        (alert("chi2", 9.0, 0.01, l_infinity=0.049, cramers_v=0.049), False),
        (alert("chi2", 9.0, 0.05, l_infinity=0.5), False),
        (alert("chi2", 9.0, 0.01), False),
    ],
)
def test_what_a_measure_alone_would_say(said, expected):
    assert said is expected


def numeric(wasserstein: float | None, ks: float, p: float, **more: float) -> Verdict:
    measures = {"ks": Measure(ks, p, p_adjusted=p), "wasserstein_normed": Measure(wasserstein)}
    measures |= {name: Measure(value) for name, value in more.items()}
    return column_verdict("numeric", measures, 100, (100, 100), 30, 0.05)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (numeric(0.1, 0.0, 0.049), Verdict.DRIFT),
        (numeric(0.1, 0.5, 0.05), Verdict.OK),
        (numeric(0.099, 0.1, 0.01), Verdict.WARNING),
        (numeric(0.099, 0.099, 0.01), Verdict.OK),
        (numeric(None, 0.0, 0.01, l_infinity=0.1), Verdict.DRIFT),
        (column_verdict("numeric", {}, 100, (100, 0), 30, 0.05), Verdict.CRITICAL),
        (column_verdict("numeric", {}, 100, (0, 0), 30, 0.05), Verdict.INSUFFICIENT_DATA),
        (column_verdict("numeric", {}, 100, (29, 100), 30, 0.05), Verdict.INSUFFICIENT_DATA),
        (dataset_verdict([]), Verdict.INSUFFICIENT_DATA),
    ],
)
def test_verdicts_on_both_sides_of_each_limit(found, expected):
    assert found is expected


@pytest.mark.parametrize(
    ("n", "m", "count"), [(100, 1000, 50), (1000, 1000, 4), (30, 30, 1), (2, 5, 5), (1000, 300, 3)]
)
def test_how_many_lie_beyond_a_range_by_chance_is_beta_binomial(n, m, count):
    assert beyond_range(n, m, count) == pytest.approx(stats.betabinom.sf(count - 1, m, 2, n - 1), rel=1e-9)


def test_none_beyond_a_range_and_a_range_of_one_value_say_nothing():
    assert beyond_range(1000, 1000, 0) == 1.0
    assert beyond_range(1, 1000, 500) == 1.0
    assert beyond_range(0, 1000, 500) == 1.0


def test_few_expected_values_are_tested_exactly():
    """0 of 1,000 against 2 of 100: z would be surer than 1e-5, and by Fisher it is 45 in 5,495 pairs."""
    assert two_proportions(0.0, 1000, 0.02, 100) == pytest.approx(100 * 99 / (1100 * 1099))


def test_what_is_expected_by_chance_is_taken_off():
    column = NumericColumn(NumericSide(np.arange(99.0)), NumericSide(np.array([50.0, 200.0])))
    signal = signals_of(quality_of(column), column)["out_of_range"]
    assert signal.threshold == pytest.approx(0.01 + 0.02)
    assert signal.p_value == pytest.approx(stats.betabinom.sf(0, 2, 2, 98))
    rare = CategoricalColumn(
        CategoricalSide(np.array([90, 10, 0])), CategoricalSide(np.array([80, 0, 20])), n_unseen=20
    )
    assert signals_of(quality_of(rare), rare)["unseen"].threshold == 0.01
    many = CategoricalColumn(
        CategoricalSide(np.array([90, 10, 0])), CategoricalSide(np.array([80, 0, 20])), n_unseen=20, n_single=25
    )
    signal = signals_of(quality_of(many), many)["unseen"]
    assert (signal.value, signal.threshold, signal.p_value) == (0.2, 0.26, 1.0)


def signal(value: float, p: float, threshold: float = 0.01) -> Measure:
    return Measure(value, p, p_adjusted=p, threshold=threshold)


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ({}, Verdict.OK),
        ({"missing": signal(0.0099, 1e-9)}, Verdict.OK),
        ({"missing": signal(0.01, 0.0099)}, Verdict.WARNING),
        ({"missing": signal(0.9, 0.0101)}, Verdict.OK),
        ({"missing": signal(0.0299, 1e-9)}, Verdict.WARNING),
        ({"missing": signal(0.03, 1e-9)}, Verdict.DRIFT),
        ({"missing": signal(-0.03, 1e-9)}, Verdict.DRIFT),
        ({"missing": signal(0.4999, 1e-9)}, Verdict.DRIFT),
        ({"missing": signal(0.5, 1e-9)}, Verdict.CRITICAL),
        ({"missing": signal(-0.9, 1e-9)}, Verdict.DRIFT),
        ({"missing": signal(0.3, 1e-9), "wrong_type": signal(0.2, 1e-9)}, Verdict.CRITICAL),
        ({"missing": signal(0.3, 1e-9), "wrong_type": signal(0.2, 0.5)}, Verdict.DRIFT),
        ({"unseen": signal(0.9, 1e-9)}, Verdict.DRIFT),
        ({"unseen": signal(0.25, 1e-9, 0.26)}, Verdict.OK),
        ({"unseen": signal(0.28, 1e-9, 0.26)}, Verdict.DRIFT),
    ],
)
def test_changes_of_quality_on_both_sides_of_each_limit(signals, expected):
    assert signal_verdict(signals, 0.05) is expected


def test_from_five_expected_on_the_normal_test_holds_and_below_it_fishers():
    z = abs(0.08 - 0.02) / math.sqrt(0.05 * 0.95 * 2 / 100)
    assert two_proportions(0.02, 100, 0.08, 100) == pytest.approx(2 * stats.norm.sf(z))
    assert two_proportions(0.01, 100, 0.08, 100) == pytest.approx(stats.fisher_exact([[1, 99], [8, 92]]).pvalue)
