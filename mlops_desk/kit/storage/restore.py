"""A worker that lists the backups of a data folder, or puts one in the place of its database while no agent runs.

``{"folder": ..., "name": ...}``; without a name it lists. What is replaced is kept beside it under another name.
"""

import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.lock import FolderLock
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import Backup
from mlops_desk.kit.storage.audit.anchors import append_head, send_head
from mlops_desk.kit.storage.audit.chain import PLACES, START, Anchor, link_of
from mlops_desk.kit.storage.backups import Backups
from mlops_desk.kit.storage.repair import finish, put_in_place

_LOCK_SECONDS, _LOCK_PAUSE_SECONDS = 12.0, 0.005
"""An agent that was asked to end takes up to 3 s; whoever wants to start another waits longer between two tries."""

_NEWEST = "SELECT CAST(document AS TEXT) FROM audit_chain WHERE key GLOB ? ORDER BY key DESC LIMIT 1"


def work(request: dict[str, Any]) -> Any:
    """Do what is asked. Raises NotFound, Refused, Unavailable."""
    folder = DataFolder(Path(request["folder"]))
    name = request.get("name")
    if name is None:
        return wire.to_builtins(backups_of(folder))
    return restore(folder, str(name))


def backups_of(folder: DataFolder) -> list[Backup]:
    """Return all backups of a data folder, newest first."""
    found = [backup for path in _databases(folder) for backup in Backups(path).list()]
    return sorted(found, key=lambda backup: -backup.made_at)


def restore(folder: DataFolder, name: str) -> dict[str, Any]:
    """Put a backup in the place of its database. Raises NotFound, Refused while an agent runs, Unavailable."""
    found = next((backup for backup in backups_of(folder) if backup.name == name), None)
    if found is None:
        raise NotFound(
            f"There is no backup {plain(name)!r}.", Hint("mlops-desk agent restore --list", after=" shows them all.")
        )
    path = next(path for path in _databases(folder) if path.stem == found.database)
    lock = FolderLock(folder.lock, folder.root)
    deadline = time.monotonic() + _LOCK_SECONDS
    while not lock.acquire():
        if time.monotonic() > deadline:
            text = f"An agent runs for {folder.root}, so its database can't be replaced."
            raise Refused(text, "Close the window, which starts it again, and try once more.")
        time.sleep(_LOCK_PAUSE_SECONDS)
    try:
        finish(path)
        fresh = path.with_name(f".{path.name}.restored")
        Backups(path).fetch(name, fresh)
        if path == folder.state_database:
            _anchor(folder, fresh, name)
        kept = put_in_place(fresh, path, "replaced")
    except OSError as error:
        text = f"The backup {name} can't be put in the place of {path}: {error.strerror}."
        raise Unavailable(text, "Free some space on the disk and check its permissions.") from error
    finally:
        lock.release()
    return {"restored": name, "database": str(path), "kept_as": str(kept) if kept.exists() else None}


def _anchor(folder: DataFolder, fresh: Path, name: str) -> None:
    """Write down beside the audit's heads with which of them a backup takes the database's place. Raises OSError."""
    with closing(sqlite3.connect(fresh)) as connection:
        try:
            row = connection.execute(_NEWEST, (PLACES,)).fetchone()
        except sqlite3.Error:  # older than the chain
            row = None
    link = None if row is None else link_of(row[0])
    number, digest = (0, START) if link is None else (link.number, link.digest)
    anchor = Anchor(number, digest, time.time(), "", f"the backup {name}")
    append_head(folder.audit_heads, anchor)
    with suppress(OSError):  # a journal that takes nothing: the folder has it
        send_head(folder.instance, anchor)


def _databases(folder: DataFolder) -> tuple[Path, Path]:
    return folder.state_database, folder.telemetry_database


if __name__ == "__main__":
    serve_one(work)
