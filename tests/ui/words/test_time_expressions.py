"""Times as people type them: the latest that fits and has been, with whatever stood before it; never one to come."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.words.time_expressions import WantedTime, parse


def local(year, month, day, hour=0, minute=0, second=0):
    return time.mktime((year, month, day, hour, minute, second, 0, 0, -1))


NOW = local(2026, 11, 26, 10, 30)  # a Thursday


@pytest.mark.parametrize(
    ("typed", "at"),
    [
        ("03:00", (2026, 11, 26, 3)),
        ("3:00", (2026, 11, 26, 3)),
        ("10:30", (2026, 11, 26, 10, 30)),
        ("10:31", (2026, 11, 25, 10, 31)),
        ("23:59:58", (2026, 11, 25, 23, 59, 58)),
        ("3pm", (2026, 11, 25, 15)),
        ("3:20 pm", (2026, 11, 25, 15, 20)),
        ("12am", (2026, 11, 26, 0)),
        ("12:05pm", (2026, 11, 25, 12, 5)),
        ("25 Nov 03:00", (2026, 11, 25, 3)),
        ("Nov 25 03:00", (2026, 11, 25, 3)),
        ("25 november 2024 03:00", (2024, 11, 25, 3)),
        ("03:00 25 nov", (2026, 11, 25, 3)),
        ("26 nov 10:31", None),
        ("27 nov 03:00", (2025, 11, 27, 3)),
        ("29 feb 03:00", (2024, 2, 29, 3)),
        ("31 nov 03:00", None),
        ("2026-11-25 03:00", (2026, 11, 25, 3)),
        ("2026-11-25T03:00", (2026, 11, 25, 3)),
        ("2027-11-25 03:00", None),
        ("25.11. 03:00", (2026, 11, 25, 3)),
        ("25.11.2025 03:00", (2025, 11, 25, 3)),
        ("yesterday 14:30", (2026, 11, 25, 14, 30)),
        ("today 03:00", (2026, 11, 26, 3)),
        ("today 11:00", None),
        ("mon 9:15", (2026, 11, 23, 9, 15)),
        ("thursday 9:15", (2026, 11, 26, 9, 15)),
        ("thu 11:15", (2026, 11, 19, 11, 15)),
        ("2 h ago", (2026, 11, 26, 8, 30)),
        ("90min ago", (2026, 11, 26, 9, 0)),
        ("-2d", (2026, 11, 24, 10, 30)),
        ("24:00", None),
        ("13pm", None),
        ("0pm", None),
        ("03:60", None),
        ("03:00 04:00", None),
        ("thu", None),
        ("may", None),
        ("7", None),
        ("", None),
    ],
)
def test_a_time_is_the_latest_that_fits_and_has_been(typed, at):
    assert parse(typed, NOW) == (None if at is None else WantedTime(local(*at)))


@pytest.mark.parametrize(
    ("typed", "start", "end"),
    [
        ("03:00 – 03:20", (2026, 11, 26, 3), (2026, 11, 26, 3, 20)),
        ("25 nov 03:00 - 03:20", (2026, 11, 25, 3), (2026, 11, 25, 3, 20)),
        ("25 nov 23:50 to 00:10", (2026, 11, 25, 23, 50), (2026, 11, 26, 0, 10)),
        ("25 nov 23:50 – 26 nov 00:10", (2026, 11, 25, 23, 50), (2026, 11, 26, 0, 10)),
        ("10:00–11:00", (2026, 11, 26, 10), (2026, 11, 26, 10, 30)),
        ("24 nov 2026 – 25 nov 2026", (2026, 11, 24), (2026, 11, 26)),
        ("yesterday", (2026, 11, 25), (2026, 11, 26)),
        ("today", (2026, 11, 26), (2026, 11, 26, 10, 30)),
        ("25 nov", (2026, 11, 25), (2026, 11, 26)),
    ],
)
def test_a_span_or_a_day_is_shown_as_a_whole_as_far_as_it_has_been(typed, start, end):
    assert parse(typed, NOW) == WantedTime(local(*start), local(*end))


@pytest.mark.parametrize(
    ("typed", "subject"),
    [
        ("gpu 7 03:00", "gpu 7"),
        ("GPU 7, 03:00", "gpu 7"),
        ("sda yesterday 14:30", "sda"),
        ("/mnt/nas 25 nov 03:00", "/mnt/nas"),
        ("03:00", ""),
    ],
)
def test_what_stands_before_a_time_is_what_it_is_asked_of(typed, subject):
    assert parse(typed, NOW).subject == subject


@given(st.floats(60, 300 * 86_400), st.sampled_from(["%d %b %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%H:%M:%S %d %b %Y"]))
@example(3600.0, "%d %b %H:%M:%S")
def test_a_time_that_was_written_out_is_found_again(back, form):
    at = float(int(NOW - back))
    assert parse(time.strftime(form, time.localtime(at)), NOW) == WantedTime(at)


@given(st.floats(0, 29 * 86_400), st.floats(60, 86_400))
@example(0.0, 60.0)
@example(86_400.0, 3599.0)
def test_what_the_window_says_it_shows_can_be_typed_to_go_there(back, seconds):
    end = float(int((NOW - back) // 60 * 60))
    start = float(int((end - seconds) // 60 * 60))
    assert parse(spans.told(Span(start, end), NOW), NOW) == WantedTime(start, end)


@given(st.text(max_size=60))
@example("-999999w")
@example("9999-12-31 23:59")
@example("0001-01-01 00:00")
@example("00.00.0000 1:00")
@example("² nov 03:00")
@example("٣ nov 03:00")
@example("-3 – -4")
@example(" – 03:00")
def test_whatever_is_typed_is_a_past_time_or_none(typed):
    found = parse(typed, NOW)
    assert found is None or (0 <= found.start <= NOW and (found.end is None or found.start < found.end <= NOW))


def test_what_is_too_long_is_no_time():
    assert parse("x " * 60 + "03:00", NOW) is None
