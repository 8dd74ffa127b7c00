"""Sketches of numbers: they add up, their distances lie within stated bounds of the exact ones, and nothing raises."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.measure import measures
from mlops_desk.drift.measure.bins import numeric_counts
from mlops_desk.drift.pair import pair_of
from mlops_desk.drift.profile import sketch_measures
from mlops_desk.drift.profile.bin_edges import frame_of
from mlops_desk.drift.profile.numbers import add_numbers, empty_numbers, sketch_numbers
from mlops_desk.drift.profile.sketch_measures import histogram_of

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
# What is nearer to 0 than 1e-6 is taken for 0: deciles of the least doubles there are depend on how they are scaled.
HARMLESS = st.one_of(
    st.integers(-50, 50).map(float), st.floats(-1e6, 1e6).map(lambda value: value if abs(value) > 1e-6 else 0.0)
)
LAWS = {
    "normal": lambda random, n: random.normal(size=n),
    "lognormal": lambda random, n: random.lognormal(size=n),
    "exponential": lambda random, n: random.exponential(size=n),
    "uniform": lambda random, n: random.uniform(size=n),
    "half zero": lambda random, n: random.exponential(size=n) * (random.random(n) < 0.5),
    "counts": lambda random, n: random.poisson(3, n).astype(float),
    "many counts": lambda random, n: random.poisson(500, n).astype(float),
    "moments": lambda random, n: 1.7e9 + random.random(n) * 86_400 * 30,
}


def sketch(frame, values, **facts):
    return sketch_numbers(frame, NumericSide(np.array(values, dtype=float), **facts))


def facts(one):
    return one.counts.tolist(), one.least, one.most, one.n_missing, one.n_infinite, one.n_wrong_type, one.n_future


def assert_same(first, second):
    assert facts(first) == facts(second)
    scale = 1e-9 * (1 + np.abs(first.sums).max())
    assert first.sums == pytest.approx(second.sums, rel=1e-9, abs=scale)
    assert first.squares == pytest.approx(second.squares, rel=1e-9)


@given(st.lists(HARMLESS, max_size=200), st.lists(st.lists(HARMLESS, max_size=30), min_size=3, max_size=3))
def test_sketches_add_up_in_any_order_and_grouping(reference, windows):
    frame = frame_of(np.array(reference))
    a, b, c = (sketch(frame, window, n_missing=at, n_future=at) for at, window in enumerate(windows))
    whole = sketch(frame, [value for window in windows for value in window], n_missing=3, n_future=3)
    assert_same(add_numbers([a, b, c]), whole)
    assert_same(add_numbers([add_numbers([a, b]), c]), add_numbers([a, add_numbers([b, c])]))
    one, other = add_numbers([a, b]), add_numbers([b, a])
    assert facts(one) == facts(other)
    assert one.sums.tolist() == other.sums.tolist()
    neutral = add_numbers([empty_numbers(frame), b])
    assert facts(neutral) == facts(b)
    assert neutral.sums.tolist() == b.sums.tolist()


@given(st.lists(HARMLESS, min_size=2, max_size=600), st.lists(HARMLESS, min_size=1, max_size=300))
@example([0.0] * 300 + [float(at) for at in range(300)], [0.0, 299.0])
@example([1.0, 1.0], [2.0])
@example([float(at) for at in range(121)], [float(at) + 0.5 for at in range(121)])
def test_distances_lie_within_their_bounds(reference, current):
    frame = frame_of(np.array(reference))
    first, second = sketch(frame, reference), sketch(frame, current)
    pair = pair_of(np.array(reference), np.array(current))
    shares = first.counts / len(reference), second.counts / len(current)
    counts = sketch_measures.grouped(frame, first), sketch_measures.grouped(frame, second)
    exact = numeric_counts(pair.reference, pair.current)
    assert measures.psi(*counts) == pytest.approx(measures.psi(*exact), abs=1e-9)
    assert measures.js(*counts) == pytest.approx(measures.js(*exact), abs=1e-6)
    assert measures.hellinger(*counts) == pytest.approx(measures.hellinger(*exact), abs=1e-6)
    distance, _ = sketch_measures.ks(first, second)
    error = measures.ks(pair)[0] - distance
    assert -1e-12 <= error <= np.minimum(*shares).max() + 1e-12
    assert (measures.wasserstein_normed(pair) is None) == (
        sketch_measures.wasserstein_normed(frame, first, second) is None
    )
    spread = float(np.std(pair.reference))
    if spread > 1e-3:
        low, high = min(first.least, second.least), max(first.most, second.most)
        widths = np.diff([min(low, frame.edges[0]), *frame.edges, max(high, frame.edges[-1])])
        bound = float(np.sum((shares[0] + shares[1]) * widths)) / spread
        shift = measures.wasserstein_normed(pair) - sketch_measures.wasserstein_normed(frame, first, second)
        assert -1e-9 * (1 + high - low) / spread <= shift <= bound + 1e-9 * (1 + high - low) / spread


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_distances_of_many_rows_are_those_of_all_values(law, shift):
    random = np.random.default_rng(7)
    reference, current = LAWS[law](random, 100_000), LAWS[law](random, 50_000)
    spread = np.std(reference)
    current = current + (np.round(shift * spread) if "counts" in law else shift * spread)
    frame = frame_of(reference)
    first, second, pair = sketch(frame, reference), sketch(frame, current), pair_of(reference, current)
    assert frame.edges.size <= 255
    assert sketch_measures.wasserstein_normed(frame, first, second) == pytest.approx(
        measures.wasserstein_normed(pair), abs=6e-4
    )
    exact, found = measures.ks(pair), sketch_measures.ks(first, second)
    assert found[0] == pytest.approx(exact[0], abs=1 / 226 if shift else 5e-4)
    assert (found[1] < 0.05) == (exact[1] < 0.05)
    assert sketch_measures.energy(frame, first, second) == pytest.approx(measures.energy(pair), rel=0.02)
    drawn = histogram_of(frame, first, second)
    assert sum(drawn.reference) == pytest.approx(1)
    assert sum(drawn.current) == pytest.approx(1)


def test_few_distinct_values_and_a_value_that_fills_a_half_have_bins_of_their_own():
    reference = np.concatenate([np.zeros(5_000), np.arange(1, 5_001) / 7])
    frame = frame_of(reference)
    first = sketch(frame, reference)
    at = int(np.searchsorted(frame.edges, 0.0, "right"))
    assert (frame.edges[at - 1], first.counts[at]) == (0.0, 5_000)
    assert frame.edges.size <= 255
    assert first.counts.max() == 5_000
    assert np.sort(first.counts)[-2] < 60
    few = frame_of(np.array([1.0, 2.0, 5.0] * 40))
    counted = sketch_measures.grouped(few, sketch(few, [1.0, 1.0, 5.0, 4.0, 1.5, 9.0]))
    assert counted.tolist() == [2, 0, 1, 3]


@given(st.lists(FLOATS, max_size=40), st.lists(FLOATS, max_size=40))
@example([1e308, -1e308], [1e308] * 3)
@example([5e-324, 0.0], [1e308, -1e308])
@example([], [1.0])
@example([1.0], [])
@example([3.0, 3.0], [3.0, 4.0])
def test_no_finite_numbers_raise_or_give_what_is_no_number(reference, current):
    frame = frame_of(np.array(reference, dtype=float))
    first, second = sketch(frame, reference), sketch(frame, current)
    found = [sketch_measures.wasserstein_normed(frame, first, second), *sketch_measures.ks(first, second)]
    found.append(sketch_measures.energy(frame, first, second))
    assert all(value is None or math.isfinite(value) for value in found)
    assert (found[1] is None) == (not reference or not current)
    if found[1] is not None:
        drawn = histogram_of(frame, first, second)
        assert all(math.isfinite(value) for value in (*drawn.edges, *drawn.reference, *drawn.current))


def test_values_beyond_the_reference_lie_in_the_outer_bins():
    frame = frame_of(np.arange(1000.0))
    counts = sketch(frame, [-1e-9, 0.0, 999.0, 999.0000001, 5e9]).counts
    assert (counts[0], counts[-1], counts.sum()) == (1, 2, 5)


def test_deviation_is_that_of_all_values():
    values = 1.7e9 + np.random.default_rng(3).random(10_000) * 3600
    frame = frame_of(values)
    assert sketch_measures.deviation(frame, sketch(frame, values)) == pytest.approx(np.std(values), rel=1e-9)
    assert sketch_measures.deviation(frame, empty_numbers(frame)) == 0.0
