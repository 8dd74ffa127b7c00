"""Verdicts: what decides, what wins, and how seldom nothing at all raises an alarm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlops_desk.drift.alarm_rule import monitor_alarms
from mlops_desk.drift.columns import CategoricalColumn, CategoricalSide, NumericColumn, NumericSide
from mlops_desk.drift.measure.verdict import adjust, dataset_verdict
from mlops_desk.drift.records.report import DatasetDrift, DriftOptions, DriftReport
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.report import Tables, compare

NOTHING = DatasetDrift(0, 0, 0, 0, None)


def numbers(reference, current, **current_counts):
    return NumericColumn(
        NumericSide(np.asarray(reference, float)), NumericSide(np.asarray(current, float), **current_counts)
    )


def categories(reference, current, **counts):
    return CategoricalColumn(CategoricalSide(np.array(reference)), CategoricalSide(np.array(current)), **counts)


def report_of(**columns):
    tables = Tables([(name, lambda column=column: column) for name, column in columns.items()], 0, 0)
    return compare(tables, DriftOptions())


def verdict_of(column):
    return report_of(x=column).columns[0].verdict


# -- the steps -------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30))
def test_adjusted_p_values_are_benjamini_hochbergs_over_what_is_known(p_values):
    known = [p for p in p_values if p is not None]
    found = adjust(p_values)
    assert [p is None for p in found] == [p is None for p in p_values]
    if known:
        expected = stats.false_discovery_control(known)
        np.testing.assert_allclose([p for p in found if p is not None], expected)


def test_benjamini_hochberg_by_hand():
    assert adjust([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


@pytest.mark.parametrize(
    ("found", "worst"),
    [
        (["ok", "warning", "drift", "critical", "insufficient_data"], "critical"),
        (["ok", "insufficient_data", "warning", "drift"], "drift"),
        (["insufficient_data", "warning"], "warning"),
        (["ok", "insufficient_data"], "insufficient_data"),
        (["ok", "ok"], "ok"),
        ([], "insufficient_data"),
    ],
)
def test_a_data_set_is_as_bad_as_its_worst_column(found, worst):
    assert dataset_verdict(map(Verdict, found)) == worst


def spread(n=1000):
    """A standard normal sample without any chance: its quantiles."""
    return stats.norm.ppf((np.arange(n) + 0.5) / n)


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (spread(), "ok"),
        (spread() + 0.05, "ok"),  # neither large nor significant
        (spread() + 0.2, "drift"),  # significant, Wasserstein 0.2, KS D 0.08
        # The middle quarter pushed apart: D is 0.12, and the values hardly moved.
        (np.where(abs(spread()) < 0.3, np.sign(spread()) * 0.3, spread()), "warning"),
        (spread() + 0.5, "drift"),
        (spread() * 2, "drift"),
        (np.concatenate([spread(920), np.full(80, 40.0)]), "drift"),  # Wasserstein 3, D 0.08
    ],
)
def test_numbers_need_an_effect_and_significance(current, expected):
    assert verdict_of(numbers(spread(), current)) == expected


def test_a_tiny_effect_is_no_drift_however_significant():
    column = report_of(x=numbers(spread(200_000), spread(200_000) + 0.03)).columns[0]
    assert column.measures["ks"].p_adjusted < 1e-10
    assert column.verdict == "ok"


def test_a_large_effect_is_no_drift_while_it_is_not_significant():
    column = report_of(x=numbers(spread(35), spread(35) + 0.3)).columns[0]
    assert column.measures["wasserstein_normed"].value > 0.28
    assert column.verdict == "ok"


@pytest.mark.parametrize(
    ("current", "expected"),
    [([500, 500], "ok"), ([530, 470], "ok"), ([555, 445], "warning"), ([620, 380], "drift"), ([0, 1000], "drift")],
)
def test_categories_need_an_effect_and_significance(current, expected):
    assert verdict_of(categories([500, 500], current)) == expected


def test_many_small_changes_of_categories_together_are_drift():
    """No share moves by more than 0.02, but half of all rows are in other categories."""
    current = [40] * 25 + [0] * 25
    column = report_of(x=categories([20] * 50, current)).columns[0]
    assert column.measures["l_infinity"].value == pytest.approx(0.02)
    assert column.verdict == "drift"


def test_a_constant_reference_is_judged_by_the_share_that_left_it():
    column = report_of(x=numbers(np.ones(100), np.full(100, 1 + 1e-9))).columns[0]
    assert column.measures["wasserstein_normed"].value is None
    assert column.measures["l_infinity"].value == 1
    assert column.verdict == "drift"
    assert verdict_of(numbers(np.ones(100), np.ones(100))) == "ok"
    assert verdict_of(numbers(np.ones(1000), [1.0] * 990 + [2.0] * 10)) == "ok"


def test_nothing_usable_is_critical_and_wins_over_too_few_rows():
    assert verdict_of(numbers(spread(10), [], n_missing=5)) == "critical"
    assert verdict_of(numbers(spread(), [], n_infinite=5, n_wrong_type=200)) == "critical"
    lost = CategoricalColumn(CategoricalSide(np.array([50, 50])), CategoricalSide(np.array([0, 0]), n_missing=3))
    assert verdict_of(lost) == "critical"


def test_a_column_that_is_blank_on_both_sides_is_no_alarm_and_says_so():
    """Nothing has changed: whoever trained on it knew that the column was blank."""
    blank = NumericColumn(NumericSide(np.empty(0), n_missing=100), NumericSide(np.empty(0), n_missing=100))
    report = report_of(blank=blank, x=numbers(spread(), spread()))
    assert report.columns[0].verdict == "insufficient_data"
    assert "Neither side has a usable value" in report.columns[0].text
    assert not report.verdict.is_alarm
    lacking = Tables([("blank", lambda: blank)], 100, 100, missing_columns=("blank",))
    assert compare(lacking, DriftOptions()).verdict == "critical"  # it is not only blank, it is not there


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({"n_missing": 5}, "all are blank"),
        ({"n_wrong_type": 5}, "all are of the wrong type"),
        ({"n_infinite": 5}, "all are infinite"),
        ({"n_missing": 3, "n_wrong_type": 1}, "75.0\u202f% are blank, 25.0\u202f% are of the wrong type"),
    ],
)
def test_critical_says_what_the_rows_hold_instead(counts, reason):
    column = report_of(x=numbers(spread(), [], **counts)).columns[0]
    assert column.verdict == "critical"
    assert reason in column.text


@pytest.mark.parametrize(("n", "k"), [(29, 1000), (1000, 29), (0, 100), (100, 0)])
def test_below_thirty_usable_rows_there_is_no_verdict_but_there_are_values(n, k):
    column = report_of(x=numbers(spread(n), spread(k) + 5)).columns[0]
    assert column.verdict == "insufficient_data"
    if n and k:
        assert column.measures["wasserstein_normed"].value > 4
        assert column.measures["ks"].p_value < 1e-6


def test_thirty_rows_are_enough():
    assert verdict_of(numbers(spread(30), spread(30) + 5)) == "drift"


def test_a_drifted_column_is_found_among_many_that_are_not():
    columns = {f"x{at}": numbers(spread(), spread()) for at in range(40)} | {"moved": numbers(spread(), spread() + 1)}
    report = report_of(**columns)
    assert report.verdict == "drift"
    assert [column.name for column in report.columns if column.verdict != "ok"] == ["moved"]
    assert report.dataset.n_drifted == 1
    assert report.dataset.drifted_ratio == pytest.approx(1 / 41)


def test_p_values_are_adjusted_across_kinds():
    report = report_of(x=numbers(spread(), spread() + 0.1), k=categories([500, 500], [560, 440]))
    raw = [report.columns[0].measures["ks"].p_value, report.columns[1].measures["chi2"].p_value]
    found = [report.columns[0].measures["ks"].p_adjusted, report.columns[1].measures["chi2"].p_adjusted]
    np.testing.assert_allclose(found, stats.false_discovery_control(raw))


def test_psi_alarms_only_beyond_its_critical_value():
    """At 100 rows a side a PSI of 0.1 is nothing: (B - 1)(1/n + 1/m) is 0.18 on average."""
    random = np.random.default_rng(3)
    psi = report_of(x=numbers(random.normal(size=100), random.normal(size=100))).columns[0].measures["psi"]
    assert psi.threshold == pytest.approx(stats.chi2.ppf(0.95, 9) * 0.02)
    assert psi.value > 0.1
    assert psi.alert is False
    large = report_of(x=numbers(spread(), spread() + 1)).columns[0].measures["psi"]
    assert large.threshold == 0.1
    assert large.alert is True


# -- missing values are drift ----------------------------------------------------------------------


def test_missing_values_decide_though_the_values_have_not_moved():
    report = report_of(x=numbers(spread(), spread(600), n_missing=400), y=numbers(spread(), spread()))
    column = report.columns[0]
    assert (column.verdict, column.decided_by) == ("drift", ("missing",))
    assert column.quality["current"].missing_ratio == pytest.approx(0.4)
    assert column.signals["missing"].value == pytest.approx(0.4)
    assert column.measures["missing"] == column.signals["missing"]
    assert column.signals["missing"].alert
    assert "0.0\u202f% before, 40.0\u202f% now" in column.text
    assert (report.verdict, report.dataset.quality_columns) == ("drift", ("x",))
    assert report.columns[1].measures["missing"].value == 0


def test_a_change_below_one_point_or_by_chance_is_not_worth_a_word():
    small = report_of(x=numbers(spread(100_000), spread(99_500), n_missing=500)).columns[0]
    assert small.signals["missing"].p_value < 1e-9
    assert not small.signals["missing"].alert
    chance = report_of(x=numbers(spread(40), spread(39), n_missing=1)).columns[0]
    assert not chance.signals["missing"].alert
    assert chance.text is None


def test_values_out_of_range_and_unseen_categories_are_signals():
    column = report_of(x=numbers(spread(), np.append(spread(900), np.full(100, 9.0)))).columns[0]
    assert column.quality["current"].out_of_range_ratio == pytest.approx(0.1)
    assert column.signals["out_of_range"].alert
    unseen = report_of(x=categories([500, 500, 0], [400, 500, 100], n_unseen=100)).columns[0]
    assert unseen.quality["current"].unseen_ratio == pytest.approx(0.1)
    assert unseen.signals["unseen"].alert


# -- how often it cries wolf -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(400)  # half a minute of a core, and tests of others beside it
def test_without_drift_a_window_seldom_alarms_and_a_monitor_hardly_ever():
    """50 columns of four laws, 40 monitors of 3 windows: counts for this seed, bounds with room for any."""
    random = np.random.default_rng(20_261)
    laws = (
        random.standard_normal,
        random.standard_exponential,
        random.random,
        lambda n: random.poisson(4, n).astype(float),
    )
    alarming_windows = alarming_monitors = 0
    for _ in range(40):
        references = [laws[at % 4](1000) for at in range(50)]
        verdicts = []
        for _ in range(3):
            columns = {f"x{at}": numbers(references[at], laws[at % 4](300)) for at in range(50)}
            verdicts.append(report_of(**columns).verdict)
        reports = [DriftReport(verdict, (), NOTHING) for verdict in verdicts]
        alarming_windows += sum(verdict != "ok" for verdict in verdicts)
        alarming_monitors += monitor_alarms(reports)
    assert alarming_windows <= 12  # of 120: the false discovery rate allows 5 %
    assert alarming_monitors <= 2  # of 40


@pytest.mark.slow
def test_a_shift_of_half_a_deviation_in_one_of_fifty_columns_is_found():
    random = np.random.default_rng(7)
    found = 0
    for _ in range(20):
        columns = {f"x{at}": numbers(random.normal(size=1000), random.normal(size=300)) for at in range(49)}
        columns["moved"] = numbers(random.normal(size=1000), random.normal(0.5, 1, 300))
        found += report_of(**columns).verdict == "drift"
    assert found >= 19


@pytest.mark.parametrize("n_categories", [3, 10, 30])
def test_the_chi_square_test_keeps_its_level(n_categories):
    """A one-sample test against the reference's shares errs in 22-100 % of such cases, not in 5 %."""
    random = np.random.default_rng(n_categories)
    wrong = 0
    for _ in range(300):
        sides = [random.multinomial(n, [1 / n_categories] * n_categories) for n in (900, 3000)]
        wrong += report_of(x=categories(*sides)).columns[0].measures["chi2"].p_value < 0.05
    assert 4 <= wrong <= 27  # 15 expected, 3 deviations to either side


# -- windows ---------------------------------------------------------------------------------------


def window(verdict, end=None):
    return DriftReport(Verdict(verdict), (), NOTHING, window_start=None if end is None else end - 1, window_end=end)


@pytest.mark.parametrize(
    ("newest_first", "alarms"),
    [
        ([], False),
        (["drift"], False),
        (["drift", "drift"], True),
        (["drift", "ok", "drift"], True),
        (["ok", "drift", "drift"], False),
        (["drift", "ok", "ok", "drift"], False),
        (["critical", "drift"], True),
        (["drift", "warning", "warning"], False),
        (["drift", "insufficient_data", "critical"], True),
    ],
)
def test_two_of_three_windows(newest_first, alarms):
    assert monitor_alarms([window(verdict, -at) for at, verdict in enumerate(newest_first)]) is alarms


def test_looking_twice_at_the_same_requests_proves_nothing_twice():
    assert not monitor_alarms([window("drift", 5.0), window("drift", 5.0), window("drift", 5.0)])
    assert monitor_alarms([window("drift", 6.0), window("drift", 5.0)])
