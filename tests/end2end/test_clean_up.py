"""A sweep is cleared away by commands and brought back, on a store of MLflow's and on the desk's own."""

import shlex

import pytest

from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.registry.server.files import ServerFiles
from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate

pytestmark = [pytest.mark.end2end]

RUNS = [
    {
        "name": f"r{place}",
        "start_time": 1000 + place,
        "metrics": {"auc": value},
        "artifacts": {"model/MLmodel": "x" * 2000},
    }
    for place, value in enumerate((0.5, 0.9, 0.7, 0.8, 0.6))
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = Desk(tmp_path_factory.mktemp("desk"))
    yield made
    made.stop()


@pytest.fixture(scope="module", params=["sqlite", "own"])
def place(request, desk: Desk, tmp_path_factory) -> tuple[list[str], dict[str, str]]:
    """Return how the registry is named on the command line, and the runs in it; r0 has a version."""
    versions = [{"name": "kept", "run": "r0"}]
    if request.param == "own":
        uri, words = desk.json("models", "start")["uri"], []
        token = ServerFiles(DataFolder(desk.folder).registry).token()
        return words, populate(uri, token, experiment="sweep", runs=RUNS, versions=versions)["runs"]
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    made = populate(uri, experiment="sweep", runs=RUNS, versions=versions, artifact_location=str(folder / "files"))
    return ["--uri", uri], made["runs"]


def test_all_but_the_best_go_as_shown_and_come_back(desk: Desk, place: tuple[list[str], dict[str, str]]) -> None:
    words, ids = place
    asked = ["registry", "clean-up", "--experiment", "sweep", "--keep-best", "2", "--metric", "auc", *words]
    shown = desk.json(*asked)
    assert {item["name"] for item in shown["going"]} == {ids["r2"], ids["r4"]}
    assert {item["name"]: item["kept_by"] for item in shown["kept"]} == {ids["r0"]: "version kept/1 was made of it"}
    assert shown["size_bytes"] == 4000
    done = desk.json("registry", "clean", shown["token"], *words)
    assert (done["n_runs"], done["failed"]) == (2, [])
    listed = ["runs", "list", "--experiment", "sweep", *words]
    assert {run["run_id"] for run in desk.json(*listed)} == {ids["r0"], ids["r1"], ids["r3"]}
    again = desk.run("registry", "clean", shown["token"], *words, check=False)
    assert "No preview" in again.stderr
    (back,) = done["undo_commands"]
    desk.json(*shlex.split(back)[1:])
    assert len(desk.json(*listed)) == 5


def test_what_changed_meanwhile_is_not_taken(desk: Desk, place: tuple[list[str], dict[str, str]]) -> None:
    words, ids = place
    shown = desk.json("registry", "clean-up", "--experiment", "sweep", "--keep-best", "2", "--metric", "auc", *words)
    desk.json("runs", "delete", ids["r4"], *words)
    refused = desk.run("registry", "clean", shown["token"], *words, check=False)
    assert refused.returncode != 0
    assert "not what was shown" in refused.stderr
    desk.json("runs", "restore", ids["r4"], *words)
    assert len(desk.json("runs", "list", "--experiment", "sweep", *words)) == 5


def test_a_rule_without_a_condition_is_refused_before_anything_is_asked(desk: Desk) -> None:
    refused = desk.run("registry", "clean-up", "--experiment", "sweep", check=False)
    assert refused.returncode != 0
    assert "--keep-best" in refused.stderr
