"""What the end-to-end tests stand on: a real container engine, images and wheels made without any registry."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gpu_engine import cdi_engine, gpu_engine  # noqa: F401 - fixtures for every test below
from tests.images import engine_client, python_image
from tests.podman_engine import podman  # noqa: F401 - likewise
from tests.rootless_podman import rootless_podman  # noqa: F401 - likewise
from tests.wheels import closure, wheelhouse

_MODEL_NEEDS = ("mlflow-skinny", "scikit-learn", "skops", "pandas", "numpy")
_SERVING_NEEDS = (*_MODEL_NEEDS, "fastapi", "uvicorn", "flask", "aiohttp")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without an engine the tests that need one are skipped, and said so; where CI runs they fail."""
    if item.get_closest_marker("engine") and not _engine_answers() and not os.environ.get("CI"):
        pytest.skip("no container engine answers here")


def _engine_answers() -> bool:
    try:
        with engine_client() as client:
            return bool(client.ping())
    except Exception:  # noqa: BLE001 - whatever keeps it from answering
        return False


@pytest.fixture(autouse=True, scope="module")
def what_a_file_has_made_is_gone_after_it() -> Iterator[None]:
    """No collection comes by itself where tests of pages run too: tests/ui turns it off for the whole process."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def training_image() -> str:
    """An image in which a user's training script runs."""
    return python_image(closure(_MODEL_NEEDS))


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings with which endpoint images are built offline."""
    wheels: Path = wheelhouse(_SERVING_NEEDS, tmp_path_factory.mktemp("wheels"))
    return {"serving.base_image": python_image(with_pip=True), "serving.wheelhouse": str(wheels)}
