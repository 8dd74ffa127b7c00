"""Where rows are cut: whatever batches they come in, the windows are the same, and each row is in one."""

from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.live.window_bounds import GrowingWindow, cut_rows
from mlops_desk.drift.records.monitors import WindowRule

MOMENTS = st.lists(st.integers(0, 400), max_size=60).map(sorted)


def windows_of(moments, rule, cuts, over_before=None):
    """Cut moments batch by batch, as who follows a source does; return full windows, the growing one, and late rows."""
    full, growing, n_late = [], None, 0
    bounds = [0, *sorted(min(cut, len(moments)) for cut in cuts), len(moments)]
    for first, last in pairwise(bounds):
        some = np.array(moments[first:last], dtype=float)
        known = GrowingWindow(growing[0], growing[-1], len(growing)) if growing else None
        found = cut_rows(some, rule, known, over_before)
        n_late += found.n_late
        if found.ends_growing:
            full.append(growing)
            growing = None
        at = found.n_late
        for piece in found.pieces:
            assert piece.first == at
            at = piece.last
            assert piece.continues == (growing is not None)
            growing = (growing or []) + some[piece.first : piece.last].tolist()
            if piece.is_full:
                full.append(growing)
                growing = None
        assert at == some.size
    return full, growing or [], n_late


@given(MOMENTS, st.integers(1, 20), st.lists(st.integers(0, 60), max_size=6))
@example([1, 2, 3], 3, [])
@example([1, 2, 3, 4], 3, [3])
def test_by_count_each_window_has_as_many_rows(moments, size, cuts):
    full, growing, n_late = windows_of(moments, WindowRule(size), cuts)
    assert [len(one) for one in full] == [size] * (len(moments) // size)
    assert [value for one in [*full, growing] for value in one] == moments
    assert n_late == 0


@given(MOMENTS, st.integers(1, 90), st.lists(st.integers(0, 60), max_size=6))
@example([10, 10, 19, 20], 10, [1, 3])
def test_by_time_each_window_has_the_rows_of_its_span(moments, seconds, cuts):
    rule = WindowRule(None, float(seconds))
    full, growing, n_late = windows_of(moments, rule, cuts)
    expected = {}
    for moment in moments:
        expected.setdefault(moment // seconds, []).append(moment)
    assert [*full, growing] == ([*expected.values()] or [[]])
    assert n_late == 0


def test_by_time_a_window_is_full_once_no_row_of_it_will_come():
    rule = WindowRule(None, 10.0)
    moments = np.array([11.0, 12.0])
    assert not cut_rows(moments, rule, None, 19.9).pieces[0].is_full
    assert cut_rows(moments, rule, None, 20.0).pieces[0].is_full
    growing = GrowingWindow(11.0, 12.0, 2)
    assert not cut_rows(np.zeros(0), rule, growing, 19.9).ends_growing
    assert cut_rows(np.zeros(0), rule, growing, 20.0).ends_growing
    assert not cut_rows(np.zeros(0), rule, growing, None).ends_growing


def test_by_time_rows_of_a_window_that_is_closed_are_late():
    found = cut_rows(np.array([3.0, 9.9, 11.0]), WindowRule(None, 10.0), GrowingWindow(12.0, 13.0, 2), None)
    assert found.n_late == 2
    assert [(one.first, one.last, one.continues) for one in found.pieces] == [(2, 3, True)]


def test_a_rule_that_was_made_smaller_ends_what_has_grown_beyond():
    found = cut_rows(np.array([5.0]), WindowRule(10), GrowingWindow(1.0, 2.0, 12), None)
    assert found.ends_growing
    assert [(one.first, one.last, one.continues) for one in found.pieces] == [(0, 1, False)]
