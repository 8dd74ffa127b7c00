"""What MLflow's own client tells of a store, in a process of its own: the oracle of the reader's tests.

``tell(uri)`` returns runs (deleted ones too), experiments, models, versions, and how metrics went in some runs.
"""

import json
import os
import subprocess
import sys


def tell(uri, histories=()):
    """Run this file on ``uri``; ``histories`` are (run id, metric)."""
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    ran = subprocess.run([sys.executable, __file__], input=json.dumps({"uri": uri, "histories": list(histories)}),
                         capture_output=True, text=True, env=environment, timeout=600, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def pages(fetch):
    token = None
    while True:
        page = fetch(token)
        yield from page
        token = page.token
        if not token:
            return


def run_of(run):
    inputs = run.inputs.dataset_inputs if run.inputs else []
    return {
        "run_id": run.info.run_id, "name": run.info.run_name, "status": run.info.status,
        "start_time": run.info.start_time, "end_time": run.info.end_time, "experiment_id": run.info.experiment_id,
        "is_deleted": run.info.lifecycle_stage == "deleted", "user": run.info.user_id,
        "artifact_uri": run.info.artifact_uri, "metrics": run.data.metrics, "params": run.data.params,
        "tags": run.data.tags,
        "datasets": sorted([one.dataset.name, one.dataset.digest, one.dataset.source_type, one.dataset.source,
                            one.dataset.schema, {tag.key: tag.value for tag in one.tags}.get("mlflow.data.context")]
                           for one in inputs),
    }  # fmt: skip


def main():
    from mlflow import MlflowClient

    asked = json.load(sys.stdin)
    client = MlflowClient(asked["uri"], asked["uri"])
    experiments = list(pages(lambda token: client.search_experiments(view_type=3, max_results=1000, page_token=token)))
    ids = [one.experiment_id for one in experiments]
    answer = {
        "runs": [run_of(run) for run in pages(
            lambda token: client.search_runs(ids, run_view_type=3, max_results=5000, page_token=token))],
        "experiments": [[one.experiment_id, one.name, one.lifecycle_stage, dict(one.tags)] for one in experiments],
        "models": [[one.name, {alias: str(number) for alias, number in one.aliases.items()}, dict(one.tags),
                    one.description or None, one.last_updated_timestamp]
                   for one in pages(lambda token: client.search_registered_models(max_results=500, page_token=token))],
        "versions": [[one.name, str(one.version), one.run_id or None, one.source, str(one.status), dict(one.tags),
                      one.description or None, one.creation_timestamp, one.user_id or None]
                     for one in pages(lambda token: client.search_model_versions(max_results=1000, page_token=token))],
        "histories": [[[one.step, one.timestamp, one.value] for one in client.get_metric_history(run_id, metric)]
                      for run_id, metric in asked["histories"]],
    }  # fmt: skip
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
