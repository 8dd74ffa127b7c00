"""Logs and registers models of scikit-learn (three formats), LightGBM and ONNX, as people do, and says what it logged.

Prints ``{"runs": {name: id}, "facts": {name: …}}``: the facts are MLflow's own (``mlflow.models.get_model_info``), so
that what we read off the files is compared with what MLflow says of them.
"""

import json
import os
import sys
import tempfile
import types
from pathlib import Path

import joblib
import lightgbm
import mlflow
import numpy as np
import onnx
import pandas as pd
from mlflow.models import infer_signature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

# MLflow imports it to look at options that are not given here; it is 28 MB, and nothing is run.
sys.modules["onnxruntime"] = types.ModuleType("onnxruntime")
rng = np.random.default_rng(0)
TABLE = pd.DataFrame(rng.normal(size=(80, 3)), columns=["a", "naïve ü", "c"])
LABEL = (TABLE["a"] > 0).astype(int)
LINEAR = LogisticRegression().fit(TABLE, LABEL)
NEEDS = ["mlflow-skinny==3.5.0", "Scikit_Learn>=1.4", "numpy"]


class Doubling(mlflow.pyfunc.PythonModel):
    """A model of one's own: it travels as a pickle of its class."""

    def predict(self, context, model_input, params=None):
        return model_input


def facts_of(info):
    signature = info.signature
    parts = {} if signature is None else {"inputs": signature.inputs, "outputs": signature.outputs}
    return {
        "version": str(info.registered_model_version),
        "flavors": sorted(info.flavors),
        "model_id": info.model_id,
        **{part: [[one.name, repr(getattr(one, "type", None))] for one in columns] for part, columns in parts.items()
           if columns is not None},
    }  # fmt: skip


def logged(name, log):
    with mlflow.start_run(run_name=name) as run:
        mlflow.log_input(mlflow.data.from_pandas(TABLE.assign(label=LABEL), name="table"), context="training")
        mlflow.log_metric("auc", 0.9)
        mlflow.log_dict({"a": [1, 2]}, "conf/a.json")
        mlflow.log_text("# Notes\n\nhello", "notes.md")
        with tempfile.TemporaryDirectory() as folder:
            TABLE.head(20).to_csv(Path(folder, "head.csv"), index=False)
            mlflow.log_artifact(str(Path(folder, "head.csv")), "tables")
        info = log(name)
    return run.info.run_id, facts_of(info)


def sklearn_as(serialization_format):
    def log(name):
        return mlflow.sklearn.log_model(
            LINEAR, name="model", registered_model_name=name, serialization_format=serialization_format,
            signature=infer_signature(TABLE, LINEAR.predict(TABLE)), input_example=TABLE.head(2),
            pip_requirements=NEEDS,
        )  # fmt: skip

    return log


def boosted(name):
    booster = lightgbm.train({"verbose": -1, "objective": "binary"}, lightgbm.Dataset(TABLE.to_numpy(), LABEL), 3)
    return mlflow.lightgbm.log_model(booster, name="model", registered_model_name=name, pip_requirements=["lightgbm"])


def graph(name):
    model = to_onnx(LINEAR, TABLE.to_numpy(dtype=np.float32)[:1], target_opset=17)
    onnx.checker.check_model(model)
    signature = infer_signature(TABLE.to_numpy(dtype=np.float32), np.zeros(3, dtype=np.int64))
    return mlflow.onnx.log_model(
        model, name="model", registered_model_name=name, signature=signature, pip_requirements=["onnx", "onnxruntime"],
        save_as_external_data=False,
    )  # fmt: skip


def of_ones_own(name):
    inputs = Schema([ColSpec("double", "a"), ColSpec("string", "plan", required=False)])
    params = ParamSchema([ParamSpec("threshold", "double", 0.5), ParamSpec("top", "long", [1, 2], (-1,))])
    signature = mlflow.models.ModelSignature(inputs, Schema([ColSpec("double")]), params)
    return mlflow.pyfunc.log_model(
        python_model=Doubling(), name="model", registered_model_name=name, signature=signature,
        pip_requirements=["pandas"],
    )  # fmt: skip


def main():
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    mlflow.set_experiment("real models")
    runs, facts = {}, {}
    for name, log in {
        "skops": sklearn_as("skops"),
        "pickled": sklearn_as("pickle"),
        "cloudpickled": sklearn_as("cloudpickle"),
        "boosted": boosted,
        "graph": graph,
        "own": of_ones_own,
    }.items():
        runs[name], facts[name] = logged(name, log)
    with mlflow.start_run(run_name="loose") as run, tempfile.TemporaryDirectory() as folder:
        forest = RandomForestClassifier(3).fit(TABLE, LABEL)
        joblib.dump(forest, Path(folder, "forest.joblib"))
        joblib.dump(forest, Path(folder, "packed.joblib"), compress=3)
        mlflow.log_artifacts(folder)
        runs["loose"] = run.info.run_id
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("skops", "champion", "1")
    with mlflow.start_run(run_name="evaluation") as run:
        model = client.get_logged_model(facts["skops"]["model_id"])
        client.log_inputs(run.info.run_id, models=[mlflow.entities.LoggedModelInput(model.model_id)])
        runs["evaluation"] = run.info.run_id
    print(json.dumps({"runs": runs, "facts": facts}))


if __name__ == "__main__":
    sys.exit(main())
