"""The strip of a day in the table: two hours a block, a gap where nothing is known, and the times that failed by name."""

import math
import time

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.serving.window.day_history import NOTHING, day_of

START = time.mktime((2026, 11, 29, 0, 0, 0, 0, 0, -1))


def test_blocks_are_as_high_as_there_were_requests_and_gaps_are_none():
    day = day_of([0.0, 4.0, 8.0, math.nan], [0.0, 0.0, 0.0, 0.0], START)
    assert day.text == "▁▅█·"
    assert "from 04:00" in day.told
    assert day.told.endswith("none failed")
    assert not day.has_failed


def test_hours_with_failures_are_named_and_a_day_without_requests_is_flat():
    day = day_of([1.0, 1.0, 1.0], [0.0, 0.1, 0.0], START)
    assert day.has_failed
    assert day.told.endswith("5xx or timeouts from 02:00")
    assert day_of([0.0, 0.0], [0.0, 0.0], START).text == "▁▁"


def test_where_nothing_was_recorded_nothing_is_zero():
    day = day_of([math.nan] * 24, [], START)
    assert day.text == "·" * 24
    assert "Nothing was recorded" in day.told


@given(st.lists(st.floats(0, 1e6) | st.just(math.nan), min_size=1, max_size=24))
def test_there_is_a_block_for_each_hour_whatever_came(requests):
    day = day_of(requests, [0.0] * len(requests), START)
    assert len(day.text) == len(requests)
    assert [mark == "·" for mark in day.text] == [math.isnan(value) for value in requests]


def test_the_page_asks_for_a_day_of_each_and_shows_it(start, double, qtbot):
    page = start(double, "endpoints").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 3)
    qtbot.waitUntil(lambda: any(buckets == 12 for *_, buckets in double.asked_curves))
    names = next(names for names, *_, buckets in double.asked_curves if buckets == 12)
    assert "endpoint:digits\tendpoint.requests" in names
    assert "endpoint:fraud\tendpoint.errors.timeout" in names

    def cell():
        row = page.table.records.record("digits")
        return next(column.cell(row) for column in page.table.records.columns if column.title == "24 h")

    qtbot.waitUntil(lambda: cell().text == "·" * 12)
    assert page.days._lately.goes_on
    page.window().show_page("jobs")
    assert not page.days._lately.goes_on
    assert page.days.of("nowhere") == NOTHING
