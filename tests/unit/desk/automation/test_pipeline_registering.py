"""What the stage ``register`` of a repository's pipeline makes versions of, and what it does not."""

import sqlite3
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.desk.automation.ci import PipelineRegistering
from mlops_desk.kit.base.errors import Refused, Unavailable
from tests.unit.registry.guard_rig import OTHER, OWN, make_store

STAGE = "/repo ci/train"


class Client:
    """A registry that says what was registered in it."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, str]] = []

    def register(self, name: str, run_id: str, path: str) -> Any:
        self.made.append((name, run_id, path))
        return SimpleNamespace(name=name, version="2", run_id=run_id)

    def versions(self, _name: str) -> list[Any]:
        return []

    def versions_of_run(self, _run_id: str) -> list[Any]:
        return []


class Core:
    """A registry core over a store as the guard reads it."""

    def __init__(self, folder: Any) -> None:
        self.client = Client()
        self.store = folder / "mlflow.db"
        make_store(self.store)
        self.server = SimpleNamespace(ledger=SimpleNamespace(store=self.store))
        self.registries = SimpleNamespace(open=lambda _uri: self.client)
        self.default = SimpleNamespace(chosen=lambda uri: closing(SimpleNamespace(close=lambda: uri)))
        self.tags = {"mlops_desk.job_name": STAGE}

    def run(self, _run_id: str) -> Any:
        return SimpleNamespace(tags=self.tags)

    def changed(self, _uri: object) -> None: ...

    def has(self, run_id: str, training: str) -> None:
        """Say of what training a run is."""
        with closing(sqlite3.connect(self.store)) as store, store:
            store.execute("INSERT INTO tags VALUES ('mlops_desk.job_name', ?, ?)", (training, run_id))


@pytest.fixture
def core(tmp_path: Any) -> Any:
    return Core(tmp_path)


def test_under_a_model_with_a_policy_a_person_registers_the_first_version(core: Any) -> None:
    registering = PipelineRegistering(core, lambda: {"fraud"})
    with pytest.raises(Refused, match="has a policy of approvals") as refused:
        registering.register("fraud", OWN, "model")
    assert str(refused.value.hint) == f"mlops-desk models register fraud {OWN}"
    core.has(OTHER, "/other ci/train")
    with pytest.raises(Refused):
        registering.register("fraud", OWN, "model")
    assert core.client.made == []
    core.has(OTHER, STAGE)
    registering.register("fraud", OWN, "model")
    assert core.client.made == [("fraud", OWN, "model")]


def test_a_run_that_does_not_say_of_what_training_it_is_is_no_known_one(core: Any) -> None:
    core.tags = {}
    with pytest.raises(Refused):
        PipelineRegistering(core, lambda: {"fraud"}).register("fraud", OWN, "model")


def test_a_model_without_a_policy_gets_its_version(core: Any) -> None:
    PipelineRegistering(core, lambda: {"fraud"}).register("new", OWN, "best/model")
    assert core.client.made == [("new", OWN, "best/model")]


def test_a_store_that_can_not_be_read_lets_nothing_through_and_is_asked_again(core: Any) -> None:
    core.store.write_bytes(b"no database" * 100)
    with pytest.raises(Unavailable, match="fraud") as unavailable:
        PipelineRegistering(core, lambda: {"fraud"}).register("fraud", OWN, "model")
    assert unavailable.value.hint == "It is tried again."
    assert core.client.made == []
