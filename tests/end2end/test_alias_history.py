"""Aliases on real MLflow: moved from here and from elsewhere, asked for any day, put back, over a restart."""

import time

import pytest

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.aliases.journal import AliasJournal
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.runs import RunsService
from mlops_desk.registry.service import RegistryCore
from tests.end2end.registry_populate import populate

pytestmark = [pytest.mark.end2end]

RUNS = [
    {"name": "old", "start_time": 1000, "metrics": {"auc": 0.8, "loss": 0.5}, "params": {"lr": "0.10", "opt": "sgd"},
     "datasets": ["digits"], "tags": {"team": "x"}},
    {"name": "new", "start_time": 2000, "metrics": {"auc": 0.9, "loss": "nan"}, "params": {"lr": "0.1", "opt": "adam"},
     "histories": {"steps": [1, 9, "nan", "inf", 2, 3, 4, 5, 6, 7, 8, -3]}},
    {"name": "more", "start_time": 3000, "metrics": {"auc": 0.7}},
]  # fmt: skip
VERSIONS = [{"name": "churn", "run": "old"}, {"name": "churn", "run": "new"}, {"name": "churn", "run": "more"}]


class Agent:
    """The registry's services of one agent on a data folder."""

    def __init__(self, root):
        data = DataFolder(root)
        data.make()
        self.state = State(data.state_database)
        journal = AliasJournal(self.state.alias_moves, self.state.alias_sights)
        self.core = RegistryCore(data, Bus(), Loop("test"), lambda: None, journal=journal)
        self.models, self.runs = ModelsService(self.core), RunsService(self.core)

    def end(self):
        self.core.stop()
        self.state.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    ids = populate(uri, experiment="digits", runs=RUNS, versions=VERSIONS, artifact_location=str(folder / "files"))
    return uri, ids["runs"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("agent")


@pytest.fixture
def agent(root):
    made = Agent(root)
    yield made
    made.end()


def elsewhere(uri, alias, version):
    """Move an alias as somebody's own program does."""
    populate(uri, experiment="digits", runs=[], versions=[], aliases=[["churn", alias, version]])


def told(agent, uri, **asked):
    return [
        (move.from_version, move.to_version, move.who is not None)
        for move in agent.models.history("churn", uri, **asked)
    ]


def test_the_whole_life_of_an_alias(agent, store):
    uri, _ = store
    assert told(agent, uri) == []
    agent.models.promote("churn", "champion", "1", uri)
    between = time.time()
    time.sleep(0.05)
    made = agent.models.promote("churn", "champion", "2", uri, expected="1")
    assert made.aliases == {"champion": "2"}
    assert made.undo.verb == "models.rollback"
    elsewhere(uri, "champion", "3")
    assert told(agent, uri, alias="champion") == [("2", "3", False), ("1", "2", True), (None, "1", True)]
    assert [move.to_version for move in agent.models.history("churn", uri, "champion", between)] == ["1"]
    with pytest.raises(Refused, match="points at version 3 by now"):
        agent.models.rollback("churn", "champion", uri, expected="2")
    assert agent.models.rollback("churn", "champion", uri).aliases == {"champion": "2"}
    assert agent.models.rollback("churn", "champion", uri).aliases == {"champion": "1"}
    with pytest.raises(Refused, match="Nobody has seen"):
        agent.models.rollback("churn", "champion", uri)


def test_the_next_agent_knows_it_and_what_was_moved_meanwhile(agent, store):
    uri, _ = store
    elsewhere(uri, "champion", "2")
    found = told(agent, uri, alias="champion")
    assert found[:2] == [("1", "2", False), ("2", "1", True)]
    assert len(found) == 6


def test_a_deleted_version_is_skipped_on_the_way_back(agent, store):
    uri, _ = store
    agent.models.promote("churn", "next", "1", uri)
    agent.models.promote("churn", "next", "3", uri)
    agent.models.promote("churn", "next", "2", uri)
    agent.models.delete("churn", "churn/3", "3", uri)
    assert agent.models.rollback("churn", "next", uri).aliases["next"] == "1"


def test_an_alias_is_taken_away_and_put_back_by_its_undo(agent, store):
    uri, _ = store
    agent.models.promote("churn", "gone", "1", uri)
    removed = agent.models.remove_alias("churn", "gone", uri)
    assert "gone" not in removed.aliases
    arguments = {key: value for key, value in removed.undo.arguments.items() if key != "uri"}
    assert agent.models.promote(**arguments, uri=uri).aliases["gone"] == "1"


def test_a_preview_lays_champion_and_challenger_side_by_side(agent, store):
    uri, _ = store
    agent.models.promote("churn", "champion", "1", uri)
    shown = agent.models.preview("churn", "champion", "2", uri)
    rows = {(row.group.value, row.key): row for row in shown.values}
    assert (shown.from_version, shown.expected) == ("1", "1")
    assert (rows["metrics", "auc"].values, rows["metrics", "auc"].best) == ((0.8, 0.9), 1)
    assert not rows["params", "lr"].differs
    assert rows["params", "opt"].differs
    assert rows["data", "training"].values == ("digits (d1)", None)
    assert shown.history
