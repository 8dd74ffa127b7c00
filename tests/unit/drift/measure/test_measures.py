"""Every distance against SciPy, against numbers worked out by hand, and against the laws it has to obey."""

import math
import sys
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import jensenshannon

from mlops_desk.drift.measure import measures as m
from mlops_desk.drift.measure.bins import decile_edges, is_discrete, numeric_counts
from mlops_desk.drift.pair import pair_of

finite = st.floats(allow_nan=False, allow_infinity=False, width=64, min_value=-1e9, max_value=1e9)
# Below 1e-6 SciPy's and NumPy's squares may vanish; test_the_unit_does_not_matter looks at those.
lumpy = st.one_of(st.integers(-3, 3).map(float), finite.map(lambda value: value if abs(value) > 1e-6 else 0.0))


def samples(elements=lumpy, smallest=1):
    return st.lists(elements, min_size=smallest, max_size=60).map(lambda values: np.array(values, dtype=float))


def count_tables():
    size = st.integers(1, 8)
    counts = size.flatmap(lambda n: st.tuples(*[arrays(np.int64, n, elements=st.integers(0, 60))] * 2))
    return counts.filter(lambda both: both[0].sum() > 0 and both[1].sum() > 0)


# -- against SciPy ---------------------------------------------------------------------------------


@given(samples(), samples())
def test_wasserstein_is_scipys_over_the_population_deviation(x, y):
    pair = pair_of(x, y)
    value = m.wasserstein_normed(pair)
    if x.min() == x.max():
        assert value is None
    else:
        assert value == pytest.approx(stats.wasserstein_distance(x, y) / np.std(x), rel=1e-9, abs=1e-12)


@given(samples(), samples())
def test_energy_is_scipys(x, y):
    assert m.energy(pair_of(x, y)) == pytest.approx(stats.energy_distance(x, y), rel=1e-9, abs=1e-12)


@given(samples(), samples())
@example(np.zeros(7), np.array([0.0] * 6 + [1.0]))
def test_ks_is_scipys_ties_included(x, y):
    with warnings.catch_warnings(record=True) as gave_up:
        warnings.simplefilter("always")
        expected = stats.ks_2samp(x, y)
    value, p_value = m.ks(pair_of(x, y))
    assert value == pytest.approx(expected.statistic, abs=1e-12)
    # Where rounding carries SciPy's exact value beyond 1 it takes the asymptotic one, and says so.
    assert p_value == pytest.approx(1.0 if gave_up else expected.pvalue, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("n", "k"), [(10_000, 9_000), (10_001, 300), (30_000, 20_000)])
def test_ks_of_large_samples_switches_where_scipy_does(n, k):
    random = np.random.default_rng(1)
    x, y = random.normal(size=n), random.normal(0.03, 1, k)
    expected = stats.ks_2samp(x, y)
    value, p_value = m.ks(pair_of(x, y))
    assert value == pytest.approx(expected.statistic, abs=1e-12)
    assert p_value == pytest.approx(expected.pvalue, rel=1e-9)


@given(count_tables())
def test_js_is_scipys_in_base_2(both):
    assert m.js(*both) == pytest.approx(jensenshannon(*both, base=2), abs=1e-7)


@given(count_tables())
def test_cramers_v_is_scipys_on_the_whole_table(both):
    table = np.stack(both)[:, sum(both) > 0]
    value = m.cramers_v(*both)
    if table.shape[1] == 1:
        assert value == 0
    else:
        assert value == pytest.approx(stats.contingency.association(table, "cramer", correction=False), abs=1e-9)


@given(st.integers(2, 8).flatmap(lambda n: st.tuples(*[arrays(np.int64, n, elements=st.integers(40, 90))] * 2)))
def test_chi2_without_rare_categories_is_scipys_contingency_test(both):
    expected = stats.chi2_contingency(np.stack(both), correction=False)
    statistic, p_value = m.chi2(*both)
    assert statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert p_value == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-300)


@given(st.tuples(*[arrays(np.int64, 2, elements=st.integers(0, 6))] * 2))
def test_a_small_two_by_two_table_gets_fishers_p(both):
    table = np.stack(both)
    if (table.sum(axis=0) == 0).any() or (table.sum(axis=1) == 0).any():
        return
    if stats.contingency.expected_freq(table).min() < 5:
        assert m.chi2(*both)[1] == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-9)


# -- by hand ---------------------------------------------------------------------------------------


def test_wasserstein_by_hand():
    # All of the mass of {0, 2} moves by 1; the deviation of {0, 2} is 1.
    assert m.wasserstein_normed(pair_of(np.array([0.0, 2.0]), np.array([1.0, 3.0]))) == pytest.approx(1.0)


def test_ks_and_energy_by_hand():
    pair = pair_of(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    assert m.ks(pair)[0] == pytest.approx(0.5)  # F - G is 1/2 on [0, 1) and on [1, 2)
    assert m.energy(pair) == pytest.approx(math.sqrt(2 * (0.25 + 0.25)))


def test_psi_by_hand():
    p, q = np.array([50, 50]), np.array([75, 25])
    assert m.psi(p, q) == pytest.approx(0.25 * math.log(1.5) - 0.25 * math.log(0.5))


def test_psi_takes_an_empty_bin_for_one_in_ten_thousand_and_does_not_renormalise():
    p, q = np.array([100, 0]), np.array([50, 50])
    expected = (0.5 - 1) * math.log(0.5) + (0.5 - 1e-4) * math.log(0.5 / 1e-4)
    assert m.psi(p, q) == pytest.approx(expected, rel=1e-12)


def test_psi_critical_value_by_hand():
    # chi2 with 1 degree of freedom has its 95 % point at 3.841459.
    assert m.psi_critical(np.array([50, 50]), np.array([100, 100])) == pytest.approx(
        3.841459 * (1 / 100 + 1 / 200), rel=1e-6
    )


def test_hellinger_and_js_reach_exactly_one_without_overlap():
    p, q = np.array([7, 0]), np.array([0, 3])
    assert m.hellinger(p, q) == 1
    assert m.js(p, q) == 1


def test_hellinger_by_hand():
    p, q = np.array([1, 1]), np.array([1, 0])
    expected = math.sqrt(0.5 * ((math.sqrt(0.5) - 1) ** 2 + 0.5))
    assert m.hellinger(p, q) == pytest.approx(expected)


def test_l_infinity_by_hand():
    assert m.l_infinity(np.array([50, 30, 20]), np.array([20, 30, 50])) == pytest.approx(0.3)


def test_six_against_five_values_with_a_new_category():
    # Reference aabbcc, current aacdd: a one-sample test gives p = 0 for any new category.
    assert m.chi2(np.array([2, 2, 2, 0]), np.array([2, 0, 1, 2]))[1] == pytest.approx(0.233, abs=5e-4)


def test_one_new_value_among_few_is_no_alarm():
    reference, current = np.array([500, 500, 0]), np.array([15, 14, 1])
    assert stats.chi2_contingency(np.stack([reference, current]), correction=False).pvalue < 1e-6
    assert m.chi2(reference, current)[1] > 0.05


def test_a_single_rare_category_stays_a_cell_of_its_own():
    # Expected on either side: 495, 485, 5, 5.5, 4.5 and 5, so only one is below 5.
    table = np.array([[500, 480, 6, 5, 4, 5], [490, 490, 4, 6, 5, 5]])
    expected = stats.chi2_contingency(table, correction=False)
    assert m.chi2(*table) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))


def test_several_rare_categories_are_pooled():
    reference = np.array([500, 470, 3, 3, 3, 3])
    current = np.array([480, 490, 3, 2, 4, 3])
    expected = stats.chi2_contingency([[500, 470, 12], [480, 490, 12]], correction=False)
    assert m.chi2(reference, current) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))
    whole = stats.contingency.association(np.stack([reference, current]), "cramer", correction=False)
    assert m.cramers_v(reference, current) == pytest.approx(whole)  # pooled for the test only


def test_one_category_has_nothing_to_test():
    assert m.chi2(np.array([40]), np.array([60])) == (0.0, 1.0)
    assert m.cramers_v(np.array([40]), np.array([60])) == 0


# -- laws ------------------------------------------------------------------------------------------


@given(count_tables())
def test_shares_do_not_differ_from_themselves_and_order_does_not_matter(both):
    p, q = both
    for measure in (m.psi, m.js, m.hellinger, m.l_infinity, m.cramers_v):
        assert measure(p, p) == pytest.approx(0, abs=1e-7)
        assert measure(p, q) == pytest.approx(measure(q, p), abs=1e-9)
        order = np.random.default_rng(0).permutation(p.size)
        assert measure(p[order], q[order]) == pytest.approx(measure(p, q), abs=1e-9)
    assert m.chi2(p, q)[1] == pytest.approx(m.chi2(q, p)[1])


@given(count_tables())
def test_scores_stay_in_their_ranges(both):
    assert m.psi(*both) >= 0
    for measure in (m.js, m.hellinger, m.l_infinity, m.cramers_v):
        assert 0 <= measure(*both) <= 1
    statistic, p_value = m.chi2(*both)
    assert statistic >= 0
    assert 0 <= p_value <= 1


@given(count_tables())
def test_merging_two_bins_never_makes_two_sides_more_different(both):
    p, q = both
    if p.size < 2:
        return
    merged = [np.append(side[2:], side[:2].sum()) for side in (p, q)]
    for measure in (m.js, m.hellinger):
        assert measure(*merged) <= measure(p, q) + 1e-7


@given(samples(), samples())
def test_distances_of_numbers_obey_their_laws(x, y):
    there, back, same = pair_of(x, y), pair_of(y, x), pair_of(x, x)
    assert m.ks(there)[0] == pytest.approx(m.ks(back)[0], abs=1e-12)
    assert m.energy(there) == pytest.approx(m.energy(back), rel=1e-9)
    assert m.ks(same) == (0, 1)
    assert m.energy(same) == 0
    assert 0 <= m.ks(there)[0] <= 1
    shuffled = pair_of(np.random.default_rng(0).permutation(x), y[::-1])
    assert m.wasserstein_normed(shuffled) == m.wasserstein_normed(there)


@given(samples(st.integers(-50, 50).map(float), 2), samples(st.integers(-50, 50).map(float)), st.integers(-1000, 950))
def test_the_unit_does_not_matter_however_large_or_small(x, y, exponent):
    """Metres or nanometres: the normed distance is the same, up to the ends of what a double can hold."""
    plain, scaled = pair_of(x, y), pair_of(np.ldexp(x, exponent), np.ldexp(y, exponent))
    assert m.wasserstein_normed(scaled) == m.wasserstein_normed(plain)
    assert m.ks(scaled) == m.ks(plain)
    assert m.energy(scaled) == pytest.approx(m.energy(plain) * 2 ** (exponent / 2), rel=1e-9)


def test_a_tiny_feature_that_shifts_by_its_deviation_shows_it():
    random = np.random.default_rng(0)
    x = random.normal(0, 1e-4, 1000)
    assert m.wasserstein_normed(pair_of(x, x + 1e-4)) == pytest.approx(1, abs=0.05)


def test_values_at_the_end_of_the_range_stay_loud():
    reference = np.random.default_rng(0).normal(size=100)
    value = m.wasserstein_normed(pair_of(reference, np.full(100, sys.float_info.max)))
    assert value is None or value > 1e300
    assert m.energy(pair_of(reference, np.full(100, sys.float_info.max))) > 1e100


def test_without_values_on_a_side_everything_is_undefined():
    nothing, some = np.empty(0), np.arange(5.0)
    for pair in (pair_of(nothing, some), pair_of(some, nothing), pair_of(nothing, nothing)):
        assert m.wasserstein_normed(pair) is None
        assert m.energy(pair) is None
        assert m.ks(pair) == (None, None)
    empty, counts = np.zeros(3, dtype=np.int64), np.array([1, 2, 3])
    for measure in (m.psi, m.psi_critical, m.js, m.hellinger, m.l_infinity, m.cramers_v):
        assert measure(empty, counts) is None
        assert measure(counts, empty) is None
    assert m.chi2(counts, empty) == (None, None)


# -- bins ------------------------------------------------------------------------------------------


def _bins_by_definition(reference, current, edges):
    return [
        np.bincount([sum(edge <= value for edge in edges) for value in side], minlength=len(edges) + 1)
        for side in (reference, current)
    ]


@given(samples(smallest=21), samples())
def test_a_value_falls_into_the_bin_that_counts_the_edges_below_it(x, y):
    x, y = np.sort(x), np.sort(y)
    if is_discrete(x):
        return
    edges = np.unique(np.percentile(x, [10, 20, 30, 40, 50, 60, 70, 80, 90]))
    np.testing.assert_allclose(decile_edges(x), edges)
    found = numeric_counts(x, y)
    for side, expected in zip(found, _bins_by_definition(x, y, decile_edges(x)), strict=True):
        np.testing.assert_array_equal(side, expected)


def test_few_values_get_a_bin_each_and_one_for_others():
    reference = np.sort(np.repeat([1.0, 2.0, 5.0], 5))
    counts = numeric_counts(reference, np.array([0.5, 1.0, 2.0, 2.0, 7.0]))
    assert [side.tolist() for side in counts] == [[5, 5, 5, 0], [1, 2, 0, 2]]


@pytest.mark.parametrize(
    ("values", "rows", "discrete"), [(20, 5, True), (21, 5, False), (20, 4, False), (1, 1, True), (1, 3, True)]
)
def test_when_values_are_counted_one_by_one(values, rows, discrete):
    assert is_discrete(np.sort(np.repeat(np.arange(float(values)), rows))) is discrete


def test_a_constant_that_moves_is_loud():
    reference, current = np.full(100, 3.0), np.full(100, 4.0)
    counts = numeric_counts(reference, current)
    assert m.psi(*counts) > 5
    assert m.js(*counts) == 1
    assert m.l_infinity(*counts) == 1


@pytest.mark.parametrize(
    ("reference", "current", "table"),
    [
        ([60, 40, 1], [40, 60, 1], [[60, 40, 1], [40, 60, 1]]),  # of the rare one exactly 1 is expected on each side
        ([60, 41, 1], [42, 60, 0], [[60, 42], [42, 60]]),  # half a one: it joins its smallest neighbour
        ([60, 40, 3, 2], [40, 60, 2, 3], [[60, 40, 5], [40, 60, 5]]),
    ],
)
def test_what_is_rare_is_a_cell_of_its_own_from_one_expected_on(reference, current, table):
    statistic, p = m.chi2(np.array(reference), np.array(current))
    expected = stats.chi2_contingency(np.array(table), correction=False)
    assert (statistic, p) == pytest.approx((expected.statistic, expected.pvalue))


def test_beside_a_single_common_value_the_rare_one_is_never_pooled_away():
    statistic, p = m.chi2(np.array([100, 1]), np.array([100, 0]))
    assert statistic > 0
    assert p == pytest.approx(stats.fisher_exact([[100, 1], [100, 0]]).pvalue)
