"""Sketches of categories: exact up to their limit, and beyond it off by no more than they say."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.measure import measures
from mlops_desk.drift.profile.categories import CategorySketch, add_categories, sketch_of_counts
from mlops_desk.drift.profile.profile import ColumnProfile
from mlops_desk.drift.profile.sketch_measures import measure_profiles
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn

WINDOWS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=40), min_size=3, max_size=3)


def sketch(labels, limit=10_000, **facts):
    return sketch_of_counts(Counter(labels).items(), limit=limit, **facts)


def measured(first: CategorySketch, second: CategorySketch, real_values=()):
    column = FrozenColumn("k", ColumnKind.CATEGORICAL, real_values=real_values)
    return measure_profiles(ColumnProfile(column, first), ColumnProfile(column, second))


@given(WINDOWS)
def test_exact_sketches_add_up_in_any_order_and_grouping(windows):
    a, b, c = (sketch(window, n_missing=at) for at, window in enumerate(windows))
    whole = sketch([label for window in windows for label in window], n_missing=3)
    assert add_categories([a, b, c]) == add_categories([add_categories([c, a]), b]) == whole
    assert add_categories([sketch(()), a]) == a == add_categories([a])
    assert whole.is_exact
    assert whole.n_rows == sum(map(len, windows)) + 3


@given(WINDOWS, st.integers(1, 5))
@example([["a"] * 3 + ["b"] * 2, ["c"] * 2, ["b"]], 1)
def test_beyond_the_limit_a_count_is_off_by_no_more_than_is_said(windows, limit):
    a, b, c = (sketch(window, limit) for window in windows)
    truth = Counter(label for window in windows for label in window)
    for found in (add_categories([a, b, c], limit), add_categories([a, add_categories([c, b], limit)], limit)):
        assert len(found.labels) <= limit
        assert found.n_usable == truth.total()
        counted = dict(zip(found.labels, found.counts, strict=True))
        assert all(0 <= truth[label] - counted.get(label, 0) <= found.error for label in truth)
        assert found.error <= found.n_rest
    assert add_categories([a, b], limit) == add_categories([b, a], limit)


@given(st.lists(st.sampled_from("abcde"), min_size=1), st.lists(st.sampled_from("cdefg"), min_size=1))
def test_chi_square_is_that_of_all_rows_while_counts_are_exact(reference, current):
    found = measured(sketch(reference), sketch(current))
    names = sorted({*reference, *current})
    exact = measures.chi2(*(np.array([side.count(name) for name in names]) for side in (reference, current)))
    assert (found.measures["chi2"].value, found.measures["chi2"].p_value) == pytest.approx(exact)
    assert found.quality["current"].unseen_ratio == sum(name not in reference for name in current) / len(current)


def test_nothing_is_said_of_new_categories_where_not_all_are_known():
    found = measured(sketch(["a"] * 50 + ["b"] * 40 + ["c"], limit=2), sketch(["a"] * 50 + ["z"] * 40))
    assert found.quality["current"].unseen_ratio is None
    assert "unseen" not in found.signals
    assert "unseen" not in found.measures
    assert found.histogram is not None
    assert found.histogram.labels == ("a", "b", "1 others")
    assert (found.n_reference, found.n_current) == (91, 90)


def test_a_blank_is_missing_on_both_sides_also_of_a_file_without_a_word_for_nothing():
    blank = sketch(["a"] * 60, n_missing=40, n_blank=40, tells_empty=False)
    empty = sketch(["a"] * 60 + [""] * 40)
    declared = measured(empty, blank, real_values=("",))
    shares = [declared.quality[side].missing_ratio for side in ("reference", "current")]
    assert (declared.measures["l_infinity"].value, shares) == (0.0, [0.0, 0.0])
    same = measured(empty, blank)
    assert [same.quality[side].missing_ratio for side in ("reference", "current")] == [0.4, 0.4]
    lost = measured(sketch(["a"] * 100), blank)
    assert lost.quality["current"].missing_ratio == 0.4
