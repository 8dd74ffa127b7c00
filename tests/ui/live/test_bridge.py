"""The listener's thread ends with the window, though the agent says nothing at that moment."""

from doubles import Double


def test_the_listener_ends_when_the_window_stops(start):
    double = Double(beat_seconds=3600.0)
    program = start(double)
    program.bridge.stop()
    assert program.loop.stop(20.0) == []
    assert double.hung_up
