"""The desk's own tracking server: one process, a token, adopted by the next agent; files through it; events."""

import json
import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.event import RegistryChanged
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.runs import RunsService
from mlops_desk.registry.server.files import ServerFiles
from mlops_desk.registry.server.keeper import TrackingServer
from mlops_desk.registry.service import RegistryCore

pytestmark = [pytest.mark.end2end]

BRIDGE = "127.0.0.9"  # stands in for the engine's bridge: an address of this machine that is not 127.0.0.1


class House:
    """A data folder with the registry's services, as the agent wires them."""

    def __init__(self, root):
        self.data = DataFolder(root)
        self.data.make()
        self.loop = Loop("test")
        self.events = []
        bus = Bus()
        bus.subscribe(RegistryChanged, self.events.append)
        self.bridge = None
        self.core = RegistryCore(self.data, bus, self.loop, lambda: self.bridge)
        self.models = ModelsService(self.core)
        self.runs = RunsService(self.core)

    def close(self):
        self.loop.stop()
        self.core.stop()
        self.core.stop_server()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.close()


def ask(house, path, *, host=None, token=None, method="GET"):
    headers = {"Host": host} if host else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(house.models.server().uri + path, headers=headers, method=method), timeout=20
        ) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def post(house, call, fields, token):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    url = f"{house.models.server().uri}/api/2.0/mlflow/{call}"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(fields).encode(), headers), timeout=20).close()


TRAIN = """
import json, os, sys, mlflow
from pathlib import Path
mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
client = mlflow.MlflowClient()
run_id = os.environ["MLFLOW_RUN_ID"]
with mlflow.start_run(run_id=run_id):
    mlflow.log_metric("auc", 0.9)
    mlflow.log_param("lr", 0.1)
    folder = Path(sys.argv[1]); (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}"); (folder / "code" / "a.py").write_text("1")
    mlflow.log_artifacts(str(folder), "model")
    mlflow.log_text("x,y\\n1,2\\n", "data/train.csv")
client.create_registered_model("digits-clf")
client.create_model_version("digits-clf", mlflow.get_run(run_id).info.artifact_uri + "/model", run_id)
"""


def train(prepared, folder):
    """Log to a prepared run with plain MLflow from a process of its own, as a job's container does."""
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": prepared.uri,
        "MLFLOW_TRACKING_TOKEN": prepared.token,
        "MLFLOW_RUN_ID": prepared.run_id,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    ran = subprocess.run([sys.executable, "-c", TRAIN, str(folder)], env=environment, capture_output=True, text=True,
                         timeout=600, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_nothing_listens_until_the_registry_is_needed(house):
    assert house.models.list() == []
    with pytest.raises(NotFound):
        house.runs.list("digits")
    assert house.models.server().state == "stopped"
    assert not house.core.server.used


def test_without_an_engine_a_run_for_a_container_says_so(house):
    with pytest.raises(Unavailable) as caught:
        house.core.prepare_run("digits", {}, "j-a1")
    assert "engine" in caught.value.message


def test_a_job_logs_registers_and_is_seen(house, tmp_path):
    house.models.start()
    port = house.models.server().uri.rpartition(":")[2]
    house.bridge = BRIDGE  # the engine appears later: the server comes to listen there too, on the same port
    prepared = house.core.prepare_run("digits", {"mlflow.runName": "train-digits"}, "j-a1")
    assert prepared.uri == f"http://{BRIDGE}:{port}"
    assert house.core.run(prepared.run_id).status == "RUNNING"
    house.models.list()
    house.core.poll()
    train(prepared, tmp_path / "model")
    before = len(house.events)
    house.core.poll()
    assert len(house.events) == before + 1

    assert house.core.finish_run(prepared.run_id, "FINISHED").metrics == {"auc": 0.9}
    (version,) = house.core.versions_of_run(prepared.run_id)
    assert (version.name, version.version) == ("digits-clf", "1")
    assert [run.run_id for run in house.runs.list("digits", sort="metrics.auc:desc")] == [prepared.run_id]

    house.models.alias("digits-clf", "champion", "1")
    assert isinstance(house.events[-1], RegistryChanged)
    assert house.models.list()[0].aliases == {"champion": "1"}
    for reference in ("digits-clf", "digits-clf@champion", "digits-clf/1"):
        assert house.core.resolve(reference).version == "1"
    with pytest.raises(NotFound) as caught:
        house.core.resolve("digits-clf@chapmion")
    assert "champion" in caught.value.hint

    model = house.core.download_model(house.core.resolve("digits-clf"), tmp_path / "fetched")
    assert (model / "MLmodel").read_text() == "flavors: {}"
    assert (model / "code" / "a.py").read_text() == "1"
    data = house.core.download_artifact(prepared.run_id, "data/train.csv", tmp_path / "data")
    assert data.read_text() == "x,y\n1,2\n"
    again = house.core.download_artifact(f"runs:/{prepared.run_id}/data/train.csv", "", tmp_path / "again")
    assert again.read_text() == "x,y\n1,2\n"
    with pytest.raises(Refused):
        house.core.download_model(house.core.resolve("digits-clf"), tmp_path / "fetched")
    with pytest.raises(DeskError):
        house.core.download_artifact(prepared.run_id, "data/none.csv", tmp_path / "none")
    assert list((tmp_path / "none").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"model", "fetched", "data", "again", "none"}


def test_a_run_ends_in_a_known_way_and_a_missing_dataset_is_said(house):
    prepared = house.core.prepare_run("digits", {}, "j-a1")
    with pytest.raises(Invalid):
        house.core.finish_run(prepared.run_id, "fine")
    with pytest.raises(NotFound) as caught:
        house.core.reference_dataset(prepared.run_id)
    assert "mlflow.log_input" in caught.value.hint


def test_the_server_wants_token_and_host_on_every_method(house):
    house.models.start()
    token = ServerFiles(house.data.registry).token()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert ask(house, "/api/2.0/mlflow/experiments/search", method=method) == 401
        assert ask(house, "/api/2.0/mlflow/experiments/search", method=method, token="wrong") == 401
        assert ask(house, "/api/2.0/mlflow/experiments/search", method=method, token=token, host="evil:80") == 403
    assert ask(house, "/version", token=token) == 200
    assert ask(house, "/api/2.0/mlflow/webhooks/list", token=token) == 403


def test_heads_that_never_end_keep_the_server_from_nobody(house):
    """Without any token, as from another container on the engine's bridge, and from the address that is asked from."""
    house.models.start()
    here = ("127.0.0.1", int(house.models.server().uri.rpartition(":")[2]))
    with ExitStack() as open_ones:
        half = [open_ones.enter_context(socket.create_connection(here, timeout=20)) for _ in range(300)]
        for one in half:
            with suppress(ConnectionError):
                one.sendall(b"GET / HTTP/1.1\r\nho")
        assert ask(house, "/health") == 401
        assert len(select.select(half, [], [], 20)[0]) >= 300 + 1 - 256


def test_what_it_keeps_is_for_this_user_only(house):
    house.models.start()
    for path in house.data.registry.rglob("*"):
        assert path.lstat().st_mode & 0o077 == 0, path
    token = ServerFiles(house.data.registry).token()
    entry = ServerFiles(house.data.registry).read()
    for name in ("cmdline", "environ"):
        assert token.encode() not in Path(f"/proc/{entry.pid}/{name}").read_bytes()
    assert token not in (house.data.logs / "tracking.log").read_text()


def test_a_registry_can_not_send_us_to_this_disk(house, tmp_path):
    """Also not by what an earlier version of the server had taken into its database."""
    (tmp_path / "secret").write_text("mine")
    prepared = house.core.prepare_run("digits", {}, "j-a1")
    own = ServerFiles(house.data.registry).token()
    post(house, "registered-models/create", {"name": "trap"}, own)
    source = f"runs:/{prepared.run_id}/model"
    post(house, "model-versions/create", {"name": "trap", "source": source, "run_id": prepared.run_id}, own)
    with closing(sqlite3.connect(house.core.server.ledger.store, timeout=20)) as store, store:
        store.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (tmp_path.as_uri(), prepared.run_id))
    with pytest.raises(Refused):
        house.core.download_artifact(prepared.run_id, "secret", tmp_path / "fetched")
    for source in (tmp_path.as_uri(), "s3://bucket/model", f"runs:/{prepared.run_id}/", "ftp://127.0.0.1/x",
                   "http://127.0.0.1:1/x", "mlflow-artifacts:/../x", "mlflow-artifacts://127.0.0.1:1/x"):  # fmt: skip
        with closing(sqlite3.connect(house.core.server.ledger.store, timeout=20)) as store, store:
            store.execute(
                "UPDATE model_versions SET source = ?, storage_location = ? WHERE name = 'trap'", (source,) * 2
            )
        with pytest.raises(Refused):
            house.core.download_model(house.core.resolve("trap/1"), tmp_path / "fetched")
    assert not list((tmp_path / "fetched").iterdir())


def test_it_outlives_its_supervisor_and_is_adopted(tmp_path):
    """Kill the process that started it; another one finds it, on its port, and may end it."""
    program = f"""
        from pathlib import Path
        from mlops_desk.registry.server.keeper import TrackingServer
        made = TrackingServer(Path({str(tmp_path / "own")!r}), Path({str(tmp_path / "log")!r}), lambda: None, print)
        made.start()
        print("up", flush=True)
        import time; time.sleep(600)
    """
    first = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    try:
        for line in first.stdout:
            if line == "up\n":
                break
    finally:
        first.kill()
        first.wait()
        first.stdout.close()
    later = TrackingServer(tmp_path / "own", tmp_path / "log", lambda: None, lambda _: None)
    entry = later.ledger.read()
    try:
        adopted = later.start()
        assert (adopted.state, later.ledger.read().pid) == ("running", entry.pid)
        registries = Registries(later)
        assert registries.open(None).models() == []
        registries.stop()
        os.kill(entry.pid, signal.SIGKILL)
        deadline = time.monotonic() + 240
        while (
            later.state().state != "running" or later.ledger.read().pid == entry.pid
        ) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert later.start().uri == adopted.uri
    finally:
        assert later.stop().state == "stopped"
    ended = later.ledger.read()
    assert (ended.is_alive(), ended.is_kept()) == (False, False)


def test_a_process_that_only_has_its_pid_is_left_alone(tmp_path):
    later = TrackingServer(tmp_path / "own", tmp_path / "log", lambda: None, lambda _: None)
    later.ledger.make()
    with subprocess.Popen(["sleep", "600"]) as other:
        from mlops_desk.kit.base.process import boot_id
        from mlops_desk.registry.server.files import Entry

        later.ledger.write(Entry("running", other.pid, 12345, boot_id(), 5000, ("127.0.0.1",)))
        assert later.state().state == "stopped"
        later.stop()
        assert other.poll() is None
        other.kill()


def test_a_store_that_can_not_be_opened_is_told_as_failed(tmp_path):
    later = TrackingServer(tmp_path / "own", tmp_path / "log", lambda: None, lambda _: None)
    later.ledger.make()
    later.ledger.store.write_bytes(b"\xff" * 5000)
    with pytest.raises(Unavailable) as caught:
        later.start()
    assert "not a database" in caught.value.message
    assert later.state().state == "failed"
    assert later.ledger.store.read_bytes() == b"\xff" * 5000
