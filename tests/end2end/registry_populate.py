"""Does what a training program does, with plain MLflow in a process of its own: runs, datasets, models.

Reads ``{"uri", "experiment", "runs", "versions"}`` from stdin, prints ``{"runs": {name: id}}``. With
``"orders"`` it also prints, for each, the ids in the order in which MLflow's own client gives them; several clauses
of one have ", " between them.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def populate(uri, token=None, **wanted):
    """Run this file on ``uri`` and return what it prints."""
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
    if token:
        environment["MLFLOW_TRACKING_TOKEN"] = token
    text = json.dumps({"uri": uri, **wanted})
    here = uri.startswith("sqlite:///")  # MLflow puts what nobody placed into the folder of who makes a store
    ran = subprocess.run(
        [sys.executable, __file__],
        input=text,
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(uri.removeprefix("sqlite:///")).parent if here else None,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])  # MLflow greets on stdout


def log_run(client, experiment_id, wanted):
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    tags = {"mlflow.runName": wanted["name"], **wanted.get("tags", {})}
    run_id = client.create_run(experiment_id, start_time=wanted["start_time"], tags=tags).info.run_id
    metrics = [Metric(key, float(value), 1, 0) for key, value in wanted.get("metrics", {}).items()]
    client.log_batch(run_id, metrics, [Param(key, value) for key, value in wanted.get("params", {}).items()])
    for key, values in wanted.get("histories", {}).items():
        for step, value in reversed(list(enumerate(values))):  # logged in another order than they belong
            client.log_metric(run_id, key, float(value), timestamp=1, step=step)
    for key, points in wanted.get("points", {}).items():
        for step, timestamp, value in points:
            client.log_metric(run_id, key, float(value), timestamp=timestamp, step=step)
    for name in wanted.get("datasets", []):
        dataset = Dataset(name=name, digest="d1", source_type="local", source='{"uri": "/data/x.csv"}', schema="{}")
        client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    for name, text in wanted.get("artifacts", {}).items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, Path(name).name)
            path.write_text(text)
            client.log_artifact(run_id, str(path), str(Path(name).parent) if "/" in name else None)
    client.set_terminated(run_id, "FINISHED", end_time=wanted["start_time"] + 1000)
    return run_id


def main():
    import mlflow
    from mlflow import MlflowClient

    wanted = json.load(sys.stdin)
    client = MlflowClient(wanted["uri"], wanted["uri"])
    mlflow.set_tracking_uri(wanted["uri"])
    found = client.get_experiment_by_name(wanted["experiment"])
    location = wanted.get("artifact_location")
    experiment_id = found.experiment_id if found else client.create_experiment(wanted["experiment"], location)
    ids = {run["name"]: log_run(client, experiment_id, run) for run in wanted.get("runs", [])}
    for version in wanted.get("versions", []):
        if version["name"] not in {model.name for model in client.search_registered_models()}:
            client.create_registered_model(version["name"], tags=version.get("tags"))
        run_id = ids[version["run"]]
        source = f"{client.get_run(run_id).info.artifact_uri}/model"
        client.create_model_version(version["name"], source, run_id)
    for name, alias, version in wanted.get("aliases", []):
        client.set_registered_model_alias(name, alias, version)
    answer = {"runs": ids}
    for clause in wanted.get("orders", []):
        page = client.search_runs([experiment_id], order_by=clause.split(", ") if clause else None, max_results=1000)
        answer.setdefault("orders", {})[clause or ""] = [run.info.run_id for run in page]
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
