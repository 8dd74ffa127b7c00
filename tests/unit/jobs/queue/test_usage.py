"""What was used, the past counting less."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.jobs.queue.usage import HeldSpan, Usage, decayed

WEEK = 7 * 86_400.0
spans = st.builds(
    lambda uid, gpus, start, lasted: HeldSpan(uid, gpus, start, start + lasted),
    st.integers(1, 3), st.integers(0, 8), st.floats(0, 1e6), st.floats(0, 1e5),
)  # fmt: skip


def test_an_hour_just_now_is_an_hour_and_half_of_it_a_half_life_later():
    one = HeldSpan(1, 2, 0.0, 3600.0)
    assert decayed(one, 3600.0, WEEK) == pytest.approx(7200, rel=0.01)
    assert decayed(one, 3600.0 + WEEK, WEEK) == pytest.approx(decayed(one, 3600.0, WEEK) / 2)


@pytest.mark.parametrize("now", [-1e9, 0.0])
def test_what_lies_in_the_future_as_the_clock_was_set_back_counts_nothing(now):
    assert decayed(HeldSpan(1, 8, 10.0, 20.0), now, WEEK) == 0.0


@given(
    st.lists(spans, max_size=8),
    st.lists(st.floats(1.2e6, 3e6), min_size=1, max_size=5).map(sorted),
    st.floats(3600, 1e6),
)
def test_adding_up_bit_by_bit_is_adding_up_at_once(found, moments, half_life):
    usage = Usage()
    for index, moment in enumerate(moments):
        for one in found[index :: len(moments)]:
            usage.add(one)
        seen = usage.by_user(moment, half_life)
    for uid in (1, 2, 3):
        whole = sum(decayed(one, moments[-1], half_life) for one in found if one.uid == uid)
        assert math.isclose(seen.get(uid, 0.0), whole, rel_tol=1e-6, abs_tol=1e-3)


def test_a_clock_that_is_set_back_counts_nothing_twice():
    usage = Usage()
    usage.add(HeldSpan(1, 1, 0.0, 3600.0))
    usage.by_user(WEEK, WEEK)
    assert usage.by_user(3600.0, WEEK)[1] == pytest.approx(3600, rel=0.01)


def test_another_half_life_holds_for_the_past_as_well():
    usage = Usage()
    usage.add(HeldSpan(1, 1, 0.0, 3600.0))
    long = usage.by_user(WEEK, WEEK)[1]
    assert usage.by_user(WEEK, WEEK / 7)[1] < long / 10
    assert usage.by_user(WEEK, WEEK)[1] == pytest.approx(long)


def test_the_newest_runs_of_a_kind_tell_how_long_the_next_takes():
    usage = Usage()
    for lasted in (900.0, 10.0, 20.0, 30.0, 40.0, 50.0):
        usage.add(HeldSpan(1, 1, 100.0, 100.0 + lasted, kind="train"))
    usage.add(HeldSpan(2, 1, 0.0, 5.0))
    assert usage.expected == {(1, "train"): 30.0}
    assert usage.last_starts == {(1, 0): 100.0, (2, 0): 0.0}
