"""Logs and registers small PyTorch models in each of its forms: pickled, exported, scripted, and a bare state.

It runs by whatever Python has PyTorch: MLOPS_DESK_TEST_TORCH names a folder where it lies, else Debian's. Prints
``{"torch": version, "runs": {name: id}}``.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.append(os.environ.get("MLOPS_DESK_TEST_TORCH", "/usr/lib/python3/dist-packages"))

import torch


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))


def main():
    import mlflow
    import numpy as np
    from mlflow.types import Schema, TensorSpec

    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    mlflow.set_experiment("networks")
    runs = {}
    inputs, outputs = (Schema([TensorSpec(np.dtype(np.float32), (-1, width))]) for width in (4, 2))
    signature = mlflow.models.ModelSignature(inputs, outputs)
    for name, model in {"net": network(), "scripted": torch.jit.script(network())}.items():
        with mlflow.start_run(run_name=name) as run:
            mlflow.pytorch.log_model(
                model, name="model", registered_model_name=name, signature=signature, pip_requirements=["torch"],
                serialization_format="pickle",
            )  # fmt: skip
            with tempfile.TemporaryDirectory() as folder:
                torch.save(model.state_dict(), Path(folder, "weights.pt"))
                mlflow.log_artifact(str(Path(folder, "weights.pt")))
            runs[name] = run.info.run_id
    print(json.dumps({"torch": torch.__version__, "runs": runs}))


if __name__ == "__main__":
    sys.exit(main())
