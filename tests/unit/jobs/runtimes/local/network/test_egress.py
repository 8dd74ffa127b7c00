"""A job's way out: what the settings name is there, and a job waits while it is not."""

import pytest

from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.runtimes.local.launch import WayOut, way_out
from mlops_desk.jobs.runtimes.runtime import Obstructed, RunTicket
from mlops_desk.kit.base.network import NetworkRules
from tests.authority import Authority

SPEC = JobSpec("a", "i")


def nobody() -> str:
    raise AssertionError("asked for nothing")


def test_without_settings_nothing_is_added_and_no_engine_asked():
    assert way_out(SPEC, NetworkRules(), None, nobody) == WayOut()


def test_bridge_and_tracking_server_are_reached_without_the_proxy():
    rules = NetworkRules(http_proxy="http://proxy:3128")
    found = way_out(SPEC, rules, RunTicket("r", "http://10.9.8.7:5000", "t"), lambda: "172.17.0.1")
    assert found.environment["no_proxy"].split(",")[-2:] == ["10.9.8.7", "172.17.0.1"]
    assert found.environment["http_proxy"] == "http://proxy:3128"
    own = JobSpec("a", "i", env={"HTTP_PROXY": "", "no_proxy": "x"})
    assert (
        not {"http_proxy", "no_proxy", "NO_PROXY"} & way_out(own, rules, None, lambda: "172.17.0.1").environment.keys()
    )


def test_certificates_come_with_the_usual_ones(tmp_path):
    authority = Authority(tmp_path)
    found = way_out(SPEC, NetworkRules(ca_bundle=str(authority.file)), None, nobody)
    assert found.environment["SSL_CERT_FILE"] == "/mlops-desk/in/ca.pem"
    assert found.certificates.endswith(authority.pem.encode())
    assert found.certificates.count(b"BEGIN CERTIFICATE") > 50


def test_wheels_are_mounted_read_only_from_where_they_really_lie(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = way_out(SPEC, NetworkRules(wheelhouse=str(tmp_path / "link")), None, nobody)
    assert found.mounts == (Mount(str(tmp_path / "real"), "/mlops-desk/wheels", "ro"),)
    assert found.environment["PIP_FIND_LINKS"] == "/mlops-desk/wheels"


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        (NetworkRules(ca_bundle="/none/ca.pem"), "network.ca_bundle"),
        (NetworkRules(wheelhouse="/none"), "network.wheels"),
    ],
)
def test_a_job_waits_for_what_is_not_there_now(rules, key):
    with pytest.raises(Obstructed) as told:
        way_out(SPEC, rules, None, nobody)
    reason = told.value.reason
    assert (reason.class_, reason.command) == ("network_settings", f"mlops-desk settings set {key} ''")
    assert "/none" in reason.evidence
