"""Random filters and orders, asked of a mirror in memory and of MLflow's own client of the same store."""

import os
from dataclasses import dataclass
from typing import Any

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.mirror.mirror import Mirror
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.readers.reader_factory import open_reader
from mlops_desk.registry.readers.source import RegistrySource
from tests.registry_oracle import Oracle
from tests.registry_queries import Queries

SEED = int(os.environ.get("MLOPS_DESK_SEED", "1"))
MOST = 200


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
