"""The setting registry.uri: which registry is meant when none is named, and what is said when it can't be used."""

from dataclasses import replace

import pytest

from mlops_desk.desk.settings import SettingsService
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.machine.records.event import RegistryChanged
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.records.model import Model, Run
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.runs import RunsService
from mlops_desk.registry.service import RegistryCore

OTHER = "sqlite:////tmp/x/ml.db"


class Several(Registries):
    """Registries in memory by their URI; None is the desk's own, and any other does not answer."""

    def __init__(self, server, known):
        super().__init__(server)
        self.known = known

    @property
    def own_is_empty(self):
        return False

    def direct(self, uri):
        return None

    def open(self, uri):
        if uri not in self.known:
            raise Unavailable(f"{uri} does not answer.", "Is the server up?")
        return self.known[uri]


class World:
    def __init__(self, root):
        folder = DataFolder(root)
        folder.make()
        self.events = []
        bus = Bus()
        bus.subscribe(RegistryChanged, self.events.append)
        store = SettingsStore(folder.settings)
        self.settings = SettingsService(store, bus)
        self.core = RegistryCore(folder, bus, Loop("test"), lambda: None, lambda: store.text("registry.uri"))
        self.own, self.other = FakeRegistry(), FakeRegistry()
        self.core.registries = Several(self.core.server, {None: self.own, OTHER: self.other})
        self.models, self.runs = ModelsService(self.core), RunsService(self.core)
        for registry, name in ((self.own, "mine"), (self.other, "theirs")):
            registry.add_run(f"{name}-experiment", Run(f"{name}-run", None, "FINISHED", 1))
            registry.add_version(name, f"{name}-run", f"models:/{name}")


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "data")
    yield made
    made.core.stop()


def names(models: list[Model]) -> list[str]:
    return [model.name for model in models]


def test_the_setting_is_the_registry_that_is_meant_when_none_is_named(world):
    assert names(world.models.list()) == ["mine"]
    world.settings.set("registry.uri", OTHER)
    assert names(world.models.list()) == ["theirs"]
    assert names(world.models.list("own")) == ["mine"]
    assert world.models.show("theirs").latest_version == "1"
    assert world.models.versions("theirs")[0].run_id == "theirs-run"
    assert world.models.alias("theirs", "champion", "1").aliases == {"champion": "1"}
    assert [run.run_id for run in world.runs.list("theirs-experiment")] == ["theirs-run"]
    assert [found.name for found in world.runs.experiments()] == ["Default", "theirs-experiment"]
    assert world.runs.show("theirs-run").status == "FINISHED"
    assert world.runs.datasets("theirs-run") == []
    world.settings.set("registry.uri", "")
    assert names(world.models.list()) == ["mine"]


def test_an_endpoints_version_remembers_the_registry_it_came_from(world):
    assert world.core.find("mine").registry is None
    world.settings.set("registry.uri", OTHER)
    version = world.core.find("theirs")
    assert version.registry == OTHER
    fetched = []
    world.core.registries.download = lambda uri, *_rest: fetched.append(uri)
    world.core.shelf.copy_of_version = lambda *_given: False  # they lie elsewhere
    world.settings.set("registry.uri", "")
    world.core.download_model(version, None)
    world.core.download_model(replace(version, registry=None), None)
    assert fetched == [OTHER, None]


def test_jobs_and_rules_stay_with_the_desks_own(world):
    world.settings.set("registry.uri", OTHER)
    assert world.core.finish_run("mine-run", "FINISHED").run_id == "mine-run"
    assert world.core.resolve("mine").name == "mine"
    assert world.core.run("mine-run").run_id == "mine-run"


def test_a_change_of_the_setting_is_announced(world):
    world.settings.set("ui.theme", "dark")
    assert world.events == []
    world.settings.set("registry.uri", OTHER)
    assert [(event.uri, event.registry.default_uri) for event in world.events] == [(None, OTHER)]
    assert world.models.server().default_uri == OTHER
    world.settings.set("registry.uri", "")
    assert world.events[-1].registry.default_uri is None


def test_a_registry_that_does_not_answer_says_where_it_was_named_and_how_to_go_back(world):
    world.settings.set("registry.uri", "http://me:secret@nowhere:1")
    with pytest.raises(Unavailable, match="does not answer") as caught:
        world.models.list()
    assert "Is the server up?" in caught.value.hint
    assert "mlops-desk settings set registry.uri ''" in caught.value.hint
    assert "secret" not in caught.value.hint
    with pytest.raises(Unavailable) as named:
        world.models.list("http://nowhere:1")
    assert "registry.uri" not in named.value.hint
    world.settings.set("registry.uri", OTHER)
    with pytest.raises(NotFound) as missing:
        world.models.show("mine")
    assert "registry.uri" in missing.value.hint


def test_a_refusal_with_a_command_offers_that_one_and_the_way_back_beside_it(world):
    world.settings.set("registry.uri", OTHER)
    with pytest.raises(Refused) as caught, world.core.default.chosen(None):
        raise Refused("It has a policy.", Hint("mlops-desk policies remove iris", before="Remove it: "))
    assert caught.value.hint.command == "mlops-desk policies remove iris"
    assert caught.value.hint.startswith("Remove it: mlops-desk policies remove iris. This is the registry ")
    assert caught.value.hint.endswith("mlops-desk settings set registry.uri ''")
    with pytest.raises(NotFound) as plain, world.core.default.chosen(None):
        raise NotFound("There is no model.")
    assert plain.value.hint.command == "mlops-desk settings set registry.uri ''"


def test_what_was_asked_wrongly_or_of_the_desks_own_registry_names_no_setting(world):
    world.settings.set("registry.uri", OTHER)
    with pytest.raises(Invalid) as wrong, world.core.default.chosen(None):
        raise Invalid("A filter is no filter.", "Look at it.")
    assert wrong.value.hint == "Look at it."
    with pytest.raises(NotFound) as named, world.core.default.chosen(OTHER):
        raise NotFound("There is no model.", "Look at it.")
    assert named.value.hint == "Look at it."
    world.settings.set("registry.uri", "")
    with pytest.raises(NotFound) as own, world.core.default.chosen(None):
        raise NotFound("There is no model.", "Look at it.")
    assert own.value.hint == "Look at it."


@pytest.mark.parametrize("text", ["nonsense://x", "http://", "sqlite:///relative.db", "some folder"])
def test_what_is_no_address_is_refused(world, text):
    with pytest.raises(Invalid):
        world.settings.set("registry.uri", text)
    assert names(world.models.list()) == ["mine"]


def test_the_setting_takes_a_name_of_the_list_and_says_what_is_there_of_one_that_is_not(world):
    settings = SettingsService(world.settings._store, world.settings._bus, is_kept={"prod", "lab-2"}.__contains__)
    assert settings.set("registry.uri", " prod ").value.strip() == "prod"
    with pytest.raises(Invalid, match="No registry is kept as 'lab-3'") as refused:
        settings.set("registry.uri", "lab-3")
    assert refused.value.hint.command == "mlops-desk registry list"
    with pytest.raises(Invalid, match="kind of tracking URI"):
        settings.set("registry.uri", "ftp://prod")
    assert settings.show("registry.uri").value.strip() == "prod"


def test_who_asks_for_an_alias_that_is_not_there_is_told_how_it_comes_to_be(world):
    with pytest.raises(NotFound, match="Model mine has no alias champion") as caught:
        world.core.resolve("mine@champion")
    assert caught.value.hint == (
        "Its aliases are none; its versions are 1. The newest one is called so by "
        "mlops-desk models promote mine --alias champion --version 1."
    )
    assert caught.value.hint.command == "mlops-desk models promote mine --alias champion --version 1"
    with pytest.raises(NotFound) as caught:
        world.core.resolve("mine/7")
    assert caught.value.hint == "Its aliases are none; its versions are 1."
