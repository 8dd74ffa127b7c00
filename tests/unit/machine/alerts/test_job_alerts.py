"""A job that is stuck, or holds GPUs without use, is an alert: with the evidence, and no longer than it is so."""

from dataclasses import replace

from mlops_desk.jobs.records.job_activity import JobWatch, Stuck, StuckSign
from mlops_desk.machine.alerts.engine import AlertEngine

SIGN = StuckSign("silent", 10.0, "It has written nothing for 22 min.", 1320.0, 40.0, "s")
STUCK = Stuck(10.0, 1330.0, "It does not get on.", "Look inside.", (SIGN,))
JOB = JobWatch("j1", "train \x1b[1mresnet", "anna", "mld-j1-a1")


def look(engine, *jobs, at=0.0):
    return engine.look_at_jobs(jobs, at, 1000.0 + at)


def test_a_stuck_job_is_told_with_its_signs_and_ends_when_it_moves():
    engine = AlertEngine()
    assert look(engine, JOB) == []
    (began,) = look(engine, replace(JOB, stuck=STUCK), at=60.0)
    alert = began.alert
    assert (alert.rule, alert.level, alert.device, alert.user, alert.container) == (
        "job_stuck", "warning", "j1", "anna", "mld-j1-a1",
    )  # fmt: skip
    assert alert.text == "It does not get on. It has written nothing for 22 min."
    assert alert.hint == "Look inside."
    assert (alert.device_title, alert.job) == ("Job train \\x1b[1mresnet", "train \\x1b[1mresnet")
    assert (alert.metric, alert.since) == (None, 1060.0)
    assert look(engine, replace(JOB, stuck=STUCK), at=120.0) == []
    (ended,) = look(engine, JOB, at=180.0)
    assert (ended.alert.id, ended.alert.ended_at) == (alert.id, 1180.0)
    assert engine.firing == {}


def test_a_broken_loss_is_quoted():
    loss = StuckSign("loss", 1.0, "The last 30 losses were nan.", quote="step 7 loss: nan")
    engine = AlertEngine()
    (began,) = look(engine, replace(JOB, stuck=replace(STUCK, signs=(loss,))))
    assert began.alert.text.endswith("The last 30 losses were nan. «step 7 loss: nan»")


def test_with_the_job_its_alerts_are_over():
    engine = AlertEngine()
    look(engine, replace(JOB, stuck=STUCK, idle_minutes=30), replace(JOB, id="j2", stuck=STUCK))
    assert len(engine.firing) == 3
    changes = look(engine, replace(JOB, id="j2", stuck=STUCK), at=60.0)
    assert sorted((change.alert.rule, change.alert.device, change.alert.ended_at) for change in changes) == [
        ("job_idle", "j1", 1060.0), ("job_stuck", "j1", 1060.0),
    ]  # fmt: skip
    look(engine, at=120.0)
    assert engine.firing == {}


def test_gpus_held_without_use_are_an_alert_of_their_own_that_the_notice_has_told():
    engine = AlertEngine()
    (began,) = look(engine, replace(JOB, idle_minutes=30))
    assert (began.alert.rule, began.alert.noticed, began.watched.logged) == ("job_idle", True, False)
    assert began.alert.text == "Its GPUs have done nothing for 30 min."
    assert began.alert.command == "mlops-desk jobs cancel j1"


def test_what_is_not_known_yet_ends_nothing():
    first = AlertEngine()
    look(first, replace(JOB, stuck=STUCK))
    after_a_restart = AlertEngine(firing=first.firing.values())
    assert look(after_a_restart, replace(JOB, stuck_known=False)) == []
    (ended,) = look(after_a_restart, JOB, at=900.0)
    assert ended.alert.ended_at == 1900.0


def test_whoever_switches_the_rule_off_hears_nothing():
    engine = AlertEngine()
    engine.configure(replace(engine.rules["job_stuck"], enabled=False), 0.0)
    assert look(engine, replace(JOB, stuck=STUCK)) == []
