"""What the store tells of runs, models and versions, as far as it decides who may do what."""

import sqlite3
from contextlib import closing

import pytest

from mlops_desk.registry.server.facts import ModelFacts, RunFacts, StoreFacts, VersionFacts
from tests.unit.registry.guard_rig import CHILD, GRANDCHILD, OTHER, OWN, OWN_MODEL, make_store


@pytest.fixture
def store(tmp_path):
    make_store(tmp_path / "my ? store.db")
    return tmp_path / "my ? store.db"


def write(store, *statements):
    with closing(sqlite3.connect(store)) as connection, connection:
        for statement in statements:
            connection.execute(*statement)


def test_what_is_there_is_told_and_what_is_not_is_none(store):
    facts = StoreFacts(store)
    assert facts.run(CHILD) == RunFacts(f"mlflow-artifacts:/1/{CHILD}/artifacts", OWN)
    assert facts.run(OWN) == RunFacts(f"mlflow-artifacts:/1/{OWN}/artifacts", None)
    assert facts.run("none") is None
    assert facts.model(OWN_MODEL) == ModelFacts(f"mlflow-artifacts:/1/models/{OWN_MODEL}/artifacts", CHILD)
    assert facts.model("m-none") is None
    assert facts.versions("churn", "1") == [VersionFacts(f"mlflow-artifacts:/1/{OTHER}/artifacts/model", OTHER)]
    assert len(facts.versions("churn")) == 2
    assert facts.versions("none") == []
    assert facts.experiment_location("1") == "mlflow-artifacts:/1"
    assert facts.experiment_location("7") is None
    assert facts.experiment_location("1 OR 1=1") is None


def test_a_run_belongs_to_its_forebears(store):
    facts = StoreFacts(store)
    assert facts.belongs_to(OWN, OWN)
    assert facts.belongs_to(GRANDCHILD, OWN)
    assert facts.belongs_to(GRANDCHILD, CHILD)
    assert not facts.belongs_to(OWN, CHILD)
    assert not facts.belongs_to(OTHER, OWN)
    assert not facts.belongs_to("none", OWN)


def test_runs_that_are_each_others_parents_belong_to_nobody(store):
    parent = "INSERT INTO tags VALUES ('mlflow.parentRunId', ?, ?)"
    write(store, (parent, (OTHER, "x")), (parent, ("x", OTHER)), ("INSERT INTO runs VALUES ('x', '')", ()))
    assert not StoreFacts(store).belongs_to(OTHER, OWN)


def test_reading_makes_no_store_where_there_is_none(tmp_path):
    with pytest.raises(sqlite3.Error):
        StoreFacts(tmp_path / "none.db").run(OWN)
    assert list(tmp_path.iterdir()) == []


def test_a_model_with_many_versions_is_looked_through(store):
    version = "INSERT INTO model_versions VALUES ('many', ?, ?, NULL, ?)"
    write(store, *((version, (number, f"runs:/{OWN}/model{number}", OWN)) for number in range(1, 200)))
    assert StoreFacts(store).is_inside("models:/many@champion")
    write(store, (version, (200, "file:///etc", OWN)))
    assert not StoreFacts(store).is_inside("models:/many@champion")
    assert StoreFacts(store).is_inside("models:/many/7")
