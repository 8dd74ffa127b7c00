"""From a job to an endpoint that answers, with no network at all: an engine and an agent in a namespace without routes.

The command line alone, on a real engine of its own; the time that a deployment took is printed, and asserted nowhere.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import MODEL_START_SECONDS, Desk
from tests.gpu_engine import PrivateEngine, can_run, private_engine
from tests.images import python_image
from tests.wheels import closure

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

SKLEARN = """
import mlflow, numpy, pandas
from sklearn.linear_model import LogisticRegression
x = pandas.DataFrame({"height.cm": numpy.linspace(100, 200, 50), "weight": numpy.linspace(90, 30, 50)})
with mlflow.start_run():
    model = LogisticRegression(max_iter=1000).fit(x, (x["height.cm"] > 150).astype(int))
    mlflow.sklearn.log_model(model, name="model", registered_model_name="bodies", input_example=x[:3],
                             pip_requirements=["mlflow", "scikit-learn"])
"""
ONNX = """
import json, mlflow, numpy, pathlib
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
x = numpy.array([[100.0, 90.0], [200.0, 30.0], [110.0, 80.0], [190.0, 40.0]], dtype=numpy.float32)
graph = to_onnx(LogisticRegression(max_iter=1000).fit(x, [0, 1, 0, 1]), x[:1])
with mlflow.start_run():
    mlflow.onnx.log_model(graph, name="model", registered_model_name="graphs", input_example=x[:2])
"""
BOOSTED = """
import mlflow, numpy, pandas
{imports}
x = pandas.DataFrame({{"height.cm": numpy.linspace(100, 200, 50), "weight": numpy.linspace(90, 30, 50)}})
x["smokes"] = [True, False] * 25
x["children"] = [0, 1, 2, 3, 0] * 10
with mlflow.start_run():
    model = {model}.fit(x, (x["height.cm"] > 150).astype(int))
    mlflow.{flavor}.log_model(model, name="model", registered_model_name="{flavor}", input_example=x[:3])
"""
LIGHTGBM = BOOSTED.format(
    imports="from lightgbm import LGBMClassifier",
    model="LGBMClassifier(min_child_samples=2, n_jobs=1)",
    flavor="lightgbm",
)
XGBOOST = BOOSTED.format(
    imports="from xgboost import XGBClassifier",
    model="XGBClassifier(n_jobs=1)",
    flavor="xgboost",
)
PERSON = {"dataframe_records": [{"height.cm": 190.0, "weight": 40.0, "smokes": False, "children": 2}]}
JOB = """
apiVersion: mlops-desk/v1
kind: Job
name: {name}
image: {image}
command: [python3, train.py]
env: {{OMP_NUM_THREADS: "1"}}
resources: {{cpus: 2, memory: 2GiB}}
source: {{folder: {folder}}}
mlflow: {{experiment: offline}}
"""
NEEDS = (
    "mlflow-skinny",
    "scikit-learn",
    "skops",
    "pandas",
    "numpy",
    "onnx",
    "onnxruntime",
    "skl2onnx",
    "lightgbm",
    "xgboost-cpu",
)


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    reason = can_run()
    if reason is not None:
        pytest.skip(reason)
    with private_engine(0) as made:
        yield made


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, engine: PrivateEngine) -> Iterator[Desk]:
    """The command line in the engine's own network: loopback and its bridge, and no way out."""
    root = tmp_path_factory.mktemp("d")
    network = ["nsenter", f"--net=/proc/{engine.pid}/ns/net"]
    environment = {"MLOPS_DESK_LEASE_DIR": str(root / "leases"), "DOCKER_HOST": engine.address}
    made = Desk(root / "data", environment, network)
    routes = subprocess.run([*network, "ip", "route"], capture_output=True, text=True, check=True).stdout
    assert "default" not in routes
    made.json("settings", "set", "jobs.mount_roots", "~ /tmp")
    made.json("settings", "set", "serving.start_timeout_seconds", str(MODEL_START_SECONDS))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def image(engine: PrivateEngine) -> str:
    """An image with bytecode beside its packages, as ``pip install`` leaves them."""
    return python_image(closure(NEEDS), base_url=engine.address)


def trained(desk: Desk, image: str, folder: Path, name: str, code: str) -> dict[str, Any]:
    (folder / "code").mkdir(parents=True, exist_ok=True)
    (folder / "code" / "train.py").write_text(code)
    (folder / "job.yaml").write_text(JOB.format(name=name, image=image, folder=folder / "code"))
    queued = desk.json("jobs", "submit", str(folder / "job.yaml"))
    job: dict[str, Any] = desk.wait(
        lambda: desk.json("jobs", "show", queued["id"]),
        lambda found: found["state"] in {"succeeded", "failed", "cancelled", "unknown"},
    )
    assert job["state"] == "succeeded", desk.json("jobs", "logs", queued["id"])
    return job


def ask(desk: Desk, url: str, token: str, document: object) -> Any:
    """Ask from where the endpoint is: its gateway listens on the loopback of that network."""
    code = (
        "import sys, urllib.request; heads = {'content-type': 'application/json', 'authorization': 'Bearer ' + sys.argv[3]};"
        "r = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), heads);"
        "print(urllib.request.urlopen(r, timeout=240).read().decode())"
    )
    command = [*desk.prefix, sys.executable, "-c", code, url, json.dumps(document), token]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("name", "code", "model", "document", "expected"),
    [
        ("sklearn", SKLEARN, "bodies", {"dataframe_records": [{"height.cm": 190.0, "weight": 40.0}]}, [1]),
        ("onnx", ONNX, "graphs", {"inputs": [[190.0, 40.0], [110.0, 80.0]]}, [1, 0]),
        ("lightgbm", LIGHTGBM, "lightgbm", PERSON, [1]),
        ("xgboost", XGBOOST, "xgboost", PERSON, [1]),
    ],
)
def test_a_version_that_a_job_trained_is_served_without_a_network(
    desk: Desk, image: str, tmp_path: Path, name: str, code: str, model: str, document: object, expected: list[int]
) -> None:
    job = trained(desk, image, tmp_path, name, code)
    began = time.monotonic()
    done = desk.run("endpoints", "deploy", model, "--name", name, "--json")
    endpoint = json.loads(done.stdout)
    answer = ask(desk, endpoint["url"], endpoint["token"], document)["predictions"]
    print(f"first answer {time.monotonic() - began:.1f} s after the verb\n{done.stderr}")
    assert (answer["output_label"] if isinstance(answer, dict) else answer) == expected
    assert (endpoint["state"], endpoint["runtime"], endpoint["image"]) == ("live", "training", job["image_id"])
    steps = [step["name"] for step in endpoint["steps"]]
    assert steps == ["resolve", "fetch", "runtime", "fit", "start", "probe", "route"]
    lines = done.stderr.splitlines()
    assert [line.split()[2] for line in lines if " s  " in line] == steps
    assert job["id"] in done.stderr


def test_one_sleeps_and_the_next_request_wakes_it_and_a_second_replica_answers(
    desk: Desk, image: str, tmp_path: Path
) -> None:
    trained(desk, image, tmp_path, "sleeper", SKLEARN)
    person = {"dataframe_records": [{"height.cm": 190.0, "weight": 40.0}]}
    deployed = desk.json("endpoints", "deploy", "bodies", "--name", "sleeper", "--sleep-after", "10s")

    def show() -> dict[str, Any]:
        shown: dict[str, Any] = desk.json("endpoints", "show", "sleeper")
        return shown

    def asked() -> dict[str, Any]:
        assert ask(desk, deployed["url"], deployed["token"], person)["predictions"] == [1]
        return show()

    for _ in range(2):  # the second time it sleeps after a wake, no more after a deploy
        desk.wait(show, lambda found: found["state"] == "asleep")
        began = time.monotonic()
        asked()
        print(f"awake and answered {time.monotonic() - began:.2f} s after the request")
    desk.json("endpoints", "scale", "sleeper", "2")
    # Asked all the while: where a start takes ten seconds, it would sleep before the second one is there.
    shown = desk.wait(asked, lambda found: found["ready"] == 2)
    assert [replica["number"] for replica in shown["replicas"]] == [1, 2]
    asked()
