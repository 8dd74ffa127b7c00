"""Settings of the network are judged before they are kept, and one that hangs is told of in time."""

import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from mlops_desk.desk.network import validation
from mlops_desk.desk.settings import SettingsService, without_secrets
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Invalid, TimedOut
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.records.agent import AuditEntry
from tests.authority import Authority
from tests.certificates import sign


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
        ("network.http_proxy", "http://fd00::7:3128", "no address"),
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
    monkeypatch.setattr(validation.os, "access", lambda *_: False)
    with pytest.raises(Invalid, match="can't be looked into"):
        service.set("network.wheels", str(tmp_path))


def test_the_audit_trail_keeps_no_login_that_was_refused():
    arguments = wire.dumps({"key": "network.http_proxy", "value": "http://ada:canary@proxy"})
    kept = without_secrets(AuditEntry(1.0, 1, "ada", "settings.set", arguments, error="refused"))
    assert "canary" not in kept.arguments
    assert "network.http_proxy" in kept.arguments
    open_ = wire.dumps({"key": "network.http_proxy", "value": "http://proxy"})
    assert "http://proxy" in without_secrets(AuditEntry(1.0, 1, "ada", "settings.set", open_)).arguments


def test_a_share_that_does_not_answer_holds_nobody_up(monkeypatch, tmp_path):
    released = threading.Event()
    monkeypatch.setattr(validation, "_DEADLINE_SECONDS", 0.05)
    monkeypatch.setattr(validation, "judge", lambda *_: released.wait(10))
    loop = Loop("judging")
    with pytest.raises(TimedOut):
        validation.judge_in_time(loop, tmp_path)("network.wheels", "/share")
    released.set()


def test_what_was_pasted_with_a_blank_behind_it_is_kept_without(service, tmp_path):
    assert service.set("network.http_proxy", " http://proxy.lab:3128\n").value == "http://proxy.lab:3128"
    assert service.set("network.wheels", f"{tmp_path} ").value == str(tmp_path)


def test_certificates_that_all_ran_out_are_refused_and_one_old_among_others_is_not(service, tmp_path):
    pem = {}
    for name, days in (("old", -3), ("new", 30)):
        pem[name] = sign(name, authority=True, days=days).certificate.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "old.pem").write_bytes(pem["old"])
    with pytest.raises(Invalid, match="ran out 3 days ago"):
        service.set("network.ca_bundle", str(tmp_path / "old.pem"))
    (tmp_path / "both.pem").write_bytes(pem["old"] + pem["new"])
    assert service.set("network.ca_bundle", str(tmp_path / "both.pem")).value


def test_no_job_gets_the_agents_own_data_as_wheels(tmp_path):
    own = tmp_path / "home" / "data"
    (own / "secrets").mkdir(parents=True)
    (tmp_path / "link").symlink_to(own)
    (tmp_path / "wheels").mkdir()
    for folder in (own, own / "secrets", own.parent, tmp_path, tmp_path / "link", Path("/")):
        with pytest.raises(Invalid, match="agent's own data"):
            validation.judge("network.wheels", str(folder), own)
    validation.judge("network.wheels", str(tmp_path / "wheels"), own)


def test_a_wheelhouse_of_endpoints_is_looked_into_when_it_is_set(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="holds no wheels"):
        validation.judge("serving.wheelhouse", str(tmp_path))
    with pytest.raises(Invalid, match="no folder"):
        validation.judge("serving.wheelhouse", str(tmp_path / "none"))
    (tmp_path / "pandas-2.2.3-py3-none-any.whl").write_bytes(b"")
    validation.judge("serving.wheelhouse", str(tmp_path))
    validation.judge("serving.wheelhouse", "")
    validation.judge("serving.base_image", str(tmp_path / "none"))
