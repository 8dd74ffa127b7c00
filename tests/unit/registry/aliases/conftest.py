import os

import pytest

from mlops_desk.kit.base.caller import Caller, set_caller
from tests.unit.registry.aliases.rig import World


@pytest.fixture
def world(tmp_path, monkeypatch):
    set_caller(Caller(os.getuid(), os.getgid(), os.getpid()))
    made = World(tmp_path, monkeypatch)
    made.add()
    yield made
    made.state.close()
