"""Stores of MLflow's for tests and benchmarks: tables that MLflow itself made, filled by bulk insert.

``small_store`` is unfriendly (every oddity that MLflow lets through), ``store_a`` and ``store_c`` are large and
ordinary. Their rows come from ``tests/registry_rows.py``; the same go into SQLite and PostgreSQL (``fill``).
The large ones are kept in a temporary folder of the machine and made once: ask for them without a path.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.registry_rows import Rows, large_rows, small_rows

Insert = Callable[[str, Sequence[str], Iterable[Sequence[Any]]], None]

MAKE = """
import sys
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Models
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
SqlAlchemyStore(sys.argv[1], sys.argv[2]).engine.dispose()
"""
UPGRADE = """
import sys
from alembic import command
from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
from mlflow.store.tracking.dbmodels.initial_models import Base
engine = create_sqlalchemy_engine(sys.argv[1])
Base.metadata.create_all(engine)
config = _get_alembic_config(sys.argv[1])
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, sys.argv[2])
engine.dispose()
"""


def kept_folder() -> Path:
    """Where what takes long to make is kept for the machine's next run; it may be removed at any time."""
    folder = Path(tempfile.gettempdir(), f"mlops-desk-test-stores-{os.getuid()}-{version('mlflow-skinny')}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def make_tables(uri: str, artifact_root: str = "mlflow-artifacts:/", revision: str | None = None) -> None:
    """Let MLflow make its tables at ``uri``, in a process of its own: those of now, or of an older Alembic revision."""
    program, word = (MAKE, artifact_root) if revision is None else (UPGRADE, revision)
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    ran = subprocess.run([sys.executable, "-c", program, uri, word], env=environment, capture_output=True, text=True,
                         timeout=300, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]


def empty_store(path: Path, revision: str | None = None) -> Path:
    """Make a store without runs at ``path``; MLflow makes each schema once for the machine."""
    kept = kept_folder() / f"empty-{revision or 'now'}.db"
    if not kept.exists():
        unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
        make_tables(f"sqlite:///{unfinished}", revision=revision)
        unfinished.replace(kept)
    shutil.copyfile(kept, path)
    return path


def small_store(path: Path, n_runs: int = 1000, seed: int = 0) -> Path:
    """Make a store with everything unfriendly that MLflow lets through; the same for the same seed."""
    empty_store(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        fill(sqlite_insert(connection), small_rows(n_runs, seed))
    return path


def store_a(path: Path | None = None) -> Path:
    """Make (or find) 20,000 runs with histories, 5,000 logged models and versions: 5 M points, about 1.5 GB."""
    return _large(path, "a", large_rows(20_000, 15_000, with_history=True))


def runs_of_store_a(path: Path | None = None) -> Path:
    """Make (or find) the runs of store A as lists and filters read them, in some 8 s: without histories and models.

    With statistics, without which MLflow's client takes 12 s to sort them by a metric, and some ms with.
    """
    path = _large(path, "a-runs", large_rows(20_000, 15_000, with_history=False))
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone():
            connection.execute("ANALYZE")
    return path


def store_c(path: Path | None = None) -> Path:
    """Make (or find) 100,000 runs, 95,000 in one experiment, with the latest values of their metrics alone."""
    return _large(path, "c", large_rows(100_000, 95_000, with_history=False))


def _large(path: Path | None, name: str, rows: Rows) -> Path:
    path = path or kept_folder() / f"store-{name}.db"
    if path.exists():
        return path
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    empty_store(unfinished)
    with closing(sqlite3.connect(unfinished)) as connection:
        for pragma in ("synchronous = off", "journal_mode = off", "cache_size = -500000"):
            connection.execute(f"PRAGMA {pragma}")
        with connection:
            fill(sqlite_insert(connection), rows)
        connection.execute("PRAGMA journal_mode = delete")
    unfinished.replace(path)
    return path


def small_postgres(uri: str, n_runs: int = 1000, seed: int = 0) -> None:
    """Make the store of ``small_store`` in an empty database of a PostgreSQL (see tests/postgres_server.py)."""
    import psycopg

    make_tables(uri.replace("postgresql://", "postgresql+psycopg://", 1))
    with psycopg.connect(uri) as connection:
        fill(postgres_insert(connection), small_rows(n_runs, seed))
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("ANALYZE")


def large_postgres(uri: str) -> None:
    """Make store A in an empty database of a PostgreSQL: some minutes."""
    import psycopg

    make_tables(uri.replace("postgresql://", "postgresql+psycopg://", 1))
    with psycopg.connect(uri) as connection:
        fill(postgres_insert(connection), large_rows(20_000, 15_000, with_history=True))
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("ANALYZE")


def fill(insert: Insert, rows: Rows) -> None:
    """Hand everything on, table by table as it comes."""
    for table, columns, values in rows:
        insert(table, columns, values)


def sqlite_insert(connection: sqlite3.Connection) -> Insert:
    def insert(table: str, columns: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
        names = ", ".join(f'"{column}"' for column in columns)
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)

    return insert


def postgres_insert(connection: Any) -> Insert:
    def insert(table: str, columns: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
        names = ", ".join(f'"{column}"' for column in columns)
        with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)

    return insert
