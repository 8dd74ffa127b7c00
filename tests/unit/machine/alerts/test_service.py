"""The alerts' service: told once, stored, acknowledged, configured, and an alert about alerts."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.machine.alerts import service
from mlops_desk.machine.alerts.service import AlertsService
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.event import AlertChanged, IncidentLogged, Notice, SettingsChanged
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.host import Filesystem, Host
from mlops_desk.machine.records.incident import Incident
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Status
from tests.permission import ask_as
from tests.service_rig import AGENT, ServiceRig


def fires(alert: Alert) -> bool:
    return alert.ended_at is None


class Rig(ServiceRig):
    """The alerts' service with what it told, logged and announced."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.changes: list[Alert] = []
        self.notices: list[Notice] = []
        self.logged: list[Alert] = []
        self.settings = SettingsStore(folder / "settings.json")
        self.bus.subscribe(AlertChanged, lambda event: self.changes.append(event.alert))
        self.bus.subscribe(Notice, self.notices.append)
        self.open()

    def start(self) -> None:
        self.service = AlertsService(
            self.state.alerts, self.state.alert_rules, self.settings, self.bus, self.loop, self.logged.append
        )
        self.service.start()

    def stop(self) -> None:
        self.service.stop()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()
    assert rig.notices == [], "an alert is announced once, as what it is"


def status(pending: float | None = 0.0, state: GpuState = GpuState.OK) -> Status:
    metrics = {} if pending is None else {"hw.gpu.row_remap.pending": Reading(pending, "1")}
    gpu = Gpu("GPU-0", 0, "H100", None, state, metrics=metrics)
    return Status((gpu,), Host("h"), (), (), AGENT, 1.0)


def test_an_alert_that_goes_on_is_told_once_over_samples_gaps_and_restarts(rig):
    for pending in (1.0, 1.0, None, 1.0):
        rig.service.take(status(pending))
    rig.wait(lambda: rig.changes)
    rig.restart()
    for pending in (None, 1.0, 1.0):
        rig.service.take(status(pending))
    (alert,) = rig.service.list()
    assert (alert.rule, alert.ended_at) == ("gpu_row_remap_pending", None)
    rig.service.take(status(0.0))
    rig.wait(lambda: len(rig.changes) == 2)
    assert {(alert.level, alert.device_title, alert.noticed) for alert in rig.changes} == {("warning", "GPU 0", False)}
    assert [fires(alert) for alert in rig.changes] == [True, False]
    assert [fires(alert) for alert in rig.logged] == [True, False]
    (alert,) = rig.service.list()
    assert alert.ended_at is not None


def test_acknowledging_is_announced_and_stays_over_a_restart(rig):
    rig.service.take(status(1.0))
    (alert,) = rig.service.list()
    rig.wait(lambda: rig.changes)
    assert rig.service.show(alert.id[:8]) == alert
    seen = rig.service.acknowledge(alert.id[:8])
    assert seen.acknowledged_by
    assert rig.service.show(alert.id) == seen
    rig.wait(lambda: rig.changes[-1] == seen)
    rig.restart()
    rig.service.take(status(1.0))
    assert rig.service.list()[0].acknowledged_by == seen.acknowledged_by
    for wrong in ("nothing", ""):
        for verb in (rig.service.acknowledge, rig.service.show):
            with pytest.raises(NotFound):
                verb(wrong)
    rig.service.take(status(0.0))
    rig.wait(lambda: [alert for alert in rig.service.list() if alert.ended_at])
    assert rig.service.acknowledge(alert.id).ended_at is not None


def test_a_lost_gpu_is_an_alert_but_not_a_second_notice_nor_a_second_entry_of_the_log(rig):
    rig.service.configure("gpu_lost", for_seconds=0.0)
    rig.service.take(status(None, GpuState.LOST))
    rig.wait(lambda: rig.changes)
    assert [(alert.rule, alert.noticed) for alert in rig.changes] == [("gpu_lost", True)]
    assert rig.logged == []


def heard(code: int, level: str = "alert", **more: str) -> IncidentLogged:
    details = {"xid": str(code), "meaning": f"meaning of {code}", **more}
    hint = f"Next after {code}."
    name = f"event-{code}-{more.get('job', '')}"
    return IncidentLogged(
        Incident(name, 1.0, "xid", level, f"GPU 0: XID {code}", f"What {code} is.", hint, "GPU-0", details=details)
    )


def test_three_grave_xids_within_seconds_are_three_alerts_each_with_number_words_process_job_and_next_step(rig):
    whose = {"pid": "77", "command": "python train.py", "container": "mld-x-j1-a1", "job": "train-x", "user": "ada"}
    for code in (48, 79, 119):
        rig.bus.publish(heard(code, **whose))
    rig.service.take(status())
    alerts = {alert.xid: alert for alert in rig.service.list()}
    assert sorted(alerts) == [48, 79, 119]
    assert {alert.rule for alert in alerts.values()} == {"gpu_xid"}
    told = alerts[119]
    assert (told.title, told.text, told.hint) == ("XID 119, meaning of 119", "What 119 is.", "Next after 119.")
    assert (told.pid, told.process, told.user) == (77, "python train.py", "ada")
    assert (told.container, told.job, told.uuid, told.event) == (
        "mld-x-j1-a1", "train-x", "GPU-0", "event-119-train-x",
    )  # fmt: skip
    rig.wait(lambda: len(rig.changes) == 3)


@pytest.mark.parametrize("code", [94, 31, 13])
def test_an_xid_that_ended_a_program_is_a_warning(rig, code):
    rig.bus.publish(heard(code, "warning", job="train-x"))
    rig.service.take(status())
    (alert,) = rig.service.list()
    assert (alert.rule, alert.level, alert.xid, alert.job) == ("gpu_xid_warning", "warning", code, "train-x")


def test_an_xid_that_the_driver_dealt_with_or_that_follows_a_kill_rings_nobody(rig):
    for code, level in ((63, "info"), (92, "info"), (45, "warning")):
        rig.bus.publish(heard(code, level))
    rig.bus.publish(IncidentLogged(Incident("i", 1.0, "xid", "alert", "XID", device=None, details={"xid": "48"})))
    rig.bus.publish(IncidentLogged(Incident("i", 1.0, "throttle", "alert", "slow", device="GPU-0")))
    rig.service.take(status())
    assert rig.service.list() == []


def test_the_same_xid_of_two_jobs_is_two_alerts_and_of_one_job_one(rig):
    for job in ("one", "two", "one"):
        rig.bus.publish(heard(31, "warning", job=job, pid="several"))
        rig.service.take(status())
    alerts = rig.service.list()
    assert sorted(alert.job or "" for alert in alerts) == ["one", "two"]
    assert {alert.pid for alert in alerts} == {None}


def test_many_processes_with_the_same_xid_do_not_flood_the_list(rig):
    for number in range(50):
        rig.bus.publish(heard(31, "warning", job=f"job-{number}"))
    rig.service.take(status())
    assert len(rig.service.list()) == 9
    assert sum(alert.subject == "31" for alert in rig.service.list()) == 1


@pytest.mark.parametrize("order", ["driver first", "state first"])
def test_a_lost_gpu_is_one_alert_with_its_xid_and_it_ends_when_the_gpu_is_back(rig, order):
    rig.service.configure("gpu_lost", for_seconds=0.0)
    if order == "driver first":
        rig.bus.publish(heard(79))
        rig.service.take(status())
    rig.service.take(status(None, GpuState.LOST))
    rig.bus.publish(heard(79))
    rig.service.take(status(None, GpuState.LOST))
    (alert,) = rig.service.list()
    assert (alert.xid, alert.ended_at) == (79, None)
    rig.wait(lambda: rig.state.alerts.list() == [alert])
    rig.restart()
    rig.service.take(status(None, GpuState.LOST))
    rig.service.take(status(None, GpuState.STALE))
    (alert,) = rig.service.list()
    assert (alert.xid, alert.ended_at) == (79, None)
    rig.service.take(status())
    rig.wait(lambda: [each.ended_at for each in rig.service.list()] not in ([], [None]))
    assert [(each.id, each.xid) for each in rig.service.list()] == [(alert.id, 79)]


def killed(name: str, device: str = "host", **details: str) -> IncidentLogged:
    title = f"The kernel killed python of {name}"
    return IncidentLogged(Incident(name, 1.0, "oom", "warning", title, "Why.", "More.", device, details=details))


def test_a_kill_for_lack_of_memory_is_an_alert_for_each_job_and_a_gpus_memory_is_not(rig):
    kernel = {"class": "oom_kernel", "command": "python", "pid": "7"}
    for _ in range(2):
        rig.bus.publish(killed("one", job="one", container="c1", **kernel))
        rig.bus.publish(killed("two", container="c2", **kernel))
        rig.bus.publish(killed("three", device="GPU-0", **{"class": "oom_cuda"}))
        rig.service.take(status())
    alerts = {alert.container: alert for alert in rig.service.list()}
    assert {(alert.rule, alert.device, alert.level) for alert in alerts.values()} == {("host_oom", "host", "warning")}
    assert sorted(alerts) == ["c1", "c2"]
    told = alerts["c1"]
    assert (told.title, told.job, told.process, told.pid) == ("The kernel killed python of one", "one", "python", 7)
    rig.wait(lambda: len(rig.changes) == 2)


def test_with_the_rule_of_xids_off_a_lost_gpu_is_an_alert_all_the_same(rig):
    rig.service.configure("gpu_xid", enabled=False)
    rig.service.configure("gpu_lost", for_seconds=0.0)
    rig.bus.publish(heard(79))
    rig.service.take(status(None, GpuState.LOST))
    assert [alert.rule for alert in rig.service.list()] == ["gpu_lost"]


def test_an_event_that_becomes_clearer_stays_one_alert(rig):
    rig.bus.publish(heard(31, "warning", container="c1"))
    rig.service.take(status())
    incident = heard(31, "warning", container="c1").incident
    clearer = replace(incident, details={**incident.details, "job": "train-x", "pid": "9"})
    rig.bus.publish(IncidentLogged(clearer))
    rig.service.take(status())
    (alert,) = rig.service.list()
    assert (alert.container, alert.job, alert.pid) == ("c1", "train-x", 9)


def test_an_alert_on_a_gpu_names_metric_threshold_and_who_is_on_it(rig):
    process = GpuProcess(7, "ada", "python train.py", 5, "mld-x-j1-a1")
    lease = LeaseInfo("leased", attempt="j1-a1", label="train-x")
    found = status(1.0)
    gpu = replace(found.gpus[0], processes=(process,), lease=lease)
    rig.service.take(replace(found, gpus=(gpu,)))
    (alert,) = rig.service.list()
    assert (alert.metric, alert.threshold, alert.value) == ("hw.gpu.row_remap.pending", 1.0, 1.0)
    assert (alert.uuid, alert.pid, alert.process) == ("GPU-0", 7, "python train.py")
    assert (alert.container, alert.job, alert.xid) == ("mld-x-j1-a1", "train-x", None)


def test_a_rule_is_changed_checked_and_kept(rig):
    changed = rig.service.configure("gpu_temperature", threshold=8.0)
    assert (changed.threshold, changed.clear_at) == (8.0, 13.0)
    rig.restart()
    assert rig.service.rule("gpu_temperature") == changed
    assert changed in rig.service.rules()
    for wrong in ({"clear_at": 1.0}, {"level": "loud"}, {"for_seconds": -1.0}, {"threshold": float("nan")}):
        with pytest.raises(Invalid):
            rig.service.configure("gpu_temperature", **wrong)
    with pytest.raises(Invalid) as refused:
        rig.service.configure("filesystem_space", threshold=97.0)
    assert refused.value.hint == "97 % is 0.97."
    assert rig.service.configure("filesystem_space", threshold=0.97, clear_at=0.9).threshold == 0.97
    with pytest.raises(NotFound):
        rig.service.configure("nothing", enabled=False)
    with pytest.raises(NotFound):
        rig.service.rule("nothing")


def test_an_alert_that_fires_is_kept_however_many_came_and_went_since(rig, monkeypatch):
    monkeypatch.setattr(service, "_KEPT", 2)
    rig.service.take(status(1.0))
    (old,) = rig.service.list()
    rig.wait(lambda: rig.changes)
    for number in range(4):
        rig.state.alerts.put(replace(old, id=f"later-{number}", since=old.since + 1 + number, ended_at=old.since + 9))
    rig.service.configure("gpu_lost", for_seconds=0.0)
    rig.service.take(status(None, GpuState.LOST))
    rig.service.take(status(None))
    rig.wait(lambda: len(rig.changes) == 3)  # one more has ended, and the oldest ended ones go
    rig.wait(lambda: rig.state.alerts.count() == 3)
    rig.restart()
    assert [alert.id for alert in rig.service.list() if alert.ended_at is None] == [old.id]


def test_switching_a_rule_off_ends_what_fires(rig):
    rig.service.take(status(1.0))
    rig.service.configure("gpu_row_remap_pending", enabled=False)
    rig.service.take(status(1.0))
    rig.wait(lambda: len(rig.changes) == 2)
    assert rig.service.list()[0].ended_at is not None


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let both clocks of the service show what they will show after ``seconds``."""
    clock = SimpleNamespace(time=lambda: time.time() + seconds, monotonic=lambda: time.monotonic() + seconds)
    monkeypatch.setattr(service, "time", clock)


def test_a_silenced_alert_stays_listed_and_nobody_is_told_until_its_time_is_over(rig, monkeypatch):
    sent: list[Alert] = []
    monkeypatch.setattr(rig.service._webhook, "put", sent.append)
    rig.service.take(status(1.0))
    (alert,) = rig.service.list()
    rig.wait(lambda: len(sent) == 1)
    quiet = rig.service.silence(alert.id[:8], 3600.0)
    assert 3590.0 < quiet.silenced_until - time.time() <= 3600.0
    assert quiet.silenced_by
    rig.wait(lambda: rig.changes[-1] == quiet)
    later(monkeypatch, 3000.0)
    rig.service.take(status(0.0))  # it ends, and whoever heard of it hears that
    rig.wait(lambda: len(sent) == 2)
    later(monkeypatch, 3010.0)
    rig.service.take(status(1.0))
    assert [(each.id, each.ended_at, each.silenced_until) for each in rig.service.list()] == [
        (alert.id, None, quiet.silenced_until)
    ]
    later(monkeypatch, 3590.0)
    rig.service.take(status(1.0))
    rig.wait(lambda: len(rig.changes) == 4)
    assert len(sent) == 2
    later(monkeypatch, 3601.0)
    rig.service.take(status(1.0))
    rig.wait(lambda: len(sent) == 3)
    (loud,) = rig.service.list()
    assert (loud.silenced_until, loud.silenced_by) == (None, None)


def test_a_silence_outlives_the_agent_and_holds_for_a_later_alert_of_the_same(rig, monkeypatch):
    rig.service.take(status(1.0))
    (alert,) = rig.service.list()
    rig.wait(lambda: rig.changes)
    quiet = rig.service.silence(alert.id, 7200.0)
    rig.wait(lambda: rig.state.alerts.get(alert.id) == quiet)
    rig.restart()
    assert rig.service.list() == [quiet]
    rig.service.take(status(0.0))
    later(monkeypatch, 1200.0)
    rig.service.take(status(1.0))  # so long after its end it is another one
    rig.wait(lambda: len(rig.service.list()) == 2)
    another = rig.service.list()[0]
    assert another.id != alert.id
    assert another.silenced_until == quiet.silenced_until
    rig.wait(lambda: [each for each in rig.changes if each.id == another.id])


def test_ending_a_silence_by_any_of_its_alerts_ends_it_for_good(rig, monkeypatch):
    rig.service.take(status(1.0))
    (alert,) = rig.service.list()
    rig.service.silence(alert.id, 7200.0)
    rig.service.take(status(0.0))
    later(monkeypatch, 1200.0)
    rig.service.take(status(1.0))
    rig.wait(lambda: len(rig.service.list()) == 2)
    loud = rig.service.silence(alert.id, 0.0)  # the older one is named, the one that fires is meant
    assert (loud.ended_at, loud.silenced_until) == (None, None)
    rig.wait(lambda: rig.state.alerts.get(loud.id) == loud)
    rig.restart()
    assert [each.silenced_until for each in rig.service.list()] == [None, None]


def test_a_slow_disk_under_a_silence_does_not_hold_up_who_samples(rig, monkeypatch):
    rig.service.take(status(1.0))
    (alert,) = rig.service.list()
    rig.wait(lambda: rig.changes)
    slow, at_disk, listed = threading.Event(), threading.Event(), rig.state.alerts.list

    def read(**wanted):
        at_disk.set()
        assert slow.wait(60.0)
        return listed(**wanted)

    monkeypatch.setattr(rig.state.alerts, "list", read)
    taken: list[bool] = []
    silencing = threading.Thread(target=rig.service.silence, args=(alert.id, 60.0))
    silencing.start()
    assert at_disk.wait(60.0)
    sampling = threading.Thread(target=lambda: (rig.service.take(status(1.0)), taken.append(not slow.is_set())))
    sampling.start()
    sampling.join(5.0)
    slow.set()
    sampling.join()
    silencing.join()
    assert taken == [True]
    rig.wait(lambda: rig.changes[-1].silenced_until is not None)


def test_an_acknowledged_alert_is_not_told_again_when_its_silence_is_over(rig, monkeypatch):
    rig.service.take(status(1.0))
    (alert,) = rig.service.list()
    rig.service.acknowledge(alert.id)
    rig.service.silence(alert.id, 60.0)
    later(monkeypatch, 61.0)
    rig.service.take(status(1.0))
    rig.wait(lambda: len(rig.changes) >= 4 and rig.changes[-1].silenced_until is None)


def test_the_alert_about_the_webhook_can_be_silenced_too(rig, monkeypatch):
    rig.service._on_webhook("It can't be reached.")
    (alert,) = rig.service.list()
    rig.service.silence(alert.id, 60.0)
    assert rig.service.list()[0].silenced_until is not None
    rig.wait(lambda: len(rig.changes) == 2)
    later(monkeypatch, 61.0)
    rig.service.take(status(0.0))
    rig.wait(lambda: rig.changes[-1].silenced_until is None)
    assert rig.service.list()[0].silenced_until is None


@pytest.mark.parametrize("seconds", [-1.0, 30 * 86_400.0 + 1.0])
def test_a_silence_is_no_longer_than_thirty_days(rig, seconds):
    rig.service.take(status(1.0))
    (alert,) = rig.service.list()
    with pytest.raises(Invalid):
        rig.service.silence(alert.id, seconds)
    with pytest.raises(NotFound):
        rig.service.silence("nothing", 60.0)


def test_an_alert_is_silenced_by_whose_process_is_behind_it_and_the_machines_own_by_administrators(rig):
    rig.bus.publish(heard(31, "warning", user="uid 4321", job="train-x"))
    rig.service.take(status(1.0))
    theirs, machines = sorted(rig.service.list(), key=lambda alert: alert.user is None)
    assert (theirs.user, machines.user) == ("uid 4321", None)
    for uid, alert in ((4321, theirs), (os.getuid(), theirs), (os.getuid(), machines), (0, machines)):
        ask_as(uid, rig.service, "alerts.silence", alert_id=alert.id, seconds=60.0)
    for uid, alert in ((4322, theirs), (4321, machines), (4322, machines)):
        with pytest.raises(Refused, match=f"Alert {alert.id} belongs to"):
            ask_as(uid, rig.service, "alerts.silence", alert_id=alert.id, seconds=60.0)
    ask_as(4322, rig.service, "alerts.acknowledge", alert_id=machines.id)


def test_only_the_agents_own_user_changes_rules(rig):
    ask_as(os.getuid(), rig.service, "alerts.configure", name="gpu_temperature")
    with pytest.raises(Refused):
        ask_as(os.getuid() + 1, rig.service, "alerts.configure", name="gpu_temperature")


def test_a_failing_webhook_is_itself_an_alert_told_once_and_never_sent(rig):
    rig.settings.set("alerts.webhook", "http://127.0.0.1:1/canary")
    rig.service._on_webhook("It can't be reached.")
    rig.service._on_webhook("It can't be reached.")
    rig.wait(lambda: rig.changes)
    (alert,) = rig.service.list()
    assert alert.rule == "webhook"
    assert rig.service._webhook.waiting == 0
    rig.restart()
    assert [alert.rule for alert in rig.service.list()] == ["webhook"]
    rig.settings.set("alerts.webhook", "")
    rig.bus.publish(SettingsChanged(("alerts.webhook",)))
    rig.wait(lambda: len(rig.changes) == 2)
    assert rig.service.list()[0].ended_at is not None


def test_an_alert_says_why_the_webhook_has_not_got_it_and_still_does_after_a_restart(rig):
    rig.settings.set("alerts.webhook", "http://127.0.0.1:1/canary")
    rig.service.take(status(1.0))
    rig.wait(lambda: any(alert.undelivered for alert in rig.changes))
    (alert,) = rig.service.list(rule="gpu_row_remap_pending")
    assert "is in a private network" in alert.undelivered
    assert "mlops-desk settings set alerts.webhook_private on" in alert.undelivered
    rig.restart()
    assert rig.service.show(alert.id).undelivered == alert.undelivered
    rig.service.take(status(0.0))
    rig.wait(lambda: any(alert.ended_at for alert in rig.changes))
    assert rig.service.show(alert.id).undelivered == alert.undelivered, "nobody has heard of it by now either"


def test_what_fires_is_not_said_to_miss_at_a_webhook_that_is_gone_also_after_a_restart(rig):
    rig.settings.set("alerts.webhook", "http://127.0.0.1:1/canary")
    rig.service.take(status(1.0))
    rig.wait(lambda: any(alert.undelivered for alert in rig.changes))
    rig.restart()
    (alert,) = rig.service.list(rule="gpu_row_remap_pending")
    assert alert.undelivered
    rig.changes.clear()
    rig.settings.set("alerts.webhook", "")
    rig.bus.publish(SettingsChanged(("alerts.webhook",)))
    rig.wait(lambda: rig.changes)
    assert [(one.id, one.undelivered) for one in rig.changes] == [(alert.id, None)]
    assert rig.service.show(alert.id).undelivered is None


def test_a_store_that_can_not_be_written_keeps_no_alert_from_being_told_nor_from_ending(rig, monkeypatch):
    def full(*_):
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(rig.state.alerts, "put", full)
    monkeypatch.setattr(rig.state.alerts, "trim", full)
    mount = Filesystem("/", "/dev/x", "ext4", {"system.filesystem.utilization": Reading(0.99, "1")})
    for _ in range(2):
        rig.service.take(replace(status(1.0), filesystems=(mount,)))
    rig.wait(lambda: rig.changes)
    (alert,) = rig.service.list(state="fires")
    assert [(one.id, one.rule) for one in rig.changes] == [(alert.id, "gpu_row_remap_pending")]
    rig.service.take(status(0.0))
    rig.wait(lambda: len(rig.changes) == 2)
    assert (rig.changes[1].id, rig.changes[1].ended_at is not None) == (alert.id, True)
    assert rig.service.list(state="fires") == []
