"""A store is looked over and mended by the program's own commands, while real MLflow clients log to it."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.registry.server.files import ServerFiles
from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate
from tests.registry_stores import small_store

pytestmark = [pytest.mark.end2end]

WRITER = """
import json, sys, time
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
run_id = client.create_run("0").info.run_id
print(json.dumps({"run": run_id}), flush=True)
errors, worst, n = [], 0.0, 0
sys.stdin.read(1)
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    began = time.monotonic()
    try:
        client.log_metric(run_id, "loss", 1.0 / (n + 1), step=n)
    except Exception as error:
        errors.append(str(error)[:200])
    worst = max(worst, time.monotonic() - began)
    n += 1
    time.sleep(0.01)
print(json.dumps({"n": n, "errors": errors, "worst": worst}))
"""


class Writers:
    """Processes that log to a store with MLflow's own client, from ``go`` on."""

    def __init__(self, uri: str, count: int, seconds: float) -> None:
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        command = [sys.executable, "-c", WRITER, uri, str(seconds)]
        self._all = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
                             stderr=subprocess.DEVNULL)
            for _ in range(count)
        ]  # fmt: skip
        self.runs = [json.loads(one.stdout.readline())["run"] for one in self._all]

    def go(self) -> None:
        for one in self._all:
            one.stdin.write("x")
            one.stdin.flush()

    def told(self) -> list[dict[str, object]]:
        return [json.loads(one.communicate(timeout=240)[0].splitlines()[-1]) for one in self._all]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = Desk(tmp_path_factory.mktemp("desk"))
    yield made
    made.stop()


def findings(report: dict[str, object]) -> dict[str, dict[str, object]]:
    return {one["check"]: one for one in report["findings"]}


def mended(desk: Desk, fix: str, uri: str) -> dict[str, object]:
    """Mend as a person does: where others write without a pause it says so, and is told again."""
    done = desk.wait(
        lambda: desk.run("registry", "fix", fix, "--uri", uri, "--json", check=False),
        lambda done: done.returncode == 0 or "Try again" not in done.stdout + done.stderr,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_strangers_store_is_looked_over_and_mended_while_trainings_log_to_it(desk: Desk, tmp_path: Path) -> None:
    store = small_store(tmp_path / "mlflow.db", n_runs=3000)
    uri = f"sqlite:///{store}"
    writers = Writers(uri, 3, seconds=12.0)
    desk.json("registry", "doctor", "--uri", uri)  # the agent is up
    writers.go()
    before = desk.json("registry", "doctor", "--uri", uri)
    assert (before["kind"], before["is_ours"]) == ("sqlite", False)
    assert findings(before)["statistics"]["state"] == "trouble"
    assert findings(before)["statistics"]["fix"] == "analyze"
    fixed = mended(desk, "analyze", uri)
    switched = mended(desk, "wal", uri)
    told = writers.told()
    assert [one["errors"] for one in told] == [[], [], []]
    assert all(one["n"] > 50 for one in told)
    after = findings(desk.json("registry", "doctor", "--uri", uri))
    assert (after["statistics"]["state"], after["journal"]["state"]) == ("ok", "ok")
    with closing(sqlite3.connect(store)) as connection:
        logged = dict(connection.execute(
            f"SELECT run_uuid, count(*) FROM metrics WHERE run_uuid IN ({','.join('?' * 3)}) GROUP BY 1", writers.runs
        ).fetchall())  # fmt: skip
    assert sorted(logged.values()) == sorted(one["n"] for one in told)
    assert Path(fixed["backup"]).exists()
    assert Path(switched["backup"]).exists()


def test_what_is_no_store_or_no_fix_is_told_in_a_sentence(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE mine(x)")
    refused = desk.run("registry", "doctor", "--uri", f"sqlite:///{other}", check=False)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    store = small_store(tmp_path / "mlflow.db", n_runs=20)
    unknown = desk.run("registry", "fix", "upgrade", "--uri", f"sqlite:///{store}", check=False)
    assert "no fix" in unknown.stderr
    purge = desk.run("registry", "fix", "purge", "--uri", f"sqlite:///{store}", check=False)
    assert "not purged here" in purge.stderr


def test_our_own_store_is_purged_of_deleted_runs_with_their_files_and_not_of_what_versions_use(desk: Desk) -> None:
    uri = desk.json("models", "start")["uri"]
    token = ServerFiles(DataFolder(desk.folder).registry).token()
    runs = [
        {"name": name, "start_time": 1000, "artifacts": {"model/MLmodel": "flavors: {}\n", "big.txt": "x" * 5000}}
        for name in ("kept", "used", "purged")
    ]
    ids = populate(uri, token, experiment="trial", runs=runs, versions=[{"name": "used", "run": "used"}])["runs"]
    desk.json("runs", "delete", ids["used"], ids["purged"])
    store = ServerFiles(DataFolder(desk.folder).registry).store
    files = {name: next(store.parent.glob(f"artifacts/**/{run}")) for name, run in ids.items()}
    report = findings(desk.json("registry", "doctor"))
    assert report["deleted_runs"]["n_affected"] == 2
    assert report["deleted_runs"]["fix"] == "purge"
    assert "used/1" in report["deleted_runs"]["text"]
    fixed = desk.json("registry", "fix", "purge", timeout=300)
    assert "1 deleted runs" in fixed["text"]
    assert Path(fixed["backup"]).exists()
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        left = {run for (run,) in connection.execute("SELECT run_uuid FROM runs")}
    assert left >= {ids["kept"], ids["used"]}
    assert ids["purged"] not in left
    assert (files["kept"] / "artifacts" / "big.txt").exists()
    assert (files["used"] / "artifacts" / "model" / "MLmodel").exists()
    assert not (files["purged"] / "artifacts" / "big.txt").exists()
