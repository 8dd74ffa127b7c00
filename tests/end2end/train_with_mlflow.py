"""A training program as people write them with plain MLflow: autolog, nested runs, files, datasets, registered models."""

import json
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

mlflow.set_experiment("Default")
mlflow.sklearn.autolog(log_datasets=True)
rng = np.random.default_rng(0)
table = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
label = (table["a"] > 0).astype(int)

with mlflow.start_run() as run:
    mlflow.log_input(mlflow.data.from_pandas(table, name="train"), context="training")
    mlflow.log_params({"lr": 0.1, "depth": 3})
    mlflow.set_tags({"team": "churn", "mlflow.note.content": "first try"})
    for step in range(5):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    fitted = LogisticRegression(C=0.5).fit(table, label)
    mlflow.log_dict({"a": 1}, "conf/a.json")
    mlflow.log_text("hello", "note.txt")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.txt").write_text("x")
        mlflow.log_artifacts(folder, "more")
    mlflow.sklearn.log_model(fitted, name="model", registered_model_name="plain-clf", input_example=table.head(2))
    mlflow.register_model(f"runs:/{run.info.run_id}/model", "plain-clf")
    with mlflow.start_run(nested=True, run_name="child"):
        mlflow.log_metric("auc", 0.9)
        LogisticRegression(C=2.0).fit(table, label)
mlflow.sklearn.autolog(disable=True)
with mlflow.start_run(run_name="second"):  # without nested=True: a program may open several runs one after the other
    mlflow.log_metric("auc", 0.8)
    mlflow.set_tag("kind", "second")

client = mlflow.MlflowClient()
versions = sorted(v.version for v in client.search_model_versions("name = 'plain-clf'"))
client.set_model_version_tag("plain-clf", versions[-1], "checked", "yes")
client.update_model_version("plain-clf", versions[-1], description="by the training itself")
loaded = mlflow.sklearn.load_model(f"models:/plain-clf/{versions[0]}")
mine = client.get_run(run.info.run_id)
children = client.search_runs(["0"], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
files = sorted(
    name for name in ("conf/a.json", "note.txt") if mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{name}")
)
print(
    json.dumps(
        {
            "versions": versions,
            "children": len(children),
            "logged": mine.data.metrics["loss"] == 0.2 and mine.data.params["lr"] == "0.1" and bool(loaded.coef_.size),
            "files": files,
        }
    )
)
