"""The page on drift with its monitors: which is shown first, its windows, one column, and every state it can be in."""

import math
from dataclasses import replace

import pytest
from doubles import Double
from drift_doubles import put_standing
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from mlops_desk.drift.records.monitors import ColumnScore, MonitorState
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window.column.distribution import SpreadMode
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.window.live.store import Topic


@pytest.fixture
def pane(page):
    return page.monitors.pane


def rows(page):
    table = page.monitors.table
    return [[cell.text for cell in table.records._row(key)] for key in table.records.order.keys]


def look_into(pane, qtbot, column="pixel_0_0"):
    pane.open_column(column)
    qtbot.waitUntil(lambda: pane.looking.seen is not None and pane.looking.seen.story is not None)
    qtbot.waitUntil(lambda: not pane.looking.seen.waits_report)
    return pane.looking


def test_what_has_drifted_stands_first_and_is_chosen(page):
    assert [row[0] for row in rows(page)] == [
        "digits inputs", "claims", "fraud inputs", "router inputs", "nightly export",
    ]  # fmt: skip
    assert [row[1] for row in rows(page)] == ["■ drifted", "? unknown", "● fine", "○ waiting", "❚❚ paused"]
    first = rows(page)[0]
    assert first[2] == "digits"
    assert first[3] == "■" * 12
    assert first[5] == "2/15"
    assert first[6].startswith("in ")
    assert page.monitors.chosen().monitor.id == "m1"


def test_the_verdict_is_a_sentence_and_retraining_a_line_below_it(page, pane):
    assert "has drifted" in pane.banner.accessibleName()
    assert "pixel_0_0 and pixel_0_1 have drifted" in pane.banner.accessibleName()
    assert "Version 4 waits: 0.9812 against 0.9731" in pane.retraining.whole
    QTest.mouseClick(pane.review_button, Qt.MouseButton.LeftButton)
    assert page.tabs.current() == "rules"
    assert page.rules.retrainings.key() == "t2"


def test_the_map_has_the_windows_with_the_drifted_columns_on_top(pane):
    heat = pane.heat.map
    assert [row.name for row in heat.sheet.rows[:2]] == ["pixel_0_0", "pixel_0_1"]
    assert len(heat.sheet.windows) == 160
    assert heat.column() == "pixel_0_0"
    assert "Wasserstein of pixel_0_0" in pane.heat.score.accessibleName()
    assert "limit 0.1" in pane.heat.score.accessibleDescription()
    assert "13" in pane.heat.share.accessibleDescription()


def test_score_and_share_stand_on_the_places_of_the_map(pane, qtbot):
    QTest.keyClick(pane.heat.map, Qt.Key.Key_Home)
    assert pane.heat.score.places == pane.heat.map.places()
    assert pane.heat.share.places == pane.heat.map.places()
    assert pane.heat.score.meant == pane.heat.share.meant == 0


def test_a_window_that_is_pointed_at_is_read_in_all_charts_and_on_the_time_axis(page, pane):
    pane.heat.score.hovered.emit(20)
    window = pane.sheet.windows[20]
    assert window.window_start < page.context.axis.cursor < window.window_end
    assert pane.heat.share.read == 20
    page.context.axis.point_at((pane.sheet.windows[31].window_start + pane.sheet.windows[31].window_end) / 2)
    assert pane.heat.score.read == 31
    pane.heat.score.hovered.emit(None)
    assert page.context.axis.cursor is None


def test_a_brushed_span_is_that_of_all_charts_and_its_windows_are_asked_for(page, pane, double, qtbot):
    start, end = pane.sheet.windows[10].window_start, pane.sheet.windows[19].window_end
    pane.heat.map.brushed.emit(start, end)
    axis = page.context.axis
    assert axis.in_history
    assert (axis.span().start, axis.span().end) == pytest.approx((start, end))
    qtbot.waitUntil(lambda: double.asked_windows[-1] == ("m1", axis.span().end))
    qtbot.waitUntil(lambda: len(pane.sheet.windows) == 21)
    assert pane.heat.map.span == axis.span()
    axis.go_live()
    qtbot.waitUntil(lambda: len(pane.sheet.windows) == 160)


def test_of_another_time_it_is_told_since_when_columns_had_drifted_then(page, pane, double, qtbot):
    since = double.judged["m1"][5].window_start
    double.judged["m1"] = [replace(one, since={"pixel_1_3": since}) for one in double.judged["m1"]]
    assert pane.sheet.rows[0].since is not None
    page.context.axis.show(pane.sheet.windows[10].window_start, pane.sheet.windows[19].window_end)
    qtbot.waitUntil(lambda: len(pane.sheet.windows) == 21)
    told = {row.name: row.since for row in pane.sheet.rows if row.since is not None}
    assert told == {"pixel_1_3": since}, "pixel_0_0 has drifted now, and had not then"
    page.context.axis.go_live()
    qtbot.waitUntil(lambda: pane.sheet.rows[0].name == "pixel_0_0")


def test_enter_looks_into_a_column_and_escape_goes_back_to_its_cell(page, pane, qtbot):
    heat = pane.heat.map
    heat.setFocus()
    QTest.keyClick(heat, Qt.Key.Key_Down)
    QTest.keyClick(heat, Qt.Key.Key_Return)
    assert pane.looking.pane.isVisible()
    assert pane.looking.pane.title.whole == "pixel_0_1"
    assert not pane.tabs.isVisible(), "the column has the height to itself"
    page.escape()
    assert heat.isVisible()
    assert heat.column() == "pixel_0_1"
    assert pane.tabs.isVisible()


def test_a_column_shows_distribution_story_measures_and_quality(pane, qtbot):
    looking = look_into(pane, qtbot)
    shown = looking.pane
    assert shown.spread.spread is not None
    assert shown.ribbon.isVisible()
    assert "median" in shown.ribbon.accessibleDescription()
    assert "reference 7" in shown.ribbon.accessibleDescription()
    names = {shown.measures.model().index(row, 0).data() for row in range(shown.measures.shown_rows())}
    assert {"Wasserstein", "KS", "PSI"} <= names
    assert shown.quality.records.record("out_of_range") is not None
    assert "numeric, 1,000 rows" in shown.about.whole


@pytest.mark.parametrize(
    ("mode", "told"),
    [(SpreadMode.COUNTS, "then"), (SpreadMode.BELOW, "up to"), (SpreadMode.PSI, "adds"), (SpreadMode.SHARES, "now")],
)
def test_bins_are_read_by_keys_in_every_mode(pane, qtbot, mode, told):
    shown = look_into(pane, qtbot).pane
    shown.modes.choose(mode)
    QTest.keyClick(shown.spread, Qt.Key.Key_Right)
    QTest.keyClick(shown.spread, Qt.Key.Key_Right)
    assert shown.spread.bin == 1
    assert told in shown.spread.accessibleDescription()
    shown.spread.grab()


def test_categories_are_stacked_over_time_and_have_no_order_to_sum_up(pane, qtbot):
    shown = look_into(pane, qtbot, "source").pane
    assert shown.shares.isVisible()
    assert not shown.ribbon.isVisible()
    assert shown.shares.names[0] == "scanner A"
    assert "scanner A" in shown.shares.accessibleDescription()
    assert not shown.modes._buttons[SpreadMode.BELOW].isVisible()
    look_into(pane, qtbot, "pixel_0_0")
    assert shown.modes._buttons[SpreadMode.BELOW].isVisible()


@pytest.mark.slow
def test_another_window_is_chosen_in_the_charts_over_time(pane, double, qtbot):
    looking = look_into(pane, qtbot)
    before = double.calls.count(("drift", "show"))
    QTest.keyClick(looking.pane.score, Qt.Key.Key_Home)
    assert looking.seen.window == 0
    qtbot.waitUntil(lambda: double.calls.count(("drift", "show")) > before)
    assert pane.heat.map.window_place == 0
    assert looking.seen.told in looking.pane.says.whole


def test_the_column_above_and_below_are_a_step_away(pane, qtbot):
    looking = look_into(pane, qtbot)
    QTest.mouseClick(looking.pane.after, Qt.MouseButton.LeftButton)
    assert looking.seen.name == "pixel_0_1"
    QTest.mouseClick(looking.pane.before, Qt.MouseButton.LeftButton)
    QTest.mouseClick(looking.pane.before, Qt.MouseButton.LeftButton)
    assert looking.seen.name == "pixel_0_0"


@pytest.mark.slow
def test_rows_of_a_window_are_the_requests_of_its_time(page, pane, double, qtbot):
    looking = look_into(pane, qtbot)
    window = looking.seen.windows[looking.seen.window]
    frame = page.window()
    QTest.mouseClick(looking.pane.rows, Qt.MouseButton.LeftButton)
    shown = frame.page()
    assert shown is not page
    qtbot.waitUntil(lambda: shown.chosen() is not None and shown.chosen().name == "digits")
    qtbot.waitUntil(lambda: shown.pane.tabs.current() == "requests")
    span = page.context.axis.span()
    assert (span.start, span.end) == pytest.approx((window.window_start, window.window_end), abs=60)


def test_a_window_without_a_report_says_so_in_its_place(pane, double, qtbot):
    double.judged["m1"] = [replace(one, report_id=None) for one in double.judged["m1"]]
    pane.look(again=True)
    qtbot.waitUntil(lambda: pane.sheet.windows[0].report_id is None)
    looking = look_into(pane, qtbot)
    assert "not kept any more" in looking.pane.about.whole
    assert looking.pane.ribbon.isVisible()


def test_a_report_that_is_refused_says_why_where_it_would_be(pane, double, qtbot):
    double.failing["drift.show"] = Unavailable("The state can't be read.", Hint("mlops-desk doctor"))
    looking = look_into(pane, qtbot)
    assert "The state can't be read." in looking.pane.about.whole
    assert looking.seen.story is not None, "what else is known stays"


def test_numbers_that_are_none_are_gaps_and_dashes(pane, double, qtbot):
    broken = ColumnScore(Verdict.CRITICAL, math.nan, None, None, math.nan, math.nan)
    double.judged["m1"] = [
        replace(one, columns={**one.columns, "pixel_0_0": broken}, drifted_ratio=math.nan)
        for one in double.judged["m1"]
    ]
    pane.look(again=True)
    qtbot.waitUntil(lambda: pane.sheet.rows[0].scores[-1] == broken)
    looking = look_into(pane, qtbot)
    for chart in (pane.heat.score, pane.heat.share, looking.pane.score, looking.pane.ribbon):
        chart.grab()
        assert "nan" not in chart.accessibleDescription()
    assert looking.pane.score.accessibleDescription().startswith("–")
    pane.heat.map.grab()
    assert "nan" not in pane.heat.map.told()


def test_hostile_names_of_columns_and_monitors_are_shown_as_they_are(pane, page, double, qtbot):
    name = "<b>age</b>\n\u202eevil" + "x" * 3000
    double.judged["m1"] = [
        replace(one, columns={name: ColumnScore(Verdict.DRIFT, 0.4, "ks", 0.1)}) for one in double.judged["m1"]
    ]
    standing = double.monitors_by_id["m1"]
    put_standing(double, standing, monitor=replace(standing.monitor, name=name), since={name: 1.0}, sentence=name)
    page.reload()
    qtbot.waitUntil(lambda: pane.heat.map.column() == name)
    looking = look_into(pane, qtbot, name)
    assert looking.pane.title.whole.startswith("<b>age</b>\\n\\u202e")
    assert len(looking.pane.title.whole) < 1000
    page.window().grab()


# States.


def show(page, key):
    page.monitors.table.select(key)


def test_a_monitor_that_waits_says_what_for(page, pane, qtbot):
    show(page, "m3")
    assert "Nothing came from requests of router yet." in pane.banner.accessibleName()
    qtbot.waitUntil(lambda: "No window was judged yet" in pane.state.details())
    assert "1,000 rows a window" in pane.state.details()


@pytest.mark.slow
def test_an_unknown_one_says_why_and_what_to_do(page, pane):
    show(page, "m4")
    assert "permission denied" in pane.banner.accessibleName()
    assert "chmod g+rx" in pane.banner.accessibleName()
    assert not pane.retraining.isVisible()


def test_a_paused_one_is_resumed_and_not_checked(page, pane):
    show(page, "m5")
    assert page.monitors.acts.pause.text() == "Resume"
    assert not page.monitors.acts.check.isEnabled()


def test_how_a_monitor_is_set_up_is_told_with_what_is_left_out_and_why(page, pane, qtbot):
    show(page, "m2")
    pane.tabs.choose("facts")
    told = {fact.name: fact.value for fact in pane.facts.shown}
    assert told["Source"] == "requests of fraud"
    assert told["Reference"] == "training data of the version"
    assert told["Not country"] == "changes with every campaign"
    assert told["Windows"].startswith("1\u202fh a window; turns when 2 of 3 alarm")


def test_what_weighs_stands_beside_what_moved(page, pane, qtbot):
    pane.tabs.choose("importance")
    assert pane.importance.chart.isVisible()
    assert {run.key for run in pane.importance.chart.runs} == {"pixel_0_0", "pixel_0_1", "pixel_1_0", "source"}
    pane.importance.chart.picked.emit("source")
    assert pane.looking.pane.isVisible()
    page.escape()
    show(page, "m2")
    qtbot.waitUntil(lambda: len(pane.sheet.windows) == 40)
    pane.tabs.choose("importance")
    qtbot.waitUntil(lambda: "No importance is known" in pane.importance.state.details())


def test_what_has_drifted_and_is_important_lies_in_a_corner_of_its_own(page, pane):
    pane.tabs.choose("importance")
    chart = pane.importance.chart
    assert chart.corner == pytest.approx(((0.4 + 0.1 + 0.02 + 0.3) / 4, 1.0))
    assert [chart.runs[place].key for place in chart.mattering()] == ["pixel_0_0"], "pixel_0_1 weighs too little"
    assert chart.accessibleDescription() == "What matters: pixel_0_0"
    assert "4 columns" in chart.accessibleName()
    assert "Drifted and important: pixel_0_0." in pane.importance.says.whole
    assert "11 columns without a score or an importance" in pane.importance.says.whole
    chart.grab()


def test_a_column_of_the_scatter_is_gone_to_by_keys_and_opened(page, pane):
    pane.tabs.choose("importance")
    chart = pane.importance.chart
    chart.setFocus()
    QTest.keyClick(chart, Qt.Key.Key_Right)
    assert pane.importance.says.whole.startswith("pixel_1_0: Importance 0.02"), "the least important is the first"
    QTest.keyClick(chart, Qt.Key.Key_Left)
    assert pane.importance.says.whole.startswith("pixel_0_0: ")
    QTest.keyClick(chart, Qt.Key.Key_Return)
    assert pane.looking.seen.name == "pixel_0_0"


def test_windows_that_are_refused_are_an_error_with_another_try(page, pane, double, qtbot):
    double.failing["monitors.history"] = Unavailable("The windows' store is locked.", Hint("mlops-desk doctor"))
    show(page, "m2")
    qtbot.waitUntil(lambda: "store is locked" in pane.state.details())
    double.failing.clear()
    pane.state._do()
    qtbot.waitUntil(lambda: len(pane.sheet.windows) == 40)
    double.failing["monitors.history"] = Unavailable("The windows' store is locked.", Hint("mlops-desk doctor"))
    pane.look(again=True)
    qtbot.waitUntil(pane.trouble.isVisible)
    assert "What is shown is older" in pane.trouble.whole
    assert pane.heat.map.isVisible()


def test_tabs_turned_while_windows_are_loaded_or_refused_claim_nothing(page, pane, double, qtbot):
    double.frozen.add("monitors.history")
    show(page, "m2")
    for key in ("importance", "facts", "heat"):
        pane.tabs.choose(key)
    assert pane.state.isVisible()
    assert "Loading the windows" in pane.state.details()
    pane._cancel()
    for key in ("facts", "importance"):
        pane.tabs.choose(key)
    assert pane.state.isVisible()
    assert "Loading was cancelled" in pane.state.details()


def test_without_monitors_the_page_says_what_to_do(start, qtbot):
    shown = start(Double(empty=True, beat_seconds=0.2), "drift").window.page()
    qtbot.waitUntil(lambda: "Nothing is watched yet" in shown.monitors.state.details())
    assert shown.monitors.state._act.text() == "Go to endpoints"


def test_monitors_that_can_not_be_asked_for_are_an_error(start, double, qtbot):
    double.failing["monitors"] = Unavailable("The agent is busy.", Hint("mlops-desk agent status"))
    shown = start(double, "drift").window.page()
    qtbot.waitUntil(lambda: "The agent is busy." in shown.monitors.state.details())


def test_a_page_that_loads_monitors_says_so_and_can_be_cancelled(start, double, qtbot):
    double.frozen.add("monitors")
    shown = start(double, "drift").window.page()
    qtbot.waitUntil(lambda: "Loading monitors" in shown.monitors.state.details())
    shown.monitors.state._do()
    qtbot.waitUntil(lambda: "cancelled" in shown.monitors.state.details())
    double.thaw.set()


def test_while_the_agent_is_not_heard_a_line_says_so(page, double, qtbot):
    double.failing["connect"] = double.failing["events"] = Unavailable("It is gone.", Hint("mlops-desk status"))
    double.break_off()
    qtbot.waitUntil(page._stale_line.isVisible)
    assert "These states are of" in page._stale_line.whole


@pytest.mark.slow
def test_a_thing_is_found_by_monitor_endpoint_and_reports(page):
    assert page.show_thing("m2")
    assert page.monitors.chosen().monitor.id == "m2"
    assert page.show_thing("digits")
    assert page.monitors.chosen().monitor.id == "m1"
    assert page.show_thing("claims")
    assert page.show_thing("reports:digits")
    assert page.tabs.current() == "reports"
    assert not page.show_thing("nothing")


def test_the_filter_keeps_the_monitor_that_is_asked_for(page):
    page.monitors.filter.setText("fraud")
    assert page.monitors.table.shown_rows() == 1
    assert page.show_thing("m1")
    assert page.monitors.chosen().monitor.id == "m1"
    assert page.monitors.filter.text() == ""


def test_a_warning_is_no_alert(page, double, qtbot):
    standing = double.monitors_by_id["m2"]
    put_standing(double, standing, state=MonitorState.TURNED, verdict=Verdict.DRIFT)
    page.reload()
    qtbot.waitUntil(lambda: any(row[0] == "fraud inputs" and row[1] == "▲ drifted" for row in rows(page)))


def test_what_turns_stays_where_it_is_until_somebody_comes_back(page, double, qtbot):
    put_standing(double, double.monitors_by_id["m2"], state=MonitorState.TURNED, verdict=Verdict.DRIFT)
    page.reload()
    qtbot.waitUntil(lambda: ["fraud inputs", "▲ drifted"] in [row[:2] for row in rows(page)])
    assert rows(page)[2][0] == "fraud inputs"
    page.window().open_thing("overview", None)
    page.window().open_thing("drift", None)
    assert [row[0] for row in rows(page)][:2] == ["digits inputs", "fraud inputs"]
    assert page.monitors.chosen().monitor.id == "m1"


def test_a_decision_that_waits_hides_no_alert_in_the_sidebar(start, double, qtbot):
    program = start(double)
    badges = program.window.sidebar._buttons["drift"]
    qtbot.waitUntil(lambda: badges._badge is not None and badges._badge.shape == "■")
    assert "1 monitor drifted" in badges._badge.word
    assert "1 retraining waiting for approval" in badges._badge.word
    put_standing(double, double.monitors_by_id["m1"], state=MonitorState.FINE)
    program.context.load(Topic.MONITORS)
    qtbot.waitUntil(lambda: badges._badge is not None and badges._badge.shape == "▲ 1")
    assert badges._badge.word == "1 retraining waiting for approval"


def test_a_long_verdict_lays_nothing_over_the_windows(page, pane, double, qtbot):
    page.window().resize(1280, 560)
    put_standing(
        double,
        double.monitors_by_id["m1"],
        sentence="«basic» (tenure_months, data_usage_gb) has drifted since November. " * 28,
    )
    page.reload()
    qtbot.waitUntil(lambda: "«basic»" in pane.banner.accessibleName())
    qtbot.waitUntil(lambda: pane.banner._text.width() > 800)
    heat = pane.heat
    qtbot.waitUntil(lambda: heat.map.geometry().bottom() < heat.legend.geometry().top())
    qtbot.waitUntil(lambda: heat.map.height() >= heat.map.minimumHeight())
    split = page.monitors._split  # as high as its parts need: a lower window scrolls
    qtbot.waitUntil(lambda: split.height() >= split.minimumSizeHint().height())
