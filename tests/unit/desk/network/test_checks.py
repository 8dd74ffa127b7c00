"""The doctor's checks of the way out: what answers is ok, what does not has its reason and what to paste."""

import json
import os
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlops_desk.desk.network import checks
from mlops_desk.engines.engine import EngineInfo
from mlops_desk.engines.fake import FakeEngine
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.kit.base.network import NetworkRules
from mlops_desk.kit.base.settings import SettingsStore
from tests.authority import Authority
from tests.proxy_double import ProxyDouble


class Answer(BaseHTTPRequestHandler):
    status = 200

    def do_HEAD(self):
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        """Be silent."""


@pytest.fixture
def server(tmp_path):
    authority = Authority(tmp_path)
    handler = type("Here", (Answer,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = authority.server_context().wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.handler, server.authority = handler, authority
    yield server
    server.shutdown()
    server.server_close()


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_only_what_is_set_is_checked(tmp_path):
    store = SettingsStore(tmp_path / "settings.json")
    assert checks.network_checks(store, FakeEngine()) == {}
    store.set("network.http_proxy", "http://127.0.0.1:1")
    store.set("network.registries", "a.lab, b.lab")
    store.set("network.package_index", "https://127.0.0.1:1/simple")
    store.set("network.ca_bundle", "/none")
    assert set(checks.network_checks(store, FakeEngine())) == {
        "proxy for http", "image registry a.lab", "image registry b.lab", "package index", "certificates", "image pulls",
    }  # fmt: skip
    found = checks.network_checks(store, FakeEngine())["proxy for http"]()
    assert (found.state, found.fix) == ("problem", "mlops-desk settings set network.http_proxy ''")


def test_a_proxy_that_listens_and_one_that_does_not():
    proxy = ProxyDouble()
    assert checks.proxy_check("proxy for http", "network.http_proxy", proxy.address).state == "ok"
    proxy.close()
    gone = checks.proxy_check("proxy for http", "network.http_proxy", f"http://127.0.0.1:{closed_port()}")
    assert gone.state == "problem"
    assert "refused" in gone.text.lower()


@pytest.mark.parametrize(("days", "state"), [(400, "ok"), (10, "warning")])
def test_certificates_that_run_out_are_told_in_time(tmp_path, days, state):
    authority = Authority(tmp_path, days)
    assert checks.certificates_check(str(authority.file)).state == state


def test_certificates_that_ran_out_or_are_gone_are_a_problem(tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    assert checks.certificates_check(str(tmp_path / "none.pem")).state == "problem"
    assert checks.certificates_check(str(authority.certificate)).state == "unknown"  # of a server, not an authority
    monkeypatch.setattr(checks.network, "days_left", lambda _text: -3.0)
    gone = checks.certificates_check(str(authority.file))
    assert (gone.state, "3 days ago" in gone.text) == ("problem", True)


@pytest.mark.slow
@pytest.mark.parametrize(("status", "state"), [(200, "ok"), (401, "warning"), (404, "problem"), (503, "problem")])
def test_an_index_is_asked_with_the_certificates_of_the_settings(server, status, state):
    server.handler.status = status
    rules = NetworkRules(
        package_index=f"https://localhost:{server.server_port}/simple", ca_bundle=str(server.authority.file)
    )
    assert checks.index_check(rules).state == state
    untrusted = checks.index_check(NetworkRules(package_index=rules.package_index))
    assert untrusted.state == "problem"
    assert "network.ca_bundle" in untrusted.text


def test_an_index_is_asked_through_the_proxy():
    proxy = ProxyDouble("ada:pw")
    rules = NetworkRules(package_index="http://pypi.nip.test/simple", http_proxy=proxy.address)
    assert checks.index_check(rules).state == "problem"  # 407
    assert proxy.asked == [(False, "http://pypi.nip.test/simple")]
    proxy.close()


@pytest.mark.slow
@pytest.mark.parametrize(("login", "word"), [(None, "no login"), (RegistryLogin("h", "ada", "p"), "logged in")])
def test_a_registry_says_whether_one_is_logged_in(server, login, word):
    server.handler.status = 401
    rules = NetworkRules(ca_bundle=str(server.authority.file))
    found = checks.registry_check(f"localhost:{server.server_port}", rules, lambda _reference, _uid: login)
    assert (found.state, word in found.text) == ("ok", True)
    server.handler.status = 500
    assert checks.registry_check(f"localhost:{server.server_port}", rules).state == "problem"


class Engine(FakeEngine):
    """``told`` is what it tells of itself."""

    def __init__(self, **told):
        super().__init__()
        self._told = {"name": "Docker", "rootless": True, **told}

    def info(self):
        named = {"version": "26", "api_version": "1", "gpu_route": None, "live_restore": True, "address": ""}
        return EngineInfo(**named, **self._told)


RULES = NetworkRules(https_proxy="http://proxy.lab:3128", no_proxy=(".lab",))


@pytest.mark.slow
def test_an_engine_that_pulls_without_the_proxy_is_told_of_with_what_mends_it(tmp_path):
    found = checks.pulls_check(RULES, Engine(proxy=None))
    assert found.state == "warning"
    file = tmp_path / ".config/docker/daemon.json"
    for before in (None, {"live-restore": True}):
        if before is not None:
            file.write_text(json.dumps(before))
        subprocess.run(["sh", "-c", found.fix], check=True, env={**os.environ, "HOME": str(tmp_path)}, timeout=30)
        proxies = {"https-proxy": "http://proxy.lab:3128", "no-proxy": "localhost,127.0.0.1,::1,[::1],.lab"}
        assert json.loads(file.read_text()) == {**(before or {}), "proxies": proxies}
    of_root = checks.pulls_check(RULES, Engine(proxy=None, rootless=False)).fix
    assert of_root.startswith("sudo python3 ")
    assert "/etc/docker/daemon.json" in of_root
    assert checks.pulls_check(RULES, Engine(proxy=None, name="Podman")).fix is None


@pytest.mark.parametrize(("proxy", "state"), [("other.lab:8080", "ok"), ("", "unknown")])
def test_an_engine_may_have_a_proxy_of_its_own_or_tell_nothing(proxy, state):
    assert checks.pulls_check(RULES, Engine(proxy=proxy)).state == state


def test_who_is_mute_is_told_in_time(monkeypatch):
    monkeypatch.setattr(checks, "_SECONDS", 0.2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        found = checks.registry_check(f"127.0.0.1:{mute.getsockname()[1]}", NetworkRules())
    assert (found.state, "no answer within" in found.text) == ("problem", True)
