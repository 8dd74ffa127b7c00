"""A job that wants the desk's user's files, or other people's models, against the real server: each wall on its own."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.registry.server.landlock import abi
from mlops_desk.registry.server.tickets import Grant, Tickets
from tests.end2end.served_registry import GUARD, NO_GUARD, Served, trap

pytestmark = [pytest.mark.end2end]

# The server with the guard's and the store's own refusals taken away: what is left is the wall.


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("desk"), GUARD, None)
    yield made
    made.close()


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
