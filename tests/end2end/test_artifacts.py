"""Files of real registries: a store on this disk, another's tracking server, and the desk's own.

What MLflow itself hands out is the oracle. Runs that leave links, pipes and odd names are looked at as all others are.
"""

import os
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import DeskError, NotFound, Refused
from mlops_desk.registry.artifacts.artifact_worker import FileShelf
from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.server.keeper import TrackingServer
from tests.end2end.registry_populate import populate

pytestmark = [pytest.mark.end2end]

ODD = {
    "notes.md": "# hi",
    "conf/a b.json": '{"a": 1}',
    "naïve ü.txt": "ü",
    "50% off.txt": "percent",
    "a+b&c.csv": "a,b\n1,2\n",
}
RUNS = [{"name": "a", "start_time": 1000, "artifacts": ODD}, {"name": "bare", "start_time": 2000}]


@pytest.fixture(scope="module")
def registries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    server = TrackingServer(folder / "mlflow", folder / "tracking.log", lambda: None, lambda _: None)
    made = Registries(server)
    yield made
    made.stop()
    server.stop()


@pytest.fixture(scope="module")
def shelf(registries):
    return FileShelf(Default(str), lambda: registries)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Somebody else's tracking server, which hands out the files of its own store."""
    folder = tmp_path_factory.mktemp("other")
    server = TrackingServer(folder / "mlflow", folder / "tracking.log", lambda: None, lambda _: None)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["store", "server", "own"])
def stocked(request, registries, other, tmp_path_factory):
    """A registry's URI and the ids of its runs by name."""
    if request.param == "store":
        uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"
        place = str(tmp_path_factory.mktemp("files"))
        yield uri, populate(uri, experiment="x", runs=RUNS, artifact_location=place)["runs"]
        return
    if request.param == "own":
        registries.server.start()
        yield (
            None,
            populate(registries.server.state().uri, registries.server.ledger.token(), experiment="x", runs=RUNS)[
                "runs"
            ],
        )
        return
    uri, token = other.state().uri, other.ledger.token()
    ids = populate(uri, token, experiment="x", runs=RUNS)["runs"]
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_URI")}
    os.environ |= {"MLFLOW_TRACKING_TOKEN": token, "MLFLOW_TRACKING_URI": uri}
    yield uri, ids
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


def test_the_files_of_a_run_are_those_that_it_left(shelf, stocked):
    uri, ids = stocked
    listed = shelf.listed_of_run(ids["a"], "", uri)
    assert {one.path for one in listed} == {name.partition("/")[0] for name in ODD}
    assert [one.path for one in listed if one.is_folder] == ["conf"]
    assert [one.path for one in shelf.listed_of_run(ids["a"], "conf", uri)] == ["conf/a b.json"]
    assert {one.path: one.size_bytes for one in listed}["notes.md"] == 4


@pytest.mark.parametrize("name", sorted(ODD))
def test_a_file_is_seen_as_it_was_written_whatever_its_name(shelf, stocked, name):
    uri, ids = stocked
    seen = shelf.view_of_run(ids["a"], name, uri)
    assert (seen.path, seen.size_bytes) == (name, len(ODD[name].encode()))
    assert seen.text is not None or seen.table is not None
    if name.endswith(".txt"):
        assert seen.text == ODD[name]


def test_a_run_that_left_nothing_has_no_files_and_one_that_is_not_there_is_not_found(shelf, stocked):
    uri, ids = stocked
    assert shelf.listed_of_run(ids["bare"], "", uri) == []
    with pytest.raises(NotFound):
        shelf.listed_of_run("f" * 32, "", uri)
    with pytest.raises(NotFound):
        shelf.view_of_run(ids["a"], "nothing.txt", uri)
    with pytest.raises(NotFound):
        shelf.view_of_run(ids["a"], "conf", uri)


def test_a_file_is_fetched_whole(shelf, stocked, tmp_path):
    uri, ids = stocked
    done = shelf.download_of_run(ids["a"], "conf/a b.json", str(tmp_path / "to"), uri)
    assert (done.n_files, Path(done.path).read_text()) == (1, ODD["conf/a b.json"])
    with pytest.raises(Refused, match="there already"):
        shelf.download_of_run(ids["a"], "conf/a b.json", str(tmp_path / "to"), uri)


def test_what_a_run_on_this_disk_left_of_links_and_pipes_leads_nowhere(shelf, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    ids = populate(uri, experiment="x", runs=RUNS[:1], artifact_location=str(tmp_path / "files"))["runs"]
    (folder,) = [path.parent for path in (tmp_path / "files").rglob("notes.md")]
    (folder / "key").symlink_to("/etc/passwd")
    (folder / "up").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    assert not {"key", "up", "pipe"} & {one.path for one in shelf.listed_of_run(ids["a"], "", uri)}
    for path in ("key", "up/passwd", "pipe", "../../mlflow.db"):
        with pytest.raises(DeskError):
            shelf.view_of_run(ids["a"], path, uri)


def test_the_desks_own_files_are_seen_while_its_server_is_stopped(tmp_path):
    server = TrackingServer(tmp_path / "mlflow", tmp_path / "tracking.log", lambda: None, lambda _: None)
    registries = Registries(server)
    try:
        server.start()
        ids = populate(server.state().uri, server.ledger.token(), experiment="x", runs=RUNS)["runs"]
        server.stop()
        files = FileShelf(Default(str), lambda: registries)
        assert files.view_of_run(ids["a"], "notes.md", None).text == "# hi"
        assert "conf" in {one.path for one in files.listed_of_run(ids["a"], "", None)}
        assert server.look().state == "stopped"
    finally:
        registries.stop()
        server.stop()
