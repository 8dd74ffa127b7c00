"""The time axis: what it shows live, paused and in history; where ticks stand; what a span is called."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.curves.timeaxis import TimeAxis

NOW = 1_790_000_000.0
lengths = st.floats(spans.SHORTEST, spans.LONGEST)


@pytest.fixture
def axis(qapp):
    axis = TimeAxis()
    axis.now = NOW
    return axis


def test_live_follows_the_newest_sample_and_history_stays_where_it_is(axis):
    axis.advance(NOW + 5)
    assert axis.span() == Span(NOW + 5 - 300, NOW + 5)
    axis.move(-100)
    before = axis.span()
    axis.advance(NOW + 50)
    assert not axis.live
    assert not axis.paused
    assert axis.span() == before == Span(NOW - 395, NOW - 95)


def test_who_moves_forward_to_now_is_live_again(axis):
    axis.move(-100)
    axis.move(60)
    assert not axis.live
    axis.move(60)
    assert axis.live


def test_space_pauses_and_goes_on_and_leads_back_from_history(axis):
    axis.toggle()
    assert axis.paused
    axis.toggle()
    assert axis.live
    axis.move(-50)
    axis.toggle()
    assert axis.live
    assert not axis.paused


def test_an_older_sample_turns_no_clock_back(axis):
    axis.advance(NOW + 5)
    axis.advance(NOW + 2)
    assert axis.now == NOW + 5


def test_who_came_back_to_now_is_not_paused_in_history_again(axis):
    axis.move(-100)
    axis.pause()
    axis.move(1000)
    assert axis.live
    axis.move(-100)
    assert not axis.paused


def test_what_is_shown_of_history_ends_at_now_at_the_latest(axis):
    axis.show(NOW - 100, NOW)
    assert axis.span() == Span(NOW - 100, NOW)
    axis.show(NOW - 30, NOW)
    assert axis.span() == Span(NOW - 60, NOW), "a minute is the least that is shown"


def test_a_change_is_told_once_and_none_is_not_told(axis, qtbot):
    told = []
    axis.changed.connect(lambda: told.append(axis.seconds))
    axis.choose(3600)
    axis.choose(3600)
    axis.go_live()
    assert told == [3600]


def test_a_moment_asked_for_is_in_the_middle_with_the_cursor_on_it(axis):
    axis.look_at(NOW - 10_000)
    assert axis.span().start < NOW - 10_000 < axis.span().end
    assert axis.cursor == NOW - 10_000


@given(lengths, st.floats(0.1, 10), st.floats(0, 1))
def test_zoom_keeps_the_moment_in_its_place_and_stays_within_bounds(seconds, factor, share):
    span = Span(NOW - 10 * spans.YEAR, NOW - 10 * spans.YEAR + seconds)
    at = span.start + share * span.seconds
    zoomed = spans.zoomed(span, factor, at, NOW)
    assert spans.SHORTEST * 0.999 <= zoomed.seconds <= spans.LONGEST * 1.001
    assert (at - zoomed.start) / zoomed.seconds == pytest.approx(share, abs=1e-3)


@given(lengths, st.floats(0.1, 10))
def test_nothing_after_now_is_shown(seconds, factor):
    span = Span(NOW - seconds, NOW)
    assert spans.zoomed(span, factor, span.start, NOW).end <= NOW
    assert spans.moved(span, 1e6, NOW).end == NOW


@given(lengths, st.floats(0, 40 * spans.YEAR), st.integers(80, 2000))
def test_ticks_are_few_in_order_and_inside(seconds, start, width):
    span = Span(start, start + seconds)
    marks = spans.ticks(span, width)
    assert len(marks) <= width / spans.TICK_WIDTH + 2
    assert [tick.at for tick in marks] == sorted({tick.at for tick in marks})
    assert all(span.holds(tick.at) and tick.text for tick in marks)


@pytest.mark.parametrize(
    ("seconds", "title"), [(60, "1 min"), (86_400, "24 h"), (5 * spans.YEAR, "5 y"), (5400, "1.5 h")]
)
def test_a_length_has_a_name(seconds, title):
    assert spans.range_title(seconds) == title


def test_the_ranges_go_from_a_minute_to_five_years_step_by_step():
    seconds, seen = spans.SHORTEST, []
    while not seen or seen[-1] != seconds:
        seen.append(seconds)
        seconds = spans.next_range(seconds, longer=True)
    assert seen == [length for length, _ in spans.RANGES]
    assert [spans.next_range(length, longer=False) for length in seen] == [seen[0], *seen[:-1]]


def test_another_day_is_named_with_its_date():
    today = spans.told(Span(NOW - 60, NOW), NOW)
    assert time.strftime("%b", time.localtime(NOW)) not in today
    assert time.strftime("%d %b", time.localtime(NOW - 90_000)) in spans.told(Span(NOW - 90_060, NOW - 90_000), NOW)


@pytest.mark.parametrize(
    ("seconds", "form"),
    [(3600, "%H:%M:%S"), (86_400, "%H:%M"), (7 * 86_400, "%d %b %H:%M"), (90 * 86_400, "%d %b %Y")],
)
def test_a_moment_is_told_as_finely_as_the_span_makes_sense_of(seconds, form):
    assert spans.moment_told(NOW, Span(NOW - seconds, NOW)) == time.strftime(form, time.localtime(NOW))
