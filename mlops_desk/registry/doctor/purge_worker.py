"""The worker that removes deleted runs of the desk's own store for good.

As MLflow's command gc does: a run's files first, then its rows, by MLflow's own means. The command itself would take
deleted experiments along, with runs whose files a version uses, and asks the server for the files of each run.
"""

import importlib
import os
import shutil
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.process import serve_one
from mlops_desk.registry.address import Address
from mlops_desk.registry.doctor.backup import back_up
from mlops_desk.registry.doctor.checks import purge_candidates
from mlops_desk.registry.doctor.sqlite_reader import quiet
from mlops_desk.registry.location import ROOT, is_stored
from mlops_desk.registry.mlflow.errors import tame


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Copy the store, purge what no version uses, and return how many runs that were, and where the copy is."""
    path = Path(request["path"])
    os.chdir(path.parent)
    with quiet(path) as store:
        runs = purge_candidates.gathered(store).free
    if not runs:
        return {"n_runs": 0, "copy": None}
    copy = back_up(path, purge_candidates.FIX)
    try:
        _purge(path, runs)
    except Exception as error:  # whatever MLflow raises
        raise tame(error, Address(f"sqlite:///{path}", "sqlite", path)) from error
    return {"n_runs": len(runs), "copy": str(copy)}


def _purge(path: Path, runs: tuple[str, ...]) -> None:
    stores: Any = importlib.import_module("mlflow.store.tracking.sqlalchemy_store")  # untyped, and takes seconds
    store = stores.SqlAlchemyStore(f"sqlite:///{path}", ROOT)
    for run_id in runs:
        info = store.get_run(run_id).info
        if info.lifecycle_stage != "deleted":
            continue  # somebody has brought it back meanwhile
        folder = files_of(run_id, info.artifact_uri or "", path.parent / "artifacts")
        if folder is not None and folder.is_dir():
            shutil.rmtree(folder)
        store._hard_delete_run(run_id)  # noqa: SLF001 - what `mlflow gc` calls; there is no public way


def files_of(run_id: str, artifact_uri: str, artifacts: Path) -> Path | None:
    """Return the folder that is this run's alone; None where its row names another, whose files are left alone."""
    if not is_stored(artifact_uri):
        return None
    below = artifact_uri.removeprefix(ROOT).rstrip("/").split("/")
    folder = artifacts.joinpath(*below[:-1])
    if below[-1:] != ["artifacts"] or below[-2:-1] != [run_id]:
        return None
    return folder if folder.resolve() == artifacts.resolve().joinpath(*below[:-1]) else None


if __name__ == "__main__":
    serve_one(work)
