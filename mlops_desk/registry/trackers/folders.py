"""Which tracker has written a folder or a file: told by what lies there, without reading more than names and a header.

MLflow's own SQLite file and Trackio's differ in their tables alone. Folders are walked three levels deep: TensorBoard
keeps one folder for each run, W&B puts its runs below ``wandb``.
"""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from mlops_desk.base.disk.files import check_sqlite, open_plain
from mlops_desk.base.errors import NotFound, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.records.registry.tracker import TrackerKind
from mlops_desk.registry.address import store_nearby

_SQLITE = b"SQLite format 3\x00"
_MOST_ENTRIES = 2000  # chosen: a folder of runs shows what it is in its first ones
_DEPTH = 3
"""logs/EXPERIMENT/RUN/events…: as deep as TensorBoard's own logger nests."""
_HINT = "It may be an SQLite file, a folder mlruns, or one of TensorBoard's, Trackio's or W&B's offline runs."


def recognise(path: Path) -> TrackerKind:
    """Tell what lies at a path. Raises NotFound where there is nothing, or nothing that is known, and Unavailable."""
    try:
        found = _file(path) if path.is_file() else _folder(path)
        if found is None and not path.exists():
            raise NotFound(f"There is nothing at {plain(str(path), 400)}.", "Nothing was created. Check the path.")
    except OSError as error:
        raise Unavailable(f"{plain(str(path), 400)} can't be read: {error.strerror}.") from error
    if found is None:
        raise NotFound(f"{plain(str(path), 400)} holds no runs that are known here.", store_nearby(path) or _HINT)
    return found


def _file(path: Path) -> TrackerKind | None:
    if path.name.startswith("events.out.tfevents."):
        return TrackerKind.TENSORBOARD
    if path.suffix == ".wandb":
        return TrackerKind.WANDB
    with open_plain(path, links=True) as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            return None
    return _database(path)


def _database(path: Path) -> TrackerKind | None:
    check_sqlite(path)
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2.0)
        try:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Unavailable(f"{plain(str(path), 400)} can't be read as a database: {plain(str(error))}.") from error
    tables = {name for (name,) in rows}
    if tables >= {"experiments", "runs", "alembic_version"}:
        return TrackerKind.SQLITE
    return TrackerKind.TRACKIO if {"metrics"} <= tables and "alembic_version" not in tables else None


def _folder(path: Path) -> TrackerKind | None:
    """MLflow's first, whose folders may hold event files as artifacts."""
    if not path.is_dir():
        return None
    if any((one / "meta.yaml").is_file() for one in _entries(path)):
        return TrackerKind.FOLDER
    names = list(_walk(path, _DEPTH))
    if any(one.name.startswith("events.out.tfevents.") for one in names):
        return TrackerKind.TENSORBOARD
    if any(one.suffix == ".wandb" for one in names):
        return TrackerKind.WANDB
    databases = [one for one in names if one.suffix == ".db" and one.parent == path and one.is_file()]
    return next((kind for one in databases if (kind := _file(one)) is TrackerKind.TRACKIO), None)


def _walk(path: Path, depth: int) -> Iterator[Path]:
    for one in _entries(path):
        yield one
        if depth > 1 and one.is_dir() and not one.is_symlink():
            yield from _walk(one, depth - 1)


def _entries(path: Path) -> list[Path]:
    with os.scandir(path) as entries:
        return sorted(Path(entry.path) for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False))
