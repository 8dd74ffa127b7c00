"""What the scoring server takes and answers, beside MLflow's own scoring server and ONNX Runtime."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.scoring import Scoring, scoring

ROWS = [{"height.cm": 190.0, "weight": 40.0}, {"height.cm": 110.0, "weight": 80.0}]
SPLIT = {"columns": ["height.cm", "weight"], "data": [[190.0, 40.0], [110.0, 80.0]]}
JSON, CSV = "application/json", "text/csv"
REQUESTS = [
    (JSON, json.dumps({"dataframe_records": ROWS})),
    (JSON, json.dumps({"dataframe_split": SPLIT})),
    (JSON, json.dumps({"instances": ROWS})),
    (JSON, json.dumps({"inputs": {"height.cm": [190.0], "weight": [40.0]}})),
    (JSON, json.dumps({"dataframe_records": ROWS, "params": {"unknown": 1}})),
    (f"{JSON}; charset=utf-8", json.dumps({"dataframe_records": ROWS})),
    (f"{JSON}; charset=latin-1", json.dumps({"dataframe_records": ROWS})),
    (CSV, "height.cm,weight\n190,40\n110,80\n"),
    (CSV, "height.cm,weight\nhigh,40\n"),
    (JSON, "{"),
    (JSON, "[1]"),
    (JSON, json.dumps({"rows": ROWS})),
    (JSON, json.dumps({"dataframe_records": ROWS, "instances": ROWS})),
    (JSON, json.dumps({"dataframe_records": [{"other": 1}]})),
    (JSON, '{"dataframe_records": [{"height.cm": NaN, "weight": 40}]}'),
    (JSON, b"\xff\xfe"),
    ("application/xml", "<a/>"),
]


TRAIN = """
import sys, mlflow, numpy, pandas
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
x = pandas.DataFrame({"height.cm": numpy.linspace(100, 200, 50), "weight": numpy.linspace(90, 30, 50)})
model = LogisticRegression(max_iter=1000).fit(x, (x["height.cm"] > 150).astype(int))
mlflow.sklearn.save_model(
    model, sys.argv[1], signature=infer_signature(x, model.predict(x)), input_example=x[:3], pip_requirements=["mlflow"]
)
"""
# MLflow's own code meets warnings of newer libraries; it is what we are compared with, not what is tried.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("formats") / "model"
    done = subprocess.run([sys.executable, "-c", TRAIN, str(place)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def ours(folder: Path) -> Iterator[Scoring]:
    with scoring(folder, folder.parent / "log") as running:
        running.until(200)
        yield running


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Any:
    import mlflow.pyfunc
    from fastapi.testclient import TestClient
    from mlflow.pyfunc import scoring_server

    return TestClient(scoring_server.init(mlflow.pyfunc.load_model(str(folder))))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "body"), REQUESTS)
def test_it_answers_as_the_server_of_mlflow_does(ours: Scoring, theirs: Any, kind: str, body: str | bytes) -> None:
    expected = theirs.post("/invocations", content=body, headers={"content-type": kind})
    with httpx.Client(trust_env=False, timeout=30) as client:
        found = client.post(f"{ours.url}/invocations", content=body, headers={"content-type": kind})
    assert (found.status_code, found.headers["content-type"].partition(";")[0]) == (
        expected.status_code,
        expected.headers["content-type"].partition(";")[0],
    )
    if found.status_code == 200:
        assert found.content == expected.content
    elif expected.headers["content-type"].startswith(JSON):
        assert found.json()["error_code"] == expected.json()["error_code"]
    for path in ("/ping", "/health"):
        assert ours.ping(path) == theirs.get(path).status_code


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scoring]:
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    x = np.array([[100.0, 90.0], [200.0, 30.0], [110.0, 80.0], [190.0, 40.0]], dtype=np.float32)
    model = LogisticRegression(max_iter=1000).fit(x, [0, 1, 0, 1])
    place: Path = tmp_path_factory.mktemp("onnx")
    (place / "model.onnx").write_bytes(to_onnx(model, x[:1]).SerializeToString())
    (place / "serving_input_example.json").write_text(json.dumps({"inputs": [[190.0, 40.0]]}))
    with scoring(place, place / "log") as running:
        running.until(200)
        yield running


@pytest.mark.slow
@pytest.mark.parametrize(
    "document",
    [
        {"inputs": [[190, 40], [110, 80]]},
        {"inputs": {"X": [[190, 40], [110, 80]]}},
        {"instances": [[190, 40], [110, 80]]},
        {"instances": ROWS},
        {"dataframe_records": ROWS},
        {"dataframe_split": SPLIT},
    ],
)
def test_a_bare_onnx_file_is_served_without_mlflow(onnx: Scoring, document: object) -> None:
    answer = onnx.ask(document)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"]["output_label"] == [1, 0]
    chances = answer.json()["predictions"]["output_probability"]
    assert all(math.isclose(sum(row.values()), 1.0, rel_tol=1e-5) for row in chances)
    assert set(chances[0]) == {"0", "1"}
    assert "mlflow" not in onnx.log.read_text()


@pytest.mark.parametrize(
    "document",
    [
        [1],
        {},
        {"inputs": [["high", "low"]]},
        {"inputs": {"Y": [[1, 2]]}},
        {"inputs": [[1, 2, 3]]},
        {"inputs": [[1], [2, 3]]},
        {"dataframe_records": []},
        {"dataframe_records": [{"a": 1}, {"b": 1}]},
        {"instances": 3},
        {"instances": [{"a": 1, "b": 2}, 3]},
        {"dataframe_split": {"columns": ["a"]}},
    ],
)
def test_what_does_not_fit_an_onnx_model_is_the_callers_mistake(onnx: Scoring, document: object) -> None:
    assert onnx.ask(document).status_code == 400
    assert onnx.ask({"inputs": [[190, 40]]}).status_code == 200


def test_an_onnx_model_takes_json_alone(onnx: Scoring) -> None:
    assert onnx.ask(None, headers={"content-type": "text/csv"}).status_code == 415
