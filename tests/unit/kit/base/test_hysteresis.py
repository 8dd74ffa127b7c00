"""When a condition begins and ends: duration, span, hysteresis and gaps, over any sequence of values."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.hysteresis import Condition, CounterGrowth, Holding, span_words, step

HOT = Condition(above=True, threshold=90.0, clear_at=80.0, for_seconds=10.0)
WARM = Condition(above=True, threshold=84.0, clear_at=79.0, for_seconds=30.0)
THROTTLED = Condition(above=True, threshold=0.10, clear_at=0.02, for_seconds=30.0, averaged=True)
FLAG = Condition(above=True, threshold=1.0, clear_at=0.0, for_seconds=0.0)

steps = st.lists(
    st.tuples(
        st.floats(0.1, 400.0, allow_nan=False),
        st.one_of(st.none(), st.just(math.nan), st.floats(0.0, 120.0, allow_nan=False)),
    ),
    max_size=60,
)
conditions = st.builds(
    lambda above, threshold, band, seconds, averaged: Condition(
        above, threshold, threshold - band if above else threshold + band, seconds, averaged and above
    ),
    st.booleans(),
    st.floats(20.0, 100.0),
    st.floats(0.5, 20.0),
    st.floats(0.0, 120.0),
    st.booleans(),
)


def play(condition, changes, holding=Holding()):  # noqa: B008 - it is frozen
    now = 0.0
    for passed, value in changes:
        now += passed
        before, holding = holding, step(condition, holding, value, now)
        yield before, holding, value, now


def turned(condition, values, tick=1.0):
    """Return when it turned, and to what, with a value each ``tick`` seconds from 0 on."""
    return [(now - tick, after.on) for before, after, _, now in play(condition, [(tick, value) for value in values])
            if before.on is not after.on]  # fmt: skip


def square(low, high, period, duty, seconds, tick=1.0):
    """Return what a square wave that begins low shows at each tick."""
    count = int(seconds / tick)
    return [high if (number * tick) % period >= period * (1.0 - duty) else low for number in range(count)]


def test_it_begins_after_its_duration_and_ends_after_the_same():
    assert turned(HOT, [95.0] * 15 + [70.0] * 15) == [(10.0, True), (25.0, False)]


def test_it_takes_no_longer_after_good_values():
    assert turned(WARM, [70.0] * 10 + [90.0] * 31) == [(40.0, True)]


def test_a_value_between_the_two_limits_neither_begins_nor_ends():
    assert turned(HOT, [85.0] * 100) == []
    assert turned(HOT, [95.0] * 11 + [85.0] * 100) == [(10.0, True)]


@pytest.mark.parametrize("tick", [1.0, 2.0, 0.5, 1.003])
@pytest.mark.parametrize(
    ("low", "high", "period", "duty"),
    [(80.0, 96.0, 4.0, 0.5), (83.0, 96.0, 20.0, 0.9), (70.0, 96.0, 4.0, 0.5), (70.0, 96.0, 20.0, 0.9)],
)
def test_what_is_bad_half_of_the_time_or_nine_tenths_begins_once_and_does_not_end(low, high, period, duty, tick):
    (begun,) = turned(WARM, square(low, high, period, duty, 300.0, tick), tick)
    assert begun[1]
    assert 30.0 <= begun[0] <= 75.0


@pytest.mark.parametrize("tick", [1.0, 5.0, 40.0, 100.0])
def test_a_single_glitch_is_no_alarm_however_seldom_somebody_looks(tick):
    for condition, calm, bad in ((WARM, 70.0, 120.0), (WARM, 82.0, 120.0), (THROTTLED, 0.0, 1.0)):
        assert turned(condition, [calm] * 20 + [bad] + [calm] * 200, tick) == []


def test_a_glitch_each_minute_is_no_alarm_for_ever():
    assert turned(WARM, ([70.0] * 59 + [96.0]) * 30) == []
    assert turned(WARM, ([82.0] * 59 + [96.0]) * 30) == []
    assert turned(THROTTLED, ([0.0] * 59 + [1.0]) * 30) == []


@pytest.mark.parametrize("tick", [1.0, 2.0, 5.0])
def test_clocks_held_down_ten_seconds_on_and_ten_off_begin_once_and_do_not_end(tick):
    assert turned(THROTTLED, square(0.0, 1.0, 20.0, 0.5, 300.0, tick), tick) == [(50.0, True)]


def test_a_share_of_time_begins_by_its_mean_and_ends_by_it():
    """Six seconds of each forty: never bad for 30 s of 75, but for more than a tenth of the time."""
    course = square(0.0, 1.0, 40.0, 0.15, 400.0) + [0.0] * 100
    begun, ended = turned(THROTTLED, course)
    assert begun == (75.0, True)
    assert ended == (473.0, False)


def test_a_short_burst_is_no_share_of_time_however_high_it_is():
    assert turned(THROTTLED, [0.0] * 10 + [1.0] * 8 + [0.0] * 200) == []
    rate = Condition(above=True, threshold=1.0, clear_at=0.1, for_seconds=30.0, averaged=True)
    assert turned(rate, [0.0] * 10 + [1e6] * 2 + [0.0] * 200) == []


def test_a_share_that_stays_at_its_threshold_begins_after_its_duration():
    assert turned(THROTTLED, [0.0] * 10 + [0.1] * 60) == [(40.0, True)]


def test_an_average_ends_only_after_a_whole_span_was_seen():
    """After a restart of the agent nothing is known of what was before: a pause between two bursts is no end."""
    values = [(1.0, value) for value in square(0.0, 1.0, 40.0, 0.15, 300.0)]
    assert all(after.on for _, after, _, _ in play(THROTTLED, values, Holding(on=True)))
    calm = [after.on for _, after, _, _ in play(THROTTLED, [(1.0, 0.0)] * 90, Holding(on=True))]
    assert calm.index(False) == 75


def test_a_bad_value_between_good_ones_begins_the_end_anew():
    assert turned(HOT, [95.0] * 11 + ([70.0] * 9 + [95.0]) * 20) == [(10.0, True)]
    assert turned(HOT, [95.0] * 11 + ([70.0] * 4 + [85.0]) * 5) == [(10.0, True), (23.0, False)]


def test_what_has_no_duration_begins_and_ends_at_once():
    assert turned(FLAG, [0.0, 1.0, 1.0, 0.0]) == [(1.0, True), (3.0, False)]


def test_time_in_a_gap_counts_for_nothing_but_does_not_undo_what_was_seen():
    seen = [(1.0, 95.0)] * 6 + [(100.0, None)] + [(1.0, 95.0)] * 5
    states = [after.on for _, after, _, _ in play(HOT, seen)]
    assert not any(states)
    assert [after.on for _, after, _, _ in play(HOT, [*seen, (1.0, 95.0)])][-1]


def test_two_values_more_than_three_minutes_apart_have_a_gap_between_them():
    slow = Condition(above=True, threshold=90.0, clear_at=80.0, for_seconds=170.0)
    assert [after.on for _, after, _, _ in play(slow, [(1.0, 95.0), (180.0, 95.0)])] == [False, True]
    assert not any(after.on for _, after, _, _ in play(slow, [(1.0, 95.0)] + [(180.5, 95.0)] * 5))


def test_what_was_bad_before_the_span_is_forgotten():
    assert turned(HOT, [95.0] * 9 + [70.0] * 25 + [95.0] * 8) == []
    assert turned(HOT, [95.0] * 9 + [70.0] * 9 + [95.0] * 8)[0][1]


@given(conditions, steps)
@example(HOT, [(1.0, 95.0), (1.0, None), (400.0, 95.0), (1.0, math.nan), (1.0, 95.0)])
@example(FLAG, [(1.0, None), (1.0, 1.0), (1.0, None), (1.0, math.nan), (1.0, 0.0)])
def test_missing_data_never_turns_anything(condition, changes):
    for before, after, value, _ in play(condition, changes):
        if value is None or math.isnan(value):
            assert after.on is before.on


@given(conditions, steps)
@example(HOT, [(1.0, 95.0)] * 12 + [(1.0, 70.0)] * 12)
@example(THROTTLED, [(1.0, 1.0)] * 40 + [(1.0, 0.05)] * 100 + [(1.0, 0.0)] * 100)
def test_it_turns_only_on_a_value_that_calls_for_it(condition, changes):
    for before, after, value, _ in play(condition, changes):
        if after.on and not before.on:
            assert condition.is_bad(value)
        if before.on and not after.on:
            assert condition.is_good(value)


@given(conditions, steps)
@example(HOT, [(1.0, 95.0), (180.0, 95.0)])
@example(HOT, [(5.0, 95.0), (0.1, 85.0), (5.0, 95.0), (5.0, 95.0), (0.1, 85.0), (5.0, 95.0)])
@example(THROTTLED, [(1.0, 1.0), (29.9, 1.0)])
def test_it_never_begins_before_its_duration_has_passed_since_the_first_bad_value(condition, changes):
    """Half of the way to the good neighbours of a bad value counts, at most a quarter of the duration each."""
    first = None
    observed, last = 0.0, None
    for before, after, value, now in play(condition, changes):
        present = value is not None and not math.isnan(value)
        if not present:
            last = None
            continue
        if last is not None and now - last <= 180.0:
            observed += now - last
        last = now
        if before.on or after.on:
            if after.on and not before.on:
                assert first is not None or condition.for_seconds == 0.0
                since = 0.0 if first is None else first
                assert observed - since >= 0.75 * condition.for_seconds - 1e-6
            first = None
            continue
        if first is None and condition.is_bad(value):
            first = observed


@given(st.lists(st.sampled_from([70.0, 82.0, 96.0]), max_size=400), st.sampled_from([0.5, 1.0, 2.0]))
@example([96.0] * 31, 1.0)
@example([96.0, 82.0] * 200, 1.0)
@example([82.0, 70.0, 96.0, 96.0, 70.0, 70.0] * 66, 1.0)
def test_it_begins_when_the_bad_values_of_the_span_are_worth_the_duration(values, tick):
    """Compared with a plain count: each bad value is worth one tick, the span two and a half durations."""
    found = turned(WARM, values, tick)
    bad = [value >= 84.0 for value in values]
    for number in range(len(values)):
        at = number * tick
        worth = sum(bad[max(0, number - int(75.0 / tick)) : number + 1]) * tick
        begun = bool(found) and found[0][0] <= at
        if begun:
            break
        assert worth <= 30.0 + 4 * tick, (at, worth)
    if found:
        number = round(found[0][0] / tick)
        assert sum(bad[max(0, number - int(75.0 / tick) - 3) : number + 1]) * tick >= 30.0 - 2 * tick


@given(st.floats(0.0, 1e5, exclude_min=True), st.lists(st.booleans(), min_size=1, max_size=600))
@example(86_400.0, [True, False] * 300)
def test_what_it_remembers_is_bounded_however_long_the_span(seconds, course):
    condition = Condition(above=True, threshold=1.0, clear_at=0.0, for_seconds=seconds)
    for _, after, _, _ in play(condition, [(1.0, float(bad)) for bad in course]):
        assert len(after.parts) <= 200


@given(conditions, st.floats(0.0, 120.0))
@example(HOT, 95.0)
@example(THROTTLED, 1.0)
def test_a_clock_that_jumps_back_counts_for_nothing(condition, value):
    before = Holding(parts=(), counting=True, seen_at=1e9)
    after = step(condition, before, value, 5.0)
    assert after.held_seconds == 0.0
    assert after.on is (condition.for_seconds == 0.0 and condition.is_bad(value))


def test_only_what_is_bad_above_can_be_averaged():
    with pytest.raises(ValueError, match="averaged"):
        Condition(above=False, threshold=5.0, clear_at=10.0, for_seconds=30.0, averaged=True)


def test_it_says_how_long_it_takes():
    assert span_words(30.0, averaged=False) == "for 30 s within 75 s"
    assert span_words(15.0, averaged=True) == "for 15 s within 37.5 s, or on average over 37.5 s"
    assert span_words(0.0, averaged=True) == ""


def test_growth_counts_until_its_span_has_passed_and_a_counter_that_was_set_back_has_not_grown():
    growth = CounterGrowth(10.0)
    assert growth.add(13.0, 100.0, 60.0) == 3.0
    assert growth.add(13.0, 159.0, 60.0) == 3.0
    assert growth.add(13.0, 160.0, 60.0) == 0.0
    assert growth.add(2.0, 170.0, 60.0) == 0.0
    assert [growth.add(4.0, 180.0, 60.0), growth.add(5.0, 190.0, 60.0)] == [2.0, 3.0]
