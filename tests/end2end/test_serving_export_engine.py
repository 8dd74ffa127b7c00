"""A bundle on a real engine: checked, loaded, and run as its Compose file says; the five ways are the contract's test."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
import yaml

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.export.export_task import Exports
from mlops_desk.serving.export.form import Format
from mlops_desk.serving.records.endpoint import ModelRef
from mlops_desk.serving.revision import Revision, Shelf
from tests.end2end.test_serving_contract import DO, answered, run
from tests.images import engine_client
from tests.scoring import odd_model

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
NAME = f"odd{os.environ.get('PYTEST_XDIST_WORKER', '')}"
"""Two files make such a bundle, and one engine has all their images: each process takes away its own."""
TAG = f"mlops-desk-export/{NAME}:r1"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, training_image: str) -> Iterator[Path]:
    """A bundle of an endpoint whose image the engine had, and which was then loaded from the bundle alone."""
    root = tmp_path_factory.mktemp("export")
    shelf = Shelf(root / "endpoints")
    version = ModelVersion("odd", "3", "run-1", "somewhere", "READY")
    ref = ModelRef("odd", "3", "models:/odd/3")
    shelf.write(Revision(NAME, 1, ref, version, "live", training_image, was_live=True, created_at=1_800_000_000.0))
    odd_model(shelf.place(NAME, 1) / "model", DO)
    engine = DockerEngine()
    began = time.monotonic()
    done = Exports(root / "exports", shelf, engine).export(
        NAME, 1, root / "out", Format.BUNDLE, None, BesideWork("The export", Event())
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
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
    assert listed == json.loads(told)
    assert {"numpy", "scikit-learn"} <= listed.keys()


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
            subprocess.run(command, check=True, timeout=600)
