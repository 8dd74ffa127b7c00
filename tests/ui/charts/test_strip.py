"""The strip above charts: the time of the cursor and who was there, flags and bars that are read and opened."""

import time
from dataclasses import replace

import pytest
from doubles import uuid_of
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip

from mlops_desk.jobs.records.brief import JobRun
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.window.charts.chart_header import HEAD_HEIGHT
from mlops_desk.kit.window.curves.event_marks import Flag, Occupant
from mlops_desk.machine.records.history import ProcessMemory
from mlops_desk.machine.records.incident import Incident


@pytest.fixture
def page(start, double, qtbot):
    """The page on GPU 1, on which a job ends, a process goes on, and an error happens within the last minutes."""
    now, gpu = time.time(), uuid_of(1)
    double.jobs_by_id.clear()
    double.incidents_by_id.clear()
    double.job_runs = [JobRun("job1", "resnet", "ana", JobState.FAILED, (gpu,), "c1", now - 250, now - 150)]
    double.held = [
        ProcessMemory(f"{gpu}/pid-41", gpu, 41, "bo", "python serve.py", None, now - 100, now + 3600, 5.0),
        ProcessMemory(f"{uuid_of(2)}/pid-9", uuid_of(2), 9, "cy", "other", None, now - 100, now, 5.0),
    ]
    incident = Incident("x1", now - 60, "xid", "alert", "GPU 1: XID 79", device=gpu)
    double.incidents_by_id["x1"] = incident
    page = start(double, "gpus").window.page()
    page.window().resize(1280, 800)
    page.reveal(gpu)
    stack = page.curves.stack
    qtbot.waitUntil(lambda: stack.happened.known and page.gpu() is not None and len(stack.strip.placed()) == 4)
    return page


def things(strip):
    return [placed.thing for placed in strip.placed()]


def test_bars_and_flags_are_those_of_the_gpu_that_is_shown(page, double, qtbot):
    strip = page.curves.stack.strip
    bars = [thing for thing in things(strip) if isinstance(thing, Occupant)]
    assert [(one.title, one.job, one.end is None) for one in bars] == [
        ("resnet · ana", "job1", False), ("python · bo", None, True)
    ]  # fmt: skip
    assert [thing.title for thing in things(strip) if isinstance(thing, Flag)] == ["Job resnet failed", "GPU 1: XID 79"]
    page.reveal(uuid_of(2))
    assert [thing.title for thing in things(strip)] == ["other · cy"]


def test_bars_stand_where_the_curves_of_their_time_do(page, qtbot):
    stack = page.curves.stack
    strip, chart = stack.strip, stack.charts[-1]
    for placed in strip.placed():
        if isinstance(placed.thing, Occupant):
            x = strip.mapTo(stack, QPoint(round(placed.area.left()), 0)).x() - chart.mapTo(stack, QPoint()).x()
            assert chart.moment_at(x) == pytest.approx(placed.thing.start, abs=2.0)
    assert strip.mapTo(stack, QPoint(0, strip.height())).y() <= stack.charts[0].mapTo(stack, QPoint()).y()


def middle(strip, thing):
    return next(placed.area.center().toPoint() for placed in strip.placed() if placed.thing == thing)


def test_what_is_pointed_at_is_read_in_the_first_line_and_a_click_opens_it(page, qtbot):
    strip, window = page.curves.stack.strip, page.window()
    job = next(thing for thing in things(strip) if isinstance(thing, Occupant) and thing.job)
    qtbot.mouseMove(strip, middle(strip, job))
    assert strip.said().startswith("job resnet · ana, from ")
    assert strip.toolTip() == "", "a tip would cover the curves below"
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=middle(strip, job))
    assert window.title_row.title.whole == "Jobs"
    window.show_page("gpus")
    flag = next(thing for thing in things(strip) if isinstance(thing, Flag) and thing.page == "events")
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=middle(strip, flag))
    assert (window.title_row.title.whole, window.page().log.key()) == ("Events", "x1")


def test_several_events_at_one_place_are_told_in_a_tip(page, double, qtbot):
    strip = page.curves.stack.strip
    one = double.incidents_by_id["x1"]
    double.put_incident(replace(one, id="x2", at=one.at + 0.5, level="info", title="Later"))
    qtbot.waitUntil(lambda: len(page.curves.stack.happened.flags) == 3)
    placed = next(placed for placed in strip.placed() if len(placed.together) == 2)
    qtbot.mouseMove(strip, placed.area.center().toPoint())
    assert "GPU 1: XID 79" in strip.said()
    assert strip.said().endswith("(+1 more)")
    assert [line.split(" ", 2)[2] for line in strip.toolTip().splitlines()] == ["GPU 1: XID 79", "Later"]


def test_rows_with_nothing_in_sight_take_no_room(page, double, qtbot):
    strip, axis = page.curves.stack.strip, page.context.axis
    tall = strip.height()
    axis.choose(60.0)
    assert [one.thing.title for one in strip.placed() if isinstance(one.thing, Occupant)] == ["python · bo"]
    assert strip.height() <= tall
    assert len(strip._lanes) == 1


def test_an_explanation_of_a_chart_covers_no_curve(page, qtbot):
    chart = page.curves.stack.charts[0]
    for height, told in ((HEAD_HEIGHT // 2, True), (chart.height() // 2, False)):
        place = QPoint(40, height)
        QApplication.sendEvent(chart, QHelpEvent(QEvent.Type.ToolTip, place, chart.mapToGlobal(place)))
        qtbot.waitUntil(lambda told=told: QToolTip.isVisible() is told)


def test_a_process_opens_among_those_of_its_time(page, double, qtbot):
    stack, axis = page.curves.stack, page.context.axis
    running = next(thing for thing in things(stack.strip) if isinstance(thing, Occupant) and thing.pid == 41)
    stack._open(running)
    assert (page.tabs.current(), axis.live) == ("processes", True)
    page.tabs.choose("curves")
    ended = replace(running, start=time.time() - 4000, end=time.time() - 3600, pid=777)
    stack._open(ended)
    assert (axis.span().start, axis.span().end) == pytest.approx((ended.start, ended.end))
    qtbot.waitUntil(lambda: page.processes.key() == "777")
    page.tabs.choose("curves")
    page.refresh(page.topics)
    assert page.tabs.current() == "curves", "it is opened once"


def test_the_cursor_tells_its_time_and_who_was_there_above_the_curves(page, qtbot):
    stack, axis = page.curves.stack, page.context.axis
    job = next(thing for thing in things(stack.strip) if isinstance(thing, Occupant) and thing.job)
    axis.point_at(job.start + 50)
    clock = time.strftime("%H:%M:%S", time.localtime(job.start + 50))
    assert stack.strip.said() == f"{clock}   resnet · ana"
    axis.point_at(job.end + 20)
    assert stack.strip.said() == time.strftime("%H:%M:%S", time.localtime(job.end + 20))
    plots = [chart.plot_area().translated(chart.mapTo(stack, QPoint()).toPointF()) for chart in stack.charts]
    head = stack.strip.mapTo(stack, QPoint(0, HEAD_HEIGHT)).y()
    assert all(head <= plot.top() for plot in plots)
    for chart in stack.charts:
        assert chart.plot_area().top() >= HEAD_HEIGHT, "what is read of each curve stands above its plot"


def test_keys_go_from_event_to_event_read_it_and_open_it(page, qtbot):
    stack, axis, window = page.curves.stack, page.context.axis, page.window()
    stack.setFocus()
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.keyClick(stack, Qt.Key.Key_Left, control)
    assert "GPU 1: XID 79" in stack.accessibleDescription()
    qtbot.keyClick(stack, Qt.Key.Key_Left, control)
    assert "outside python · bo" in stack.accessibleDescription()
    qtbot.keyClick(stack, Qt.Key.Key_Right, control)
    assert axis.cursor == next(
        flag.at for flag in things(stack.strip) if isinstance(flag, Flag) and flag.page == "events"
    )
    qtbot.keyClick(stack, Qt.Key.Key_Return)
    assert (window.title_row.title.whole, window.page().log.key()) == ("Events", "x1")


def test_lines_go_through_the_charts_where_something_went_wrong(page):
    stack = page.curves.stack
    wrong = {flag.at for flag in stack.happened.flags if flag.mark.token in {"alert", "warning"}}
    assert len(wrong) == 2
    for chart in stack.charts:
        assert {at for at, _ in chart._moments} == wrong


def test_deployments_are_flags_of_every_stack(page, double, qtbot):
    double.audited = [AuditEntry(time.time() - 30, 1, "ana", "endpoints.deploy", "churn@champion")]
    window = page.window()
    window.show_page("host")
    stack = window.page().stack
    qtbot.waitUntil(lambda: stack.happened.known)
    assert "deployed: churn@champion (ana)" in [flag.title for flag in stack.happened.flags]
    assert {one.title for one in stack.happened.occupants} == {"resnet · ana", "python · bo", "other · cy"}


@pytest.mark.slow
def test_a_stack_that_nobody_sees_asks_nothing_and_a_live_one_seldom(page, double, qtbot):
    qtbot.wait(50)
    asked = len(double.asked_spans)
    assert asked <= 2, "samples ask nothing"
    page.window().show_page("jobs")
    page.context.axis.move(-3600)
    qtbot.wait(50)
    assert len(double.asked_spans) == asked
    page.window().show_page("gpus")
    qtbot.waitUntil(lambda: len(double.asked_spans) == asked + 1)
    start, end = double.asked_spans[-1]
    span = page.context.axis.span()
    assert start < span.start
    assert span.end < end
    happened = page.curves.stack.happened
    qtbot.waitUntil(lambda: happened._covers(span))
    page.context.axis.move(-60)
    qtbot.wait(50)
    assert len(double.asked_spans) == asked + 1, "some beyond the span was asked for"


@pytest.mark.slow
def test_a_holder_that_fills_the_span_is_not_painted_at_each_tick(page, double, qtbot):
    double.held = [replace(double.held[0], first_at=time.time() - 4000)]
    double.job_runs = []
    double.incidents_by_id.clear()
    page.context.store.incidents.value.clear()
    stack = page.curves.stack
    stack.happened._ask()
    qtbot.waitUntil(lambda: [one.name for one in stack.happened.occupants] == ["python"])
    qtbot.wait(50)
    strip, chart = stack.strip.painted, stack.charts[0].painted
    qtbot.waitUntil(lambda: stack.charts[0].painted >= chart + 3, timeout=10_000)
    assert stack.strip.painted <= strip + 1


@pytest.mark.slow
def test_what_can_not_be_asked_for_is_said_and_asked_for_again(page, double, qtbot):
    double.failing["telemetry"] = Unavailable("The disk does not answer.", None)
    stack = page.curves.stack
    stack.happened._ask()
    qtbot.waitUntil(lambda: stack.happened.error is not None)
    stack.happened.occupants, stack.happened.flags = [], []
    stack.strip._take()
    assert stack.strip.said() == "Who was there can't be shown: The disk does not answer."
    double.failing.clear()
    double.break_off()
    qtbot.waitUntil(lambda: stack.happened.error is None, timeout=10_000)


def test_what_nobody_had_and_where_nothing_happened_takes_one_line(start, double, qtbot):
    double.jobs_by_id.clear()
    double.incidents_by_id.clear()
    page = start(double, "gpus").window.page()
    strip = page.curves.stack.strip
    qtbot.waitUntil(lambda: page.curves.stack.happened.known)
    assert strip.said() == "nothing happened"
    assert strip.height() < 2 * HEAD_HEIGHT


def test_in_a_low_stack_one_row_is_shown_and_the_rest_counted(page, double, qtbot):
    strip = page.curves.stack.strip
    double.held = [replace(double.held[0], pid=pid, device=f"x/pid-{pid}") for pid in range(41, 46)]
    page.curves.stack.happened._ask()
    qtbot.waitUntil(lambda: len(page.curves.stack.happened.occupants) == 6)
    assert (len(strip._lanes), strip._left_out) == (3, 2)
    tall = strip.height()
    strip.fit(300)
    assert (len(strip._lanes), strip._left_out) == (1, 4)
    assert strip.height() < tall
