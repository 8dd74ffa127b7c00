import pytest

from tests.unit.governance.policies.rig import ANNA, World, as_user


@pytest.fixture
def world(tmp_path):
    as_user(ANNA)
    made = World(tmp_path / "data")
    yield made
    made.close()
