"""Filters and orders of runs as MLflow's own client has them: the same runs, in the same order, or refused as there.

On an SQLite store of every oddity, on the 20,000 ordinary runs of store A, and on PostgreSQL.
"""

import os
from pathlib import Path

import pytest

from tests.end2end.compared_queries import compared
from tests.postgres_server import postgres_server
from tests.registry_reading import postgres_source, sqlite_source
from tests.registry_stores import runs_of_store_a, small_postgres, small_store

pytestmark = [pytest.mark.end2end]
COUNT = int(os.environ.get("MLOPS_DESK_QUERIES", "250"))  # some 30 s; 10,000 were tried
STORE_A = os.environ.get("MLOPS_DESK_STORE_A")  # the path of a whole one; without: its runs alone
TEXTS_OF_A = ["value1", "value2", "value%", "%1", "vision", "text", "TEXT", "run-1%", "run-777", "user3", "train.py", "0.5%",
              "FINISHED", "FAILED", "mlflow-artifacts:/1/%"]  # fmt: skip
NUMBERS_OF_A = ["0.25", "0.5", "0.9", "0.999", "1700600000000", "1701199940000"]


def test_random_queries_find_what_mlflow_finds(tmp_path: Path) -> None:
    path = small_store(tmp_path / "store.db", 1000, 5)
    told = compared(sqlite_source(path), f"sqlite:///{path}", COUNT)
    assert told.n_refused > COUNT / 50
    assert told.n_found > COUNT / 5


def test_random_queries_find_the_same_among_twenty_thousand_runs() -> None:
    path = Path(STORE_A) if STORE_A else runs_of_store_a()
    told = compared(sqlite_source(path), f"sqlite:///{path}", 50, TEXTS_OF_A, NUMBERS_OF_A)
    assert told.n_found > 10


def test_random_queries_of_a_postgresql_store_find_what_mlflow_finds() -> None:
    with postgres_server() as server:
        uri = server.uri(server.new_database(language="en-US"))  # as most servers have it: "a" before "B"
        small_postgres(uri, 1000, 5)
        told = compared(postgres_source(uri), uri.replace("postgresql://", "postgresql+psycopg://", 1), COUNT // 2)
    assert told.n_refused > COUNT / 100
    assert told.n_found > COUNT / 10
