"""Versions of other kinds than tables: a loader of one's own, a Python model, Keras and TensorFlow, in real containers.

A loader and a Python model of one's own are served by the image that they were trained in and by one that is built.
Keras and TensorFlow themselves are too large for this (1.7 GB an image): MLflow's own loaders of both run, on the
descriptions that both have written, with labelled stand-ins for the packages. ``tests/bench/serving_images.py``
measures the real ones where their wheels are.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_desk.serving.records.endpoint import EndpointState
from tests.end2end.test_serving_engine import House, ask, saved
from tests.scoring import odd_model
from tests.stand_ins import keras_wheels

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
DESCRIBED = Path(__file__).parents[1] / "unit" / "serving" / "image" / "flavours"
WEIGHTS = {"kernel": [[1.0], [2.0], [-1.0]], "bias": [0.5]}
ASKED = {"inputs": [[1.0, 2.0, 4.5], [0.5, 0.5, -4.0]]}
ANSWER = [[1.0], [6.0]]  # 1 + 4 - 4.5 + 0.5 and 0.5 + 1 + 4 + 0.5

# It reads words that lie beside it, and has settings: what a model of one's own is made of.
PYTHON_MODEL = """
import sys, tempfile, pathlib, mlflow, mlflow.pyfunc, pandas
from mlflow.models import infer_signature

class Words(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.words = open(context.artifacts["words"], encoding="utf-8").read().split()
    def predict(self, context, model_input, params=None):
        mark = (params or {})["mark"]
        return [self.words[int(number)] + mark for number in model_input["number"]]

words = pathlib.Path(tempfile.mkdtemp(), "words.txt")
words.write_text("zero one two", encoding="utf-8")
x = pandas.DataFrame({"number": [1.0, 2.0]})
mlflow.pyfunc.save_model(
    sys.argv[1], python_model=Words(), artifacts={"words": str(words)}, input_example=(x, {"mark": "!"}),
    signature=infer_signature(x, ["one!"], {"mark": "!"}), pip_requirements=[f"mlflow=={mlflow.__version__}", "cloudpickle"],
)
"""


def keras_model(folder: Path, flavour: str, backend: str = "tensorflow") -> Path:
    """Lay a version as MLflow has saved it, with an example; of another backend it needs no TensorFlow."""
    shutil.copytree(DESCRIBED / flavour, folder)
    (folder / "data").mkdir()
    (folder / "data" / "model.keras").write_text(json.dumps(WEIGHTS))
    (folder / "data" / "keras_module.txt").write_text("tensorflow.keras")
    (folder / "data" / "save_format.txt").write_text("tf")
    (folder / "serving_input_example.json").write_text(json.dumps(ASKED))
    (folder / "input_example.json").write_text(json.dumps(ASKED["inputs"]))
    if backend != "tensorflow":
        document = yaml.safe_load((folder / "MLmodel").read_text())
        document["flavors"]["keras"]["keras_backend"] = backend
        (folder / "MLmodel").write_text(yaml.safe_dump(document))
        (folder / "requirements.txt").write_text("mlflow==3.17.2\nkeras==3.15.1\nnumpy\n")
    return folder


def own_loader(folder: Path) -> Path:
    return odd_model(folder, {"dataframe_split": {"columns": ["do"], "data": [["a"]]}})


MODELS: dict[str, tuple[Callable[[Path], Path], dict[str, Any], Any]] = {
    "loader": (own_loader, {"dataframe_split": {"columns": ["do"], "data": [["b"], [3]]}}, ["b", 3]),
    "words": (
        lambda folder: saved(PYTHON_MODEL, folder),
        {"dataframe_records": [{"number": 2.0}, {"number": 0.0}], "params": {"mark": "?"}}, ["two?", "zero?"],
    ),
    "tensorflow": (lambda folder: keras_model(folder, "tensorflow"), ASKED, ANSWER),
    "keras": (lambda folder: keras_model(folder, "keras"), ASKED, ANSWER),
    "keras-numpy": (lambda folder: keras_model(folder, "keras", "numpy"), ASKED, ANSWER),
}  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, serving: dict[str, str], training_image: str) -> Iterator[House]:
    root = tmp_path_factory.mktemp("flavours")
    wheels = root / "wheels"
    shutil.copytree(serving["serving.wheelhouse"], wheels)
    keras_wheels.lay(wheels)
    models = {name: made(root / name) for name, (made, _, _) in MODELS.items()}
    built = House(root / "house", {**serving, "serving.wheelhouse": str(wheels)}, models["loader"])
    built.models = models
    built.trained_in(training_image)
    yield built
    built.end_with_images()


@pytest.mark.parametrize(
    ("model", "runtime"),
    [
        ("loader", "training"), ("words", "training"), ("loader", "build"), ("words", "build"), ("tensorflow", "build"),
        ("keras", "build"), ("keras-numpy", "build"),
    ],
)  # fmt: skip
def test_it_answers_as_it_did_where_it_was_saved(house: House, model: str, runtime: str) -> None:
    _, asked, answer = MODELS[model]
    endpoint = house.service.deploy(model, f"{model}-{runtime}", runtime=runtime)
    assert (endpoint.state, endpoint.runtime) == (EndpointState.LIVE, runtime), endpoint.reason
    said = ask(endpoint, asked)
    assert said.status_code == 200, said.text
    assert said.json() == {"predictions": answer}
    assert house.service.try_(endpoint.name).status == 200, "by its own example"
    if runtime == "build":
        listed = ["docker", "exec", endpoint.replicas[0].container, "ls", "/packages"]
        names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
        assert ("tensorflow" in names) == (model in {"tensorflow", "keras"}), names
    house.service.remove(endpoint.name)
