"""Puts a sound database in the place of a damaged one, which is kept: what can be read, and the rest from a backup.

The new file is whole and on the disk before the old one is touched; whoever is killed in between finds it at the next
start and goes on from there.
"""

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from mlops_desk.kit.base.disk.files import aside_name, replace_durably, sync_folder, write_atomically
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import Backup
from mlops_desk.kit.storage import schema
from mlops_desk.kit.storage.backups import Backups
from mlops_desk.kit.storage.salvage import Columns, RowJudge, Salvaged, revision, salvage

_log = logging.getLogger(__name__)
_BESIDE = ("-wal", "-shm", "-journal", "")
_NAMED = 5  # chosen: as many as one reads in a notice


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of a damaged database: ``kept`` is its new name, ``lost`` are the keys that nothing could bring back.

    ``read`` rows came from the file itself, ``returned`` from ``backup``. ``aside`` counts rows that are kept as files.
    """

    kept: Path
    read: int
    returned: int
    backup: str | None
    aside: int
    lost: tuple[str, ...]

    def told(self, what: str) -> str:
        """Say it to a person; ``what`` names the database."""
        if self.read:
            parts = [f"{what} was damaged. {self.read} of its records could be read and are in use."]
        else:
            parts = [f"{what} was damaged. None of its records could be read; a new one begins."]
        if self.backup is not None:
            parts.append(f"{self.returned} more come from the backup {self.backup}.")
        if self.aside:
            parts.append(f"{self.aside} could be read only in part and are kept in the folder {UNREADABLE}.")
        if self.lost:
            more = f" and {len(self.lost) - _NAMED} more" if len(self.lost) > _NAMED else ""
            parts.append(f"Lost: {', '.join(plain(one, 60) for one in self.lost[:_NAMED])}{more}.")
        return f"{' '.join(parts)} The damaged file is kept as {self.kept}."


UNREADABLE = "unreadable"


def repair(path: Path, branch: str, judge: RowJudge, backups: Backups) -> Repair:
    """Repair the database at ``path``, which nobody has open. Raises OSError, sqlite3.Error, OperationalError."""
    fresh = path.with_name(f".{path.name}.salvage")
    _build(fresh, branch, revision(path))
    found = salvage(path, fresh, judge)
    backup, returned = None, 0
    old = _newest_sound(backups, path.with_name(f".{path.name}.backup"))
    if old is not None:
        made, copy = old
        if not found.count:
            copy.replace(fresh)
            backup, returned = made.name, _count(fresh)
        else:
            returned = _merge(found, copy, fresh)
            backup = made.name if returned else None
            copy.unlink()
    for table, row, why in found.aside:
        keep_row(path.parent, table, row, why)
    kept = put_in_place(fresh, path)
    lost = tuple(f"{table} {key}" for table, keys in found.lost.items() for key in keys)
    done = Repair(kept, found.count, returned, backup, len(found.aside), lost)
    _log.error("%s", done.told(f"The database {path}"))
    return done


def put_in_place(fresh: Path, path: Path, word: str = "damaged") -> Path:
    """Put ``fresh``, which is on the disk, in the place of the database at ``path``; return what that is called now."""
    ready = _ready(path)
    replace_durably(fresh, ready)
    return _swap(ready, path, word)


def finish(path: Path) -> None:
    """Go on where ``put_in_place`` was killed."""
    if _ready(path).exists():
        _log.warning("The repair of %s was interrupted and is finished now", path)
        _swap(_ready(path), path, "damaged")


def _ready(path: Path) -> Path:
    return path.with_name(f".{path.name}.ready")


def _swap(ready: Path, path: Path, word: str) -> Path:
    kept = aside_name(path, word)
    for suffix in _BESIDE:  # the journal keeps its database's name, or SQLite would not know it for one
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(kept.with_name(kept.name + suffix))
    sync_folder(path.parent)
    replace_durably(ready, path)
    return kept


def keep_row(folder: Path, table: str, row: Columns, why: str) -> Path:
    """Keep a row that can't be read as a file, once. Raises OSError."""
    document = json.dumps({"table": table, "why": why, "row": row}, default=_shown, indent=1).encode()
    digest = hashlib.sha256(json.dumps(row, default=_shown, sort_keys=True).encode()).hexdigest()[:16]
    target = folder / UNREADABLE / f"{table}-{digest}.json"
    if not target.exists():
        target.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(target, document)
    return target


def _shown(value: object) -> object:
    """Return bytes so that they can be had back; whoever looks sees what is text in them."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return repr(value)


def _build(fresh: Path, branch: str, told: str | None) -> None:
    """Make an empty database of the schema that the old one had, or of the newest."""
    for suffix in _BESIDE:
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    wanted = told if told in schema.revisions(branch) else schema.newest(branch)
    engine = create_engine(f"sqlite:///{fresh}", poolclass=NullPool)
    event.listen(engine, "connect", lambda connection, _record: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        schema.upgrade(connection, branch, wanted)
    engine.dispose()


def _newest_sound(backups: Backups, target: Path) -> tuple[Backup, Path] | None:
    for backup in backups.list():
        try:
            backups.fetch(backup.name, target)
        except DeskError as error:
            _log.warning("%s", error.message)
        else:
            return backup, target
    return None


def _merge(found: Salvaged, backup: Path, fresh: Path) -> int:
    """Take from a backup what is lost, never what was deleted: the rows that an index names, or may name."""
    count = 0
    with closing(sqlite3.connect(fresh)) as connection, closing(sqlite3.connect(backup)) as old:
        for table in sorted({*found.lost, *found.unsure}):
            columns = [row[1] for row in old.execute(f'PRAGMA table_info("{table}")')]
            if not columns:
                continue
            names = ", ".join(f'"{name}"' for name in columns)
            wanted = set(found.lost.get(table, []))
            rows = old.execute(f'SELECT {names} FROM "{table}"').fetchall()  # noqa: S608 - names of our own schema
            rows = [row for row in rows if table in found.unsure or row[0] in wanted]
            marks = ", ".join("?" for _ in columns)
            before = connection.total_changes
            connection.executemany(f'INSERT OR IGNORE INTO "{table}" ({names}) VALUES ({marks})', rows)  # noqa: S608 - the names are the schema's own, quoted
            count += connection.total_changes - before
            back = {row[0] for row in rows}
            found.lost[table] = [key for key in found.lost.get(table, []) if key not in back]
        connection.commit()
    descriptor = os.open(fresh, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return count


def _count(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        tables = [name for (name,) in names.fetchall() if name != "alembic_version"]
        return sum(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables)  # noqa: S608 - the names are the schema's own, quoted
