"""What is written to real MLflow and taken back: MLflow's own client says whether it is so."""

import json
import os
import subprocess
import sys

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from tests.end2end.registry_populate import populate
from tests.end2end.test_alias_history import RUNS, VERSIONS, Agent

pytestmark = [pytest.mark.end2end]

LOOK = """
import json, sys
from mlflow import MlflowClient
from mlflow.entities import ViewType
client = MlflowClient(sys.argv[1], sys.argv[1])
runs = client.search_runs([e.experiment_id for e in client.search_experiments()], run_view_type=ViewType.ALL)
print(json.dumps({
    "runs": {r.info.run_id: [r.info.lifecycle_stage, {k: v for k, v in r.data.tags.items()}] for r in runs},
    "models": {m.name: [m.description or "", dict(m.tags)] for m in client.search_registered_models()},
    "versions": {f"{v.name}/{v.version}": [v.description or "", dict(v.tags), v.source, v.run_id]
                 for v in client.search_model_versions()},
}))
"""


def mlflow_says(uri):
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, uri], capture_output=True, text=True, env=environment, timeout=600, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    runs = [
        *RUNS,
        {
            "name": "model",
            "start_time": 4000,
            "artifacts": {"net/MLmodel": "flavors: {}", "net/a.txt": "x", "plain/a.txt": "x"},
        },
    ]
    place = str(folder / "files")
    return uri, populate(uri, experiment="digits", runs=runs, versions=VERSIONS, artifact_location=place)["runs"]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    made = Agent(tmp_path_factory.mktemp("agent"))
    yield made
    made.end()


def test_tags_and_descriptions_are_what_mlflow_says_and_are_put_back(agent, store):
    uri, ids = store
    hostile = "it's <b>\u202e\n; drop table runs --"
    tagged = agent.models.tag("churn", "owner", hostile, uri=uri)
    agent.models.tag("churn", "stage", "x", "1", uri)
    agent.models.describe("churn", "what it is", uri=uri)
    agent.models.describe("churn", "the first", "1", uri)
    agent.runs.tag(ids["old"], "team", "y", uri)
    agent.runs.describe(ids["old"], "why", uri)
    says = mlflow_says(uri)
    assert says["models"]["churn"] == ["what it is", {"owner": hostile}]
    assert says["versions"]["churn/1"][:2] == ["the first", {"stage": "x"}]
    assert says["runs"][ids["old"]][1]["team"] == "y"
    assert says["runs"][ids["old"]][1]["mlflow.note.content"] == "why"
    undone = {key: value for key, value in tagged.undo.arguments.items() if key != "uri"}
    agent.models.tag(**undone, uri=uri)
    agent.models.describe("churn", "", uri=uri)
    agent.runs.describe(ids["old"], "", uri)
    says = mlflow_says(uri)
    assert says["models"]["churn"] == ["", {}]
    assert "mlflow.note.content" not in says["runs"][ids["old"]][1]


def test_runs_are_deleted_and_restored(agent, store):
    uri, ids = store
    two = [ids["old"], ids["more"]]
    gone = agent.runs.delete(two, uri)
    assert [one.is_deleted for one in gone] == [True, True]
    assert {mlflow_says(uri)["runs"][run_id][0] for run_id in two} == {"deleted"}
    assert [one.is_deleted for one in agent.runs.stages([ids["new"], ids["old"]], uri)] == [False, True]
    agent.runs.restore(list(gone[0].undo.arguments["run_ids"]), uri)
    assert {mlflow_says(uri)["runs"][run_id][0] for run_id in two} == {"active"}
    with pytest.raises(NotFound):
        agent.runs.delete(["f" * 32], uri)


def test_a_run_under_way_is_not_deleted(agent, store):
    uri, ids = store
    run_id = agent.core.registries.open(uri).start_run("digits", {})
    found = agent.runs.delete([run_id, ids["more"]], uri)
    assert [one.changed for one in found] == [False, True]
    assert "is still running; its training would fail" in found[0].problem
    assert mlflow_says(uri)["runs"][run_id][0] == "active"
    agent.runs.restore([ids["more"]], uri)


def test_a_version_is_registered_from_what_a_run_has_left(agent, store):
    uri, ids = store
    made = agent.models.register("fresh", ids["model"], "net", uri)
    assert (made.version, made.run_id) == ("1", ids["model"])
    source = mlflow_says(uri)["versions"]["fresh/1"][2]
    assert source.endswith("/net")
    with pytest.raises(NotFound, match="has logged no model at 'nothing'"):
        agent.models.register("fresh", ids["model"], "nothing", uri)
    with pytest.raises(NotFound, match="has logged no model at 'plain'"):
        agent.models.register("fresh", ids["model"], "plain", uri)
    assert "fresh/2" not in mlflow_says(uri)["versions"]


def test_versions_and_models_go_for_good(agent, store):
    uri, ids = store
    agent.models.register("brief", ids["model"], "net", uri)
    with pytest.raises(Refused):
        agent.models.delete("brief", "brief", "1", uri)
    agent.models.delete("brief", "brief/1", "1", uri)
    assert "brief/1" not in mlflow_says(uri)["versions"]
    agent.models.delete("brief", "brief", None, uri)
    assert "brief" not in mlflow_says(uri)["models"]


def test_what_mlflow_does_not_take_is_refused_and_nothing_written(agent, store):
    uri, _ = store
    before = mlflow_says(uri)
    with pytest.raises(Invalid):
        agent.models.tag("churn", "bad\nname", "x", uri=uri)
    with pytest.raises(NotFound):
        agent.models.tag("churn", "a", "x", "99", uri)
    with pytest.raises(NotFound):
        agent.runs.tag("f" * 32, "a", "x", uri)
    assert mlflow_says(uri) == before


def test_runs_are_compared_as_mlflow_has_them(agent, store):
    uri, ids = store
    rows = {(row.group.value, row.key): row for row in agent.runs.compare([ids["old"], ids["new"]], uri)}
    assert rows["metrics", "auc"].values == (0.8, 0.9)
    assert rows["metrics", "loss"].differs
    assert rows["params", "lr"].values == ("0.10", "0.1")
    assert not rows["params", "lr"].differs
    assert rows["tags", "team"].values[1] is None


def test_a_curve_keeps_its_extremes_and_says_what_is_no_number(agent, store):
    from mlops_desk.kit.base import wire

    uri, ids = store
    whole = wire.to_builtins(agent.runs.curves(ids["new"], "steps", uri))
    assert whole["values"] == [1.0, 9.0, "NaN", "Infinity", 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, -3.0]
    assert whole["steps"] == list(range(12))
    few = agent.runs.curves(ids["new"], "steps", uri, 3)
    assert len(few.values) == 3
    assert {9.0, -3.0} <= set(few.values)
    overlaid = agent.runs.overlay(f"{ids['new']},{ids['old']}", "auc", uri)
    assert [curve.values for curve in overlaid] == [(0.9,), (0.8,)]
    with pytest.raises(NotFound, match="has logged no metric 'nothing'"):
        agent.runs.curves(ids["new"], "nothing", uri)


def test_code_that_is_not_kept_is_told_as_such(agent, store):
    uri, ids = store
    assert agent.runs.code(ids["old"], ids["new"], uri).problem.startswith("Neither run tells which code it ran.")
