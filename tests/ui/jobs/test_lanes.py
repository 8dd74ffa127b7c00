"""The lanes of the GPUs: what stands in them, where, and what the pointer and the keys do there."""

import math
from dataclasses import replace

import pytest
from doubles import Double, gpu_record, job_record, uuid_of
from hypothesis import example, given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest

from mlops_desk.jobs.records.brief import JobRun, brief_of
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.job_activity import Progress
from mlops_desk.jobs.window.lanes import bars, lane_painter
from mlops_desk.jobs.window.lanes.bars import BarKind, LaneBar
from mlops_desk.kit.window.curves.event_marks import Occupant
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.words import gpus as gpu_forecast
from mlops_desk.machine.records.history import ProcessMemory

NOW = 1_700_000_000.0
FREE = 3  # of the double's GPUs


def job(identifier, state, **more):
    given = {"submitted_at": NOW - 100, **more}
    asked = given.pop("asked", 1)
    limit = given.pop("limit", None)
    made = brief_of(job_record(identifier, identifier, state, **given))
    return replace(made, gpus_asked=asked, time_limit_seconds=limit)


def made(occupants=(), jobs=(), gpus=(0, 1, 2, FREE)):
    known = [gpu_record(index, NOW) for index in gpus]
    return {lane.index: lane.bars for lane in bars.lanes(known, occupants, {one.id: one for one in jobs}, NOW)}


def test_who_had_a_gpu_stands_in_its_lane_and_a_bad_end_is_marked():
    failed = job("f", JobState.FAILED, ended_at=NOW - 50)
    found = made(
        [
            Occupant(NOW - 500, NOW - 300, "f", "ana", (uuid_of(0),), "f"),
            Occupant(NOW - 200, NOW - 50, "f", "ana", (uuid_of(0), uuid_of(1)), "f"),
            Occupant(NOW - 7200, None, "vllm", "jonas", (uuid_of(2),), None, 7),
        ],
        [failed],
    )
    assert [(bar.start, bar.bad_end is not None) for bar in found[0]] == [(NOW - 500, False), (NOW - 200, True)]
    assert found[1][0].bad_end.word == "failed"
    assert found[2][0].kind is BarKind.OUTSIDE
    assert found[2][0].title(NOW) == "vllm · jonas · 2\u202fh"
    assert found[FREE] == ()


def test_what_runs_goes_on_to_when_it_should_end_or_nobody_knows():
    running = job("r", JobState.RUNNING, started_at=NOW - 600, gpus=(uuid_of(0),), limit=3600.0)
    told = job("t", JobState.RUNNING, started_at=NOW - 600, gpus=(uuid_of(1),), limit=3600.0,
               progress=Progress("", NOW - 10, 0.5, 70.0))  # fmt: skip
    open_end = job("o", JobState.RUNNING, started_at=NOW - 600, gpus=(uuid_of(2),))
    found = made([Occupant(NOW - 600, None, "r", "ana", (uuid_of(0),), "r")], [running, told, open_end])
    assert [found[index][0].end for index in (0, 1, 2)] == [NOW + 3000, NOW + 60, None]
    assert len(found[0]) == 1, "one that both the agent's past and the list tell of stands once"


def test_a_run_that_the_list_says_is_over_does_not_go_on():
    over = job("r", JobState.FAILED, started_at=NOW - 600, ended_at=NOW - 5, gpus=(uuid_of(0),))
    found = made([Occupant(NOW - 600, None, "r", "ana", (uuid_of(0),), "r")], [over])
    assert (found[0][0].end, found[0][0].bad_end.word) == (NOW - 5, "failed")


def test_who_waits_is_expected_where_there_is_room_then():
    running = job("r", JobState.RUNNING, started_at=NOW - 600, gpus=(uuid_of(0), uuid_of(1)), limit=1600.0)
    first = job("first", JobState.QUEUED, position=1, forecast_start=NOW + 1000, limit=500.0, asked=2)
    second = job("second", JobState.QUEUED, position=2, forecast_start=NOW + 1500, asked=3)
    nobody_knows = job("third", JobState.QUEUED, position=3)
    found = made((), [running, first, second, nobody_knows])
    expected = {index: [bar.job for bar in found[index] if bar.kind is BarKind.EXPECTED] for index in found}
    assert expected == {0: ["first", "second"], 1: ["first", "second"], 2: [], FREE: ["second"]}
    assert [bar.end for bar in found[0] if bar.kind is BarKind.EXPECTED] == [NOW + 1500, None]
    assert "third" not in bars.described(bars.lanes([gpu_record(0, NOW)], (), {"third": nobody_knows}, NOW), NOW)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 8),
            st.one_of(st.none(), st.floats(0, 1e5)),
            st.one_of(st.none(), st.floats(1.0, 1e5)),
        ),
        max_size=12,
    )
)
@example([(1, 0.0, None), (1, 10.0, None)])
def test_no_two_expectations_stand_over_each_other(asked):
    jobs = [
        job(f"j{n}", JobState.QUEUED, position=n + 1, asked=count, limit=limit,
            forecast_start=None if start is None else NOW + start)
        for n, (count, start, limit) in enumerate(asked)
    ]  # fmt: skip
    for lane in made((), jobs, gpus=(FREE, FREE + 8, FREE + 16)).values():
        ends = -math.inf
        for bar in lane:
            assert bar.start >= ends - gpu_forecast.SLACK_SECONDS
            ends = math.inf if bar.end is None else bar.end


def test_a_bar_has_its_place_by_time_and_one_without_an_end_goes_on_a_little():
    lane = bars.GpuLane("u", 0, bars.marks.JOB_MARKS[JobState.RUNNING], (
        LaneBar(BarKind.JOB, NOW - 50, NOW - 25, "a", None, "a"),
        LaneBar(BarKind.JOB, NOW - 25, None, "b", None, "b"),
        LaneBar(BarKind.JOB, NOW - 900, NOW - 800, "long ago", None, "c"),
    ))  # fmt: skip
    width = 200 + lane_painter.LABELS + lane_painter.RIGHT
    first, second = lane_painter.placed([lane], Span(NOW - 100, NOW + 100), NOW, width)
    assert (first.area.left(), first.area.right()) == (lane_painter.LABELS + 50, lane_painter.LABELS + 75)
    assert second.area.left() == lane_painter.LABELS + 75
    assert lane_painter.LABELS + 100 < second.area.right() < width
    assert lane_painter.moment_at(lane_painter.LABELS + 100, Span(NOW - 100, NOW + 100), width) == NOW


@pytest.fixture
def page(start, double, qtbot):
    at = double.started_at + 190_000
    double.job_runs = [
        JobRun("7c1d2e3f4a5b", "resnet50", "ana", JobState.RUNNING, (uuid_of(0), uuid_of(1)), "c", at - 3600)
    ]
    held = ProcessMemory(f"{uuid_of(2)}/pid-911", uuid_of(2), 911, "bo", "python sweep.py", None, at - 1800, at, 1e9)
    double.held = [held]
    shown = start(double, "jobs").window.page()
    qtbot.waitUntil(lambda: len(shown.lanes.lanes) == 8 and bool(shown.lanes.happened.occupants))
    return shown


def centre(page, name):
    placed = next(one for one in page.lanes.placed() if one.bar.name.startswith(name))
    return placed.area.center().toPoint()


def test_a_click_on_a_bar_chooses_its_job_and_one_outside_leads_to_its_gpu(page, qtbot):
    page.table.select("3f9a0c1e2b4d")
    qtbot.mouseClick(page.lanes, Qt.MouseButton.LeftButton, pos=centre(page, "resnet50"))
    assert page.table.key() == "7c1d2e3f4a5b"
    qtbot.mouseClick(page.lanes, Qt.MouseButton.LeftButton, pos=centre(page, "python"))
    qtbot.waitUntil(lambda: type(page.window().page()).__name__ == "GpusPage")


def test_lanes_are_read_and_chosen_in_by_keys(page, qtbot):
    lanes = page.lanes
    assert "GPU 0 leased: job resnet50 · ana, since" in lanes.accessibleDescription()
    page.table.select("3f9a0c1e2b4d")
    lanes.setFocus()
    QTest.keyClick(lanes, Qt.Key.Key_Down)
    assert lanes.said().startswith("GPU 0: job resnet50")
    QTest.keyClick(lanes, Qt.Key.Key_Return)
    assert page.table.key() == "7c1d2e3f4a5b"
    QTest.keyClick(lanes, Qt.Key.Key_Down)
    QTest.keyClick(lanes, Qt.Key.Key_Down)
    assert lanes.accessibleDescription().startswith("GPU 2: outside python · bo")
    QTest.keyClick(lanes, Qt.Key.Key_Escape)
    assert lanes.said() == ""


def test_lanes_are_dragged_zoomed_and_live_again_and_remember_how_long_they_are(page):
    lanes = page.lanes
    seconds = lanes.axis.seconds
    QTest.keyClick(lanes, Qt.Key.Key_Minus)
    assert lanes.axis.seconds > seconds
    assert float(page.context.memory.value("jobs/lanes/seconds")) == lanes.axis.seconds
    QTest.mousePress(lanes, Qt.MouseButton.LeftButton, pos=QPoint(300, 30))
    for x in (340, 400):
        QTest.mouseMove(lanes, QPoint(x, 30))
    lanes.axis.move(-600)
    assert lanes.axis.in_history
    assert not page.context.axis.in_history, "the window's own axis stays where it is"
    QTest.mouseRelease(lanes, Qt.MouseButton.LeftButton, pos=QPoint(400, 30))
    QTest.keyClick(lanes, Qt.Key.Key_Home)
    assert lanes.axis.live


@pytest.mark.slow
def test_hidden_lanes_ask_and_make_nothing(page, double, qtbot):
    page.window().sidebar.choose("models")
    made, painted = page.lanes.made, page.lanes.painted
    asked = double.calls.count(("jobs", "ran"))
    double.put_job(job_record("new1", "fresh", JobState.RUNNING, started_at=NOW, gpus=(uuid_of(3),)))
    qtbot.wait(50)  # three samples of the double
    assert (page.lanes.made, page.lanes.painted) == (made, painted)
    assert double.calls.count(("jobs", "ran")) == asked


def test_without_a_gpu_there_are_no_lanes(start, qtbot):
    page = start(Double(gpus=0, beat_seconds=0.2), "jobs").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() > 0 and page.context.store.status is not None)
    page.refresh(page.topics)
    assert not page.lanes.lanes
    assert not page._lanes.isVisible()


def test_in_an_ordinary_window_all_lanes_and_their_hours_are_seen(page, qtbot):
    page.window().resize(1280, 776)  # 800 less the title that the desktop gives it
    qtbot.waitUntil(lambda: page.lanes.visibleRegion().boundingRect() == page.lanes.rect())


def test_in_a_low_window_the_hours_stay_below_the_lanes_that_are_seen(page, qtbot):
    lanes = page.lanes
    page.window().resize(1280, 620)
    qtbot.waitUntil(lambda: lanes.visibleRegion().boundingRect().height() < lanes.height())
    lanes.axis.move(-3600)  # a time that stands still
    seen = lanes.parentWidget()

    def hours():
        return seen.grab(QRect(0, seen.height() - lane_painter.TIMES, seen.width(), lane_painter.TIMES)).toImage()

    bar = seen.parentWidget().verticalScrollBar()
    bar.setValue(bar.maximum())
    at_the_end = hours()
    bar.setValue(0)
    assert hours() == at_the_end
