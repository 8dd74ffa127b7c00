"""Sources are fetched through the settings' proxy, with its login, and from servers that only the lab's authority knows."""

import functools
import os
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlops_desk.desk.network.composition import git_network
from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots
from mlops_desk.jobs.records.spec import Source
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.secrets import SecretStore
from tests.authority import Authority
from tests.proxy_double import ProxyDouble

LOGIN = "ada:p@ss/w%rd"
REACHED = "dumb http transport"
"""What git says once it has an answer: these servers give out files, and know nothing of shallow fetches."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Be silent."""


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "web" / "code.git"
    work = tmp_path / "work"
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(tmp_path)}
    run = functools.partial(subprocess.run, check=True, capture_output=True, env=environment)
    run(["git", "init", "-q", "-b", "main", str(work)])
    (work / "train.py").write_text("print(1)\n")
    run(["git", "-C", str(work), "add", "."])
    run(["git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"])
    run(["git", "clone", "-q", "--bare", str(work), str(folder)])
    run(["git", "-C", str(folder), "update-server-info"])
    return folder.parent


@pytest.fixture
def served(repository, tmp_path):
    """Return a way to serve the repository; by TLS if an authority is given."""
    servers = []

    def serve(authority=None):
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(repository)))
        if authority is not None:
            server.socket = authority.server_context().wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def proxy():
    double = ProxyDouble(LOGIN)
    yield double
    double.close()


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    folder = DataFolder(tmp_path / "data")
    store = SettingsStore(tmp_path / "settings.json")
    monkeypatch.setenv("MLOPS_DESK_CACHE_DIR", str(tmp_path / "cache"))

    def fetch(address, **values):
        for key, value in values.items():
            store.set(f"network.{key}", value)
        snapshots = Snapshots(folder.sources, network=git_network(folder, store))
        with snapshots.taken(Source(git=address, ref="main"), os.geteuid()) as taken:
            return taken

    fetch.secrets = SecretStore(folder.secrets)
    return fetch


@pytest.mark.slow
def test_a_proxy_is_asked_with_its_login_which_is_in_no_setting(served, proxy, fetch):
    port = served()
    fetch.secrets.set(os.geteuid(), "proxy", LOGIN)
    address = f"http://127.0.0.1.nip.test:{port}/code.git"  # a name of no host: only the proxy is asked for it
    with pytest.raises(DeskError):
        fetch(address, http_proxy=proxy.address, proxy_login="proxy")
    assert (True, f"http://127.0.0.1.nip.test:{port}/code.git/info/refs?service=git-upload-pack") in proxy.asked


@pytest.mark.slow
def test_without_its_login_the_proxys_no_is_told(served, proxy, fetch):
    with pytest.raises(DeskError, match="407"):
        fetch(f"http://code.nip.test:{served()}/code.git", http_proxy=proxy.address, proxy_login="proxy")
    assert {known for known, _ in proxy.asked} == {False}


@pytest.mark.slow
def test_this_machine_is_reached_without_the_proxy(served, proxy, fetch):
    with pytest.raises(DeskError, match=REACHED):
        fetch(f"http://127.0.0.1:{served()}/code.git", http_proxy=proxy.address)
    assert proxy.asked == []


@pytest.mark.slow
def test_a_server_of_the_labs_own_authority_is_trusted_once_it_is_named(served, fetch, tmp_path):
    authority = Authority(tmp_path)
    address = f"https://localhost:{served(authority)}/code.git"
    with pytest.raises(DeskError, match="certificate"):
        fetch(address)
    with pytest.raises(DeskError, match=REACHED):
        fetch(address, ca_bundle=str(authority.file))
