"""The p-values without ``scipy.stats`` are that package's, over all sizes."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from mlops_desk.drift.measure import p_values
from mlops_desk.drift.pair import pair_of

CELLS = st.integers(0, 60) | st.integers(0, 20_000)


@given(st.floats(0, 500), st.integers(1, 300))
@example(0.0, 1)
def test_chi_square_is_scipys(statistic, freedom):
    assert p_values.chi2_above(statistic, freedom) == pytest.approx(stats.chi2.sf(statistic, freedom), rel=1e-12)
    assert p_values.chi2_point(0.95, freedom) == pytest.approx(stats.chi2.ppf(0.95, freedom), rel=1e-12)


@given(st.floats(0, 37))
@example(0.0)
def test_the_normal_probability_is_scipys(deviations):
    assert p_values.normal_two_sided(deviations) == pytest.approx(2 * stats.norm.sf(deviations), rel=1e-12)


@given(st.lists(st.floats(0, 1), max_size=30))
@example([])
@example([0.04, 0.01, 0.01, 1.0, 0.0])
def test_adjusted_p_values_are_scipys(found):
    expected = stats.false_discovery_control(found, method="bh") if found else []
    assert p_values.benjamini_hochberg(found) == pytest.approx(list(expected), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n", range(1, 13))
def test_fishers_p_is_scipys_for_every_small_table(n):
    for m in range(1, 13):
        for k in range(n + 1):
            for j in range(m + 1):
                table = np.array([[k, n - k], [j, m - j]])
                expected = stats.fisher_exact(table).pvalue
                assert p_values.fisher(table) == pytest.approx(expected, rel=1e-12), table


@given(CELLS, CELLS, CELLS, CELLS)
@example(3, 997, 9, 991)
@example(0, 0, 4, 9)
@example(20_000, 20_000, 20_000, 20_000)
def test_fishers_p_is_scipys(a, b, c, d):
    table = np.array([[a, b], [c, d]])
    if table.sum():
        assert p_values.fisher(table) == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-9, abs=1e-300)


def samples(n, m, shift, *, ties):
    random = np.random.default_rng(n * 7919 + m)
    both = random.normal(size=n), random.normal(shift, size=m)
    return [np.round(side, 1) for side in both] if ties else both


SIZES = st.integers(1, 12) | st.integers(1, 1200)


@pytest.mark.filterwarnings("ignore:ks_2samp:RuntimeWarning")
@given(SIZES, SIZES, st.sampled_from([0.0, 0.1, 0.3, 5.0]), st.booleans())
@example(1, 1, 0.0, False)
@example(1, 2, 5.0, False)
@example(700, 700, 0.1, False)
@example(783, 787, 0.1, False)
@example(600, 300, 0.3, True)
@example(999, 1000, 5.0, False)
@example(1200, 1199, 0.1, False)
@example(1700, 83, 0.3, False)
@example(30, 1900, 0.1, True)
@example(1000, 900, 5.0, False)
def test_the_p_value_of_kolmogorov_and_smirnov_is_scipys(n, m, shift, ties):
    pair = pair_of(*samples(n, m, shift, ties=ties))
    expected = stats.ks_2samp(pair.reference, pair.current)
    found = p_values.ks(pair, float(expected.statistic))
    assert found == pytest.approx(float(expected.pvalue), rel=1e-10, abs=1e-300)


@pytest.mark.parametrize(("n", "m"), [(n, m) for n in range(1, 9) for m in range(1, 9)])
def test_every_distance_of_small_samples_has_scipys_p_value(n, m):
    """All distances two samples without ties can have: the current's values moved one place after the other."""
    for below in range(n + 1):
        reference = np.arange(n, dtype=float)
        current = below - 0.5 + np.arange(m) / (2 * m)
        expected = stats.ks_2samp(reference, current)
        found = p_values.ks(pair_of(reference, current), float(expected.statistic))
        assert found == pytest.approx(float(expected.pvalue), rel=1e-12)


@pytest.mark.slow
def test_a_small_report_loads_no_scipy_stats():
    """It takes half a second to load: as long as all else that such a report does."""
    program = "import sys, mlops_desk.drift.worker; assert 'scipy.stats' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
