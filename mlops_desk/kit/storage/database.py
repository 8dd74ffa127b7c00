"""Opening a SQLite database: one connection, checked, repaired when damaged, backed up before it is migrated.

The agent is the only process that opens these files, and uses one connection for all writing and
checkpointing: SQLite 3.7.0 to 3.51.2 can lose pages when two connections do (the WAL-reset fault).
Nothing here or elsewhere opens or copies a live file by other means; POSIX locks would vanish.
"""

import logging
import re
import shlex
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import StaticPool

from mlops_desk.kit.base.disk import free_space
from mlops_desk.kit.base.errors import Closed, DeskError, Hint, Refused, Unavailable
from mlops_desk.kit.records.agent import Backup
from mlops_desk.kit.storage import pages, repair, schema
from mlops_desk.kit.storage.backups import Backups
from mlops_desk.kit.storage.pages import PAGE_BYTES
from mlops_desk.kit.storage.salvage import RowJudge

_log = logging.getLogger(__name__)
_PRIMARY = 0xFF  # the low byte of SQLite's result codes is the primary one (sqlite.org/rescode.html)
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_CLOSED = {sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_TAKEN = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_CIRCUMSTANCES = {*_FULL, *_CLOSED, *_TAKEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT}
_REVISION = re.compile(r"[a-z]\d{4}")


class Damaged(Unavailable):
    """The file is not what SQLite wrote. Whoever owns it may open it anew, which repairs it."""


class DiskFull(Unavailable):
    """There is no room for what was to be written; nothing of it was."""


@dataclass(frozen=True, slots=True)
class DatabaseKind:
    """What a database is: the ``branch`` of its migrations, its tables, and who knows what its rows mean.

    ``synchronous`` is FULL (nothing lost) or NORMAL (the last seconds). A ``thorough`` check looks at indexes and
    journal too, which takes as long as it takes to read the whole file.
    """

    branch: str
    tables: frozenset[str]
    judge: RowJudge
    synchronous: str
    thorough: bool
    pragmas: Sequence[str] = ()


class Database:
    """One SQLite file with a schema of its own. ``repair`` says what was damaged, ``is_new`` that there was none."""

    def __init__(self, path: Path, kind: DatabaseKind) -> None:
        self.path = path
        self.repair: repair.Repair | None = None
        self.backups = Backups(path)
        self._kind = kind
        self._lock = threading.RLock()
        self._closed = False
        try:
            repair.finish(path)
            self.is_new = not path.exists() or not path.stat().st_size
        except OSError as error:
            raise self._unavailable(error) from error
        self._connect()
        try:
            self._open()
        except BaseException as error:
            self._engine.dispose()
            if isinstance(error, OperationalError):
                raise self._unavailable(error.orig) from error
            if isinstance(error, (OSError, sqlite3.Error)):
                raise self._unavailable(error) from error
            raise

    def _open(self) -> None:
        why = self._fault()
        if why is not None:
            _log.error("The database %s is damaged: %s", self.path, why)
            self._engine.dispose()
            self.repair = repair.repair(self.path, self._kind.branch, self._kind.judge, self.backups)
            self._connect()
        self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give the one connection inside a transaction: committed at the end, rolled back on an exception.

        Raises DiskFull, Unavailable when the file can't be written, Damaged, and Closed once it is closed: the
        engine would open the file again, beside whoever has opened it since.
        """
        with self._lock:
            if self._closed:
                raise Closed(f"The database {self.path} is closed.")
            try:
                with self._engine.begin() as connection:
                    yield connection
            except OperationalError as error:
                raise self._unavailable(error.orig) from error
            except DatabaseError as error:
                if not isinstance(error.orig, sqlite3.DatabaseError) or isinstance(error.orig, sqlite3.IntegrityError):
                    raise
                raise self._damaged(error.orig) from error

    def backup(self, why: str) -> Backup:
        """Make a backup. Raises Unavailable, and Closed once it is closed."""
        with self._lock:
            if self._closed:
                raise Closed(f"The database {self.path} is closed.")
            return self.backups.make(self._copy, why)

    @property
    def changes(self) -> int:
        """Return how many rows were changed since it was opened."""
        with self._lock:
            raw = self._engine.raw_connection()
            try:
                connection: Any = raw.driver_connection
                return int(connection.total_changes)
            finally:
                raw.close()

    def close(self) -> None:
        """Checkpoint and close."""
        with self._lock:
            self._closed = True
            self._engine.dispose()

    def _copy(self, target: sqlite3.Connection) -> None:
        raw = self._engine.raw_connection()
        try:
            connection: Any = raw.driver_connection
            connection.backup(target)
        finally:
            raw.close()

    def _unavailable(self, error: BaseException | None) -> DeskError:
        """Say what keeps the file from being read or written, and what to do about just that."""
        said = getattr(error, "strerror", None) or error
        text_ = f"The database {self.path} can't be read or written: {said}."
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(error, OSError):
            code = sqlite3.SQLITE_FULL if error.errno in free_space.FULL else sqlite3.SQLITE_CANTOPEN
        if code is None or code & _PRIMARY not in _CIRCUMSTANCES:
            return self._damaged(error)
        if code & _PRIMARY in _FULL:
            hint = "Free some space on the disk and check its permissions."
            return DiskFull(text_, hint) if self._is_full(code) else Unavailable(text_, hint)
        if code & _PRIMARY in _CLOSED:
            return Unavailable(
                text_, Hint(f"ls -la {self.path.parent}", before="Check the permissions of the file and its folder: ")
            )
        if code & _PRIMARY in _TAKEN:
            return Unavailable(text_, "Another program has it open: close that one, and try again.")
        return Unavailable(text_, "Free some memory, and try again.")

    def _is_full(self, code: int) -> bool:
        free = free_space.free_bytes(self.path.parent)
        return code & _PRIMARY == sqlite3.SQLITE_FULL or (free is not None and free < free_space.LEAST_BYTES)

    def _damaged(self, error: object) -> Damaged:
        text_ = f"The database {self.path} is damaged: {error}."
        return Damaged(
            text_, Hint("mlops-desk agent stop", before="What can be read is salvaged when the agent starts anew: ")
        )

    def _connect(self) -> None:
        self._engine = create_engine(
            f"sqlite:///{self.path}", poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": 5.0}
        )
        event.listen(self._engine, "connect", self._prepare)
        event.listen(self._engine, "begin", _begin)

    def _prepare(self, connection: sqlite3.Connection, _record: Any) -> None:
        # Left to itself the library begins no transaction before DDL: each statement of a migration would stand alone.
        connection.isolation_level = None
        settings = ("journal_mode=WAL", f"synchronous={self._kind.synchronous}", *self._kind.pragmas)
        for pragma in (*settings, "busy_timeout=5000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    def _fault(self) -> str | None:
        """Say what is wrong with the file, None when it is sound. Raises OperationalError, Refused."""
        beside = self.path.with_name(f"{self.path.name}-wal")
        if self._kind.thorough and pages.is_damaged(beside, PAGE_BYTES):
            return "its journal is damaged"
        try:
            with self._engine.connect() as connection:
                pragma = "integrity_check(1)" if self._kind.thorough else "quick_check(1)"
                told = connection.execute(text(f"PRAGMA {pragma}")).scalar()
            return str(told) if told != "ok" else self._fault_of_schema()
        except OperationalError as error:
            if _says_nothing(error.orig):
                raise
            return str(error.orig)
        except (DatabaseError, sqlite3.DatabaseError, UnicodeDecodeError) as error:
            return str(error)

    def _fault_of_schema(self) -> str | None:
        revision, tables = schema.current(self._engine), schema.tables(self._engine)
        known = schema.revisions(self._kind.branch)
        if revision is None:
            return "it has tables and no schema" if tables - {"alembic_version"} else None
        if revision in known:
            missing = self._kind.tables - tables if revision == known[-1] else set()
            return f"it has no table {', '.join(sorted(missing))}" if missing else None
        if not _REVISION.fullmatch(str(revision)):
            return "it has a schema that there is not"
        if revision[0] != known[0][0]:
            raise self._stranger()
        text_ = f"The database {self.path} was written by a newer MLOps Desk (schema {revision})."
        hint = Hint(
            "mlops-desk agent restore --list",
            before="Start the newer version, or choose another --data-dir. If there was none: ",
        )
        raise Refused(text_, hint)

    def _stranger(self) -> Refused:
        text_ = f"{self.path} is not the {self._kind.branch} database, but another one of MLOps Desk."
        swap = (
            f"cd {shlex.quote(str(self.path.parent))} && mv state.db x && mv telemetry.db state.db && mv x telemetry.db"
        )
        hint = Hint(
            swap,
            before="If the two were swapped: ",
            after=". If not, mlops-desk agent restore --list shows the backups.",
        )
        return Refused(text_, hint)

    def _migrate(self) -> None:
        current = schema.current(self._engine)
        if current == schema.newest(self._kind.branch):
            return
        if current is not None:
            self.backup(f"before-{current}")
        with self._engine.execution_options(immediate=True).begin() as connection:
            schema.upgrade(connection, self._kind.branch)


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    raw: Any = connection.connection.driver_connection
    raw.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _says_nothing(error: BaseException | None) -> bool:
    """Tell whether an error comes from the disk or a stranger (full, read-only, locked) and not from the file."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code != sqlite3.SQLITE_IOERR_SHORT_READ and code & _PRIMARY in _CIRCUMSTANCES
