"""How a server elsewhere is reached: the settings' proxy and certificates, else those of the agent's environment."""

from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.network import NetworkRules
from mlops_desk.registry.trackers.connection_settings import RegistryWay, RegistryWays
from tests.authority import Authority

PROXY = "http://proxy.example:3128"


def way(uri: str, rules: NetworkRules, folder: Path = Path("/nonexistent"), login: bytes | None = None) -> RegistryWay:
    return RegistryWays(lambda: rules, folder, lambda: login).to(uri)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_settings_the_environment_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert way("https://ml.example", NetworkRules()) == RegistryWay()
    monkeypatch.setenv("https_proxy", PROXY)
    monkeypatch.setenv("no_proxy", "near.example")
    assert way("https://ml.example", NetworkRules()).proxy == PROXY
    assert way("http://ml.example", NetworkRules()).proxy is None
    for near in (
        "https://near.example/x",
        "https://a:b@near.example:5000",
        "https://127.0.0.1:5000",
        "https://localhost",
    ):
        assert way(near, NetworkRules()).proxy is None, near


def test_the_settings_go_before_it_and_hosts_that_they_name_are_reached_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://other.example:1")
    rules = NetworkRules(https_proxy=PROXY, no_proxy=("lab.example", "10.0.0.0/8"))
    found = way("https://ml.example", rules)
    assert found.proxy == PROXY
    assert (found.environment["https_proxy"], found.environment["HTTPS_PROXY"]) == (PROXY, PROXY)
    assert way("http://ml.example", rules).proxy is None
    for near in ("https://ml.lab.example", "https://10.1.2.3:5000", "https://localhost:5000"):
        assert way(near, rules).proxy is None, near


def test_a_proxys_login_is_put_in_where_the_settings_name_one() -> None:
    rules = NetworkRules(https_proxy=PROXY, proxy_login="p")
    assert way("https://ml.example", rules, login=b"ann:p@ss/w\n").proxy == "http://ann:p%40ss%2Fw@proxy.example:3128"
    assert way("https://ml.example", rules, login=None).proxy == PROXY
    assert way("https://ml.example", NetworkRules(https_proxy=PROXY), login=b"ann:x").proxy == PROXY


def test_a_persons_own_authority_is_trusted_beside_the_usual_ones(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    found = way("https://ml.example", NetworkRules(ca_bundle=str(authority.file)), tmp_path / "made")
    assert found.ca_file is not None
    together = found.ca_file.read_text()
    assert authority.pem.strip() in together
    assert together.count("BEGIN CERTIFICATE") > 10
    assert found.environment["MLFLOW_TRACKING_SERVER_CERT_PATH"] == str(found.ca_file)
    with pytest.raises(Invalid, match="no file"):
        way("https://ml.example", NetworkRules(ca_bundle=str(tmp_path / "gone")), tmp_path)
