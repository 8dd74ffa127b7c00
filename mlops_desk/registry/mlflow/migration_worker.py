"""The worker has MLflow copy a folder of runs into a store: ``python -m mlops_desk.registry.mlflow.migration_worker``.

MLflow leaves out what it can't read and says so in a log alone; what is not in the store afterwards is told here.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.registry.address import Address
from mlops_desk.registry.mlflow.errors import tame
from mlops_desk.registry.mlflow.import_worker import Losses
from mlops_desk.registry.mlflow.worker import MEMORY_LIMIT_BYTES

_META = "meta.yaml"
_TRASH, _MODELS = ".trash", "models"
_NO_RUNS = frozenset({"tags", "traces", "models", "datasets", ".trash"})
"""Folders of an experiment that are no runs (mlflow/store/tracking/file_store.py: RESERVED_EXPERIMENT_FOLDERS)."""


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Copy ``folder`` into the new file ``store``; return how much is there, and what did not come along."""
    limit_memory(MEMORY_LIMIT_BYTES)
    folder, store = Path(request["folder"]), Path(request["store"])
    from mlflow.store.fs2db import migrate  # noqa: PLC0415 - loads MLflow, after the limits

    try:
        migrate(folder, f"sqlite:///{store}", progress=False)
    except Exception as error:
        raise tame(error, Address(str(folder), "folder", folder)) from error
    _settle(store)
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
        runs = {run_id for (run_id,) in connection.execute("SELECT run_uuid FROM runs")}
        models = {name for (name,) in connection.execute("SELECT name FROM registered_models")}
    losses = Losses()
    for run_id in sorted(runs_of(folder) - runs):
        losses.add(f"the run {run_id}", "MLflow could not read what it has of it.")
    for name in sorted(models_of(folder) - models):
        losses.add(f"the model {name}", "MLflow could not read what it has of it.")
    return {"n_runs": len(runs), "n_models": len(models), "losses": losses.told()}


def _settle(store: Path) -> None:
    """Have all of it in the one file, on the disk: MLflow wrote a log beside it, and waited for no disk."""
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with store.open("rb") as file:
        os.fsync(file.fileno())


def runs_of(folder: Path) -> set[str]:
    """Return the ids of the runs that a folder has, those of deleted experiments too."""
    experiments = [*_folders(folder), *_folders(folder / _TRASH)]
    return {
        run.name
        for one in experiments
        if one.name not in {_TRASH, _MODELS}
        for run in _folders(one)
        if run.name not in _NO_RUNS and (run / _META).is_file()
    }


def models_of(folder: Path) -> set[str]:
    """Return the names of the registered models that a folder has."""
    return {one.name for one in _folders(folder / _MODELS) if (one / _META).is_file()}


def _folders(path: Path) -> list[Path]:
    return [one for one in path.iterdir() if one.is_dir()] if path.is_dir() else []


if __name__ == "__main__":
    serve_one(work)
