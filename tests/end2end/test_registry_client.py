"""One suite for every RegistryClient: the double, MLflow on SQLite and through the desk's own server, and in memory."""

import contextlib
import math
import sqlite3

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.mirror.mirror_registry import MirroredRegistry
from mlops_desk.registry.mlflow.pagination import RunsAsked
from mlops_desk.registry.records.model import DatasetInput, Run
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.server.keeper import TrackingServer
from tests.end2end.registry_populate import populate
from tests.registry_stores import empty_store

pytestmark = [pytest.mark.end2end]

RUNS = [
    {"name": "a", "start_time": 1000, "metrics": {"auc": 0.9, "val loss": 2}, "params": {"lr": "0.1", "class": "big"},
     "datasets": ["digits"]},
    {"name": "b", "start_time": 2000, "metrics": {"auc": 0.8}, "params": {"lr": "0.2"}, "tags": {"team": "x"},
     "histories": {"loss": [3, "nan", 1]}},
    {"name": "c", "start_time": 3000, "metrics": {"auc": "nan"}},
    {"name": "d", "start_time": 4000},
]  # fmt: skip
VERSIONS = [{"name": "digits-clf", "run": "a"}, {"name": "digits-clf", "run": "b"}, {"name": "other's", "run": "b"}]


class InMemory:
    """A registry that is read from memory, as the desk uses it: looked at again once something was written."""

    def __init__(self, registries, uri):
        self.registries = registries
        self.uri = uri

    def __getattr__(self, name):
        self.registries.look_again(self.uri)
        client = self.registries.read(self.uri)
        assert isinstance(client, MirroredRegistry)
        return getattr(client, name)


@contextlib.contextmanager
def own_server(tmp_path_factory):
    """The desk's own tracking server and the registries that know it."""
    folder = tmp_path_factory.mktemp("own")
    server = TrackingServer(folder / "mlflow", folder / "tracking.log", lambda: None, lambda _: None)
    registries = Registries(server)
    try:
        yield registries
    finally:
        registries.stop()
        server.stop()


@pytest.fixture(
    scope="module", params=["double", "sqlite by MLflow", "server by MLflow", "sqlite by memory", "server by memory"]
)
def stocked(request, tmp_path_factory):
    """A client of a registry that holds RUNS and VERSIONS, and the runs' ids by name."""
    if request.param == "double":
        double = FakeRegistry()
        for run in RUNS:
            metrics = {key: float(value) for key, value in run.get("metrics", {}).items()}
            double.add_run("digits", Run(run["name"] * 32, run["name"], "FINISHED", run["start_time"], metrics,
                                         run.get("params", {}), run.get("tags", {})))  # fmt: skip
        for value in (3.0, math.nan, 1.0):
            double.log_metric("b" * 32, "loss", value)
        double.add_dataset("a" * 32, DatasetInput("digits", "d1", "training", "local", '{"uri": "/data/x.csv"}', "{}"))
        for version in VERSIONS:
            double.add_version(version["name"], version["run"] * 32)
        yield double, {run["name"]: run["name"] * 32 for run in RUNS}
        return
    with own_server(tmp_path_factory) as registries:
        yield filled(registries, *request.param.split(" by "), tmp_path_factory)


def filled(registries, kind, way, tmp_path_factory):
    """Fill a store by MLflow; return a client of it, by MLflow or in memory, and the runs' ids by name."""
    uri = None
    if kind == "sqlite":
        uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"
        place = str(tmp_path_factory.mktemp("files"))
        told = populate(uri, experiment="digits", runs=RUNS, versions=VERSIONS, artifact_location=place)
    else:
        registries.open(None)
        token = registries.server.ledger.token()
        told = populate(registries.server.state().uri, token, experiment="digits", runs=RUNS, versions=VERSIONS)
    return (registries.open(uri) if way == "MLflow" else InMemory(registries, uri)), told["runs"]


def test_models_are_listed_with_their_latest_version(stocked):
    client, _ = stocked
    assert [(model.name, model.latest_version) for model in client.models()] == [("digits-clf", "2"), ("other's", "1")]


def test_versions_come_newest_first_and_know_their_runs(stocked):
    client, ids = stocked
    versions = client.versions("digits-clf")
    assert [(version.version, version.run_id) for version in versions] == [("2", ids["b"]), ("1", ids["a"])]
    assert [version.version for version in client.versions("other's")] == ["1"]


def test_an_alias_moves_and_shows_in_model_list_and_version(stocked):
    client, _ = stocked
    assert client.set_alias("digits-clf", "champion", "1").aliases == {"champion": "1"}
    assert client.set_alias("digits-clf", "champion", "2").aliases == {"champion": "2"}
    assert next(model for model in client.models() if model.name == "digits-clf").aliases == {"champion": "2"}
    assert {version.version: version.aliases for version in client.versions("digits-clf")} == {
        "1": (),
        "2": ("champion",),
    }


def test_versions_of_a_run_have_their_aliases_too(stocked):
    client, ids = stocked
    client.set_alias("other's", "x", "1")
    found = client.versions_of_run(ids["b"])
    assert [(version.name, version.version) for version in found] == [("digits-clf", "2"), ("other's", "1")]
    assert found[1].aliases == ("x",)
    assert client.versions_of_run(ids["d"]) == []


def test_what_runs_have_logged_of_a_metric_comes_in_the_order_of_its_steps(stocked):
    client, ids = stocked
    found = client.metric_histories([ids["b"], ids["a"], ids["d"], "f" * 32], "loss")
    first, second, third = found[ids["b"]]
    assert (first, math.isnan(second), third) == (3.0, True, 1.0)
    assert (found[ids["a"]], found[ids["d"]], found["f" * 32]) == ([], [], [])
    assert client.metric_histories([ids["a"]], "auc") == {ids["a"]: [0.9]}
    assert client.metric_histories([], "auc") == {}


def test_curves_have_steps_and_times_and_the_newest_point(stocked):
    client, ids = stocked
    (loss,) = client.metric_curves(ids["b"], ["loss"], 500)
    assert (loss.name, loss.n_points, loss.steps) == ("loss", 3, (0, 1, 2))
    assert (loss.values[0], math.isnan(loss.values[1]), loss.values[2]) == (3.0, True, 1.0)
    assert len(loss.times) == 3
    assert client.metric_curves(ids["b"], [], 500) == []


def test_what_a_run_has_left_is_listed(stocked):
    client, ids = stocked
    assert client.artifacts(ids["d"]) == []
    with pytest.raises(NotFound):
        client.artifacts("f" * 32)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (None, "dcba"),
        ("metrics.auc:desc", "abcd"),
        ("metrics.auc:asc", "bacd"),
        ("metrics.auc", "bacd"),
        ("metrics.val loss:desc", "adcb"),
        ("params.lr:desc", "badc"),
        ("tags.team:asc", "bdca"),
        ("start_time:asc", "abcd"),
        ("run_name:desc", "dcba"),
        ("metrics.nobody:desc", "dcba"),
    ],
)
def test_runs_come_in_the_order_asked_for(stocked, sort, expected):
    client, _ = stocked
    assert "".join(run.name for run in client.runs("digits", sort)) == expected
    assert "".join(run.name for run in client.runs("digits", sort, limit=3)) == expected[:3]


@pytest.mark.parametrize(("sort", "expected"), [(None, "dcba"), ("metrics.auc:desc", "abcd")])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_runs_come_page_by_page(stocked, sort, expected, limit):
    client, _ = stocked
    asked, pages = RunsAsked("digits", "FINISHED", 1000, sort, limit, None), []
    while True:
        page = client.runs_page(asked)
        pages.append("".join(run.name for run in page.runs))
        if page.token is None:
            break
        asked = asked._replace(token=page.token)
    assert pages == [expected[first : first + limit] for first in range(0, 4, limit)]
    assert client.runs_page(RunsAsked("digits", "RUNNING", None, None, 10, None)).runs == ()


def test_a_run_comes_back_as_it_was_logged(stocked):
    client, ids = stocked
    run = client.run(ids["a"])
    assert (run.name, run.status, run.start_time) == ("a", "FINISHED", 1000)
    assert run.metrics == {"auc": 0.9, "val loss": 2.0}
    assert run.params == {"lr": "0.1", "class": "big"}
    assert str(client.run(ids["c"]).metrics["auc"]) == "nan"


def test_datasets_have_their_context(stocked):
    client, ids = stocked
    (dataset,) = client.datasets(ids["a"])
    assert (dataset.name, dataset.context, dataset.source) == ("digits", "training", '{"uri": "/data/x.csv"}')
    assert client.datasets(ids["b"]) == []


def test_a_run_is_told_what_made_it(stocked):
    client, _ = stocked
    run_id = client.start_run("told", {"mlflow.runName": "a"})
    given = DatasetInput("/data", "f" * 32, "mount", "local", "/srv/x")
    client.tell_run(run_id, {"mlflow.source.git.commit": "c0ffee", "mlops_desk.seed": "0"}, [given])
    client.tell_run(run_id, {"mlops_desk.seed": "1"}, [])
    tags = client.run(run_id).tags
    assert (tags["mlflow.source.git.commit"], tags["mlops_desk.seed"]) == ("c0ffee", "1")
    (found,) = client.datasets(run_id)
    assert (found.name, found.digest, found.context) == ("/data", "f" * 32, "mount")
    assert "/srv/x" in found.source


def test_a_file_is_put_among_a_runs_and_over_one_of_its_name(stocked, tmp_path):
    client, _ = stocked
    run_id = client.start_run("files", {})
    for content in (b"first", b"second one"):
        (tmp_path / "a.profile").write_bytes(content)
        assert client.log_file(run_id, str(tmp_path / "a.profile"), "drift") == "drift/a.profile"
    assert [(one.path, one.is_folder) for one in client.artifacts(run_id)] == [("drift", True)]
    assert [(one.path, one.size_bytes) for one in client.artifacts(run_id, "drift")] == [("drift/a.profile", 10)]
    with pytest.raises(NotFound):
        client.log_file("f" * 32, str(tmp_path / "a.profile"), "drift")


def test_a_run_is_started_and_ended(stocked):
    client, _ = stocked
    run_id = client.start_run("new experiment", {"mlflow.runName": "train", "mlops_desk.job": "j1"})
    run = client.run(run_id)
    assert (run.name, run.status, run.tags["mlops_desk.job"]) == ("train", "RUNNING", "j1")
    assert client.end_run(run_id, "FAILED").status == "FAILED"
    ended_at = client.run(run_id).end_time
    assert ended_at is not None
    assert client.end_run(run_id, "FAILED").end_time == ended_at
    assert [found.run_id for found in client.runs("new experiment")] == [run_id]


def test_many_runs_are_deleted_at_once_and_one_that_can_not_be_costs_the_others_nothing(stocked):
    client, _ = stocked
    made = [client.start_run("to go", {}) for _ in range(7)]
    for run_id in made[1:]:
        client.end_run(run_id, "FINISHED")
    told = client.delete_runs([*made[:4], "f" * 32, *made[4:]])
    assert [one.run_id for one in told] == [*made[:4], "f" * 32, *made[4:]]
    assert [one.changed for one in told] == [False, True, True, True, False, True, True, True]
    assert "still running" in told[0].problem
    assert told[4].problem
    assert all(one.problem is None for one in told if one.changed)
    assert [client.run_stage(run_id).is_deleted for run_id in made] == [False] + [True] * 6
    for run_id in made[1:]:
        assert not client.restore_run(run_id).is_deleted


def test_files_of_a_run_that_is_started_in_a_store_without_a_server_lie_beside_the_store(tmp_path):
    path = empty_store(tmp_path / "mlflow.db")
    registries = Registries(TrackingServer(tmp_path / "own", tmp_path / "tracking.log", lambda: None, lambda _: None))
    try:
        client = registries.open(f"sqlite:///{path}")
        run_id = client.start_run("new experiment", {})
        assert client.start_run("new experiment", {}) != run_id
    finally:
        registries.stop()
    with contextlib.closing(sqlite3.connect(path)) as store:
        ((place,),) = store.execute("SELECT artifact_location FROM experiments WHERE name = 'new experiment'")
        files = store.execute("SELECT artifact_uri FROM runs").fetchall()
    assert place.startswith(f"{tmp_path}/mlruns/"), "not below wherever the agent was started"
    assert len(files) == 2
    assert all(uri.startswith(f"{place}/") for (uri,) in files)


def test_what_is_not_there_is_said_plainly(stocked):
    client, _ = stocked
    for ask in (
        lambda: client.runs("digit"),
        lambda: client.run("0" * 32),
        lambda: client.versions("digits-cl"),
        lambda: client.set_alias("digits-clf", "champion", "9"),
        lambda: client.set_alias("nobody", "champion", "1"),
    ):
        with pytest.raises(NotFound) as caught:
            ask()
        assert "\n" not in caught.value.message
    for limit in (0, -1):
        with pytest.raises(Invalid):
            client.runs("digits", limit=limit)
    with pytest.raises(Invalid):
        client.runs("digits", "auc:desc")
