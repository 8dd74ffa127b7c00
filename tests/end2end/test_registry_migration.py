"""A real folder mlruns, made by MLflow: browsed as it is, copied into a store by a command, and browsed from there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk

pytestmark = [pytest.mark.end2end]

_FILL = """
import sys
import mlflow
from mlflow import MlflowClient
mlflow.set_tracking_uri("file://" + sys.argv[1])
mlflow.set_registry_uri("file://" + sys.argv[1])
mlflow.set_experiment("churn")
client = MlflowClient()
for number in range(4):
    with mlflow.start_run(run_name=f"run {number}") as run:
        mlflow.log_param("lr", 0.1 * number)
        for step in range(10):
            mlflow.log_metric("auc", number / 10 + step / 100, step=step)
        mlflow.log_text("hello", "notes/hello.txt")
    first = first if number else run.info.run_id
client.delete_run(first)
client.create_registered_model("net")
client.create_model_version("net", run.info.artifact_uri + "/notes", run.info.run_id)
client.set_registered_model_alias("net", "champion", "1")
print(run.info.run_id)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("work")
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true",
                   "GIT_PYTHON_REFRESH": "quiet"}  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", _FILL, str(root / "mlruns")], env=environment, cwd=root,
                         capture_output=True, text=True, timeout=600, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    return root / "mlruns", ran.stdout.split()[-1]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    root = tmp_path_factory.mktemp("desk")
    made = Desk(root / "data", {"MLOPS_DESK_LEASE_DIR": str(root / "leases"), "XDG_CONFIG_HOME": str(root / "config")})
    yield made
    made.stop()


def told(desk: Desk, uri: str) -> list[tuple[object, ...]]:
    runs = desk.json("runs", "list", "--uri", uri, "--experiment", "churn")
    return [(run["run_id"], run["name"], run["status"], run["metrics"], run["params"]) for run in runs]


def test_a_folder_is_browsed_copied_into_a_store_and_browsed_by_its_name_from_there(
    desk: Desk, folder: tuple[Path, str]
) -> None:
    path, last_run = folder
    kept = desk.json("registry", "add", "old", str(path))
    assert (kept["kind"], kept["command"]) == ("folder", "mlops-desk registry migrate old")
    before = told(desk, "old")
    assert [run[1] for run in before] == ["run 3", "run 2", "run 1"]
    (path / "0" / "broken").mkdir(parents=True)
    (path / "0" / "broken" / "meta.yaml").write_text(": [")

    done = desk.json("registry", "migrate", "old", timeout=300)
    assert (done["file"], done["names"]) == (str(path.parent / "mlflow.db"), ["old"])
    assert (done["n_runs"], done["n_models"]) == (4, 1)
    assert [one["what"] for one in done["losses"]] == ["the run broken"]
    assert told(desk, "old") == before == told(desk, done["file"])
    _, now = desk.json("registry", "list")
    assert (now["kind"], now["via"], now["n_runs"], now["n_models"]) == ("sqlite", "sql", 3, 1)
    (hit,) = desk.json("models", "search", "auc>0.3", "--uri", "old")
    assert (hit["name"], hit["aliases"]) == ("net", ["champion"])
    curve = desk.json("runs", "curves", last_run, "--metric", "auc", "--uri", "old")
    assert len(curve["values"]) == 10
    files = desk.json("runs", "artifacts", last_run, "notes", "--uri", "old")
    assert [one["path"] for one in files] == ["notes/hello.txt"]
    again = desk.run("registry", "migrate", str(path), check=False)
    assert again.returncode != 0
    assert "is there already; nothing is written over it" in again.stderr
