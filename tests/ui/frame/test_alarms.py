"""What rings on the desktop: once for an alert, once for its end, never for what was seen; and what it carries."""

import time
from dataclasses import replace

import pytest
from doubles import Double, alert_record, uuid_of
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.desk.window.frame import alarms, tray
from mlops_desk.desk.window.frame.alarms import Alarm, Alarms
from mlops_desk.desk.window.frame.desktop import Desktop
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.window.look.text import notification_text
from mlops_desk.kit.window.words import alerts, numbers
from mlops_desk.machine.records.event import Notice

HOT = alert_record("a1", "warning", uuid_of(2), "GPU hot", "91 °C for 5 min", device_title="GPU 2")


def primed() -> Alarms:
    found = Alarms()
    assert found.take({}) == []
    return found


def test_an_alert_rings_once_and_its_end_once():
    rings = primed()
    assert [(alarm.level, alarm.title) for alarm in rings.take({"a1": HOT})] == [("warning", "▲ GPU 2: GPU hot")]
    assert rings.take({"a1": replace(HOT, value=93.0)}) == []
    over = replace(HOT, ended_at=HOT.since + 120)
    assert [alarm.title for alarm in rings.take({"a1": over})] == ["● GPU 2: GPU hot: over"]
    assert rings.take({"a1": over}) == []


def test_what_fires_already_when_the_window_starts_rings_nobody_but_its_end_does():
    rings = Alarms()
    assert rings.take({"a1": HOT}) == []
    assert len(rings.take({"a1": replace(HOT, ended_at=HOT.since + 1)})) == 1


def test_ten_thousand_alerts_that_fire_already_ring_nobody_however_often_they_are_told():
    rings = Alarms()
    many = {f"a{number}": replace(HOT, id=f"a{number}") for number in range(10_000)}
    for _ in range(3):
        assert rings.take(many) == []


@pytest.mark.parametrize("count", [4, 5000])
def test_many_alerts_at_once_are_one_notification_that_leads_to_the_gravest(count):
    rings = primed()
    many = {f"a{number}": replace(HOT, id=f"a{number}", level="warning") for number in range(count)}
    many["a2"] = replace(many["a2"], level="alert")
    (told,) = rings.take(many)
    assert (told.alert, told.level) == ("a2", "alert")
    assert told.title == f"■ {count:,} alerts fire"
    assert told.sentence.startswith(f"{count:,} alerts fire. ")
    assert rings.take(many) == []
    (over,) = rings.take({name: replace(one, ended_at=one.since + 60.0) for name, one in many.items()})
    assert (over.level, over.title) == ("info", f"● {count:,} alerts are over")


def test_three_alerts_at_once_are_told_one_by_one():
    told = primed().take({f"a{number}": replace(HOT, id=f"a{number}") for number in range(3)})
    assert [one.alert for one in told] == ["a0", "a1", "a2"]


def test_an_acknowledged_alert_is_silent_to_its_end():
    rings = primed()
    seen = replace(HOT, acknowledged_by="ana")
    assert rings.take({"a1": seen}) == []
    assert rings.take({"a1": replace(seen, ended_at=HOT.since + 9)}) == []


def test_a_silenced_alert_rings_nobody_and_rings_when_the_silence_is_over():
    rings = primed()
    quiet = replace(HOT, silenced_until=4e9, silenced_by="ana")
    assert rings.take({"a1": quiet}) == []
    assert rings.take({"a1": quiet}) == []
    assert len(rings.take({"a1": HOT})) == 1
    assert rings.take({"a1": HOT}) == []
    assert rings.take({"a1": quiet}) == []
    assert rings.take({"a1": replace(quiet, ended_at=HOT.since + 9)}) == []


def test_a_silenced_alert_says_until_when_and_does_not_colour_the_tray():
    quiet = replace(HOT, silenced_until=time.time() + 600, silenced_by="ana")
    assert alarms.worst({"a1": HOT}) is not None
    assert alarms.worst({"a1": quiet}) is None
    assert alerts.silence(quiet).startswith("silent until ")
    assert alerts.silence(quiet).endswith("(ana)")
    over = replace(quiet, silenced_until=time.time() - 1)
    assert alerts.silence(over) == ""
    assert alarms.worst({"a1": over}) is not None
    assert alerts.silence(HOT) == ""


def test_information_and_what_was_over_before_anybody_heard_of_it_ring_nobody():
    rings = primed()
    assert rings.take({"a1": replace(HOT, level="info"), "a2": replace(HOT, id="a2", ended_at=HOT.since)}) == []


@given(st.lists(st.sampled_from(["fires", "ended", "seen"]), max_size=12))
def test_nothing_rings_twice_whatever_is_announced(states):
    rings = primed()
    rung = []
    for state in states:
        ended = HOT.since + 5 if state == "ended" else None
        alert = replace(HOT, ended_at=ended, acknowledged_by="ana" if state == "seen" else None)
        rung += [alarm.title for alarm in rings.take({"a1": alert})]
    assert len(rung) == len(set(rung))


def test_a_notification_has_the_servers_types_and_its_end_replaces_it():
    desktop = Desktop(Loop("test"), "org.example", "Desk")
    first = desktop.body(Alarm("a1", "alert", "■ GPU <b>6</b>", "lost & gone"))
    assert first[1] == 0
    assert "<" not in first[3] + first[4]
    assert (first[6]["urgency"].signature, first[6]["urgency"].value) == ("y", 2)
    desktop._numbers["a1"] = 41
    assert desktop.body(Alarm("a1", "info", "● over", ""))[1] == 41


@given(st.text(max_size=400))
def test_no_notification_holds_markup(text):
    assert not set("<>&") & set(notification_text(text))


def test_the_trays_icon_shows_the_worst_alert_until_it_is_acknowledged(qapp):
    alert = replace(HOT, id="a2", level="alert")
    every = {"a1": HOT, "a2": alert}
    assert alarms.worst(every).shape == numbers.ALERT
    assert alarms.worst({"a1": HOT, "a2": replace(alert, acknowledged_by="ana")}).shape == numbers.WARNING
    assert alarms.worst({"a2": replace(alert, ended_at=1.0)}) is None
    pictures = [tray.load_icon(50, alarms.worst(shown)).pixmap(22, 22).toImage() for shown in (every, {"a1": HOT}, {})]
    assert pictures[0] != pictures[1] != pictures[2]


def test_an_alert_is_told_once_by_the_window_that_a_person_looks_at(start, qtbot, monkeypatch):
    double = Double(beat_seconds=0.2)
    program = start(double)
    qtbot.waitUntil(lambda: program.store.alerts.value is not None)
    told, said = [], []
    monkeypatch.setattr(program.desktop, "can", lambda: True)
    monkeypatch.setattr(program.desktop, "tell", told.append)
    monkeypatch.setattr(program.window, "isActiveWindow", lambda: True)
    monkeypatch.setattr(program.window.notices, "say", lambda *words: said.append(words))
    xid = replace(HOT, id="new", level="alert", title="XID 48, a meaning", xid=48, job="train-x")
    double.put_alert(xid)
    qtbot.waitUntil(lambda: bool(said))
    double.put_alert(replace(xid, value=2.0))
    double.put_alert(replace(HOT, id="lost", noticed=True))
    double.put_alert(replace(xid, ended_at=xid.since + 9))
    qtbot.waitUntil(lambda: program.store.alerts.value["new"].ended_at is not None)
    assert [words[:2] for words in said] == [("alert", "GPU 2: XID 48, a meaning (train-x).")]
    assert told == []
    assert program.store.notices == type(program.store.notices)()
    said[0][3]()
    assert program.window.title_row.title.whole == "Events"


def test_an_alert_announced_while_the_window_is_away_reaches_the_desktop(start, qtbot, monkeypatch):
    double = Double(beat_seconds=0.2)
    program = start(double)
    qtbot.waitUntil(lambda: program.store.alerts.value is not None)
    told = []
    monkeypatch.setattr(program.desktop, "can", lambda: True)
    monkeypatch.setattr(program.desktop, "tell", told.append)
    program.window.hide()
    double.put_alert(replace(HOT, id="new"))
    qtbot.waitUntil(lambda: bool(told))
    double.put_alert(replace(HOT, id="new", acknowledged_by="ana"))
    double.put_alert(replace(HOT, id="newer", level="alert"))
    qtbot.waitUntil(lambda: len(told) == 2)
    assert [alarm.alert for alarm in told] == ["new", "newer"]


def test_what_a_person_asked_to_be_told_reaches_the_desktop_where_nobody_looks_at_the_window(start, qtbot, monkeypatch):
    double = Double(beat_seconds=0.2)
    program = start(double)
    qtbot.waitUntil(lambda: program.store.alerts.value is not None)
    told, looks = [], [False]
    monkeypatch.setattr(program.desktop, "can", lambda: True)
    monkeypatch.setattr(program.desktop, "tell", told.append)
    monkeypatch.setattr(program.window, "isActiveWindow", lambda: looks[0])
    double.announce(Notice("info", "gpus", "Something that nobody asked for."))
    double.announce(Notice("info", "gpus", "Free now: GPU 0. You asked to be told.", personal=True))
    qtbot.waitUntil(lambda: bool(told))
    looks[0] = True
    double.announce(Notice("info", "gpus", "Said in the window.", personal=True))
    qtbot.waitUntil(lambda: program.store.notices[0].text == "Said in the window.")
    assert [alarm.text for alarm in told] == ["Free now: GPU 0. You asked to be told."]
