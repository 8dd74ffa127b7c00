"""One idea of then: while charts show history the window says so, and what stands beside them is of that time too."""

import time
from dataclasses import replace

import pytest
from accessible import walk
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.live.past import LOADING, NOTHING
from mlops_desk.kit.window.words import numbers
from mlops_desk.machine.records.gpu import GpuState
from mlops_desk.machine.records.history import ProcessMemory

HOUR = 3600.0


@pytest.fixture
def gpus(start, double, qtbot):
    page = start(double, "gpus").window.page()
    qtbot.waitUntil(lambda: page.gpu() is not None)
    return page


def go_back(page, qtbot, double, seconds=HOUR):
    """Go into history and wait until what was then is there."""
    axis, asked = page.context.axis, len(double.asked_moments)
    axis.move(-seconds)
    qtbot.waitUntil(lambda: len(double.asked_moments) > asked and page.context.past.note != LOADING)
    return axis


def facts_of(page):
    return {fact.name: fact.value for fact in page.state.shown}


def test_a_window_that_is_live_has_no_bar_and_asks_nothing_of_the_past(gpus, double, qtbot):
    window = gpus.window()
    qtbot.wait(50)
    assert "then_bar" not in vars(window)
    assert double.asked_moments == []


def test_history_is_told_under_the_title_with_the_way_back(gpus, double, qtbot):
    window, axis = gpus.window(), gpus.context.axis
    axis.move(-HOUR)
    bar = window.then_bar
    assert bar.isVisibleTo(window)
    assert bar.told.startswith(f"You see {spans.told(axis.span(), axis.now)}.")
    assert bar.accessibleName() == bar.told
    assert window.title_row.geometry().bottom() < bar.geometry().top()
    bar.live.setFocus()
    qtbot.keyClick(bar.live, Qt.Key.Key_Space)
    assert axis.live
    assert not bar.isVisibleTo(window)
    assert gpus.hasFocus(), "keys mean the page again"


def test_in_history_there_is_one_way_back_and_nothing_to_pause(gpus):
    mode = gpus.window().title_row.time.mode
    assert (mode.isEnabled(), mode.isChecked()) == (True, False)
    gpus.context.axis.move(-HOUR)
    assert (mode.text(), mode.isEnabled(), mode.isChecked()) == ("Pause", False, False)
    gpus.context.axis.go_live()
    gpus.context.axis.pause()
    assert (mode.text(), mode.isEnabled(), mode.isChecked()) == ("Paused", True, True)


@pytest.mark.parametrize("key", [Qt.Key.Key_L, Qt.Key.Key_Home])
def test_a_key_leads_back_to_live(gpus, qtbot, key):
    window, axis = gpus.window(), gpus.context.axis
    axis.move(-HOUR)
    gpus.enter()
    qtbot.keyClick(gpus, key)
    assert axis.live
    assert not window.then_bar.isVisibleTo(window)


def test_a_page_that_shows_now_says_so_and_one_without_time_says_nothing(gpus, qtbot):
    window = gpus.window()
    gpus.context.axis.move(-HOUR)
    for page, told in (("endpoints", "This page shows now. Charts show"), ("host", "You see"), ("events", "This page")):
        window.show_page(page)
        assert window.then_bar.isVisibleTo(window)
        assert window.then_bar.told.startswith(told)
    window.show_page("jobs")
    assert not window.then_bar.isVisibleTo(window)


def test_what_stands_beside_past_curves_is_of_the_end_of_the_span(gpus, double, qtbot):
    before = facts_of(gpus)
    axis = go_back(gpus, qtbot, double)
    assert double.asked_moments == [axis.span().end]
    when = numbers.day_and_clock(axis.span().end)
    assert facts_of(gpus)["Used by"] == "job-then · then" != before["Used by"]
    assert gpus._state_card.heading.whole == f"State at {when}"
    assert gpus.verdict.question.whole == f"Why was it not busier in the minute before {when}?"
    assert "heat then" in gpus.verdict._title.whole
    model = gpus.list.model()
    assert {model.index(row, 1).data().split("\u202f")[0] for row in range(model.rowCount())} == {"12"}
    gpus.tabs.choose("processes")
    assert gpus.processes.key() == "777" or gpus.processes.select("777")
    assert not gpus.end.isVisibleTo(gpus), "what ran then can't be ended"
    assert not next(action for action in gpus.actions_here() if action.id == "gpus.end").when()
    axis.go_live()
    assert facts_of(gpus) == before
    assert gpus._state_card.heading.whole == "State"
    assert gpus.end.isVisibleTo(gpus)


def test_until_it_is_known_what_was_then_nothing_of_now_is_shown(gpus, double, qtbot):
    double.frozen.add("telemetry")
    gpus.context.axis.move(-HOUR)
    assert gpus.gpu().state is GpuState.NOT_RECORDED
    assert (facts_of(gpus)["Used by"], facts_of(gpus)["Note"]) == (numbers.NOTHING, LOADING)
    assert not gpus.verdict.isVisibleTo(gpus)
    assert gpus.window().then_bar.note.whole == LOADING
    gpus.tabs.choose("processes")
    assert gpus.processes.shown_rows() == 0
    assert gpus._no_process.whole == LOADING
    double.thaw.set()
    double.frozen.clear()
    qtbot.waitUntil(lambda: facts_of(gpus)["Used by"] == "job-then · then")


def test_what_was_not_recorded_is_not_told(gpus, double, qtbot):
    double.recorded = False
    go_back(gpus, qtbot, double)
    assert facts_of(gpus)["State"] == "? not recorded"
    assert gpus.window().then_bar.note.whole == NOTHING


@pytest.mark.slow
def test_an_error_is_told_in_the_bar_and_what_was_then_is_asked_for_again_later(gpus, double, qtbot):
    double.failing["telemetry"] = Unavailable("The disk does not answer.", "Look again.")
    gpus.context.axis.move(-HOUR)
    bar = gpus.window().then_bar
    qtbot.waitUntil(lambda: "The disk does not answer. Look again." in bar.note.whole)
    assert facts_of(gpus)["State"] == "? not recorded"
    double.failing.clear()
    double.break_off()
    qtbot.waitUntil(lambda: facts_of(gpus)["Used by"] == "job-then · then", timeout=10_000)
    assert not bar.note.whole


@pytest.mark.slow
def test_while_somebody_moves_only_the_last_place_is_asked_for(gpus, double, qtbot):
    for _ in range(5):
        gpus.context.axis.move(-HOUR)
    axis = go_back(gpus, qtbot, double)
    assert double.asked_moments == [axis.span().end]
    axis.choose(axis.seconds * 2)
    qtbot.wait(50)
    assert double.asked_moments == [axis.span().end], "a longer span that ends there changes nothing of what was then"


@pytest.mark.slow
def test_a_page_that_nobody_sees_asks_nothing(gpus, double, qtbot):
    gpus.window().show_page("jobs")
    gpus.context.axis.move(-HOUR)
    qtbot.wait(50)
    assert double.asked_moments == []
    gpus.window().show_page("gpus")
    qtbot.waitUntil(lambda: facts_of(gpus)["Used by"] == "job-then · then")


@pytest.mark.slow
def test_samples_that_come_meanwhile_change_nothing_of_then(gpus, double, qtbot):
    go_back(gpus, qtbot, double)
    shown, seen = facts_of(gpus), gpus.context.store.status.sampled_at
    calls = []
    gpus.state.show_facts = calls.append
    qtbot.waitUntil(lambda: gpus.context.store.status.sampled_at > seen + 0.5)
    assert (calls, facts_of(gpus)) == ([], shown)


def test_events_of_a_gpu_are_those_that_had_happened_by_then(gpus, double, qtbot):
    gpus.tabs.choose("health")
    mine = [one for one in double.incidents_by_id.values() if one.device]
    gpus.reveal(mine[0].device)
    qtbot.waitUntil(lambda: gpus.health.incidents.shown_rows() > 0)
    go_back(gpus, qtbot, double, time.time() - min(one.at for one in mine) + HOUR)
    assert gpus.health.incidents.shown_rows() == 0


def test_memory_by_process_is_of_all_who_held_some_in_the_span_that_is_seen(gpus, double, qtbot):
    now, uuid = time.time(), gpus.gpu().uuid
    double.held = [
        ProcessMemory(f"{uuid}/pid-{pid}", uuid, pid, "bo", "/usr/bin/python x", name, first, last, 5.0)
        for pid, name, first, last in (
            (41, None, now - 4000, now - HOUR - 200),
            (42, "vllm", now - HOUR - 150, now - 100),
            (43, None, now - 90_000, now - 80_000),
        )
    ]
    chart = gpus.curves.charts["processes"]
    before = [trace.device for trace in chart.traces]
    go_back(gpus, qtbot, double)
    qtbot.waitUntil(lambda: len(chart.traces) == 2)
    assert [(trace.name, trace.device) for trace in chart.traces] == [
        ("python", f"{uuid}/pid-41"), ("vllm", f"{uuid}/pid-42")
    ]  # fmt: skip
    gpus.context.axis.go_live()
    assert [trace.device for trace in chart.traces] == before


@pytest.mark.slow
def test_the_host_and_disks_are_of_then_too(gpus, double, qtbot):
    axis = go_back(gpus, qtbot, double)
    when = numbers.day_and_clock(axis.span().end)
    window = gpus.window()
    window.show_page("host")
    host = window.page()
    assert host._heading.whole == f"Processors at {when}"
    qtbot.waitUntil(lambda: host.memory.shown[0].text.startswith("7 "))
    window.show_page("storage")
    assert window.page().views["disk"]._details.heading.whole == f"Details at {when}"
    axis.go_live()
    assert window.page().views["disk"]._details.heading.whole == "Details"


@pytest.mark.slow
def test_tiles_are_of_then_with_the_minutes_before_and_what_is_now_is_called_so(gpus, double, qtbot):
    window = gpus.window()
    window.show_page("overview")
    overview = window.page()
    uuid = gpus.gpu().uuid
    axis = go_back(gpus, qtbot, double)
    end = axis.span().end
    qtbot.waitUntil(lambda: len(overview._gpus[uuid].view.curves[0].points) > 30)
    tile = overview._gpus[uuid].view
    assert (tile.number, tile.foot, tile.dim) == ("12", "job-then · then", False)
    times = [at for at, _ in tile.curves[0].points]
    assert end - 61 <= min(times) <= max(times) <= end
    assert overview._queue.heading.whole.startswith("Queue now: ")
    assert overview._notices.heading.whole == "Alerts now, and what changed"
    assert not overview._alerts.isVisibleTo(overview)
    assert window.then_bar.note.whole == f"Numbers are of {numbers.day_and_clock(end)}."
    axis.go_live()
    assert overview._gpus[uuid].view.foot != "job-then · then"
    assert overview._queue.heading.whole.startswith("Queue: ")
    assert overview._alerts.isVisibleTo(overview)


@pytest.mark.slow
def test_paused_is_told_as_such_and_shows_what_it_showed(gpus, double, qtbot):
    window, axis = gpus.window(), gpus.context.axis
    qtbot.keyClick(window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    assert window.then_bar.told.startswith("Paused: you see")
    shown = facts_of(gpus)
    qtbot.wait(50)
    assert (facts_of(gpus), double.asked_moments) == (shown, [])
    axis.move(-HOUR)
    assert axis.in_history, "whoever moves on sees what was, not what stood still"
    assert window.then_bar.told.startswith("You see")


def test_an_assistive_tool_is_told_what_time_is_seen_and_finds_the_ways_out(gpus, double, qtbot):
    go_back(gpus, qtbot, double)
    bar = gpus.window().then_bar
    found = {one.widget: one for one in walk(gpus.window())}
    assert (found[bar].role, found[bar].name) == (QAccessible.Role.Grouping, bar.told)
    assert found[bar.range].name == f"{bar.range.text()}. Go to another time …"
    assert (found[bar.live].role, found[bar.live].name) == (QAccessible.Role.Button, "Live")
    strip = gpus.curves.stack.strip
    assert (found[strip].role, found[strip].name) == (QAccessible.Role.Chart, "What happened, and who had it")
    assert found[strip].widget.accessibleDescription()
    assert [str(one) for one in found.values() if one.focusable and not one.name] == []


def test_a_stale_line_is_about_now_and_not_shown_beside_then(gpus, double, qtbot):
    go_back(gpus, qtbot, double)
    gpus.context.store.connection = replace(gpus.context.store.connection, stale_since=time.time())
    gpus.take(gpus.topics)
    assert not gpus._stale_line.isVisibleTo(gpus)
    gpus.context.axis.go_live()
    assert gpus._stale_line.isVisibleTo(gpus)
