"""What the journeys stand on: the engine, images and wheels of the end-to-end tests, and their rules."""

from pathlib import Path

import pytest

from tests.end2end.conftest import (  # noqa: F401 - fixtures and hooks for every test below
    LONGEST_SECONDS,
    gpu_engine,
    pytest_runtest_setup,
    serving,
    training_image,
    what_a_file_has_made_is_gone_after_it,
)

_FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each journey the same time as any end-to-end test: it ends what hangs, and no more."""
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker(pytest.mark.timeout(LONGEST_SECONDS))
