"""Backups of a database: made by SQLite's own means from the one connection that has it open, compressed, counted.

``backups/state-20260131T140000Z-hourly.db.zst``. Kept are the newest 48 and the newest of each of the last 14 days on
which one was made: by number and not by age, so that a clock that jumps deletes none. Those made before a migration
are counted apart. Older programs left theirs beside the database, not compressed; they are offered too.
"""

import logging
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import zstandard

from mlops_desk.kit.base.disk import free_space
from mlops_desk.kit.base.disk.files import replace_durably
from mlops_desk.kit.base.errors import Hint, NotFound, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import Backup

_log = logging.getLogger(__name__)

HOURLY = "hourly"
_HOURLY_KEPT, _DAYS_KEPT, _MIGRATIONS_KEPT = 48, 14, 3  # chosen: two days by the hour, then two weeks by the day
_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<stem>[a-z]+)-(?P<stamp>\d{8}T\d{6}Z)-(?P<why>hourly|before-[a-z]\d{4})\.db\.zst")
_OLD = re.compile(r"(?P<stem>[a-z]+)\.db\.backup-(?P<why>[a-z]\d{4})")
_ROOM_FACTOR = 2
"""A backup lies there whole for a moment, beside what it is compressed into."""
_SPARE_BYTES = 16 << 20  # chosen: is left to whatever else writes meanwhile


class Backups:
    """The backups of the database at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.folder = path.parent / "backups"

    def list(self) -> list[Backup]:
        """Return what there is, newest first."""
        found = [made for file in _files(self.folder) if (made := _described(file, _NAME)) is not None]
        found += [made for file in _files(self._path.parent) if (made := _described(file, _OLD)) is not None]
        mine = [backup for backup in found if backup.database == self._path.stem]
        return sorted(mine, key=lambda backup: (backup.made_at, backup.name), reverse=True)

    def make(self, copy: Callable[[sqlite3.Connection], None], why: str) -> Backup:
        """Keep what ``copy`` writes into a connection. Raises Unavailable where the disk does not play along."""
        size = self._path.stat().st_size
        free = free_space.free_bytes(self._path.parent)
        if free is not None and free < _ROOM_FACTOR * size + _SPARE_BYTES:
            text = f"There is no room for a backup of {self._path}: {free >> 20} MiB are free."
            raise Unavailable(text, "Free some space on the disk.")
        stamp = datetime.now(UTC).strftime(_STAMP)
        target = self.folder / f"{self._path.stem}-{stamp}-{why}.db.zst"
        whole = self.folder / f".{self._path.stem}.{os.getpid()}.whole"
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            try:
                with closing(sqlite3.connect(whole)) as connection:
                    copy(connection)
                    connection.execute("PRAGMA journal_mode=DELETE")  # one file, whatever the original has
                _compress(whole, target)
            finally:
                whole.unlink(missing_ok=True)
        except (OSError, sqlite3.OperationalError) as error:
            text = f"No backup of {self._path} can be made: {getattr(error, 'strerror', None) or error}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error
        self._prune()
        made = _described(target, _NAME)
        assert made is not None  # noqa: S101 - it is named as that pattern wants it
        return made

    def fetch(self, name: str, target: Path) -> None:
        """Write a backup as a database to ``target``, and see that it is sound. Raises NotFound, Unavailable."""
        file = next(
            (file for file in (self.folder / f"{name}.db.zst", self._path.parent / name) if file.is_file()), None
        )
        if file is None or name not in {backup.name for backup in self.list()}:
            raise NotFound(
                f"There is no backup {plain(name)!r}.",
                Hint("mlops-desk agent restore --list", after=" shows them all."),
            )
        try:
            with file.open("rb") as source, target.open("wb") as sink:
                if file.suffix == ".zst":
                    zstandard.ZstdDecompressor().copy_stream(source, sink)
                else:
                    while part := source.read(1 << 20):
                        sink.write(part)
                sink.flush()
                os.fsync(sink.fileno())
            _check(target)
        except (OSError, zstandard.ZstdError, sqlite3.Error) as error:
            target.unlink(missing_ok=True)
            text = f"The backup {name} can't be read: {getattr(error, 'strerror', None) or error}."
            raise Unavailable(text, Hint("mlops-desk agent restore --list", before="Take another one: ")) from error

    def _prune(self) -> None:
        mine = [backup for backup in self.list() if _NAME.fullmatch(f"{backup.name}.db.zst")]
        hourly = [backup for backup in mine if backup.why == HOURLY]
        migrations = [backup for backup in mine if backup.why != HOURLY]
        days: dict[str, Backup] = {}
        for backup in hourly:
            days.setdefault(datetime.fromtimestamp(backup.made_at, UTC).strftime("%Y%m%d"), backup)
        kept = {backup.name for backup in (*hourly[:_HOURLY_KEPT], *migrations[:_MIGRATIONS_KEPT])}
        kept |= {backup.name for backup in [*days.values()][:_DAYS_KEPT]}
        for backup in mine:
            if backup.name not in kept:
                (self.folder / f"{backup.name}.db.zst").unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []


def _described(file: Path, pattern: re.Pattern[str]) -> Backup | None:
    found = pattern.fullmatch(file.name)
    if found is None:
        return None
    facts = file.stat()
    told = found.groupdict()
    made_at = facts.st_mtime
    if stamp := told.get("stamp"):
        try:
            made_at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return None
    why = told["why"] if stamp else f"before-{told['why']}"
    return Backup(file.name.removesuffix(".db.zst"), told["stem"], made_at, facts.st_size, why)


def _compress(source: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with source.open("rb") as whole, fresh.open("wb") as sink:
            zstandard.ZstdCompressor(level=3, write_checksum=True).copy_stream(whole, sink, size=source.stat().st_size)
            sink.flush()
            os.fsync(sink.fileno())
        replace_durably(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)


def _check(file: Path) -> None:
    """Raise sqlite3.DatabaseError unless a database that nobody has open is sound."""
    with closing(sqlite3.connect(file)) as connection:
        told = connection.execute("PRAGMA quick_check(1)").fetchone()
        if told != ("ok",):
            raise sqlite3.DatabaseError(f"it is damaged ({told[0] if told else 'no answer'})")
        connection.execute("PRAGMA journal_mode=DELETE")
