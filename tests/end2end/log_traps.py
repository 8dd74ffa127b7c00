"""Logs runs and versions all of whose files go off when somebody unpickles them, or loads them as YAML's objects.

    python tests/end2end/log_traps.py URI SPRUNG

Whoever loads one makes the folder SPRUNG. Prints ``{"runs": [id, …]}``; the token is in MLFLOW_TRACKING_TOKEN.
"""

import io
import json
import pickle
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import duckdb
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

MODEL = "trapped"
N_RUNS = 12  # parameters are weighed from ten runs on


class Trap:
    """Whoever unpickles it makes a folder; where that can't be made it is a model that says 1, so that it can be served."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self):
        made = f"__import__('subprocess').call(['mkdir', '-p', {self.target!r}])"
        model = "__import__('sklearn.dummy', fromlist=['x']).DummyRegressor(strategy='constant', constant=1.0)"
        return eval, (f"[{made}, {model}.fit([[0.0]], [1.0])][1]",)


def parquet(trap: bytes) -> bytes:
    """Return a table whose cells, and whose metadata where pandas and Arrow look, are traps."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(":memory:") as connection:
        path = Path(folder, "t.parquet")
        told = f"{{pandas: '{trap.hex()}', \"ARROW:schema\": '{trap.hex()}'}}"
        connection.execute(
            f"COPY (SELECT 1.0 AS a, '{trap.hex()}'::BLOB AS b) TO '{path}' (FORMAT parquet, KV_METADATA {told})"
        )
        return path.read_bytes()


def files(sprung: str, number: int) -> dict[str, bytes]:
    """Return what lies in a model's folder, by name."""
    trap = pickle.dumps(Trap(sprung))
    array = io.BytesIO()
    np.save(array, np.array([Trap(sprung)], dtype=object), allow_pickle=True)
    several = io.BytesIO()
    np.savez(several, a=np.array([Trap(sprung)], dtype=object))
    torch = io.BytesIO()
    with zipfile.ZipFile(torch, "w") as packed:
        packed.writestr("archive/data.pkl", trap)
        packed.writestr("archive/constants.pkl", trap)
        packed.writestr("archive/version", "3\n")
    yaml = f"!!python/object/apply:os.mkdir ['{sprung}']\n"
    document = {
        "artifact_path": "model",
        "flavors": {
            "python_function": {
                "loader_module": "mlflow.sklearn", "model_path": "model.pkl", "python_version": "3.11.7",
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
            },
            "sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle", "sklearn_version": "1.5.0"},
        },
        "saved_input_example_info": {"artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "split",
                                     "serving_input_path": "serving_input_example.json"},
        "signature": {"inputs": json.dumps([{"type": "double", "name": "a", "required": True}]), "outputs": None},
        "size": number,
    }  # fmt: skip
    packed = zlib.compress(trap)
    return {
        "MLmodel": json.dumps(document).encode(), "model.pkl": trap, "python_model.pkl": trap, "net.pt": torch.getvalue(),
        "net.pth": trap, "model.joblib": trap, "packed.joblib": packed, "frame.pickle": trap, "model.cloudpickle": trap,
        "weights.npy": array.getvalue(), "weights.npz": several.getvalue(), "table.parquet": parquet(trap),
        "model.skops": torch.getvalue(), "conda.yaml": yaml.encode(), "conf.yaml": yaml.encode(),
        "python_env.yaml": b"python: 3.11.7\ndependencies: [-r requirements.txt]\n", "requirements.txt": b"scikit-learn\n",
        "input_example.json": b'{"columns": ["a"], "data": [[1.0]]}',
        "serving_input_example.json": b'{"dataframe_split": {"columns": ["a"], "data": [[1.0]]}}',
        "not_what_it_says.csv": trap, "not_what_it_says.json": trap, "notes.md": trap, "image.png": trap,
        "code/loader.py": f"import os\nos.mkdir({sprung!r})\n".encode(), "number.txt": str(number).encode(),
    }  # fmt: skip


def main(uri: str, sprung: str) -> None:
    client = MlflowClient(uri, uri)
    place = uri.removeprefix("sqlite:///")
    location = None if place == uri else str(Path(place).parent / "files")
    experiment = client.create_experiment("traps", location)
    client.create_registered_model(MODEL)
    ids = []
    for number in range(N_RUNS):
        run = client.create_run(experiment, tags={"mlflow.runName": f"trap-{number}"}, start_time=1000 + number)
        ids.append(run.info.run_id)
        points = [Metric("auc", 0.5 + number / 100 + step / 1000, 1000 + step, step) for step in range(5)]
        client.log_batch(ids[-1], points, [Param("lr", str(0.1 * number)), Param("depth", str(number % 3))])
        if number < 2:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in files(sprung, number).items():
                    path = Path(folder, "model", name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                client.log_artifacts(ids[-1], folder)
            client.create_model_version(MODEL, f"{run.info.artifact_uri}/model", ids[-1])
        client.set_terminated(ids[-1])
    print(json.dumps({"runs": ids, "files": sorted(files(sprung, 0))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
