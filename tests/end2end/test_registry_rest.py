"""A real MLflow server read by REST: the same runs, curves, versions and files as MLflow's own client tells of it."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.lineage.graph_sources import LineageDesk
from mlops_desk.registry.mirror.client import ChildMirror
from mlops_desk.registry.mirror.mirror_registry import MirroredRegistry
from mlops_desk.registry.mirror.mirrors import Mirrors
from mlops_desk.registry.mlflow import origins
from mlops_desk.registry.readers.batch import NO_TIME, RunBatch
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.rest.reader import RestReader
from tests.free_port import free_port

_START_SECONDS = 120
_FILL = """
import math, sys
import mlflow
from mlflow import MlflowClient
mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
for number in range(7):
    with mlflow.start_run(run_name=f"run {number}" if number else None) as run:
        for step in range(30):
            mlflow.log_metric("loss", [math.nan, math.inf, 1e308, -1.5][number % 4] if step == 7 else 1 / (step + 1), step)
        mlflow.log_metric("late", 0.5, step=-3)
        mlflow.log_params({"lr": 0.1 * number, "odd: a/b name": "\\u202e"})
        mlflow.set_tag("team/what", "<b>bold</b>")
        mlflow.log_text("hello", "notes/deep/hello.txt")
        mlflow.log_text("a", "a.txt")
        first = run.info.run_id if number == 0 else first
client.delete_run(first)
points = [mlflow.entities.Metric("long", math.sin(step / 50), 1_700_000_000_000 + step, step) for step in range(3000)]
for start in range(0, 3000, 1000):
    client.log_batch(run.info.run_id, metrics=points[start:start + 1000])
client.create_registered_model("churn", tags={"a": "b"}, description="of customers")
for _ in range(3):
    client.create_model_version("churn", f"{run.info.artifact_uri}/notes", run.info.run_id)
client.set_registered_model_alias("churn", "champion", "2")
model = client.create_logged_model("0", name="net", source_run_id=run.info.run_id)
client.finalize_logged_model(model.model_id, "READY")
client.log_outputs(run.info.run_id, [mlflow.entities.LoggedModelOutput(model.model_id, 3)])
table = mlflow.data.dataset_source_registry.resolve_dataset_source("http://data.example/rows.csv")
data = mlflow.entities.Dataset("rows", "d1", "http", table.to_json(), '{"columns": []}')
tag = mlflow.entities.InputTag("mlflow.data.context", "training")
client.log_inputs(run.info.run_id, [mlflow.entities.DatasetInput(data, [tag])],
                  [mlflow.entities.LoggedModelInput(model.model_id)])
client.create_model_version("churn", f"models:/{model.model_id}", run.info.run_id, model_id=model.model_id)
print(run.info.run_id)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    uri = f"http://127.0.0.1:{port}"
    try:
        _await(uri, process, folder / "log")
        yield uri
    finally:
        os.killpg(process.pid, 15)
        process.wait(240)


def _await(uri: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(f"{uri}/health", timeout=5.0).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.3)
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture(scope="module")
def last_run(server: str) -> str:
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    ran = subprocess.run(
        [sys.executable, "-c", _FILL, server], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout.split()[-1]


@pytest.fixture
def reader(server: str, last_run: str) -> Iterator[RestReader]:
    del last_run
    made = RestReader(RegistrySource(TrackerKind.HTTP, server, server))
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(server: str, last_run: str) -> Any:
    del last_run
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server, registry_uri=server)


def rows(batches: list[RunBatch]) -> list[dict[str, Any]]:
    """Return the runs of batches, each as one mapping."""
    found = []
    for batch in batches:
        these: list[dict[str, Any]] = [
            {
                "id": run_id, "name": batch.names[at], "status": batch.statuses[at], "deleted": bool(batch.is_deleted[at]),
                "start": int(batch.start_times[at]), "end": int(batch.end_times[at]), "uri": batch.artifact_uris[at],
                "metrics": {}, "params": {}, "tags": {},
            }
            for at, run_id in enumerate(batch.run_ids)
        ]  # fmt: skip
        for key, cells in batch.metrics.items():
            for row, value in zip(cells.rows, cells.values, strict=True):
                these[row]["metrics"][key] = float(value)
        for kind, columns in (("params", batch.params), ("tags", batch.tags)):
            for key, texts in columns.items():
                for row, text in zip(texts.rows, texts.values, strict=True):
                    these[row][kind][key] = text
        found += these
    return found


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float):
        return bool(np.array_equal(a, b, equal_nan=True))
    return bool(a == b)


def test_all_runs_are_those_of_mlflows_client_in_its_order(reader: RestReader, client: Any) -> None:
    from mlflow.entities import ViewType

    expected = [
        {
            "id": run.info.run_id, "name": run.info.run_name, "status": run.info.status,
            "deleted": run.info.lifecycle_stage == "deleted", "start": run.info.start_time,
            "end": run.info.end_time or NO_TIME, "uri": run.info.artifact_uri, "metrics": run.data.metrics,
            "params": run.data.params, "tags": run.data.tags,
        }
        for run in client.search_runs(["0"], run_view_type=ViewType.ALL)
    ]  # fmt: skip
    found = rows([batch for batch in reader.batches() if batch.run_ids])
    assert [run["id"] for run in found] == [run["id"] for run in expected]
    assert all(same(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    assert sum(run["deleted"] for run in found) == 1


def test_curves_are_whole(reader: RestReader, client: Any, last_run: str) -> None:
    for metric, count in (("loss", 30), ("late", 1), ("long", 3000), ("none", 0)):
        (curve,) = reader.curves([last_run], metric, 5000)
        logged = sorted(client.get_metric_history(last_run, metric), key=lambda one: (one.step, one.timestamp))
        assert curve.n_points == count
        assert list(curve.steps) == [one.step for one in logged]
        assert list(curve.timestamps) == [one.timestamp for one in logged]
        assert np.array_equal(curve.values, [one.value for one in logged], equal_nan=True)
    (thin,) = reader.curves([last_run], "long", 100)
    assert thin.n_points == 3000
    assert len(thin.values) <= 100
    everything = [math.sin(step / 50) for step in range(3000)]
    assert (max(thin.values), min(thin.values)) == (max(everything), min(everything))


def test_a_run_under_way_is_followed(reader: RestReader, client: Any) -> None:
    mark = reader.mark()
    list(reader.batches())
    run = client.create_run("0")
    client.log_metric(run.info.run_id, "loss", 0.25, step=1)
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 240
    while not any(row["id"] == run.info.run_id and row["metrics"] for row in found) and time.monotonic() < deadline:
        news = reader.changes(mark)
        mark = news.mark
        found += rows(list(news.batches))
        time.sleep(0.1)
    assert [row["metrics"] for row in found if row["id"] == run.info.run_id][-1] == {"loss": 0.25}
    client.set_terminated(run.info.run_id)


def test_models_and_versions(reader: RestReader, client: Any, last_run: str) -> None:
    (model,) = reader.models()
    assert (model.name, model.latest_version, model.aliases, model.tags) == (
        "churn",
        "4",
        {"champion": "2"},
        {"a": "b"},
    )
    assert model.description == "of customers"
    found = reader.versions()
    assert [(row.version.version, row.version.aliases) for row in found] == [
        ("4", ()), ("3", ()), ("2", ("champion",)), ("1", ()),
    ]  # fmt: skip
    assert {row.version.run_id for row in found} == {last_run}
    expected = {one.version: one.creation_timestamp / 1000 for one in client.search_model_versions()}
    assert {row.version.version: row.version.created_at for row in found} == {
        str(key): at for key, at in expected.items()
    }


def test_experiments_and_one_run(reader: RestReader, client: Any, last_run: str) -> None:
    assert [(one.experiment_id, one.name) for one in reader.experiments()] == [("0", "Default")]
    expected = client.get_run(last_run)
    found = reader.run(last_run)
    assert (found.name, found.status, found.start_time) == (
        expected.info.run_name, expected.info.status, expected.info.start_time,
    )  # fmt: skip
    assert found.params == expected.data.params


def test_files_a_folder_at_a_time(reader: RestReader, client: Any, last_run: str) -> None:
    uri = client.get_run(last_run).info.artifact_uri
    assert [(one.path, one.is_folder, one.size_bytes) for one in reader.artifacts(uri, "")] == [
        ("notes", True, None), ("a.txt", False, 1),
    ]  # fmt: skip
    assert [one.path for one in reader.artifacts(uri, "notes")] == ["notes/deep"]
    assert [(one.path, one.size_bytes) for one in reader.artifacts(uri, "notes/deep")] == [("notes/deep/hello.txt", 5)]


def test_lineage_is_what_mlflows_client_tells_and_does_without_it(server: str, client: Any, last_run: str) -> None:
    runs = [run.info.run_id for run in client.search_runs(["0"], run_view_type=3)]
    asked = [*runs, "0" * 32]
    models = [*(one.model_id for one in client.get_run(last_run).outputs.model_outputs), "m-none"]
    mirrors = Mirrors()
    source = RegistrySource(TrackerKind.HTTP, server, server)
    registry = MirroredRegistry(ChildMirror(mirrors, source, not_asked), not_asked)
    try:
        assert registry.origins(asked) == origins.origins(client, asked)
        assert registry.logged_models(models) == origins.logged_models(client, models)
        drawn = LineageDesk(Default(lambda: ""), lambda _uri: registry).of_model("churn", None, server)
    finally:
        mirrors.stop()
    kinds = {one.kind for one in drawn.nodes}
    assert {"dataset", "run", "logged_model", "version", "alias"} <= {str(kind) for kind in kinds}, kinds


def not_asked() -> Any:
    raise AssertionError("MLflow's client is not asked")
