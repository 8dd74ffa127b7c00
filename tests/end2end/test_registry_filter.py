"""Filters and orders of runs as MLflow's own client has them: the same runs, in the same order, or refused as there."""

import os
from pathlib import Path

import pytest

from mlops_desk.base.errors import Invalid
from mlops_desk.records.registry.tracker import TrackerKind
from mlops_desk.registry.mirror.mirror import Mirror
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.reading.opening import open_reader
from mlops_desk.registry.reading.source import RegistrySource
from tests.registry_oracle import Oracle
from tests.registry_queries import Queries
from tests.registry_stores import small_store

pytestmark = [pytest.mark.end2end, pytest.mark.timeout(600)]
COUNT = int(os.environ.get("MLOPS_DESK_QUERIES", "250"))  # some 30 s; 10,000 were tried
MOST = 200


def source_of(path: Path) -> RegistrySource:
    return RegistrySource(TrackerKind.SQLITE, f"sqlite:///{path}", str(path), path)


def loaded(path: Path) -> Mirror:
    mirror = Mirror(open_reader(source_of(path)))
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


def test_random_queries_find_what_mlflow_finds(tmp_path: Path) -> None:
    path = small_store(tmp_path / "store.db", 1000, 5)
    mirror, oracle = loaded(path), Oracle(f"sqlite:///{path}")
    seed = int(os.environ.get("MLOPS_DESK_SEED", "1"))
    queries = Queries(seed, *(names_of(mirror, kind) for kind in ("metrics", "params", "tags")))
    experiments = [one.experiment_id for one in mirror.experiments()]
    wrong, n_refused, n_found = [], 0, 0
    try:
        for _ in range(COUNT):
            text, order = queries.filter(), queries.order()
            clauses = [f"{key} {'DESC' if is_descending else 'ASC'}" for key, is_descending in order]
            truth = oracle.ask({"filter": text, "order_by": clauses, "experiments": experiments, "max": MOST})
            found = ours(mirror, text, order)
            is_refused = isinstance(truth, dict)
            n_refused, n_found = n_refused + is_refused, n_found + (not is_refused and bool(truth))
            if (isinstance(found, str) is not is_refused) or (not is_refused and found != truth):
                wrong.append((text, order, truth if is_refused else len(truth), found if is_refused or isinstance(found, str) else len(found)))  # fmt: skip
    finally:
        oracle.close()
    print(f"{COUNT} queries of seed {seed}: {n_found} found runs, {n_refused} were refused, {len(wrong)} differ")
    assert not wrong, "\n".join(map(str, wrong[:10]))
    assert n_refused > COUNT / 50
    assert n_found > COUNT / 5
