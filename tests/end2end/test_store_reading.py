"""The store's reader beside MLflow's own client, on a store of every oddity, and what it does to those who log."""

import math

import pytest

from mlops_desk.registry.reading.batch import NO_TIME
from mlops_desk.registry.store.reader import SqlReader
from tests.end2end.store_oracle import tell
from tests.registry_reading import sqlite_source
from tests.registry_stores import small_store

pytestmark = [pytest.mark.end2end, pytest.mark.timeout(240)]

LARGEST = 1.7976931348623157e308


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("store") / "mlflow.db", 600, seed=4)


@pytest.fixture(scope="module")
def reader(store):
    reader = SqlReader(sqlite_source(store))
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def told(store, reader):
    first = next(reader.batches())
    chosen = [
        (run_id, metric) for metric in ("loss", "val/loss with space", "nothing") for run_id in first.run_ids[:40]
    ]
    return tell(f"sqlite:///{store}", chosen) | {"chosen": chosen}


def test_all_runs_are_those_that_mlflow_has(reader, told):
    found = {}
    for batch in reader.batches():
        for place, run_id in enumerate(batch.run_ids):
            found[run_id] = as_mlflow(batch, place)
    expected = {run["run_id"]: {key: value for key, value in run.items() if key != "datasets"} for run in told["runs"]}
    assert found.keys() == expected.keys()
    for run_id, run in expected.items():
        assert same(found[run_id], run), run_id


def as_mlflow(batch, place):
    """Return a run of a batch as the oracle tells it; its name may be the tag's."""
    cells = {kind: {name: cell.values[at] for name, cell in getattr(batch, kind).items()
                    for at in (cell.rows == place).nonzero()[0].tolist()} for kind in ("metrics", "params", "tags")}  # fmt: skip
    start, end = batch.start_times[place], batch.end_times[place]
    return {
        "run_id": batch.run_ids[place], "name": batch.names[place] or cells["tags"].get("mlflow.runName") or None,
        "status": batch.statuses[place], "start_time": None if start == NO_TIME else int(start),
        "end_time": None if end == NO_TIME else int(end), "experiment_id": batch.experiment_ids[place],
        "is_deleted": bool(batch.is_deleted[place]), "user": batch.users[place],
        "artifact_uri": batch.artifact_uris[place], **cells,
    }  # fmt: skip


def same(mine, theirs):
    metrics = mine.pop("metrics"), theirs.pop("metrics")
    theirs["name"] = theirs["name"] or None
    numbers = metrics[0].keys() == metrics[1].keys() and all(
        equal(metrics[0][name], metrics[1][name]) for name in metrics[0]
    )
    return numbers and mine == theirs


def equal(mine, theirs):
    """MLflow writes the largest number for an infinity, and tells it as that."""
    stood_for = math.copysign(LARGEST, mine) if math.isinf(mine) else mine
    return stood_for == theirs or (math.isnan(mine) and math.isnan(theirs))


def test_one_run_is_told_like_all(reader, told):
    for run in told["runs"][::50]:
        found = reader.run(run["run_id"])
        assert (found.name, found.params, found.tags) == (run["name"] or None, run["params"], run["tags"])
        assert found.metrics.keys() == run["metrics"].keys()


def test_datasets_experiments_models_and_versions_are_mlflows(reader, told):
    ids = [run["run_id"] for run in told["runs"]]
    found = reader.datasets(ids)
    for run in told["runs"]:
        mine = sorted(
            [one.name, one.digest, one.source_type, one.source, one.schema, one.context] for one in found[run["run_id"]]
        )
        assert mine == run["datasets"]
    active = sorted([one[0], one[1], one[3]] for one in told["experiments"] if one[2] == "active")
    assert sorted([one.experiment_id, one.name, one.tags] for one in reader.experiments()) == active
    models = [
        [m.name, m.aliases, m.tags, m.description, m.updated_at and round(m.updated_at * 1000)] for m in reader.models()
    ]
    assert models == told["models"]
    versions = [[row.version.name, row.version.version, row.version.run_id, row.version.source, row.version.status,
                 row.version.tags, row.version.description,
                 row.version.created_at and round(row.version.created_at * 1000), row.author]
                for row in reader.versions()]  # fmt: skip
    assert sorted(versions, key=str) == sorted(told["versions"], key=str)
    numbers = [int(row.version.version) for row in reader.versions() if row.version.name == "größe"]
    assert numbers == sorted(numbers, reverse=True)


def test_curves_are_mlflows_histories(reader, told):
    for (run_id, metric), history in zip(told["chosen"], told["histories"], strict=True):
        curve = reader.curves([run_id], metric, 1000)[0]
        expected = sorted(history, key=lambda point: (point[0], point[1]))
        assert (curve.n_points, list(zip(curve.steps, curve.timestamps, strict=True))) == (
            len(expected), [(step, time) for step, time, _ in expected])  # fmt: skip
        assert sorted(map(str, map(stored, curve.values))) == sorted(str(value) for _, _, value in expected)


def stored(value):
    return math.copysign(LARGEST, value) if math.isinf(value) else value
