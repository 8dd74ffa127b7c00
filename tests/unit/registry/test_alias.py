"""An alias is moved only from where the person saw it, where they say so."""

import pytest

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.records.model import Model
from mlops_desk.registry.service import RegistryCore


class Aliases:
    """A registry that knows aliases only."""

    def __init__(self):
        self.at = {"champion": "4"}

    def model(self, name):
        return Model(name, "5", dict(self.at))

    def set_alias(self, name, alias, version):
        self.at[alias] = version
        return self.model(name)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    folder = DataFolder(tmp_path / "data")
    folder.make()
    core = RegistryCore(folder, Bus(), Loop("test"), lambda: None)
    registry = Aliases()
    monkeypatch.setattr(core.registries, "open", lambda _uri: registry)
    monkeypatch.setattr(core, "changed", lambda _uri: None)
    registry.verbs = ModelsService(core)
    yield registry
    core.stop()


def test_an_alias_that_has_moved_is_not_moved_again(registry):
    with pytest.raises(Refused, match="churn@champion points at version 4 by now; when you looked it pointed at"):
        registry.verbs.alias("churn", "champion", "5", expected="3")
    assert registry.at == {"champion": "4"}
    assert registry.verbs.alias("churn", "champion", "5", expected="4").aliases == {"champion": "5"}


def test_an_alias_that_came_to_be_or_went_meanwhile_is_not_moved(registry):
    with pytest.raises(Refused, match="points at version 4 by now; when you looked it did not exist"):
        registry.verbs.alias("churn", "champion", "5", expected="none")
    with pytest.raises(Refused, match="churn@next does not exist by now"):
        registry.verbs.alias("churn", "next", "5", expected="3")
    assert registry.verbs.alias("churn", "next", "5", expected="none").aliases["next"] == "5"


def test_who_does_not_say_what_they_saw_moves_it_as_ever(registry):
    assert registry.verbs.alias("churn", "champion", "1").aliases == {"champion": "1"}
