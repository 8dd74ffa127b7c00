from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.automation.ci.rig import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world in which nothing may break."""
    made = World(tmp_path)
    made.service.start()
    yield made
    assert made.broken == []
    made.state.close()
