"""The heat map's sheet: which column stands where, how hot a cell is, and where windows stand. No window is needed."""

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.records.monitors import ColumnScore, JudgedWindow
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window import cell_text
from mlops_desk.drift.window.heatmap.heatmap_data import heat_of, sheet_of
from mlops_desk.drift.window.over_time import WindowPlaces, fitted
from mlops_desk.kit.window.curves.spans import Span

HOUR = 3600.0
ANY_NUMBER = st.none() | st.floats()


def window(place, columns, identifier=None):
    start = place * HOUR
    return JudgedWindow(identifier or str(place), "m", start, start + HOUR, 1000, Verdict.OK, False, columns)


def score(value, limit=0.1, verdict=Verdict.OK, **more):
    return ColumnScore(verdict, value, "ks", limit, **more)


def test_what_drifts_now_stands_above_then_the_worse_then_the_more_important():
    columns = {
        "calm": score(0.01),
        "calm but important": score(0.005),
        "warns": score(0.12, verdict=Verdict.WARNING),
        "empty": score(None, verdict=Verdict.CRITICAL),
        "drifts": score(0.4, verdict=Verdict.DRIFT),
    }
    sheet = sheet_of([window(1, columns)], {"drifts": HOUR}, {"calm but important": 0.9})
    assert [row.name for row in sheet.rows] == ["drifts", "empty", "warns", "calm but important", "calm"]
    assert sheet.rows[0].since == HOUR


def test_windows_stand_from_old_to_new_however_they_are_answered():
    windows = [window(place, {"a": score(place / 10)}) for place in (3, 1, 2)]
    sheet = sheet_of(windows, {}, {})
    assert [one.window_start / HOUR for one in sheet.windows] == [1, 2, 3]
    assert [one.score for one in sheet.rows[0].scores] == [0.1, 0.2, 0.3]


def test_a_column_that_a_window_lacks_has_a_gap_there():
    sheet = sheet_of([window(1, {"a": score(0.1)}), window(2, {"a": score(0.1), "new": score(0.1)})], {}, {})
    rows = {row.name: row.scores for row in sheet.rows}
    assert rows["new"] == (None, score(0.1))


@pytest.mark.parametrize(
    ("one", "heat"),
    [
        (None, None),
        (score(0.2), 1.0),
        (score(0.1), 0.5),
        (score(0.05), 0.125),
        (score(5.0), 1.0),
        (score(0.0), 0.0),
        (score(-0.1), 0.0),
        (score(math.nan), 0.1),
        (score(math.inf, verdict=Verdict.DRIFT), 0.75),
        (score(0.3, limit=None, verdict=Verdict.WARNING), 0.5),
        (score(0.3, limit=0.0, verdict=Verdict.DRIFT), 0.75),
        (score(0.3, limit=math.nan, verdict=Verdict.DRIFT), 0.75),
        (score(0.0, verdict=Verdict.CRITICAL), 1.0),
        (score(0.3, verdict=Verdict.INSUFFICIENT_DATA), None),
        (score(0.3, verdict=Verdict.NOT_COMPARED), None),
    ],
)
def test_heat_has_the_limit_in_the_middle(one, heat):
    assert heat_of(one) == heat


@given(value=ANY_NUMBER, limit=ANY_NUMBER, verdict=st.sampled_from(Verdict))
def test_heat_is_on_the_scale_whatever_a_score_holds(value, limit, verdict):
    heat = heat_of(score(value, limit, verdict))
    assert heat is None or 0.0 <= heat <= 1.0


def test_a_cell_tells_all_that_it_holds():
    held = score(0.42, verdict=Verdict.DRIFT, p_adjusted=3e-7, missing_ratio=0.021)
    told = cell_text.of_cell("age", held, window(1, {}))
    assert told.startswith("age, ")
    assert told.endswith("1,000 rows: drift, KS 0.42 (limit 0.1), p 3e-07, 2.1\u202f% missing")


@given(value=ANY_NUMBER, limit=ANY_NUMBER, p=ANY_NUMBER, missing=ANY_NUMBER)
@example(value=math.nan, limit=0.1, p=0.5, missing=0.0)
@example(value=0.2, limit=math.inf, p=math.nan, missing=math.inf)
@example(value=None, limit=None, p=None, missing=-1.797693134862316e306)
def test_a_number_that_is_none_is_told_nowhere(value, limit, p, missing):
    told = cell_text.of_cell("a", score(value, limit, p_adjusted=p, missing_ratio=missing), window(1, {}))
    assert "nan" not in told
    assert "inf" not in told
    assert "None" not in told


def test_a_hostile_name_is_told_as_it_is_and_cut():
    told = cell_text.of_cell("a\n\u202eb" + "x" * 5000, None, window(1, {}))
    assert "\n" not in told
    assert "\\u202e" in told
    assert len(told) < 400
    assert told.endswith("not in this window")


def test_since_is_told_by_the_clock_today_by_the_day_before_and_with_the_year_long_ago():
    now = 1_800_000_000.0
    assert cell_text.since(None, now) == ""
    assert cell_text.since(now - 60, now).count(":") == 1
    assert cell_text.since(now - 5 * 86_400, now).split()[1].isdigit()
    assert cell_text.since(now - 400 * 86_400, now)[-4:].isdigit()


# Places.


def spans(count, first=0.0):
    return tuple(Span(first + place * HOUR, first + (place + 1) * HOUR) for place in range(count))


@given(
    count=st.integers(1, 60), width=st.floats(50, 2000), cell=st.floats(1, 50), offset=st.floats(0, 500),
    x=st.floats(0, 2200),
)  # fmt: skip
def test_a_pixel_is_of_the_window_that_stands_there(count, width, cell, offset, x):
    places = WindowPlaces(spans(count), 100.0, width, cell, offset)
    at = places.at(x)
    if at is not None:
        assert places.x(at) <= x + 1e-6
        assert x - 1e-6 <= places.x(at + 1)
        assert at in places.seen()


def test_all_windows_fit_where_a_chart_stands_alone():
    places = fitted(spans(10), 68.0, 500.0)
    assert places.seen() == range(10)
    assert places.x(0) == 68.0
    assert places.x(10) == pytest.approx(568.0)
    assert fitted((), 68.0, 0.0).ticks() == []


def test_a_moment_lies_in_the_later_one_of_two_windows_that_touch():
    places = fitted(spans(3), 0.0, 300.0)
    assert places.holding(HOUR) == 1
    assert places.holding(2.5 * HOUR) == 2
    assert places.holding(9 * HOUR) is None


def test_a_span_marks_the_windows_that_it_touches():
    places = fitted(spans(5), 0.0, 300.0)
    assert places.within(Span(1.2 * HOUR, 2.4 * HOUR)) == (1, 2)
    assert places.within(Span(-9 * HOUR, -8 * HOUR)) is None


def test_times_below_never_lie_on_one_another():
    for count in (3, 30, 300, 500):
        for cell in (6.0, 20.0):
            places = WindowPlaces(spans(count, 1.8e9), 60.0, count * cell, cell)
            at = [x for x, _ in places.ticks()]
            assert all(later - earlier >= 52 for earlier, later in pairwise(at)), (count, cell)
