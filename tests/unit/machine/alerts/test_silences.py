"""Silences of alerts: until when, of what, over a restart and over a clock that was set."""

import pytest

from mlops_desk.machine.alerts.silences import Silences
from mlops_desk.machine.records.alert import Alert


def alert(subject: str = "", since: float = 100.0, ended: float | None = None, until: float | None = None) -> Alert:
    return Alert(
        f"a{subject}", "gpu_xid", "XID", "alert", "GPU-0", "GPU 0", "t", None, since, 1.0, "1", ended_at=ended,
        subject=subject, silenced_until=until, silenced_by="ada" if until else None,
    )  # fmt: skip


def test_a_silence_holds_for_its_time_for_the_same_and_for_nothing_else():
    silences = Silences()
    quiet = silences.put(alert("31 one"), 3600.0, "ada", now=10.0, at=1000.0)
    assert (quiet.silenced_until, quiet.silenced_by) == (4600.0, "ada")
    assert silences.holds(alert("31 one", since=2000.0))
    assert not silences.holds(alert("31 two"))
    assert silences.over(3609.9) == []
    assert silences.over(3610.0) == [("gpu_xid", "GPU-0", "31 one")]
    assert silences.over(3610.0) == []
    assert not silences.holds(alert("31 one"))
    assert silences.marked(quiet) == alert("31 one")


def test_zero_seconds_end_a_silence():
    silences = Silences()
    quiet = silences.put(alert(), 60.0, "ada", 10.0, 1000.0)
    assert silences.put(quiet, 0.0, "ada", 11.0, 1001.0) == alert()
    assert not silences.holds(quiet)


def test_whoever_heard_of_the_beginning_hears_of_the_end():
    silences = Silences()
    silences.put(alert(), 60.0, "ada", 10.0, at=1000.0)
    assert not silences.holds_end(alert(since=999.0))
    assert silences.holds_end(alert(since=1000.0))
    assert not silences.holds_end(alert("other", since=1001.0))
    restarted = Silences()
    restarted.take_up([alert(until=1060.0)], 0.0, 1010.0)
    assert not restarted.holds_end(alert(since=1020.0)), "what it began with was not stored: better told"


@pytest.mark.parametrize(
    ("at", "ended", "over_at"),
    [
        (1000.0, None, 560.0),  # 60 s are left
        (1059.5, None, 500.5),
        (1060.0, None, 500.0),  # over while no agent ran: told with the next look
        (5000.0, None, 500.0),
        (1060.0, 90.0, None),
        (1000.0, 90.0, 560.0),
        (-1e9, None, 500.0 + 30 * 86_400.0),  # the clock was set back by years
    ],
)
def test_what_is_left_of_a_silence_is_taken_up_by_the_next_agent(at, ended, over_at):
    silences = Silences()
    silences.take_up([alert("other"), alert("x", ended=ended, until=1060.0)], 500.0, at)
    if over_at is None:
        assert not silences.holds(alert("x"))
        return
    assert silences.holds(alert("x"))
    assert silences.marked(alert("x")).silenced_by == "ada"
    assert silences.over(over_at - 0.25) == []
    assert silences.over(over_at) == [("gpu_xid", "GPU-0", "x")]
