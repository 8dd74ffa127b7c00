"""Filters and orders of runs as MLflow's own client has them: the same runs, in the same order, or refused as there.

On an SQLite store of every oddity, on the 20,000 ordinary runs of store A, and on PostgreSQL.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.mirror.mirror import Mirror
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.readers.reader_factory import open_reader
from mlops_desk.registry.readers.source import RegistrySource
from tests.postgres_server import postgres_server
from tests.registry_oracle import Oracle
from tests.registry_queries import Queries
from tests.registry_reading import postgres_source, sqlite_source
from tests.registry_stores import runs_of_store_a, small_postgres, small_store

pytestmark = [pytest.mark.end2end]
COUNT = int(os.environ.get("MLOPS_DESK_QUERIES", "250"))  # some 30 s; 10,000 were tried
SEED = int(os.environ.get("MLOPS_DESK_SEED", "1"))
STORE_A = os.environ.get("MLOPS_DESK_STORE_A")  # the path of a whole one; without: its runs alone
MOST = 200
TEXTS_OF_A = ["value1", "value2", "value%", "%1", "vision", "text", "TEXT", "run-1%", "run-777", "user3", "train.py", "0.5%",
              "FINISHED", "FAILED", "mlflow-artifacts:/1/%"]  # fmt: skip
NUMBERS_OF_A = ["0.25", "0.5", "0.9", "0.999", "1700600000000", "1701199940000"]


def loaded(source: RegistrySource) -> Mirror:
    mirror = Mirror(open_reader(source))
    while mirror.has_work:
        mirror.work()
    return mirror


def names_of(mirror: Mirror, kind: str) -> list[str]:
    heads = f"{kind}."
    return [one.name[len(heads) :] for one in mirror.columns([], "") if one.name.startswith(heads)]


def ours(mirror: Mirror, text: str, order: list[tuple[str, bool]]) -> list[str] | str:
    sort = tuple(f"{key}:{'desc' if is_descending else 'asc'}" for key, is_descending in order)
    try:
        found = mirror.runs(WindowAsked((), text, sort, (), 0, MOST), strict=True)
    except Invalid as error:
        return str(error) if error.place is not None else [str(error)]
    return [run.run_id for run in found.runs]


@dataclass
class Compared:
    """How many queries found runs, how many were refused, and those of which we said something else."""

    n_found: int
    n_refused: int
    wrong: list[Any]


def compared(source: RegistrySource, uri: str, count: int, *known: list[str]) -> Compared:
    """Ask random queries of a mirror of ``source``, and of MLflow's client of the same store at ``uri``."""
    mirror, oracle = loaded(source), Oracle(uri)
    queries = Queries(SEED, *(names_of(mirror, kind) for kind in ("metrics", "params", "tags")), *known)
    experiments = [one.experiment_id for one in mirror.experiments()]
    told = Compared(0, 0, [])
    try:
        for _ in range(count):
            text, order = queries.filter(), queries.order()
            clauses = [f"{key} {'DESC' if is_descending else 'ASC'}" for key, is_descending in order]
            truth = oracle.ask({"filter": text, "order_by": clauses, "experiments": experiments, "max": MOST})
            found = ours(mirror, text, order)
            is_refused = isinstance(truth, dict)
            told.n_refused += is_refused
            told.n_found += not is_refused and bool(truth)
            if (isinstance(found, str) is not is_refused) or (not is_refused and found != truth):
                told.wrong.append((text, order, truth if is_refused else len(truth), found if is_refused or isinstance(found, str) else len(found)))  # fmt: skip
    finally:
        oracle.close()
        mirror.close()
    print(f"{count} queries of seed {SEED}: {told}")
    assert not told.wrong, "\n".join(map(str, told.wrong[:10]))
    return told


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
