"""A store of runs that are hard to order, and the orders that MLflow's own client gives."""

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

from mlops_desk.registry.mlflow.order import parse_sorts
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.server.keeper import TrackingServer
from tests.end2end.registry_populate import populate

NAMES = ["auc", "val loss", "val.loss", "a/b", "a:b", "größe", "desc", "select", "1e5", "x-y.z w"]
VALUES = ["nan", "inf", "-inf", "0", "-0.0", "1", "1", "0.5", "1e308", "-3", "5e-324", None]
SORTS = [
    *[f"metrics.{name}:{way}" for name in NAMES for way in ("asc", "desc")],
    "params.lr:asc", "params.lr:desc", "params.val loss:desc", "tags.team:asc", "start_time:asc", "start_time:desc",
    "end_time:desc", "status:asc", "run_name:desc",
    "params.lr:desc,metrics.auc:asc", "tags.team, params.lr:desc, start_time:asc", "metrics.`a/b`:desc,metrics.a:b:desc",
    "start_time:desc,metrics.auc:desc", "status,params.lr:desc,params.val loss,run_name:desc",
]  # fmt: skip


def table():
    dice = random.Random(7)
    runs = []
    for number in range(45):
        metrics = {name: value for name in NAMES if (value := dice.choice(VALUES)) is not None}
        params = {"lr": dice.choice(["0.1", "0.01", "10", "9", "a"])} if dice.random() < 0.7 else {}
        tags = {"team": dice.choice(["x", "y"])} if dice.random() < 0.5 else {}
        runs.append({"name": f"run {number % 9}-{number}", "start_time": 1000 + dice.randrange(6), "metrics": metrics,
                     "params": params, "tags": tags})  # fmt: skip
    return runs


@contextlib.contextmanager
def ordered_store(folder: Path) -> Iterator[tuple[Registries, str, dict[str | None, list[str]]]]:
    """Give the registries that know a store with the table, its address, and the right order of runs for each sort."""
    uri = f"sqlite:///{folder}/mlflow.db"
    clauses = {sort: ", ".join(key.clause for key in parse_sorts(sort)) for sort in SORTS}
    truth = populate(
        uri, experiment="hard", artifact_location=str(folder), runs=table(), orders=["", *clauses.values()]
    )["orders"]
    server = TrackingServer(folder / "own", folder / "log", lambda: None, lambda _: None)
    registries = Registries(server)
    yield registries, uri, {sort: truth[clause] for sort, clause in clauses.items()} | {None: truth[""]}
    registries.stop()
