"""A monitor of drift that has turned is an alert like any other: one for each, in its own words, and no longer."""

from dataclasses import replace

from mlops_desk.drift.records.monitors import DriftWatch
from mlops_desk.kit.base.errors import Hint
from mlops_desk.machine.alerts.engine import REOPEN_SECONDS, AlertEngine
from mlops_desk.machine.records.alert import Alert

HINT = Hint("mlops-desk endpoints requests digits --since 1 --until 2", before="Look at the rows: ")
FINE = DriftWatch("digits", is_turned=False)
TURNED = DriftWatch(
    "digits", is_turned=True, level="warning", text="age \x1b[1m38.2 → 51.7", hint=HINT, user="anna"
)  # fmt: skip
UNKNOWN = DriftWatch("digits", is_turned=None)


def look(engine, *monitors, at=0.0):
    return engine.look_at_drift(monitors, at, 1000.0 + at)


def test_a_monitor_that_turns_rings_once_in_its_words_and_of_its_level():
    engine = AlertEngine()
    assert look(engine, FINE) == []
    (began,) = look(engine, TURNED, at=60.0)
    alert = began.alert
    assert (alert.rule, alert.title, alert.level, alert.device, alert.device_title) == (
        "drift", "Data have drifted", "warning", "digits", "Drift of digits",
    )  # fmt: skip
    assert alert.text == "age \\x1b[1m38.2 → 51.7"
    assert (alert.hint, alert.command, alert.user) == (str(HINT), HINT.command, "anna")
    assert (alert.since, alert.metric, began.fresh, began.watched.logged) == (1060.0, None, True, True)
    assert look(engine, TURNED, at=120.0) == []
    (ended,) = look(engine, FINE, at=180.0)
    assert (ended.alert.id, ended.alert.ended_at) == (alert.id, 1180.0)
    assert engine.firing == {}


def test_while_nobody_can_tell_nothing_begins_and_nothing_ends():
    engine = AlertEngine()
    assert look(engine, UNKNOWN) == []
    look(engine, TURNED, at=60.0)
    for hour in range(1, 50):
        assert look(engine, UNKNOWN, at=3600.0 * hour) == []
    assert len(engine.firing) == 1
    assert look(engine, TURNED, at=3600.0 * 50) == []


def test_broken_data_are_another_alert_than_drifted_ones_and_never_both():
    engine = AlertEngine()
    (began,) = look(engine, replace(TURNED, is_broken=True))
    assert (began.alert.rule, began.alert.title) == ("drift_quality", "Data are broken")
    changes = look(engine, TURNED, at=60.0)
    assert sorted((change.alert.rule, change.alert.ended_at) for change in changes if change.alert.ended_at) == [
        ("drift_quality", 1060.0)
    ]
    assert [spot[0] for spot in engine.firing] == ["drift"]


def test_answers_that_are_worse_alone_are_an_alert_of_their_own_title():
    """The data look as ever: who reads that they have drifted looks in the wrong place."""
    engine = AlertEngine()
    (began,) = look(engine, replace(TURNED, are_answers=True, text="Accuracy 0.9 → 0.6"))
    assert (began.alert.rule, began.alert.title) == ("drift_answers", "Answers have become worse")
    assert began.alert.text == "Accuracy 0.9 → 0.6"
    changes = look(engine, TURNED, at=60.0)
    assert [change.alert.rule for change in changes if change.alert.ended_at] == ["drift_answers"]
    assert [spot[0] for spot in engine.firing] == ["drift"]
    (ended,) = look(engine, FINE, at=120.0)
    assert ended.alert.ended_at == 1120.0


def test_with_the_monitor_its_alert_is_over():
    engine = AlertEngine()
    look(engine, TURNED, replace(TURNED, name="letters"))
    (ended,) = look(engine, TURNED, at=60.0)
    assert (ended.alert.device, ended.alert.ended_at) == ("letters", 1060.0)


def test_another_agent_goes_on_with_the_alert_and_rings_no_second_time():
    engine = AlertEngine()
    (began,) = look(engine, TURNED)
    again = AlertEngine(firing=[began.alert])
    assert look(again, UNKNOWN, at=5.0) == []
    assert look(again, TURNED, at=10.0) == []
    (ended,) = look(again, FINE, at=60.0)
    assert ended.alert.id == began.alert.id


def test_what_comes_back_soon_is_the_same_alert_and_not_told_again():
    engine = AlertEngine()
    (began,) = look(engine, TURNED)
    look(engine, FINE, at=60.0)
    (again,) = look(engine, TURNED, at=60.0 + REOPEN_SECONDS / 2)
    assert (again.alert.id, again.fresh) == (began.alert.id, False)


def test_a_silence_holds_for_its_monitor_alone():
    engine = AlertEngine()
    (began,) = look(engine, TURNED)
    engine.silence(began.alert, 3600.0, "anna", 0.0, 1000.0)
    look(engine, FINE, at=700.0)
    changes = look(engine, TURNED, replace(TURNED, name="letters"), at=2000.0)
    assert {change.alert.device: change.silent for change in changes} == {"digits": True, "letters": False}


def test_other_alerts_are_left_alone():
    other = Alert("a1", "gpu_lost", "Lost", "alert", "GPU-0", "GPU 0", "It is gone.", None, 1.0, 1.0, "1")
    engine = AlertEngine(firing=[other])
    assert look(engine) == []
    assert engine.firing


NOW = Hint("mlops-desk endpoints requests digits --since 8 --until 9", before="Look at the rows: ")


def test_what_comes_back_says_what_is_so_now():
    engine = AlertEngine()
    look(engine, TURNED)
    look(engine, FINE, at=60.0)
    moved = replace(TURNED, text="income 1 → 2", hint=NOW, level="alert")
    (again,) = look(engine, moved, at=90.0)
    alert = again.alert
    assert (alert.text, alert.hint, alert.command, alert.level) == ("income 1 → 2", str(NOW), NOW.command, "alert")


def test_what_fires_says_what_is_so_now_and_rings_nobody_for_it():
    engine = AlertEngine()
    (began,) = look(engine, TURNED)
    (change,) = look(engine, replace(TURNED, text="income 1 → 2", hint=NOW), at=60.0)
    alert = change.alert
    assert (alert.id, alert.text, alert.command) == (began.alert.id, "income 1 → 2", NOW.command)
    assert (change.fresh, change.silent) == (False, True)
    (ended,) = look(engine, FINE, at=120.0)
    assert (ended.alert.text, ended.silent) == ("income 1 → 2", False)
