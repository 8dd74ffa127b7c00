"""When a condition begins and ends: duration, hysteresis and gaps, over any sequence of values."""

import math

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.base.hysteresis import GAP_SECONDS, Condition, Holding, step

HOT = Condition(above=True, threshold=90.0, clear_at=80.0, for_seconds=10.0)

steps = st.lists(
    st.tuples(
        st.floats(0.1, 400.0, allow_nan=False),
        st.one_of(st.none(), st.just(math.nan), st.floats(0.0, 120.0, allow_nan=False)),
    ),
    max_size=60,
)
conditions = st.builds(
    lambda above, threshold, band, seconds: Condition(
        above, threshold, threshold - band if above else threshold + band, seconds
    ),
    st.booleans(),
    st.floats(20.0, 100.0),
    st.floats(0.5, 20.0),
    st.floats(0.0, 120.0),
)


def play(condition, changes):
    holding, now = Holding(), 0.0
    for passed, value in changes:
        now += passed
        before, holding = holding, step(condition, holding, value, now)
        yield before, holding, value, now


def test_it_begins_after_its_duration_and_ends_after_the_same():
    turned = [(now, after.on) for before, after, _, now in play(HOT, [(1.0, 95.0)] * 15 + [(1.0, 70.0)] * 15)
              if before.on is not after.on]  # fmt: skip
    assert turned == [(11.0, True), (26.0, False)]


def test_a_value_between_the_two_limits_neither_begins_nor_ends():
    assert not any(after.on for _, after, _, _ in play(HOT, [(1.0, 85.0)] * 100))
    states = [after.on for _, after, _, _ in play(HOT, [(1.0, 95.0)] * 11 + [(1.0, 85.0)] * 100)]
    assert all(states[10:])


def test_time_in_a_gap_counts_for_nothing_but_does_not_undo_what_was_seen():
    seen = [(1.0, 95.0)] * 6 + [(100.0, None)] + [(1.0, 95.0)] * 5
    states = [after.on for _, after, _, _ in play(HOT, seen)]
    assert not any(states)
    assert [after.on for _, after, _, _ in play(HOT, [*seen, (1.0, 95.0)])][-1]


@given(conditions, steps)
def test_missing_data_never_turns_anything(condition, changes):
    for before, after, value, _ in play(condition, changes):
        if value is None or math.isnan(value):
            assert after.on is before.on


@given(conditions, steps)
def test_it_turns_only_on_a_value_that_calls_for_it(condition, changes):
    for before, after, value, _ in play(condition, changes):
        if after.on and not before.on:
            assert condition.is_bad(value)
        if before.on and not after.on:
            assert condition.is_good(value)


@given(conditions, steps)
def test_it_never_turns_before_the_duration_was_seen(condition, changes):
    """The time between two values that both call for the change, without a gap between them, is what counts."""
    seen, last = 0.0, None
    for before, after, value, now in play(condition, changes):
        present = value is not None and not math.isnan(value)
        calls = present and (condition.is_good(value) if before.on else condition.is_bad(value))
        if calls and last is not None and now - last <= GAP_SECONDS:
            seen += now - last
        if present and not calls:
            seen = 0.0
        if after.on is not before.on:
            assert seen >= condition.for_seconds - 1e-6
            seen = 0.0
            last = None
        else:
            last = now if calls else None


@given(conditions, steps)
def test_a_clock_that_jumps_back_counts_for_nothing(condition, changes):
    holding = step(condition, Holding(counting=True, seen_at=1e9), 50.0, 5.0)
    assert holding.held_seconds >= 0.0
