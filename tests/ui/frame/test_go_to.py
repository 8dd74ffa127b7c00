"""Go to a time: by the palette, by a small form, and from every event."""

import time
from dataclasses import replace

import pytest
from doubles import uuid_of
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from mlops_desk.desk.window.frame.go_to import GoToTime, typed
from mlops_desk.kit.window.words import alerts, time_expressions


@pytest.fixture
def program(start, double, qtbot):
    program = start(double)
    qtbot.waitUntil(lambda: program.store.incidents.value is not None)
    return program


def run_first(program, qtbot, text):
    """Type into the palette and press Enter; return what stood first."""
    palette = program.window._palette
    program.window.open_palette()
    palette._field.setText(text)
    first = palette._list.item(0).text()
    qtbot.keyClick(palette._field, Qt.Key.Key_Return)
    return first


def hour(back_days=1):
    at = time.localtime(time.time() - back_days * 86_400)
    return time.mktime((*at[:3], 3, 0, 0, 0, 0, -1))


def test_a_gpu_and_a_time_lead_there(program, qtbot):
    day = time.strftime("%d %b", time.localtime(hour()))
    assert run_first(program, qtbot, f"gpu 7 {day} 03:00").startswith("GPU 7 at ")
    window, axis = program.window, program.context.axis
    assert window.title_row.title.whole == "GPUs"
    assert window.page().gpu().uuid == uuid_of(7)
    assert (axis.in_history, axis.cursor) == (True, hour())
    assert axis.span().start < hour() < axis.span().end


def test_a_time_alone_stays_on_a_page_with_curves_and_leaves_one_without(program, qtbot):
    window, axis = program.window, program.context.axis
    window.show_page("host")
    assert run_first(program, qtbot, "yesterday 03:00").startswith("Host at ")
    assert (window.title_row.title.whole, axis.cursor) == ("Host", hour())
    axis.go_live()
    window.show_page("jobs")
    assert run_first(program, qtbot, "yesterday 03:00").startswith("GPUs at ")
    assert (window.title_row.title.whole, axis.cursor) == ("GPUs", hour())


def test_a_monitor_is_found_by_its_name_before_a_time(program, qtbot):
    assert run_first(program, qtbot, "drift fraud yesterday 03:00").startswith("Drift fraud inputs at ")
    assert (program.window.title_row.title.whole, program.context.axis.cursor) == ("Drift", hour())


def test_a_span_is_shown_as_it_is(program, qtbot):
    run_first(program, qtbot, "yesterday 03:00 – 03:20")
    span = program.context.axis.span()
    assert (span.start, span.end) == (hour(), hour() + 1200)


def test_a_disk_is_found_by_its_name_before_a_time(program, qtbot):
    run_first(program, qtbot, "nvme0n1 yesterday 03:00")
    page = program.window.page()
    assert program.window.title_row.title.whole.startswith("Storage")
    assert page.views["disk"].table.key() == "nvme0n1"


def test_what_is_no_time_or_of_no_device_adds_nothing_to_the_palette(program):
    assert typed(program.context, "jobs", "gpu 7") == []
    assert typed(program.context, "jobs", "nothing-like-it 03:00") == []
    assert {action.id for action in typed(program.context, "jobs", "gpu 03:00")} > {f"time.at.gpus.{uuid_of(0)}"}


def form_of(window):
    return next(one for one in QApplication.topLevelWidgets() if isinstance(one, GoToTime) and one.isVisible())


def test_the_form_asks_again_for_what_it_does_not_understand(program, qtbot):
    window, axis = program.window, program.context.axis
    window.show_page("host")
    qtbot.keyClick(window, Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)
    form = form_of(window)
    assert form.time.accessibleName() == "Time"
    assert time_expressions.EXAMPLES in form.time.accessibleDescription()
    for text, told in (("soon", "'soon' is no time that has been."), ("gpx 03:00", "No device is called 'gpx'.")):
        form.time.setText(text)
        qtbot.keyClick(form.time, Qt.Key.Key_Return)
        assert told in form.error_text()
        assert form.isVisible()
        assert form.time.text() == text
    form.time.setText("yesterday 03:00")
    qtbot.keyClick(form.time, Qt.Key.Key_Return)
    assert (window.title_row.title.whole, axis.cursor) == ("Host", hour())
    assert not [one for one in QApplication.topLevelWidgets() if isinstance(one, GoToTime) and one.isVisible()]


def test_the_form_is_reached_from_the_range_and_from_the_bar(program, qtbot):
    window = program.window
    window.show_page("gpus")
    box = window.title_row.time.range
    last = box.count() - 1
    assert box.itemText(last) == "Go to time …"
    box.setCurrentIndex(last)
    box.activated.emit(last)
    form_of(window).reject()
    assert box.currentText() == "5 min"
    program.context.axis.move(-3600)
    window.then_bar.range.click()
    form_of(window).reject()


def test_a_repeated_event_leads_to_its_last_occurrence(program, double, qtbot):
    first = next(one for one in double.incidents_by_id.values() if one.id == "x79")
    double.put_incident(replace(first, id="again", at=time.time() - 90_000, last_at=time.time() - 50_000, count=3))
    qtbot.waitUntil(lambda: "again" in program.store.incidents.value)
    window = program.window
    window.open_thing("events", "again")
    window.page().detail.jump.click()
    assert program.context.axis.cursor == double.incidents_by_id["again"].last_at
    assert window.title_row.title.whole == "GPUs"


@pytest.mark.parametrize(
    ("changed", "moment"),
    [
        ({}, 100.0),
        ({"count": 3, "last_at": 180.0}, 180.0),
        ({"count": 3, "last_at": None}, 100.0),
        ({"count": 3, "last_at": 180.0, "lasting": True}, 100.0),
    ],
)
def test_the_moment_of_an_event_is_its_last_and_of_a_state_its_beginning(double, changed, moment):
    one = replace(next(iter(double.incidents_by_id.values())), at=100.0, lasting=False, count=1, last_at=None)
    assert alerts.newest_moment(replace(one, **changed)) == moment


def test_what_happened_to_the_machine_leads_to_the_host(program, double, qtbot):
    first = next(iter(double.incidents_by_id.values()))
    double.put_incident(replace(first, id="agent", device=None, at=time.time() - 7200, title="The driver was updated"))
    qtbot.waitUntil(lambda: "agent" in program.store.incidents.value)
    window = program.window
    window.open_thing("events", "agent")
    jump = window.page().detail.jump
    assert jump.text() == "Show this machine then"
    jump.click()
    assert (window.title_row.title.whole, program.context.axis.in_history) == ("Host", True)
