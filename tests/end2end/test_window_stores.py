"""Stores are mended and cleared by the window's own buttons, on a real agent: what is said is what was done."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.registry.server.files import ServerFiles
from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate
from tests.registry_stores import small_store

pytestmark = [pytest.mark.end2end]

_DRIVER = Path(__file__).with_name("window_store.py")
SWEEP = [
    {"name": f"r{n}", "start_time": 1000 + n, "metrics": {"auc": 0.5 + n / 20}, "artifacts": {"model/MLmodel": "x" * 900}}
    for n in range(7)
]  # fmt: skip
KEPT = [{"name": "kept", "run": "r0"}]


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "desk")
    yield made
    made.stop()


def pressed(desk: Desk, registry: str, **work: Any) -> dict[str, Any]:
    """Open a window on the desk, and return what it said while somebody pressed its buttons."""
    environment = {**desk.whole_environment(), "QT_QPA_PLATFORM": "offscreen"}
    environment["XDG_CONFIG_HOME"] = str(desk.folder.parent / "config")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, str(_DRIVER), str(desk.folder), registry, json.dumps(work)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def stages(store: Path, ids: dict[str, str]) -> dict[str, str]:
    """Return of each run by its name whether it is deleted, as the store has it."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        found = dict(connection.execute("SELECT run_uuid, lifecycle_stage FROM runs").fetchall())
    return {name: found[run_id] for name, run_id in ids.items() if run_id in found}


def verbs(desk: Desk) -> list[str]:
    return [entry["verb"] for entry in reversed(desk.json("audit"))]


def test_a_strangers_store_is_mended_and_a_sweep_goes_and_comes_back(desk: Desk, tmp_path: Path) -> None:
    store = small_store(tmp_path / "mlflow.db", n_runs=300)
    uri = f"sqlite:///{store}"
    files = str(tmp_path / "files")
    ids = populate(uri, experiment="sweep", runs=SWEEP, versions=KEPT, artifact_location=files)["runs"]
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("DROP INDEX index_metrics_run_uuid_key_step")
        for table in ("model_versions", "registered_models"):  # MLflow's client asks for none of such a name
            connection.execute(f"DELETE FROM {table} WHERE name LIKE '%/%' OR name LIKE '%:%'")
        connection.commit()
    desk.run("registry", "add", "team", uri)
    told = pressed(desk, "team", fixes=["analyze", "wal", "index"], sweep="sweep", runs=[ids["r5"], ids["r6"]])
    assert told["runs"]["said"] == "2 runs were deleted."
    for word, fixed in told["fixes"].items():
        assert "copied first" in fixed["asked"], word
        assert fixed["state"] == "ok", word
        copy = fixed["said"].split("The copy from before is ")[1].rstrip(".")
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT count(*) FROM runs").fetchone()[0] > 300, word
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0] > 0
        query = "SELECT count(*) FROM sqlite_master WHERE name = 'mlops_desk_metrics_run_key_step'"
        assert connection.execute(query).fetchone() == (1,)
    for time_of_it in ("first", "again"):
        assert told["sweep"][time_of_it]["going"] == ["r1", "r2", "r3"], "the runs that were deleted are there again"
        assert told["sweep"][time_of_it]["staying"] == ["r0"], "a version was made of it"
    assert told["sweep"]["undone"] == "3 runs are there again."
    now = stages(store, ids)
    assert {name for name, stage in now.items() if stage == "deleted"} == {"r1", "r2", "r3"}
    expected = [
        "runs.delete",
        "runs.restore",
        *["registry.fix"] * 3,
        "registry.clean",
        "runs.restore",
        "registry.clean",
    ]
    assert [verb for verb in verbs(desk) if verb in set(expected)] == expected


def test_of_the_desks_own_store_what_went_is_purged_with_its_files_and_is_gone(desk: Desk) -> None:
    uri = desk.json("models", "start")["uri"]
    token = ServerFiles(DataFolder(desk.folder).registry).token()
    ids = populate(uri, token, experiment="sweep", runs=SWEEP, versions=KEPT)["runs"]
    store = ServerFiles(DataFolder(desk.folder).registry).store
    lay = {name: next(store.parent.glob(f"artifacts/**/{run}")) for name, run in ids.items()}
    told = pressed(desk, "own", sweep="sweep", purge=True)
    assert told["sweep"]["undone"] == "3 runs are there again."
    assert "3 deleted runs were removed for good" in told["purge"]["said"]
    assert "can't be undone" in told["purge"]["asked"]
    copy = Path(told["purge"]["said"].split("The copy from before is ")[1].rstrip("."))
    assert set(stages(copy, ids)) == set(ids), "the copy still has them"
    assert set(stages(store, ids)) == {"r0", "r4", "r5", "r6"}
    assert {name for name, folder in lay.items() if (folder / "artifacts" / "model" / "MLmodel").exists()} == {
        "r0", "r4", "r5", "r6"
    }  # fmt: skip
    changes = [verb for verb in verbs(desk) if verb.startswith(("registry.", "runs."))]
    assert changes == ["registry.clean", "runs.restore", "registry.clean", "registry.fix"]
