"""The listener's thread ends with the window, though the agent says nothing at that moment."""

import threading

import pytest
from doubles import Double

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.live.store import Topic


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
    before = [part.asked_at for part in parts]
    double.remembers = remembers
    double.calls.clear()
    heard = []
    program.bridge.connected.connect(heard.append)
    program.bridge.pace(5.0)
    qtbot.waitUntil(lambda: heard == [not remembers])
    qtbot.waitUntil(lambda: ("telemetry", "curves") in double.calls)  # of the moments between no sample was heard
    # What pages ask by themselves in between, as for places in the queue, is asked with or without a break.
    anew = [part.asked_at != at for part, at in zip(parts, before, strict=True)]
    assert anew == [not remembers] * len(parts)
    if not remembers:
        some_of_them = {("jobs", "page"), ("alerts", "list")}
        qtbot.waitUntil(lambda: some_of_them <= set(double.calls))


def test_what_could_not_be_loaded_is_asked_for_again_though_nothing_was_missed(start, double, qtbot):
    double.failing["jobs"] = Unavailable("Not now.")
    program = start(double)
    qtbot.waitUntil(lambda: program.store.jobs.error is not None)
    double.failing.clear()
    double.remembers = True
    program.bridge.pace(5.0)
    qtbot.waitUntil(lambda: program.store.jobs.value is not None)


def test_what_is_asked_or_answered_at_once_is_told_once(start, qtbot):
    program = start(Double(beat_seconds=3600.0), "overview")
    parts = [program.store.part(loaded.topic) for loaded in program.store.loaded.values() if loaded.early]
    qtbot.waitUntil(lambda: all(part.value is not None and not part.loading for part in parts))
    wanted, told = frozenset({Topic.INCIDENTS, Topic.ALERTS}), []
    program.context.changed.connect(lambda topics: told.append(topics & wanted))
    with program.context.together():
        for topic in wanted:
            program.context.load(topic)
        assert told == []
    assert told == [wanted]
    for thread in threading.enumerate():
        if thread.name.startswith("window-load "):
            thread.join(20.0)
    qtbot.waitUntil(lambda: not any(program.store.part(topic).loading for topic in wanted))
    assert [topics for topics in told if topics] == [wanted, wanted]


def test_what_is_told_together_is_told_though_something_fails_meanwhile(start, double):
    program, told = start(double), []
    program.context.changed.connect(told.append)
    with pytest.raises(ZeroDivisionError), program.context.together():
        program.context.load(Topic.JOBS)
        raise ZeroDivisionError
    assert told == [frozenset({Topic.JOBS})]
