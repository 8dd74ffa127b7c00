"""Settings of the network are judged before they are kept, and one that hangs is told of in time."""

import threading

import pytest

from mlops_desk.base import wire
from mlops_desk.base.bus import Bus
from mlops_desk.base.errors import Invalid, TimedOut
from mlops_desk.base.loop import Loop
from mlops_desk.base.settings import SettingsStore
from mlops_desk.desk.network import judging
from mlops_desk.desk.settings import SettingsService, without_secrets
from mlops_desk.records.agent import AuditEntry
from tests.authority import Authority


@pytest.fixture
def service(tmp_path) -> SettingsService:
    return SettingsService(SettingsStore(tmp_path / "settings.json"), Bus())


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("network.http_proxy", "proxy:3128", "form"),
        ("network.https_proxy", "http://ada:canary@proxy:3128", "login"),
        ("network.package_index", "https://canary@pypi.lab/simple", "login"),
        ("network.extra_indexes", "https://pypi.lab/simple https://ada:canary@b/simple", "login"),
        ("network.no_proxy", "ok.lab *", "no host"),
        ("network.registries", "hub.lab http://x", "no host"),
        ("network.ca_bundle", "/none/ca.pem", "no file"),
        ("network.wheels", "/none", "no folder"),
        ("network.wheels", "wheels", "no folder"),
        ("network.proxy_login", "a b", "form"),
    ],
)
def test_what_cant_be_meant_is_refused_and_not_kept(service, key, value, word):
    before = service.show(key).value
    with pytest.raises(Invalid, match=word) as told:
        service.set(key, value)
    assert "canary" not in f"{told.value.message}{told.value.hint}"
    assert service.show(key).value == before


def test_what_can_be_meant_is_kept_and_taken_back(service, tmp_path):
    authority = Authority(tmp_path)
    for key, value in {
        "network.http_proxy": "http://proxy.lab:3128",
        "network.extra_indexes": "https://a.lab/simple https://b.lab/simple",
        "network.no_proxy": ".lab, 10.0.0.0/8 [fd00::7]",
        "network.registries": "hub.lab:5000",
        "network.ca_bundle": str(authority.file),
        "network.wheels": str(tmp_path),
        "network.index_login": "index-login",
    }.items():
        assert service.set(key, value).value == value
        assert service.set(key, "").value == ""


def test_a_folder_that_is_closed_is_told(service, tmp_path, monkeypatch):
    monkeypatch.setattr(judging.os, "access", lambda *_: False)
    with pytest.raises(Invalid, match="can't be looked into"):
        service.set("network.wheels", str(tmp_path))


def test_the_audit_trail_keeps_no_login_that_was_refused():
    arguments = wire.dumps({"key": "network.http_proxy", "value": "http://ada:canary@proxy"})
    kept = without_secrets(AuditEntry(1.0, 1, "ada", "settings.set", arguments, error="refused"))
    assert "canary" not in kept.arguments
    assert "network.http_proxy" in kept.arguments
    open_ = wire.dumps({"key": "network.http_proxy", "value": "http://proxy"})
    assert "http://proxy" in without_secrets(AuditEntry(1.0, 1, "ada", "settings.set", open_)).arguments


def test_a_share_that_does_not_answer_holds_nobody_up(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(judging, "_DEADLINE_SECONDS", 0.05)
    monkeypatch.setattr(judging, "judge", lambda *_: released.wait(10))
    loop = Loop("judging")
    with pytest.raises(TimedOut):
        judging.judge_in_time(loop)("network.wheels", "/share")
    released.set()
