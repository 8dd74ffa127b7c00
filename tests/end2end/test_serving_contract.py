"""The one contract of an image, in the five ways in which it is run: by the desk, SageMaker, Vertex AI, Azure ML, MLflow.

Each on the real engine, with a read-only root, as root and as any user; the caller comes from outside the container.
It holds for images of each kind, as they leave the machine: a training image, one built of wheels on a base, and one on
this machine's own Python.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.serving.gateway.outbound.question import Question
from mlops_desk.serving.gateway.outbound.sync_request import ask_at_once
from mlops_desk.serving.probe import health
from mlops_desk.serving.socket_handover import COMMAND, Handover
from tests import endings
from tests.end2end import image_kinds
from tests.end2end.desk import PATIENCE_SECONDS
from tests.images import engine_client
from tests.scoring import odd_model

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
DO = {"dataframe_split": {"columns": ["do"], "data": [["a"]]}}
USERS = ["0:0", "12345:12345"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = odd_model(tmp_path_factory.mktemp("contract") / "model", DO)
    for path in (folder.parent, folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture(scope="module", params=image_kinds.KINDS)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, serving: dict[str, str],
    training_image: str,
) -> Iterator[tuple[str, str]]:  # fmt: skip
    """An image that serves here, and the same as it leaves the machine, with the model and the server in it."""
    engine, place = DockerEngine(), tmp_path_factory.mktemp("image")
    here = image_kinds.image_of(request.param, engine, place, serving, training_image)
    leaves = image_kinds.exported(request.param, engine, place, here, DO)
    engine.close()
    yield here, leaves
    with engine_client() as client:
        client.remove_image(leaves, force=True)
        for made in client.images(filters={"label": image_kinds.LABEL}):
            client.remove_image(made["Id"], force=True)


@pytest.fixture(scope="module")
def image(served: tuple[str, str]) -> str:
    return served[1]


@contextmanager
def run(image: str, user: str, *options: str, words: tuple[str, ...] = ("serve",)) -> Iterator[str]:
    """Run a container without an init process of the engine's; yield its address on the bridge."""
    command = ["docker", "run", "-d", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--user", user, *options]
    name = subprocess.run([*command, image, *words], check=True, capture_output=True, text=True).stdout.strip()
    try:
        shown = ["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", name]
        yield subprocess.run(shown, check=True, capture_output=True, text=True).stdout.strip()
        ending = endings.stopped(name)
        print(f"ended {ending.seconds:.2f} s after TERM")
        assert (ending.signals, ending.code) == ([endings.TERM], 0), (
            "it would have got the engine's KILL after its grace"
        )
    finally:
        subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)


def status_of(client: httpx.Client, url: str) -> int | None:
    try:
        return client.get(url).status_code
    except httpx.TransportError:
        return None


def answered(url: str, health_path: str, predict: str, document: object = DO) -> Any:
    """Wait until the container is well, then ask it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with httpx.Client(trust_env=False, timeout=120) as client:
        while status_of(client, url + health_path) != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        answer = client.post(url + predict, json=document)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("user", USERS)
def test_sagemaker_runs_it_with_the_word_serve_and_names_the_port(image: str, user: str, model: Path) -> None:
    place = ("-v", f"{model}:/opt/ml/model:ro", "-e", "SAGEMAKER_BIND_TO_PORT=9090")
    with run(image, user, *place) as address:
        assert answered(f"http://{address}:9090", "/ping", "/invocations") == {"predictions": ["a"]}


@pytest.mark.parametrize("user", USERS)
def test_vertex_names_port_and_routes_and_sends_instances(image: str, user: str) -> None:
    env = {
        "AIP_HTTP_PORT": "7080", "AIP_HEALTH_ROUTE": "/v1/endpoints/1/health",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/1:predict",
    }  # fmt: skip
    options = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
    with run(image, user, *options, words=()) as address:
        found = answered(
            f"http://{address}:7080", env["AIP_HEALTH_ROUTE"], env["AIP_PREDICT_ROUTE"], {"instances": [{"do": "a"}]}
        )
        assert found == {"predictions": ["a"]}


@pytest.mark.parametrize("user", USERS)
def test_azure_mounts_the_model_where_it_says(image: str, user: str, model: Path) -> None:
    where = "/var/azureml-app/azureml-models/odd/3"
    options = ("-v", f"{model}:{where}/model:ro", "-e", f"AZUREML_MODEL_DIR={where}")
    with run(image, user, *options, words=()) as address:
        assert answered(f"http://{address}:8080", "/ping", "/invocations") == {"predictions": ["a"]}


@pytest.mark.parametrize("user", USERS)
def test_it_is_run_as_the_images_of_mlflow_are(image: str, user: str) -> None:
    with run(image, user, words=()) as address:
        assert answered(f"http://{address}:8080", "/health", "/invocations") == {"predictions": ["a"]}


@pytest.mark.parametrize("user", USERS)
def test_the_desk_hands_it_a_socket_and_gives_it_no_network(
    served: tuple[str, str], model: Path, user: str, tmp_path: Path
) -> None:
    engine, name = DockerEngine(), f"mlops-desk-test-contract-{user.partition(':')[0]}"
    engine.remove(name)
    with Handover(tmp_path) as handover:
        mounts = (Mount(str(model), "/model", "ro"), handover.mount)
        spec = ContainerSpec(name, served[0], (), COMMAND, own_mounts=mounts, user=user, network="none")
        engine.create(spec)
        try:
            engine.start(name)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while health(handover.address) != 200:
                handover.give()
                assert time.monotonic() < deadline, list(engine.logs(name))
                time.sleep(0.1)
            question = Question(b"POST", b"/invocations", json.dumps(DO).encode(), b"application/json")
            assert json.loads(ask_at_once(handover.address, question, 120, 1 << 20).body) == {"predictions": ["a"]}
            ending = endings.stopped(name)
            print(f"ended {ending.seconds:.2f} s after TERM")
            assert (ending.signals, ending.code) == ([endings.TERM], 0)
        finally:
            engine.remove(name)
            engine.close()
