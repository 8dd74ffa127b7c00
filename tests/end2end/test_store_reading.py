"""The store's reader beside MLflow's own client, on a store of every oddity, and what it does to those who log."""

import json
import math
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.registry.readers.batch import NO_TIME
from mlops_desk.registry.store import store_handle
from mlops_desk.registry.store.reader import SqlReader
from mlops_desk.registry.store.sqlite.connection import SqliteConnection
from tests.end2end.store_oracle import tell
from tests.memory_folder import memory_folder
from tests.registry_reading import sqlite_source
from tests.registry_stores import small_store

pytestmark = [pytest.mark.end2end]

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


def test_eight_trainings_log_beside_a_reader_that_reads_everything_again_and_again(in_memory):
    """None is refused. How long the longest write takes is not asserted: of eight writers one waits up to 8 s
    without any reader too, for SQLite lets who waits sleep and gives the turn to whoever comes."""
    path = small_store(in_memory / "mlflow.db", 1000)
    command = [sys.executable, str(Path(__file__).with_name("store_logger.py")), f"sqlite:///{path}", "12"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    loggers = [subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                stderr=subprocess.DEVNULL) for _ in range(8)]  # fmt: skip
    assert [logger.stdout.readline() for logger in loggers] == ["ready\n"] * 8
    for logger in loggers:
        logger.stdin.write("go\n")
        logger.stdin.flush()
    reader = SqlReader(sqlite_source(path))
    running = 0
    while any(logger.poll() is None for logger in loggers):
        mark = reader.mark()
        ids = [run_id for batch in reader.batches() for run_id in batch.run_ids]
        reader.curves(ids[:50], "auc", 500)
        for _ in range(5):
            changes = reader.changes(mark)
            mark = changes.mark
            running += len({run_id for batch in changes.batches for run_id in batch.run_ids})
    told = [json.loads(logger.communicate(timeout=240)[0].splitlines()[-1]) for logger in loggers]
    assert [one["errors"] for one in told] == [[]] * 8
    assert all(one["writes"] > 1 for one in told)
    assert running > 8, "the reader saw them log"
    for one in told:
        run, curve = reader.run(one["run_id"]), reader.curves([one["run_id"]], "a", 10_000)[0]
        assert (run.status, curve.n_points) == ("FINISHED", one["writes"])
    reader.close()
    print(f"writes {sum(one['writes'] for one in told)}, the longest {max(one['longest'] for one in told):.3f} s")


@pytest.fixture
def in_memory():
    """A folder off the disk: eight writers that each wait for a busy one are refused without any reader too."""
    with tempfile.TemporaryDirectory(prefix="mlops-desk-test-store-", dir=memory_folder()) as folder:
        yield Path(folder)


class Watched(SqliteConnection):
    """Measures each read by the processor time of this thread, which no other program lengthens, and counts them."""

    longest = 0.0
    n_reads = 0

    def part(self, sql, parameters, *, limited):
        begin = time.thread_time()
        try:
            return super().part(sql, parameters, limited=limited)
        finally:
            Watched.longest = max(Watched.longest, time.thread_time() - begin)
            Watched.n_reads += 1


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(store_handle, "SqliteConnection", Watched)
    monkeypatch.setattr(Watched, "longest", 0.0)
    monkeypatch.setattr(Watched, "n_reads", 0)
    return Watched


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_who_commits_waits_for_the_read_that_is_under_way_and_for_no_other(tmp_path, watched, journal):
    path = small_store(tmp_path / "mlflow.db", 2000)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    ending, began = threading.Event(), threading.Event()

    def read_without_pause():
        reader = SqlReader(sqlite_source(path))
        while not ending.is_set():
            reader.mark()
            for _ in reader.batches():
                began.set()
        reader.close()

    thread = threading.Thread(target=read_without_pause)
    thread.start()
    assert began.wait(60)
    waited, before_commits = [], watched.n_reads
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # else it waits for a busy disk as well, where nobody locks
        for number in range(60):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE runs SET end_time = ?", (number,))
            before = watched.n_reads
            connection.execute("COMMIT")
            waited.append(watched.n_reads - before)
    ending.set()
    thread.join(60)
    assert sorted(waited)[30] <= 2, waited
    assert watched.n_reads > before_commits, "it read beside those commits"


def test_no_read_keeps_a_writer_out_for_fifty_milliseconds(tmp_path, watched):
    path = small_store(tmp_path / "mlflow.db", 20)
    with closing(sqlite3.connect(path)) as connection, connection:
        run_id = connection.execute("SELECT run_uuid FROM runs").fetchone()[0]
        add = "INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES ('long', ?, ?, ?, 0, ?)"
        connection.executemany(add, ((at * 0.5, at, at % 7, run_id) for at in range(200_000)))
        wide = "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, 1.5, 1, 1, 0, ?)"
        runs = [row[0] for row in connection.execute("SELECT run_uuid FROM runs")]
        connection.executemany(wide, ((f"column{number}", one) for one in runs for number in range(12_000)))

    def longest_read() -> float:
        watched.longest = 0.0
        reader = SqlReader(sqlite_source(path))
        mark = reader.mark()
        assert sum(len(batch.run_ids) for batch in reader.batches()) == 20
        assert reader.curves([run_id], "long", 1000)[0].n_points == 200_000
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE runs SET name = 'other'")
        reader.changes(mark)
        reader.models()
        reader.versions()
        reader.datasets(runs)
        reader.close()
        return watched.longest

    # A machine whose cores are all taken lengthens one or the other, and none shortens what is too long by itself.
    assert min(longest_read() for _ in range(5)) < 0.05
