"""Drift within segments: which values drift, which columns within one of them, and one column in all of them."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from mlops_desk.drift.records.monitors import JudgedWindow
from mlops_desk.drift.records.segments import Segment, SegmentColumn, SegmentDrift
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window import segments as segment_rows
from mlops_desk.drift.window.column.pane import rows_of
from mlops_desk.kit.window.widgets.button import Button


def window(place, *segments):
    found = SegmentDrift("country", segments, 4) if segments else None
    return JudgedWindow(f"w{place}", "m", 100.0 * place, 100.0 * place + 90, 500, Verdict.OK, False, {}, segments=found)


def segment(value, verdict=Verdict.OK, **more):
    return Segment(value, verdict, 300, 200, **more)


def moved(name="age"):
    return SegmentColumn(name, "numeric", Verdict.DRIFT, 0.4, 1e-5, ("wasserstein_normed",), "age 30 → 41")


# Pure.


def test_a_value_is_told_from_what_stands_for_none_and_for_others():
    names = [segment_rows.name_of(one) for one in (
        segment("DE"), segment(None), segment(None, is_rest=True, n_values=7), segment("(other values)"), segment(""),
    )]  # fmt: skip
    assert names == ["DE", "(without a value)", "(other values)", "«(other values)»", "«»"]
    assert len(set(names)) == 5


def test_segments_stand_worst_first_with_since_when():
    windows = [
        window(1, segment("DE", Verdict.DRIFT), segment("FR")),
        window(2, segment("DE"), segment("FR")),
        window(4, segment("FR", Verdict.DRIFT), segment("DE")),
        window(3, segment("FR", Verdict.DRIFT), segment("IT", Verdict.INSUFFICIENT_DATA)),
    ]
    sheet = segment_rows.sheet_of_segments(windows)
    assert [row.name for row in sheet.rows] == ["FR", "IT", "DE"]
    assert [one.window_start for one in sheet.windows] == [100.0, 200.0, 300.0, 400.0]
    assert sheet.rows[0].since == 300.0
    assert sheet.rows[2].since is None
    assert sheet.rows[1].scores[0] is None, "a window that does not have it is a gap"


def test_within_a_segment_its_columns_stand_with_size_and_p():
    one = segment("DE", Verdict.DRIFT, columns=(moved(), SegmentColumn("plan", "categorical", Verdict.OK, 0.01, 0.8)))
    sheet = segment_rows.sheet_within([window(1), window(2, one), window(3, segment("FR"))], "DE")
    assert [row.name for row in sheet.rows] == ["age", "plan"]
    first = sheet.rows[0].scores
    assert first[0] is first[2] is None
    assert (first[1].score, first[1].p_adjusted, first[1].measure) == (0.4, 1e-5, "wasserstein_normed")


def test_what_a_window_says_of_a_segment():
    drifted = segment("DE", Verdict.DRIFT, columns=(moved(), replace(moved("plan"), verdict=Verdict.OK)))
    assert segment_rows.told_of(drifted) == "200 rows against 300, 1 of 2 columns drifted: age"
    assert segment_rows.told_of(segment("DE", Verdict.INSUFFICIENT_DATA)) == "200 rows against 300: too few to judge"
    assert "7 values together" in segment_rows.told_of(segment(None, is_rest=True, n_values=7))
    new = segment(None, Verdict.NOT_COMPARED, is_unknown=True, n_values=3, names=("gold", "silver"))
    assert segment_rows.name_of(new) == "(values new to the reference)"
    assert segment_rows.told_of(new) == "200 rows, nothing to hold them against: gold, silver and 1 more"
    turned = segment("DE", Verdict.DRIFT, columns=(moved(),), alarm=True, turned_at=1000.0)
    assert "turned since" in segment_rows.told_of(turned)


def test_a_column_in_each_segment_says_where_it_could_not_be_judged():
    found = rows_of(
        window(1, segment("DE", Verdict.DRIFT, columns=(moved(),)), segment("FR", Verdict.INSUFFICIENT_DATA),
               segment("IT", columns=(moved("plan"),))), "age",
    )  # fmt: skip
    assert {name: row.verdict for name, row in found.items()} == {
        "DE": Verdict.DRIFT, "FR": Verdict.INSUFFICIENT_DATA, "IT": Verdict.NOT_COMPARED,
    }  # fmt: skip
    assert rows_of(window(1), "age") == {}


# The view.


@pytest.fixture
def page(start, double, qtbot):
    shown = start(double, "drift").window.page()
    qtbot.waitUntil(lambda: bool(shown.monitors.pane.sheet.windows))
    return shown


@pytest.fixture
def pane(page):
    page.monitors.pane.tabs.choose("segments")
    return page.monitors.pane


def test_all_segments_are_shown_first_and_one_is_gone_into_by_keys(page, pane):
    view = pane.segments
    assert [row.name for row in view.map.sheet.rows] == ["scanner A", "(without a value)", "(other values)", "phone"]
    assert "by source" in view.by.whole
    assert "1 of 3 columns drifted: pixel_0_0" in view.says.whole
    view.map.setFocus()
    QTest.keyClick(view.map, Qt.Key.Key_Return)
    assert view.segment.currentText() == "scanner A"
    assert view.map.sheet.rows[0].name == "pixel_0_0"
    assert "by Wasserstein, KS" in view.says.whole
    page.escape()
    assert view.segment.currentIndex() == 0
    assert view.map.sheet.rows[0].name == "scanner A"


def test_a_column_is_looked_into_at_the_window_that_was_meant_and_back(page, pane, qtbot):
    view = pane.segments
    view.segment.setCurrentIndex(view.segment.findData("scanner A"))
    view.map.go_to_window(100)
    view.map.setFocus()
    QTest.keyClick(view.map, Qt.Key.Key_Return)
    looking = pane.looking
    assert (looking.seen.name, looking.seen.window) == ("pixel_0_0", 100)
    table = looking.pane.segments
    assert table.isVisible()
    assert table.records.record("scanner A").column.effect == 0.02
    page.escape()
    assert view.isVisible()
    assert view.segment.currentData() == "scanner A"
    assert view.map.hasFocus()


def test_a_segment_with_too_few_rows_says_so_in_place_of_columns(pane):
    view = pane.segments
    view.segment.setCurrentIndex(view.segment.findData("(without a value)"))
    assert view.map.sheet.rows == ()
    assert "9 rows against 12: too few to judge" in view.says.whole
    view.map.grab()


@pytest.mark.slow
def test_the_segment_that_is_looked_at_stays_with_newer_windows(pane, double, qtbot):
    view = pane.segments
    view.segment.setCurrentIndex(view.segment.findData("phone"))
    double.judged["m1"] = double.judged["m1"][10:]
    pane.look(again=True)
    qtbot.waitUntil(lambda: len(view.map.sheet.windows) == 150)
    assert view.segment.currentData() == "phone"


def test_a_span_that_is_marked_there_is_that_of_all_charts(page, pane):
    start, end = pane.sheet.windows[10].window_start, pane.sheet.windows[19].window_end
    pane.segments.map.brushed.emit(start, end)
    span = page.context.axis.span()
    assert (span.start, span.end) == pytest.approx((start, end))


def test_the_tab_is_there_only_where_windows_were_judged_by_segment(page, pane, double, qtbot):
    tab = next(button for button in pane.tabs.findChildren(Button) if button.text() == "Segments")
    assert tab.isVisible()
    page.monitors.show_thing("m2")
    qtbot.waitUntil(lambda: not tab.isVisible())
    assert pane.tabs.current() == "heat"


def test_a_monitor_whose_segment_is_new_says_that_the_next_window_is_judged_by_it(page, pane, double, qtbot):
    double.judged["m1"] = [replace(one, segments=None) for one in double.judged["m1"]]
    pane.look(again=True)
    qtbot.waitUntil(lambda: "The next window is judged for each value of source, too." in pane.segments.by.text())
    assert next(button for button in pane.tabs.findChildren(Button) if button.text() == "Segments").isVisible()
