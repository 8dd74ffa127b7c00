"""A version goes from a store of MLflow's to the desk's own registry, on to a server, and back, and stays what it was."""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.registry.server.files import ServerFiles
from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate

pytestmark = [pytest.mark.end2end]

RUNS = [{
    "name": "brave", "start_time": 1000, "metrics": {"auc": 0.9, "loss": float("nan")}, "params": {"lr": "0.1"},
    "tags": {"team": "a"}, "datasets": ["iris"],
    "artifacts": {"model/MLmodel": "flavors: {}\n", "model/weights.bin": "x" * 200_000},
}]  # fmt: skip


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """Another desk, whose server is reached as any server is: by its address and a token."""
    made = Desk(tmp_path_factory.mktemp("far"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def desk(tmp_path_factory, far: Desk):
    far.uri = far.json("models", "start")["uri"]
    token = ServerFiles(DataFolder(far.folder).registry).token()
    made = Desk(tmp_path_factory.mktemp("desk"), {"MLFLOW_TRACKING_TOKEN": token})
    yield made
    made.stop()


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    populate(uri, experiment="trial", runs=RUNS, versions=[{"name": "iris", "run": "brave", "tags": {"owner": "bo"}}],
             artifact_location=str(folder / "files"))  # fmt: skip
    return uri


def hashes(verified: dict[str, object]) -> dict[str, str]:
    return {one["path"]: one["found_sha256"] for one in verified["files"]}


WANTED = {
    "MLmodel": hashlib.sha256(b"flavors: {}\n").hexdigest(),
    "weights.bin": hashlib.sha256(b"x" * 200_000).hexdigest(),
}


def test_a_version_goes_round_all_kinds_of_registries_and_stays_the_same(
    desk: Desk, far: Desk, store: str, tmp_path: Path
) -> None:
    first, second, third = (str(tmp_path / f"{name}.mldversion") for name in "abc")
    out = desk.json("registry", "export", "iris", "1", first, "--uri", store)
    assert (out["n_files"], out["losses"]) == (2, [])
    own = desk.json("registry", "import", first)
    assert own["reference"] == "iris/1"
    assert {loss["what"] for loss in own["losses"]} >= {"the history of metrics"}
    desk.json("registry", "export", "iris", "1", second)
    there = desk.json("registry", "import", second, "--name", "iris-far", "--uri", far.uri)
    assert there["reference"] == "iris-far/1"
    desk.json("registry", "export", "iris-far", "1", third, "--uri", far.uri)
    back = desk.json("registry", "import", third, "--name", "iris", "--uri", store)
    assert back["reference"] == "iris/2"
    for words in (
        ["iris", "1"],
        ["iris-far", "1", "--uri", far.uri],
        ["iris", "2", "--uri", store],
        ["iris", "1", "--uri", store],
    ):
        assert hashes(desk.json("registry", "verify", *words)) == WANTED, words
    model = desk.json("models", "show", "iris")
    assert model["aliases"] == {}
    newest = desk.json("models", "versions", "iris", "--uri", store)[0]
    run_id = newest["run_id"]
    with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as connection:
        query = "SELECT source FROM model_versions WHERE name = 'iris' AND version = 2"
        (place,) = connection.execute(query).fetchone()
    where = Path(store.removeprefix("sqlite:///")).parent / "mlruns"
    assert Path(place).is_relative_to(where), "where the store's own files lie, and not where the agent was started"
    run = desk.json("runs", "show", run_id, "--uri", store)
    assert run["metrics"] == {"auc": 0.9, "loss": "NaN"}
    assert run["params"] == {"lr": "0.1"}
    assert run["tags"]["team"] == "a"
    assert run["tags"]["mlops_desk.import.version"] == "iris-far/1"
    assert [one["name"] for one in desk.json("runs", "datasets", run_id, "--uri", store)] == ["iris"]


def test_a_changed_a_missing_and_an_added_file_are_named(desk: Desk, store: str) -> None:
    words = ["registry", "verify", "iris", "1", "--uri", store]
    desk.json(*words)
    with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as connection:
        source = connection.execute("SELECT source FROM model_versions WHERE name = 'iris' AND version = 1").fetchone()[
            0
        ]
    folder = Path(source)
    weights = folder / "weights.bin"
    before = weights.stat()
    weights.write_bytes(b"y" + b"x" * 199_999)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / "MLmodel").unlink()
    (folder / "more.py").write_text("import os\n")
    told = desk.json(*words)
    assert told["recorded_at"] is not None
    assert {one["path"]: one["state"] for one in told["files"]} == {
        "weights.bin": "changed", "MLmodel": "missing", "more.py": "added",
    }  # fmt: skip
    assert "CHANGED" in desk.run(*words).stdout


def test_versions_of_our_own_are_recorded_before_anybody_asks(desk: Desk) -> None:
    uri = desk.json("models", "start")["uri"]
    token = ServerFiles(DataFolder(desk.folder).registry).token()
    populate(uri, token, experiment="trial", runs=RUNS, versions=[{"name": "watched", "run": "brave"}])
    database = next(desk.folder.glob("state*.db"))

    def recorded() -> int:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return int(
                connection.execute("SELECT count(*) FROM version_hashes WHERE key LIKE '%watched%'").fetchone()[0]
            )

    desk.wait(recorded, lambda n: n == 1, 240)
    told = desk.json("registry", "verify", "watched", "1")
    assert told["recorded_at"] is not None
    assert {one["state"] for one in told["files"]} == {"same"}


def test_what_is_no_exported_version_is_refused_and_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "a.mldversion").write_bytes(b"PK\x05\x06" + b"\0" * 18)
    refused = desk.run("registry", "import", str(tmp_path / "a.mldversion"), "--name", "hostile", check=False)
    assert refused.returncode != 0
    assert "not an exported version" in refused.stderr
    assert "hostile" not in desk.run("models", "list").stdout
    missing = desk.run("registry", "export", "nothing", "1", str(tmp_path / "b"), check=False)
    assert missing.returncode != 0
    assert not (tmp_path / "b").exists()
