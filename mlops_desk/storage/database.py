"""Opening a SQLite database: one connection, checked, backed up before it is migrated, damaged files set aside.

The agent is the only process that opens these files, and uses one connection for all writing and
checkpointing: SQLite 3.7.0 to 3.51.2 can lose pages when two connections do (the WAL-reset fault).
Nothing here or elsewhere opens or copies a live file by other means; POSIX locks would vanish.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import StaticPool

from mlops_desk.base.errors import Refused, Unavailable
from mlops_desk.base.files import set_aside
from mlops_desk.storage import schema

_log = logging.getLogger(__name__)
_BACKUPS_KEPT = 3
_PRIMARY = 0xFF
_CIRCUMSTANCES = {
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip


class Damaged(Unavailable):
    """The file is not what SQLite wrote. Whoever owns it may open it anew, which sets it aside."""


class Database:
    """One SQLite file with a schema of its own; ``synchronous`` is FULL (nothing lost) or NORMAL (the last seconds)."""

    def __init__(self, path: Path, branch: str, synchronous: str, pragmas: Sequence[str] = ()) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self._branch = branch
        self._pragmas = ("journal_mode=WAL", f"synchronous={synchronous}", *pragmas)
        self._lock = threading.RLock()
        self._closed = False
        self._connect()
        try:
            self._open()
        except OperationalError as error:
            self._engine.dispose()
            raise self._unavailable(error.orig) from error
        except OSError as error:
            self._engine.dispose()
            raise self._unavailable(error.strerror) from error
        except BaseException:
            self._engine.dispose()
            raise

    def _open(self) -> None:
        if not self._is_sound():
            self._replace()
        self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give the one connection inside a transaction: committed at the end, rolled back on an exception.

        Raises Unavailable when the disk is full or the file can't be written, and once it is closed: the engine would
        open the file again, beside whoever has opened it since.
        """
        with self._lock:
            if self._closed:
                raise Unavailable(f"The database {self.path} is closed.")
            try:
                with self._engine.begin() as connection:
                    yield connection
            except OperationalError as error:
                raise self._unavailable(error.orig) from error
            except DatabaseError as error:
                if not isinstance(error.orig, sqlite3.DatabaseError) or isinstance(error.orig, sqlite3.IntegrityError):
                    raise
                text_ = f"The database {self.path} is damaged: {error.orig}."
                raise Damaged(text_, "It is set aside when it is opened next.") from error

    def _unavailable(self, why: object) -> Unavailable:
        text_ = f"The database {self.path} can't be read or written: {why}."
        return Unavailable(text_, "Free some space on the disk and check its permissions.")

    def close(self) -> None:
        """Checkpoint and close."""
        with self._lock:
            self._closed = True
            self._engine.dispose()

    def _connect(self) -> None:
        self._engine = create_engine(
            f"sqlite:///{self.path}",
            poolclass=StaticPool,
            connect_args={"check_same_thread": False, "timeout": 5.0},
        )
        event.listen(self._engine, "connect", self._prepare)

    def _prepare(self, connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in (*self._pragmas, "busy_timeout=5000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    def _is_sound(self) -> bool:
        """Tell whether the file is what SQLite wrote. Raises OperationalError when that can't be found out."""
        try:
            with self._engine.connect() as connection:
                return bool(connection.execute(text("PRAGMA quick_check(1)")).scalar() == "ok")
        except OperationalError as error:
            if _says_nothing(error.orig):
                raise
            return False
        except (DatabaseError, UnicodeDecodeError):
            return False

    def _replace(self) -> None:
        self._engine.dispose()
        self.set_aside = set_aside(self.path)
        for suffix in ("-wal", "-shm"):
            beside = self.path.with_name(self.path.name + suffix)
            if beside.exists():
                set_aside(beside)
        _log.error("The database %s was damaged; it is kept as %s", self.path, self.set_aside)
        backup = self._newest_backup()
        if backup is not None:
            self.path.write_bytes(backup.read_bytes())
            _log.warning("The newest backup, %s, takes its place", backup)
        self._connect()

    def _newest_backup(self) -> Path | None:
        backups = sorted(self.path.parent.glob(f"{self.path.name}.backup-*"), key=lambda path: path.stat().st_mtime)
        return backups[-1] if backups else None

    def _migrate(self) -> None:
        current = schema.current(self._engine)
        if current == schema.newest(self._branch):
            return
        if current is not None:
            self._backup(current)
        try:
            with self._engine.begin() as connection:
                schema.upgrade(connection, self._branch)
        except schema.NewerSchemaError as error:
            text_ = f"The database {self.path} was written by a newer MLOps Desk (schema {current})."
            raise Refused(text_, "Start the newer version, or choose another --data-dir.") from error

    def _backup(self, revision: str) -> None:
        target = self.path.with_name(f"{self.path.name}.backup-{revision}")
        target.unlink(missing_ok=True)
        with self._engine.connect() as connection:
            connection.execute(text("VACUUM INTO :path"), {"path": str(target)})
        old = sorted(self.path.parent.glob(f"{self.path.name}.backup-*"), key=lambda path: path.stat().st_mtime)
        for path in old[:-_BACKUPS_KEPT]:
            path.unlink()


def _says_nothing(error: BaseException | None) -> bool:
    """Tell whether an error comes from the disk or a stranger (full, read-only, locked) and not from the file."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code != sqlite3.SQLITE_IOERR_SHORT_READ and code & _PRIMARY in _CIRCUMSTANCES
