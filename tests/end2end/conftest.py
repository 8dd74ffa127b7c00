"""What the end-to-end tests stand on: a real container engine, images and wheels made without any registry."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import MODEL_START_SECONDS
from tests.gpu_engine import cdi_engine, gpu_engine  # noqa: F401 - fixtures for every test below
from tests.images import engine_client, python_image
from tests.podman_engine import podman  # noqa: F401 - likewise
from tests.rootless_podman import rootless_podman  # noqa: F401 - likewise
from tests.wheels import MODEL_NEEDS, SERVING_NEEDS, closure, kept_wheelhouse

_FOLDER = Path(__file__).parent
LONGEST_SECONDS = 1200
"""Ends what hangs, and no more. Chosen: the slowest test takes 150 s with four at a time on four cores; two cores that
are half as fast take four times as long, and with what the first test of a file waits for its images."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test below this folder the same time: a file's own guess held on the machine that it was made on."""
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker(pytest.mark.timeout(LONGEST_SECONDS))


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
    return python_image(closure(MODEL_NEEDS))


@pytest.fixture(scope="session")
def serving() -> dict[str, str]:
    """Settings with which endpoint images are built offline, and a model may take its time to start."""
    wheels = kept_wheelhouse(SERVING_NEEDS)
    return {
        "serving.base_image": python_image(with_pip=True), "serving.wheelhouse": str(wheels),
        "serving.start_timeout_seconds": str(MODEL_START_SECONDS),
    }  # fmt: skip
