"""A bundle on a real engine: checked, loaded, and run in the five ways in which images of endpoints are run elsewhere."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.serving.endpoint import ModelRef
from mlops_desk.serving.export.exporting import Exports
from mlops_desk.serving.export.form import Format
from mlops_desk.serving.gateway.outbound.asking import ask_at_once
from mlops_desk.serving.gateway.outbound.question import Question
from mlops_desk.serving.handover import COMMAND, Handover
from mlops_desk.serving.probe import health
from mlops_desk.serving.revision import Revision, Shelf
from mlops_desk.serving.work import BesideWork
from tests.end2end.test_serving_contract import DO, USERS, answered, run
from tests.images import engine_client
from tests.scoring import odd_model

pytestmark = [pytest.mark.end2end, pytest.mark.engine, pytest.mark.timeout(900)]
TAG = "mlops-desk-export/odd:r1"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, training_image: str) -> Iterator[Path]:
    """A bundle of an endpoint whose image the engine had, and which was then loaded from the bundle alone."""
    root = tmp_path_factory.mktemp("export")
    shelf = Shelf(root / "endpoints")
    version = ModelVersion("odd", "3", "run-1", "somewhere", "READY")
    ref = ModelRef("odd", "3", "models:/odd/3")
    shelf.write(Revision("odd", 1, ref, version, "live", training_image, was_live=True, created_at=1_800_000_000.0))
    odd_model(shelf.place("odd", 1) / "model", DO)
    engine = DockerEngine()
    began = time.monotonic()
    done = Exports(root / "exports", shelf, engine).export(
        "odd", 1, root / "out", Format.BUNDLE, None, BesideWork("The export", Event())
    )
    print(f"exported {done.size_bytes >> 20} MiB within {time.monotonic() - began:.1f} s, {done.packages} packages")
    engine.remove_image(TAG)
    began = time.monotonic()
    command = ["sh", str(root / "out" / "verify.sh")]
    loaded = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert TAG in loaded.stdout
    print(f"verified and loaded within {time.monotonic() - began:.1f} s")
    assert engine.image(TAG).id == done.image_id
    engine.close()
    yield root / "out"
    with engine_client() as client:
        client.remove_image(TAG, force=True)


def test_the_list_of_packages_names_what_the_image_can_import(bundle: Path) -> None:
    listed = {one["name"]: one["version"] for one in json.loads((bundle / "sbom.cdx.json").read_text())["components"]}
    code = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", TAG, "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert listed == json.loads(told)
    assert {"numpy", "scikit-learn"} <= listed.keys()


@pytest.mark.parametrize("user", USERS)
def test_sagemaker_runs_it(bundle: Path, user: str) -> None:
    with run(TAG, user, "-e", "SAGEMAKER_BIND_TO_PORT=9090") as address:
        assert answered(f"http://{address}:9090", "/ping", "/invocations") == {"predictions": ["a"]}


@pytest.mark.parametrize("user", USERS)
def test_vertex_runs_it(bundle: Path, user: str) -> None:
    env = ("AIP_HTTP_PORT=7080", "AIP_HEALTH_ROUTE=/v1/health", "AIP_PREDICT_ROUTE=/v1/e:predict")
    options = [word for one in env for word in ("-e", one)]
    with run(TAG, user, *options, words=()) as address:
        found: Any = answered(f"http://{address}:7080", "/v1/health", "/v1/e:predict", {"instances": [{"do": "a"}]})
        assert found == {"predictions": ["a"]}


@pytest.mark.parametrize("user", USERS)
def test_azure_runs_it_with_the_model_of_its_own_mount(bundle: Path, user: str, tmp_path: Path) -> None:
    other = odd_model(tmp_path / "model", DO)
    for path in (tmp_path, other, *other.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    options = ("-v", f"{other}:/azure/model:ro", "-e", "AZUREML_MODEL_DIR=/azure")
    with run(TAG, user, *options, words=()) as address:
        assert answered(f"http://{address}:8080", "/ping", "/invocations") == {"predictions": ["a"]}


@pytest.mark.parametrize("user", USERS)
def test_it_is_run_as_the_images_of_mlflow_are(bundle: Path, user: str) -> None:
    with run(TAG, user, words=()) as address:
        assert answered(f"http://{address}:8080", "/health", "/invocations") == {"predictions": ["a"]}


def test_the_desk_hands_it_a_socket(bundle: Path, tmp_path: Path) -> None:
    engine, name = DockerEngine(), "mlops-desk-test-export"
    engine.remove(name)
    with Handover(tmp_path) as handover:
        spec = ContainerSpec(name, TAG, (), COMMAND, own_mounts=(handover.mount,), user="65534:65534", network="none")
        engine.create(spec)
        try:
            engine.start(name)
            deadline = time.monotonic() + 90
            while health(handover.address) != 200:
                handover.give()
                assert time.monotonic() < deadline, list(engine.logs(name))
                time.sleep(0.1)
            question = Question(b"POST", b"/invocations", json.dumps(DO).encode(), b"application/json")
            assert json.loads(ask_at_once(handover.address, question, 20, 1 << 20).body) == {"predictions": ["a"]}
        finally:
            engine.remove(name)
            engine.close()


def test_what_compose_says_runs(bundle: Path) -> None:
    """Compose itself is rarely there: its file as the options that it stands for, its check by the engine."""
    (service,) = yaml.safe_load((bundle / "compose.yaml").read_text())["services"].values()
    check = service["healthcheck"]
    options = [
        "--cap-drop", *service["cap_drop"], "--security-opt", *service["security_opt"],
        "--pids-limit", str(service["pids_limit"]), "--health-cmd", f'{" ".join(check["test"][1:3])} "{check["test"][3]}"',
        "--health-interval", "1s",
    ]  # fmt: skip
    assert service["image"] == TAG
    with run(TAG, service["user"], *options, words=()) as address:
        assert answered(f"http://{address}:8080", "/ping", "/invocations") == {"predictions": ["a"]}
        if shutil.which("docker-compose"):
            command = ["docker-compose", "-f", str(bundle / "compose.yaml"), "config", "-q"]
            subprocess.run(command, check=True, timeout=60)
