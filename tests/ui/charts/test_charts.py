"""Charts on the one time axis, and the page of a GPU: what a person sees, reads, moves and takes along."""

import csv
from dataclasses import replace
from itertools import pairwise

import pytest
from doubles import Double, gpu_record
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication

from mlops_desk.gpus.window.charts import has_activity
from mlops_desk.gpus.window.page import ACCOUNTS
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.window.charts import chart_painter, export
from mlops_desk.kit.window.charts.chart import Chart
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.curves.traces import Drawn, Limit, NamedCurve
from mlops_desk.kit.window.curves.track import of_points
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.words import hints
from mlops_desk.kit.window.words.numbers import hertz, percent
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Diagnosis, Evidence


@pytest.fixture
def page(start, double, qtbot):
    program = start(double, "gpus")
    page = program.window.page()
    qtbot.waitUntil(lambda: double.asked_curves != [] and not page.curves.stack.feed.waiting)
    page.program = program
    return page


def shown(page, name):
    return page.curves.charts[name]


def test_an_idle_gpu_says_so_in_words_and_fills_no_band_of_what_slows_it(page, monkeypatch):
    layers = []
    monkeypatch.setattr(chart_painter, "paint_stack", lambda _painter, _frame, found, _times: layers.append(len(found)))
    chart = shown(page, "throttle")
    for slowed, count in ((0.0, []), (0.5, [1])):
        values = {"hw.gpu.throttle.low_utilization": 1.0, "hw.gpu.throttle.thermal_hardware": slowed}
        points = [[(at, values.get(trace.metric, 0.0)) for at in (10.0, 30.0)] for trace in chart.traces]
        drawn = [
            Drawn(trace.name, trace.slot, of_points(each)) for trace, each in zip(chart.traces, points, strict=True)
        ]
        layers.clear()
        chart.show_tracks(drawn, Span(0.0, 30.0), [MetricState.OK] * len(drawn))
        chart.grab()
        assert layers == count
        assert ("idle 100\u202f%", -1) in chart.said


@pytest.mark.parametrize("height", [72, 76, 81, 100, 133])
def test_the_names_of_limits_lie_over_no_curve_that_runs_at_its_limit(qtbot, height):
    chart = Chart("Clock", hertz, step=1e6)
    qtbot.addWidget(chart)
    chart.resize(700, height)
    chart.times = False  # the lowest one's, which has no limits
    clocks = (("SM", 1.98e9), ("memory", 2.619e9))
    lines = [
        NamedCurve(name, [(float(at), clock) for at in range(61)], slot) for slot, (name, clock) in enumerate(clocks)
    ]
    chart.show_lines(lines, 60.0, [Limit(f"{name} at most", clock) for name, clock in clocks])
    image, area = chart.grab().toImage(), chart.plot_area()
    for slot, _ in enumerate(clocks):
        hue = theme.series(slot).hue()
        seen = [int(area.left())]
        for x in range(int(area.left()), int(area.right())):
            column = [image.pixelColor(x, y) for y in range(int(area.top()), int(area.bottom()))]
            if any(abs(pixel.hue() - hue) < 20 and pixel.saturation() > 100 for pixel in column):
                seen.append(x)
        hidden = max(right - left for left, right in pairwise([*seen, int(area.right())]))
        assert hidden < 20, (slot, "the dashes of a limit hide a curve for less")


@pytest.mark.slow
def test_curves_are_asked_for_once_and_then_followed(page, double, qtbot):
    asked = len(double.asked_curves)
    track = page.curves.stack.feed.track((page.gpu().uuid, "hw.power"))
    before = len(track)
    qtbot.waitUntil(lambda: len(track) >= before + 3)
    assert len(double.asked_curves) == asked


def test_a_curve_that_is_wanted_and_not_there_yet_holds_up_no_other(page):
    chart, stack = shown(page, "power"), page.curves.stack
    said = len(chart.said)
    chart.show_traces([*chart.traces, replace(chart.traces[0], name="another")])
    stack._drawn_at = 0.0
    stack._follow()
    assert len(chart.said) == said
    chart.show_traces(chart.traces[:-1])
    stack._drawn_at = 0.0
    stack._follow()
    assert chart.stands


@pytest.mark.slow
def test_going_back_asks_for_what_was_and_the_newest_samples_are_not_added(page, double, qtbot):
    axis = page.context.axis
    asked = len(double.asked_curves)
    axis.move(-3600.0)
    qtbot.waitUntil(lambda: len(double.asked_curves) > asked)
    names, first, last, buckets = double.asked_curves[-1]
    assert first <= axis.span().start
    assert axis.span().end <= last
    assert buckets <= 1200
    assert len(set(names)) == len(names)
    qtbot.waitUntil(lambda: not page.curves.stack.feed.waiting)
    track = page.curves.stack.feed.track((page.gpu().uuid, "hw.power"))
    held = len(track)
    qtbot.wait(50)
    assert len(track) == held


def test_a_burst_of_moves_is_one_question(page, double, qtbot):
    asked = len(double.asked_curves)
    page.context.axis.move(-9000.0)
    for _ in range(20):
        page.context.axis.move(-10.0)
    qtbot.waitUntil(lambda: len(double.asked_curves) > asked and not page.curves.stack.feed.waiting)
    assert len(double.asked_curves) == asked + 1


def test_old_curves_stay_until_the_new_ones_are_there_and_an_error_is_no_zero(page, double, qtbot):
    double.failing["telemetry"] = Unavailable("The history is away.", "Wait.")
    track = page.curves.stack.feed.track((page.gpu().uuid, "hw.power"))
    page.context.axis.choose(86_400.0)
    qtbot.waitUntil(lambda: page.curves.stack.feed.error is not None)
    assert page.curves.stack.feed.track((page.gpu().uuid, "hw.power")) is track


def test_dragging_the_wheel_and_a_double_click_move_the_axis(page, qtbot):
    stack, axis = page.curves.stack, page.context.axis
    place = shown(page, "power").mapTo(stack, QPoint(300, 40))
    qtbot.mousePress(stack, Qt.MouseButton.LeftButton, pos=place)
    for x in range(10, 120, 10):
        QApplication.processEvents()
        move = QPointF(place + QPoint(x, 0))
        event = _mouse_move(move)
        stack.mouseMoveEvent(event)
    qtbot.mouseRelease(stack, Qt.MouseButton.LeftButton, pos=place)
    assert not axis.live
    seconds = axis.seconds
    stack.wheelEvent(_wheel(QPointF(place), -120))
    assert axis.seconds > seconds
    stack.wheelEvent(_wheel(QPointF(place), 120))
    assert axis.seconds == pytest.approx(seconds)
    qtbot.mouseDClick(stack, Qt.MouseButton.LeftButton, pos=place)
    assert axis.live


def _mouse_move(place):
    from PySide6.QtGui import QMouseEvent

    left = Qt.MouseButton.LeftButton
    return QMouseEvent(QMouseEvent.Type.MouseMove, place, place, left, left, Qt.KeyboardModifier.NoModifier)


def _wheel(place, turned):
    return QWheelEvent(
        place, place, QPoint(), QPoint(0, turned), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False
    )  # fmt: skip


def test_keys_move_the_axis_from_anywhere_on_the_page(page, qtbot):
    axis, window = page.context.axis, page.program.window
    stack = page.curves.stack
    stack.setFocus()
    qtbot.keyClick(stack, Qt.Key.Key_Left)
    assert not axis.live
    qtbot.keyClick(stack, Qt.Key.Key_L)
    assert axis.live
    qtbot.keyClick(stack, Qt.Key.Key_Minus)
    assert axis.seconds == 900.0
    qtbot.keyClick(stack, "+", Qt.KeyboardModifier.ShiftModifier)
    assert axis.seconds == 300.0
    qtbot.keyClick(stack, Qt.Key.Key_Space)
    assert axis.paused
    assert "paused" in window.title_row.time.accessibleName()


def test_one_cursor_reads_all_curves(page, qtbot):
    axis = page.context.axis
    axis.point_at(axis.span().end - 30.0)
    told = page.curves.stack.told()
    assert "Power: average" in told
    assert "Memory: " in told
    page.curves.stack.setFocus()
    qtbot.keyClick(page.curves.stack, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert axis.cursor < axis.span().end - 30.0
    assert page.curves.stack.accessibleDescription() != ""


def test_a_chart_says_what_it_shows(page):
    assert shown(page, "power").accessibleName() == "Chart: Power"
    assert "mean" in shown(page, "power").accessibleDescription()
    assert "over 5 min" in shown(page, "power").accessibleDescription()


@pytest.mark.slow
def test_a_hidden_chart_draws_nothing(page, qtbot):
    page.tabs.choose("health")
    qtbot.wait(50)
    painted = [chart.painted for chart in page.curves.charts.values()]
    qtbot.wait(50)
    assert [chart.painted for chart in page.curves.charts.values()] == painted


@pytest.mark.slow
def test_who_comes_back_from_a_page_without_charts_finds_no_hole(page, double, qtbot):
    """Nothing moves the axis on there: what is asked for ends at the newest sample all the same."""
    page.program.window.show_page("settings")
    left, store = page.context.axis.now, page.context.store
    qtbot.waitUntil(lambda: store.status.sampled_at > left + 3.0)
    asked, newest = len(double.asked_curves), store.status.sampled_at
    page.program.window.show_page("gpus")
    qtbot.waitUntil(lambda: len(double.asked_curves) > asked)
    assert double.asked_curves[-1][2] >= newest


def test_a_missing_source_says_why(qtbot):
    chart = Chart("SM", percent)
    qtbot.addWidget(chart)
    chart.show()
    chart.show_tracks([Drawn("", 0, of_points([(1.0, None)]))], Span(0.0, 60.0), [MetricState.NO_PERMISSION])
    assert chart.said == [("no permission", 0)]


def test_an_older_gpu_shows_utilisation_and_says_what_it_is():
    gpu = gpu_record(0, 1.0)
    old = replace(gpu, metrics={**gpu.metrics, "hw.gpu.activity.sm": Reading(None, "1", MetricState.NOT_SUPPORTED)})
    new = replace(gpu, metrics={**gpu.metrics, "hw.gpu.activity.sm": Reading(0.5, "1")})
    assert not has_activity(old)
    assert has_activity(new)


def test_values_are_saved_with_harmless_names(page, tmp_path):
    chart = shown(page, "power")
    chart.show_tracks(
        [Drawn("=HYPERLINK()", 0, of_points([(10.0, 1.5), (11.0, None), (12.0, -2.5)]))],
        Span(0.0, 60.0),
        [MetricState.OK],
    )
    chart.title = "=evil"
    path = tmp_path / "x.csv"
    export.write_values(export.curves_of([chart]), path)
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0][1].startswith("'=")
    assert rows[0][1].endswith("(W)")
    assert "Unit: W." in chart.toolTip()
    assert [row[1] for row in rows[1:]] == ["1.5", "", "-2.5"]
    assert rows[1][0].startswith("1970-01-01T")


def test_a_file_that_cannot_be_written_is_told(page, tmp_path):
    from mlops_desk.kit.base.errors import DeskError

    with pytest.raises(DeskError):
        export.write_values([], tmp_path / "absent" / "x.csv")
    with pytest.raises(DeskError):
        export.write_image(QImage(2, 2, QImage.Format.Format_RGB32), tmp_path / "absent" / "x.png")


def test_copying_fills_the_clipboard(page, qtbot):
    acts = dict(export.acts(page.context, page.curves.stack))
    acts["Copy values"]()
    assert QGuiApplication.clipboard().text().startswith("time\t")
    acts["Copy image"]()
    assert not QGuiApplication.clipboard().image().isNull()


def test_a_verdict_leads_to_its_curve(page, double):
    uuid = page.gpu().uuid
    found = Diagnosis(uuid, "loader", "Waits", "It waits.", (Evidence("power is low", uuid, "hw.power"),))
    page.tabs.choose("health")
    page.verdict.show_diagnosis(found)
    page.verdict.buttons[0].click()
    assert page.tabs.current() == "curves"
    assert shown(page, "power")._strong == "hw.power"
    page.escape()
    assert shown(page, "power")._strong is None


def test_processes_links_and_health_are_shown(page):
    page.tabs.choose("processes")
    assert page.processes.shown_rows() == len(page.gpu().processes)
    page.tabs.choose("links")
    assert page.links.topology is not None
    assert page.links.topology.shown_rows() == 8
    page.tabs.choose("health")
    assert any(fact.name == "ECC uncorrected" for fact in page.health.health.shown)


def test_what_the_driver_accounts_for_is_shown_where_it_does(page):
    page.tabs.choose("processes")
    accounted = [gpu for gpu in page.context.store.status.gpus if gpu.accounting]
    page.reveal(accounted[0].uuid)
    assert not page.accounts.isHidden()
    assert page.accounts.table.shown_rows() == 2
    lasted = next(column for column in ACCOUNTS if column.key == "lasted")
    assert [lasted.cell(one).text.replace("\u202f", " ") for one in accounted[0].accounting] == ["runs", "2 h 1 min"]
    page.reveal(next(gpu.uuid for gpu in page.context.store.status.gpus if gpu.accounting is None))
    assert page.accounts.isHidden()


def test_memory_can_be_split_by_process(page):
    page._by_process.setChecked(True)
    assert not shown(page, "processes").isHidden()
    assert shown(page, "memory").isHidden()


def test_without_a_gpu_a_sentence_is_read_and_not_copied(start, qtbot, monkeypatch):
    double = Double(gpus=0, beat_seconds=0.2)
    whole = double.sample
    monkeypatch.setattr(double, "sample", lambda at: replace(whole(at), gpu_hint="sudo is not enough."))
    program = start(double, "gpus")
    page = program.window.page()
    assert page._state._command.isHidden()
    assert "sudo is not enough." in page._state._text.whole


@pytest.mark.parametrize("name", ["gpus", "overview"])
def test_without_a_gpu_the_command_that_helps_can_be_copied(start, qtbot, monkeypatch, name):
    double = Double(gpus=0, beat_seconds=0.2)
    whole = double.sample
    hint = Hint("my-tool load", before="Load it: ", after=". If that fails, restart.")
    monkeypatch.setattr(double, "sample", lambda at: replace(whole(at), gpu_hint=hint))
    page = start(double, name).window.page()
    shown = [line for line in page.findChildren(CommandLine) if line.isVisible()]
    assert [line.command() for line in shown] == ["my-tool load"]


@pytest.mark.parametrize(
    ("hint", "command", "sentence"),
    [
        ("mlops-desk jobs cancel j1 ends it; mlops-desk agent restore goes back.", "mlops-desk jobs cancel j1", None),
        ("Reset it: sudo reset-all", "sudo reset-all", "Reset it:"),
        ("Reset it: sudo reset-all.", "sudo reset-all", "Reset it:"),
        ("anything at all", "anything at all", ""),
        ("sudo reset-all", None, None),
        (None, None, ""),
        ("my-own-tool --now helps.", "my-own-tool --now", None),
    ],
)
def test_what_the_agent_calls_a_hints_command_is_the_command(hint, command, sentence):
    assert hints.parts(hint, command) == (hint if sentence is None else sentence, command)
