"""The listener's thread ends with the window, though the agent says nothing at that moment."""

import pytest
from doubles import Double

from mlops_desk.base.errors import Unavailable


def test_the_listener_ends_when_the_window_stops(start):
    double = Double(beat_seconds=3600.0)
    program = start(double)
    program.bridge.stop()
    assert program.loop.stop(20.0) == []
    assert double.hung_up
    assert double.closed, "what was asked is waited for no more"


def test_whoever_is_asked_while_the_window_ends_is_not_waited_for(start):
    double = Double(beat_seconds=3600.0)
    double.frozen.add("connect")
    program = start(double, wait=False)
    program.bridge.start()
    program.loop.ending.set()
    double.thaw.set()
    assert program.loop.stop(20.0) == []
    assert double.closed


def test_a_client_of_an_earlier_connection_is_closed_too(start, qtbot):
    first, second = Double(beat_seconds=3600.0), Double(beat_seconds=3600.0)
    program = start(first)
    program.bridge._connect = second.connect
    program.bridge.start_agent()
    first.hang_up()
    qtbot.waitUntil(lambda: program.bridge.client is second)
    assert not first.closed, "it may yet answer"
    assert program.loop.stop(20.0) == []
    assert first.closed
    assert second.closed


@pytest.mark.parametrize("remembers", [True, False])
def test_after_a_break_all_is_loaded_anew_only_where_something_was_missed(start, double, qtbot, remembers):
    program = start(double, "jobs")
    parts = [program.store.part(loaded.topic) for loaded in program.store.loaded.values() if loaded.early]
    qtbot.waitUntil(lambda: all(part.value is not None and not part.loading for part in parts))
    double.remembers = remembers
    double.calls.clear()
    heard = []
    program.bridge.connected.connect(heard.append)
    program.bridge.pace(5.0)
    qtbot.waitUntil(lambda: heard == [not remembers])
    qtbot.waitUntil(lambda: ("telemetry", "curves") in double.calls)  # of the moments between no sample was heard
    asked = {("jobs", "page"), ("rules", "list"), ("alerts", "list"), ("drift", "list")} & set(double.calls)
    assert bool(asked) != remembers


def test_what_could_not_be_loaded_is_asked_for_again_though_nothing_was_missed(start, double, qtbot):
    double.failing["jobs"] = Unavailable("Not now.")
    program = start(double)
    qtbot.waitUntil(lambda: program.store.jobs.error is not None)
    double.failing.clear()
    double.remembers = True
    program.bridge.pace(5.0)
    qtbot.waitUntil(lambda: program.store.jobs.value is not None)
