"""A job that wants the desk's user's files, or other people's models, against the real server: each wall on its own."""

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.kit.base.process import start_detached
from mlops_desk.registry.server.files import ServerFiles, end_process
from mlops_desk.registry.server.landlock import abi
from mlops_desk.registry.server.tickets import Grant, Tickets

pytestmark = [pytest.mark.end2end]

# The server with the guard's and the store's own refusals taken away: what is left is the wall.
NO_GUARD = """
import sys
from mlops_desk.registry.server import artifacts, guard, permissions
guard.Sources.refusal = lambda *_: None
permissions.Permits.refusal = lambda *_: None
artifacts.keep_to = lambda folder: None
from mlops_desk.registry.server.process import main
sys.exit(main())
"""
GUARD = "import sys; from mlops_desk.registry.server.process import main; sys.exit(main())"


class Served:
    """A tracking server of a data folder, started as the agent starts it but for the ``program`` and the wall."""

    def __init__(self, root, program, wall, owner=None):
        self.root = root
        self.ledger = ServerFiles(root / "mlflow")
        self.ledger.make()
        self.log = root / "tracking.log"
        words = ["--folder", str(self.ledger.folder), *(["--wall", wall] if wall else [])]
        start_detached([sys.executable, "-c", program, *words], self.log)
        self.wait()
        (root / "state.db").write_text("the desk's own")
        self.owner = owner or self.ledger.token()

    def wait(self):
        deadline = time.monotonic() + 240
        while (entry := self.ledger.read()) is None or entry.state != "running":
            assert entry is None or entry.state == "starting", entry
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        self.uri = f"http://127.0.0.1:{entry.port}"
        return entry

    def ask(self, method, path, fields=None, token=None):
        headers = {"Authorization": f"Bearer {token or self.owner}", "Content-Type": "application/json"}
        body = fields if isinstance(fields, bytes) else None if fields is None else json.dumps(fields).encode()
        request = urllib.request.Request(self.uri + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def call(self, method, call, fields=None, token=None):
        status, text = self.ask(method, f"/api/2.0/mlflow/{call}", fields, token)
        return status, (json.loads(text) if status == 200 and text else text.decode())

    def run(self, experiment="0", token=None):
        status, answer = self.call("POST", "runs/create", {"experiment_id": experiment}, token)
        assert status == 200, answer
        return answer["run"]["info"]

    def close(self):
        entry = self.ledger.read()
        end_process(entry.keeper_pid, entry.keeper_ticks, 60.0)


def trap(served, folder):
    """Do what a job did to read the desk's user's files: a run whose files lie where the job can put a link."""
    (folder / "etc").symlink_to("/etc")
    status, answer = served.call(
        "POST", "experiments/create", {"name": folder.name, "artifact_location": folder.as_uri()}
    )
    if status != 200:
        return status, answer
    run = served.run(answer["experiment_id"])
    (folder / run["run_id"]).mkdir()
    (folder / run["run_id"] / "artifacts").symlink_to("/etc")
    return served.ask("GET", f"/get-artifact?run_id={run['run_id']}&path=passwd")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("desk"), GUARD, None)
    yield made
    made.close()


def test_nothing_makes_the_server_open_files_of_its_user(served, tmp_path):
    status, text = trap(served, tmp_path)
    assert status == 403
    assert "not in this server's own store" in text
    assert tmp_path.name in text


@pytest.mark.parametrize("wall", ["landlock", "namespace"])
def test_the_wall_holds_by_itself(tmp_path, wall):
    if wall == "landlock" and abi() == 0:
        pytest.fail("this kernel has no Landlock, so that wall can't be tried here")
    served = Served(tmp_path / "desk", NO_GUARD, wall)
    try:
        assert served.ledger.read().wall == wall
        (tmp_path / "job").mkdir()
        status, text = trap(served, tmp_path / "job")
        assert status != 200
        assert b"root:" not in text
        bad = served.run(
            served.call("GET", "experiments/get-by-name?experiment_name=job")[1]["experiment"]["experiment_id"]
        )
        secrets = [
            served.root / "state.db",
            served.ledger.token_file,
            Path("/proc/self/environ"),
            Path(f"/proc/{os.getpid()}/environ"),
        ]
        for secret in secrets:
            with closing(sqlite3.connect(served.ledger.store, timeout=60)) as store, store:
                store.execute("UPDATE runs SET artifact_uri = ?", (secret.parent.as_uri(),))
            assert served.ask("GET", f"/get-artifact?run_id={bad['run_id']}&path={secret.name}")[0] != 200
            status, listed = served.call("GET", f"artifacts/list?run_id={bad['run_id']}")
            names = {file["path"] for file in listed.get("files", ())} if status == 200 else set()
            assert names <= {"mlflow", "mlflow-access", "tickets", "visits"}  # its own, on the way to it
        (served.ledger.artifacts / "planted").symlink_to(served.root)
        assert served.ask("GET", "/api/2.0/mlflow-artifacts/artifacts/planted/state.db")[0] != 200
        works(served, Tickets(served.ledger.tickets_folder), children=1)  # it is the guard that makes a run a child
    finally:
        served.close()


def test_without_guard_and_wall_the_trap_works(tmp_path):
    """What the tests above keep shut does lead out: they would see it if it were open."""
    served = Served(tmp_path / "desk", NO_GUARD, "none")
    try:
        (tmp_path / "job").mkdir()
        status, text = trap(served, tmp_path / "job")
        assert status == 200
        assert b"root:" in text
    finally:
        served.close()


def test_without_a_wall_the_store_itself_opens_nothing_else(tmp_path):
    """What a database of an earlier version may say, and links that lie in the store, lead nowhere."""
    served = Served(tmp_path / "desk", GUARD, "none")
    try:
        run = served.run()
        put = f"/api/2.0/mlflow-artifacts/artifacts/0/{run['run_id']}/artifacts/a.txt"
        assert served.ask("PUT", put, b"mine")[0] == 200
        (served.ledger.artifacts / "0" / run["run_id"] / "artifacts" / "link").symlink_to(served.root)
        (served.ledger.artifacts / "0" / run["run_id"] / "artifacts" / "db").symlink_to(served.root / "state.db")
        listed = served.call("GET", f"artifacts/list?run_id={run['run_id']}")[1]
        assert [file["path"] for file in listed["files"]] == ["a.txt"]
        for path in ("link/state.db", "db", "link"):
            assert served.ask("GET", f"/get-artifact?run_id={run['run_id']}&path={path}")[0] == 403
            assert served.ask("GET", f"{put.removesuffix('a.txt')}{path}")[0] == 403
        assert served.ask("PUT", f"{put.removesuffix('a.txt')}link/x", b"x")[0] == 403
        assert not (served.root / "x").exists()
        for place in (served.root.as_uri(), str(served.root), "file:.", "ftp://127.0.0.1/x", "s3://b/x", "http://127.0.0.1:1/x",
                      "runs:/x/y", "models:/m/1", "hdfs://x/y", "dbfs:/x", "mlflow-artifacts:/../"):  # fmt: skip
            with closing(sqlite3.connect(served.ledger.store, timeout=60)) as store, store:
                store.execute("UPDATE runs SET artifact_uri = ?", (place,))
            assert served.ask("GET", f"/get-artifact?run_id={run['run_id']}&path=state.db")[0] in {
                400,
                403,
                404,
                500,
            }, place
            status, listed = served.call("GET", f"artifacts/list?run_id={run['run_id']}")
            assert status != 200 or "files" not in listed
    finally:
        served.close()


TRAIN = Path(__file__).with_name("train_with_mlflow.py")


def works(served, tickets, children=2):
    """A training program of today, with a job's token: everything it logs and registers arrives."""
    run = served.run()["run_id"]
    token = tickets.issue(Grant(run, "j-a1"))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "MLFLOW_TRACKING_URI": served.uri,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": run,
        "MLFLOW_EXPERIMENT_NAME": "Default",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    ran = subprocess.run([sys.executable, "-W", "ignore", str(TRAIN)], env=environment, capture_output=True, text=True,
                         timeout=600, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    assert found == {"versions": ["1", "2"], "children": children, "logged": True, "files": ["conf/a.json", "note.txt"]}
    return run, token


def test_a_training_program_of_today_goes_on_working(served):
    works(served, Tickets(served.ledger.tickets_folder))
