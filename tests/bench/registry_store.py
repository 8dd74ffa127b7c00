"""What reading a store of MLflow's costs: this reader beside MLflow's own client and plain SQL, in one run.

``python tests/bench/registry_store.py [a] [c] [pg] [--no-client]``: store A has 20,000 runs with histories and 5,000
versions, store C 100,000 runs (``tests/registry_stores.py`` makes them once for the machine), ``pg`` is store A in a
PostgreSQL of its own, which takes some minutes to be filled. Each is timed in a process
of its own, the best of three where it takes less than two seconds, with the processor time in brackets; the client is
not asked for what takes it minutes.
"""

import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.postgres_server import postgres_server
from tests.registry_reading import postgres_source, sqlite_source
from tests.registry_stores import large_postgres, store_a, store_c

SHORT_SECONDS = 2.0
TRIES = 3


def timed(ask: Callable[[], Any]) -> tuple[float, float]:
    """Return the best time, and processor time, of a few tries in seconds."""
    found = []
    for _ in range(TRIES):
        wall, work = time.perf_counter(), time.process_time()
        ask()
        found.append((time.perf_counter() - wall, time.process_time() - work))
        if found[0][0] > SHORT_SECONDS:
            break
    return min(found)


@contextmanager
def sqlite_file(make: Callable[[], Path]) -> Iterator[tuple[str, str]]:
    path = make()
    yield f"sqlite:///{path}", f"{path.stat().st_size / 1e9:.2f} GB"


@contextmanager
def postgres() -> Iterator[tuple[str, str]]:
    with postgres_server() as server:
        uri = server.uri(server.new_database())
        began = time.perf_counter()
        large_postgres(uri)
        yield uri, f"PostgreSQL, filled in {time.perf_counter() - began:.0f} s"


STORES = {"a": lambda: sqlite_file(store_a), "c": lambda: sqlite_file(store_c), "pg": postgres}


class Plain:
    """Plain SQL on either database."""

    def __init__(self, uri: str) -> None:
        self.is_sqlite = uri.startswith("sqlite:")
        if self.is_sqlite:
            self._connection: Any = sqlite3.connect(f"{Path(path_of(uri)).as_uri()}?mode=ro", uri=True)
        else:
            import psycopg

            self._connection = psycopg.connect(uri, autocommit=True)

    def all(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        return self._connection.execute(sql if self.is_sqlite else sql.replace("?", "%s"), values).fetchall()

    def newest(self) -> list[str]:
        order = "rowid" if self.is_sqlite else "start_time"
        return [row[0] for row in self.all(f"SELECT run_uuid FROM runs ORDER BY {order} DESC LIMIT 100")]

    def long(self) -> str | None:
        rows = self.all("SELECT run_uuid FROM latest_metrics WHERE key = 'long' LIMIT 1")
        return rows[0][0] if rows else None


def path_of(uri: str) -> str:
    return uri.removeprefix("sqlite:///")


def ours(uri: str) -> dict[str, Callable[[], Any]]:
    from mlops_desk.registry.store.reader import SqlReader

    reader = SqlReader(sqlite_source(Path(path_of(uri))) if uri.startswith("sqlite:") else postgres_source(uri))
    first = next(reader.batches()).run_ids
    mark = reader.mark()
    for _ in reader.batches():
        pass
    long = Plain(uri).long()
    asked: dict[str, Callable[[], Any]] = {
        "experiments": reader.experiments,
        "first 100 runs": lambda: next(reader.batches()),
        "all runs, all columns": lambda: [None for _ in reader.batches()],
        "one run": lambda: reader.run(first[0]),
        "overlay: 100 runs, 1 metric": lambda: reader.curves(first[:100], "auc", 1000),
        "largest value in 100 runs": lambda: reader.metric_values(first[:100], "auc", "max"),
        "value at a step in 100 runs": lambda: reader.metric_values(first[:100], "auc", "step", 7),
        "all models": reader.models,
        "all versions": reader.versions,
        "look where nothing happened": lambda: reader.changes(mark),
    }
    if long:
        asked["curve of 100,000 points to 2,500"] = lambda: reader.curves([long], "long", 2500)
    return asked


def client(uri: str) -> dict[str, Callable[[], Any]]:
    from mlflow import MlflowClient

    address = uri.replace("postgresql://", "postgresql+psycopg://", 1)
    mlflow = MlflowClient(address, address)
    first, long = Plain(uri).newest(), Plain(uri).long()
    ids = [one.experiment_id for one in mlflow.search_experiments(max_results=1000)]
    asked: dict[str, Callable[[], Any]] = {
        "experiments": lambda: mlflow.search_experiments(max_results=1000),
        "first 100 runs": lambda: mlflow.search_runs(ids, max_results=100),
        "one run": lambda: mlflow.get_run(first[0]),
        "all models": lambda: mlflow.search_registered_models(max_results=1000),
        "all versions": lambda: mlflow.search_model_versions(max_results=10_000),
    }
    if long:
        asked["all runs, all columns"] = lambda: mlflow.search_runs(ids, max_results=50_000)
        asked["overlay: 100 runs, 1 metric"] = lambda: [mlflow.get_metric_history(one, "auc") for one in first]
        asked["curve of 100,000 points to 2,500"] = lambda: mlflow.get_metric_history(long, "long")
    return asked


def plain(uri: str) -> dict[str, Callable[[], Any]]:
    database = Plain(uri)
    first, long = database.newest(), database.long()
    index = "INDEXED BY index_metrics_run_uuid_key_step" if database.is_sqlite else ""
    where = "WHERE run_uuid = ? AND key = ?"
    history = f"SELECT step, timestamp, value, is_nan FROM metrics {index} {where} ORDER BY step"
    largest = f"SELECT max(value) FROM metrics {index} {where}"
    nothing = "PRAGMA data_version" if database.is_sqlite else "SELECT txid_current_snapshot()"

    def rows(*statements: str) -> None:
        for statement in statements:
            database.all(statement)

    asked: dict[str, Callable[[], Any]] = {
        "experiments": lambda: rows("SELECT * FROM experiments"),
        "all runs, all columns": lambda: rows(
            *(f"SELECT * FROM {table}" for table in ("runs", "latest_metrics", "params", "tags"))
        ),
        "overlay: 100 runs, 1 metric": lambda: [database.all(history, (one, "auc")) for one in first],
        "largest value in 100 runs": lambda: [database.all(largest, (one, "auc")) for one in first],
        "all models": lambda: rows("SELECT * FROM registered_models", "SELECT * FROM registered_model_aliases"),
        "all versions": lambda: rows("SELECT * FROM model_versions", "SELECT * FROM model_version_tags"),
        "look where nothing happened": lambda: rows(nothing),
    }
    if long:
        asked["curve of 100,000 points to 2,500"] = lambda: database.all(history, (long, "long"))
    return asked


KINDS = {"reader": ours, "client": client, "plain SQL": plain}


def one(kind: str, uri: str) -> None:
    """Time one kind, in this process."""
    found: dict[str, Any] = {name: timed(ask) for name, ask in KINDS[kind](uri).items()}
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3])
        return
    kinds = [kind for kind in KINDS if kind != "client" or "--no-client" not in sys.argv]
    for store in [name for name in STORES if name in sys.argv] or list(STORES):
        with STORES[store]() as (uri, about):
            told = {kind: measured(kind, uri) for kind in kinds}
        print(f"\nstore {store.upper()}: {about}")
        print(f"{'':36}" + "".join(f"{kind:>24}" for kind in kinds))
        names = dict.fromkeys(name for kind in kinds for name in told[kind] if name != "memory")
        for name in names:
            print(f"{name:36}" + "".join(f"{shown(told[kind].get(name)):>24}" for kind in kinds))
        print(f"{'memory at most':36}" + "".join(f"{told[kind]['memory']:>21.0f} MB" for kind in kinds))


def measured(kind: str, uri: str) -> dict[str, Any]:
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    ran = subprocess.run([sys.executable, __file__, "--one", kind, uri], env=environment, capture_output=True,
                         text=True, timeout=1800, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def shown(told: tuple[float, float] | None) -> str:
    if told is None:
        return "–"
    wall, work = told
    return f"{1000 * wall:,.1f} ms ({1000 * work:,.1f})"


if __name__ == "__main__":
    main()
