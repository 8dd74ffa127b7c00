"""The experiment that something is brought into or begun in, made where there is none of its name.

Of a store without a server MLflow puts a new experiment's files below the folder of whoever makes it. For a worker of
ours that is wherever somebody once started the agent, so they are put where the store's others lie.
"""

import uuid
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.address import Address

_LOOKED_AT = 100  # chosen: the first is MLflow's own, made with the store, unless it was purged
_OF_A_SERVER = "mlflow-artifacts"


def experiment_named(client: Any, address: Address, name: str) -> str:
    """Return the id of an experiment, made or restored if need be. Raises Refused, and what MLflow raises."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=place_of_new(client, address, name)))
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def root_of(experiments: Iterable[tuple[str, str]]) -> str | None:
    """Return where a store puts its files, as the id and the place of an experiment of its own making tell."""
    for experiment_id, place in experiments:
        root, _, last = place.rstrip("/").rpartition("/")
        scheme = urlsplit(place).scheme
        if last == experiment_id and scheme != _OF_A_SERVER and (scheme or PurePosixPath(place).is_absolute()):
            return root
    return None


def place_of_new(client: Any, address: Address, name: str) -> str | None:
    """Return where a new experiment's files go; None where its server knows. Raises Refused, and what MLflow raises."""
    if address.kind not in {"sqlite", "database"}:
        return None  # a server and a folder of runs know by themselves
    known = client.search_experiments(view_type=_all(), max_results=_LOOKED_AT, order_by=["experiment_id ASC"])
    root = root_of((str(one.experiment_id), str(one.artifact_location)) for one in known)
    if root is None and address.path is not None:
        root = str(address.path.parent / "mlruns")
    if root is None:
        hint = f"Make the experiment {plain(name)} there first: mlflow experiments create --artifact-location ADDRESS"
        raise Refused(f"{address.shown} does not tell where files of a new experiment are to lie.", hint)
    return f"{root}/{uuid.uuid4().hex}"


def _all() -> int:
    from mlflow.entities import ViewType  # noqa: PLC0415 - loads MLflow

    everything: int = ViewType.ALL
    return everything
