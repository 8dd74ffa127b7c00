"""Whether the files of runs and models lie where the database says, and whether some lie there that nobody names.

Only what lies on this machine is looked at, level by level and within a time: a share that hangs ends this worker and
not the report.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlops_desk.kit.base.text import duration_text, plain, size_text
from mlops_desk.registry.doctor.checks.findings import advice, fine, trouble, unknown
from mlops_desk.registry.doctor.database import Rows
from mlops_desk.registry.location import ROOT, is_stored
from mlops_desk.registry.records.doctor import StoreFinding

MISSING, UNNAMED = "missing_files", "unnamed_files"
_SECONDS = 12.0  # chosen: some hundred thousand files from a disk
_RUN = re.compile(r"[0-9a-f]{32}")
_READY = 2  # LoggedModelStatus.READY of MLflow, as the database keeps it
_NAMED = 5  # chosen: as many as stand in a sentence


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """What the database says of files: places of experiments and of ready logged models, and all runs and models."""

    experiments: Mapping[str, str]
    models: Mapping[str, str]
    runs: frozenset[str]
    model_ids: frozenset[str]


def known(store: Rows) -> KnownFiles:
    """Gather what a database says of files."""
    query = "SELECT run_uuid FROM runs WHERE run_uuid > :after ORDER BY run_uuid LIMIT :n"
    runs = frozenset(str(run) for (run,) in store.pieces(query))
    places = store.rows("SELECT experiment_id, artifact_location FROM experiments")
    models: list[tuple[str, str, object, object]] = []
    if store.has("logged_models"):
        query = "SELECT model_id, artifact_location, status, lifecycle_stage FROM logged_models"
        models = [(str(model), str(place), status, stage) for model, place, status, stage in store.rows(query)]
    ready = {model: place for model, place, status, stage in models if status == _READY and stage == "active"}
    ids = frozenset(model for model, *_ in models)
    return KnownFiles({str(key): str(place or "") for key, place in places}, ready, runs, ids)


def local(location: str, own_artifacts: Path | None) -> Path | None:
    """Return where files lie on this machine; None for those that lie elsewhere, or that no one may name."""
    if own_artifacts is not None:
        return own_artifacts / location.removeprefix(ROOT) if is_stored(location) else None
    parts = urlsplit(location) if location.startswith("file:") else None
    path = Path(unquote(parts.path) if parts is not None else location)
    return path if path.is_absolute() and "\0" not in str(path) else None


def look(found: KnownFiles, own_artifacts: Path | None) -> tuple[list[StoreFinding], dict[str, int | None]]:
    """Return what is found, and how many bytes the files of each experiment take (None: not on this machine)."""
    deadline = time.monotonic() + _SECONDS
    places = {key: local(location, own_artifacts) for key, location in found.experiments.items()}
    sizes = {key: folder_bytes(place, deadline) for key, place in places.items()}
    folders = [place for place in places.values() if place is not None]
    return [_missing(found, own_artifacts), _unnamed(found, folders, deadline)], sizes


def folder_bytes(folder: Path | None, deadline: float) -> int | None:
    """Return how many bytes lie below a folder; None where that can't be told in time."""
    if folder is None:
        return None
    total, waiting = 0, [folder]
    while waiting:
        if time.monotonic() > deadline:
            return None
        for entry in _entries(waiting.pop()):
            if entry.is_symlink():
                continue
            if entry.is_dir():
                waiting.append(Path(entry.path))
            else:
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []  # it is gone, or not for this user: nothing lies there that could be counted


def _missing(known: KnownFiles, own: Path | None) -> StoreFinding:
    title, lost = "Files of logged models", []
    looked = 0
    for model, place in known.models.items():
        folder = local(place, own)
        if folder is not None:
            looked += 1
            if not (folder / "MLmodel").is_file():
                lost.append(model)
    if lost:
        some = ", ".join(plain(one, 60) for one in lost[:_NAMED])
        text = f"{len(lost):,} of {looked:,} logged models have no MLmodel where the database says: {some}."
        return trouble(MISSING, title, f"{text} Versions made of them can't be loaded.", n=len(lost))
    if known.models and not looked:
        return unknown(MISSING, title, "They do not lie on this machine.")
    return fine(MISSING, title, f"All {looked:,} have their files.")


def _unnamed(known: KnownFiles, folders: Iterable[Path], deadline: float) -> StoreFinding:
    title, found, size = "Files that nothing names", [], 0
    for path in _of_nobody(known, folders):
        found.append(path)
        size += folder_bytes(path, deadline) or 0
    if time.monotonic() > deadline:
        return unknown(UNNAMED, title, f"There is too much to look through in {duration_text(_SECONDS)}.")
    if not found:
        return fine(UNNAMED, title, "Every folder of a run or model is in the database.")
    some = ", ".join(plain(str(path), 160) for path in found[:_NAMED])
    text = f"{len(found):,} folders of runs or models, {size_text(size)}, are in no row of the database: {some}."
    hint = "Nothing removes them: look into them, and whether another store uses the same folder, before you do."
    return advice(UNNAMED, title, f"{text} {hint}", n=len(found), size_bytes=size)


def _of_nobody(known: KnownFiles, folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for entry in _entries(folder):
            if _RUN.fullmatch(entry.name) and entry.name not in known.runs and not entry.is_symlink():
                yield Path(entry.path)
        for entry in _entries(folder / "models"):
            if entry.name.startswith("m-") and entry.name not in known.model_ids and not entry.is_symlink():
                yield Path(entry.path)
