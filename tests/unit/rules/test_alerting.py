"""The alerts' service: told once, stored, acknowledged, configured, and an alert about alerts."""

import os
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.base.caller import Caller, set_caller
from mlops_desk.base.errors import Invalid, NotFound, Refused
from mlops_desk.base.settings import SettingsStore
from mlops_desk.records.alert import Alert
from mlops_desk.records.event import AlertChanged, IncidentLogged, Notice, SettingsChanged
from mlops_desk.records.incident import Incident
from mlops_desk.records.metric import Reading
from mlops_desk.records.status import Gpu, GpuState, Host, Status
from mlops_desk.rules import alerting
from mlops_desk.rules.alerting import AlertsService
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


def status(pending: float | None = 0.0, state: GpuState = GpuState.OK) -> Status:
    metrics = {} if pending is None else {"hw.gpu.row_remap.pending": Reading(pending, "1")}
    gpu = Gpu("GPU-0", 0, "H100", None, state, metrics=metrics)
    return Status((gpu,), Host("h"), (), (), AGENT, 1.0)


def test_an_alert_that_goes_on_is_told_once_over_samples_gaps_and_restarts(rig):
    for pending in (1.0, 1.0, None, 1.0):
        rig.service.take(status(pending))
    rig.wait(lambda: rig.notices)
    rig.restart()
    for pending in (None, 1.0, 1.0):
        rig.service.take(status(pending))
    (alert,) = rig.service.list()
    assert (alert.rule, alert.ended_at) == ("gpu_row_remap_pending", None)
    rig.service.take(status(0.0))
    rig.wait(lambda: len(rig.changes) == 2)
    assert len(rig.notices) == 1
    assert rig.notices[0].level == "warning"
    assert "GPU 0" in rig.notices[0].text
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
    assert len(rig.notices) == 1
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
    rig.service.take(status(None, GpuState.LOST))
    rig.wait(lambda: rig.changes)
    assert [alert.rule for alert in rig.changes] == ["gpu_lost"]
    assert rig.notices == []
    assert rig.logged == []


def test_a_grave_xid_sets_its_alert_off_and_an_applications_fault_does_not(rig):
    rig.bus.publish(IncidentLogged(Incident("i", 1.0, "xid", "warning", "XID 31", device="GPU-0")))
    rig.service.take(status())
    assert rig.service.list() == []
    rig.bus.publish(IncidentLogged(Incident("j", 1.0, "xid", "alert", "XID 79", device="GPU-0")))
    rig.service.take(status())
    assert [alert.rule for alert in rig.service.list()] == ["gpu_xid"]


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
    monkeypatch.setattr(alerting, "_KEPT", 2)
    rig.service.take(status(1.0))
    (old,) = rig.service.list()
    rig.wait(lambda: rig.changes)
    for number in range(4):
        rig.state.alerts.put(replace(old, id=f"later-{number}", since=old.since + 1 + number, ended_at=old.since + 9))
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


def test_only_the_agents_own_user_changes_rules(rig):
    def change() -> None:
        set_caller(Caller(os.getuid() + 1, 1, 1))
        rig.service.configure("gpu_temperature", enabled=False)

    with pytest.raises(Refused):
        copy_context().run(change)


def test_a_failing_webhook_is_itself_an_alert_told_once_and_never_sent(rig):
    rig.settings.set("alerts.webhook", "http://127.0.0.1:1/canary")
    rig.service._on_webhook("It can't be reached.")
    rig.service._on_webhook("It can't be reached.")
    rig.wait(lambda: rig.notices)
    (alert,) = rig.service.list()
    assert alert.rule == "webhook"
    assert rig.service._webhook.waiting == 0
    rig.restart()
    assert [alert.rule for alert in rig.service.list()] == ["webhook"]
    rig.settings.set("alerts.webhook", "")
    rig.bus.publish(SettingsChanged(("alerts.webhook",)))
    rig.wait(lambda: len(rig.changes) == 2)
    assert rig.service.list()[0].ended_at is not None
    assert len(rig.notices) == 1
