"""An SQLite store, opened so that nobody who logs to it notices.

In a rollback journal a reader keeps writers out for as long as its read lasts: MLflow's then wait 20 s and die of
"database is locked". So every read is fetched whole, none is left open, and what would take longer than 45 ms is given
up (``TooLong``) and asked for in smaller parts. The file is opened for reading alone, and may change nothing either.

The driver is used as it is: SQLAlchemy's rows cost half as much again (0.45 against 0.30 s for 300,000), its import
a quarter of a second and 29 MB in a process that is started whenever somebody looks.
"""

import json
import sqlite3
import stat
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.disk.files import check_sqlite
from mlops_desk.kit.base.errors import DeskError, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.store.batch_size import ReadPace
from mlops_desk.registry.store.errors import TooLong, missing, of_sqlite
from mlops_desk.registry.store.schema import StoreLayout

LONGEST_READ_SECONDS = 0.035  # of the 50 ms that are promised to writers; the rest is for letting go of the rows
_WAIT_SECONDS = 3.0  # chosen: longer than a writer's commit on a slow disk; a page says within 5 s that it waits
_WAIT_AGAIN_SECONDS = 0.2  # chosen: who was kept waiting once is kept by something longer than a commit
_STEPS = 2000  # of SQLite's machine between two looks at the clock: some 0.1 ms
_CACHE_KIB = 16 * 1024  # chosen: the inner pages of all indexes of a store of some GB
_ROWS, _MOST_ROWS = 2000, 20_000  # of a small table at a time, to begin with and at most
_NO_TEXT = "Could not decode to UTF-8"  # what Python's driver says; it has no code of its own
_LONG_PATH = 400  # chosen: a path in a message


class SqliteConnection:
    """One connection to one file. ``longest_seconds`` is how long the longest read has lasted."""

    dialect = "sqlite"
    sorts_itself = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown = plain(str(path), _LONG_PATH)
        self.longest_seconds = 0.0
        self._begun: float | None = None
        self._limited = True
        self._was_locked = False
        self._file = self._identity()
        self._connection = self._connected()

    def _connected(self) -> sqlite3.Connection:
        address = f"{self.path.absolute().as_uri()}?mode=ro"
        try:
            check_sqlite(self.path)
            connection = sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
            connection.set_progress_handler(self._is_late, _STEPS)
            for pragma in ("query_only = 1", f"cache_size = -{_CACHE_KIB}"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise of_sqlite(error, self.shown) from error
        except OSError as error:
            raise _unreadable(self.shown, error) from error
        return connection

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query that is short by itself. Raises DeskErrors."""
        return ReadPace(1, 1).read(lambda _, limited: self.part(sql, parameters, limited=limited))

    def part(self, sql: str, parameters: Sequence[Any], *, limited: bool) -> list[tuple[Any, ...]]:
        """Return all rows of a query. Raises TooLong where a writer might have waited (``limited``), and DeskErrors."""
        self._limited = limited
        try:
            found = self._fetched(sql, parameters)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise TooLong from error
            raise self._told(error) from error
        except sqlite3.Error as error:
            raise of_sqlite(error, self.shown) from error
        self._note_lock(is_locked=False)
        return found

    def _told(self, error: sqlite3.OperationalError) -> DeskError:
        told = of_sqlite(error, self.shown)
        self._note_lock(is_locked=isinstance(told, TimedOut))
        return told

    def _note_lock(self, *, is_locked: bool) -> None:
        """Wait shorter for a store that was locked: several questions in a row would each wait as long as one may."""
        if is_locked is not self._was_locked:
            self._was_locked = is_locked
            wait = _WAIT_AGAIN_SECONDS if is_locked else _WAIT_SECONDS
            self._connection.execute(f"PRAGMA busy_timeout = {round(wait * 1000)}")

    def _fetched(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        self._begun = None
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if not str(error).startswith(_NO_TEXT):
                raise
            self._connection.text_factory = _text  # costs a call for each text, so only where it is needed
            return self._connection.execute(sql, parameters).fetchall()
        finally:
            self._connection.text_factory = str
            self._note_length()

    def table(self, columns: str, table: str, condition: str) -> Iterator[tuple[Any, ...]]:
        """Yield rows of a table in the order in which they were written, read a part at a time."""
        sql = f"SELECT {columns}, rowid FROM {table} WHERE rowid > ? AND ({condition}) ORDER BY rowid LIMIT ?"  # noqa: S608 - our own words
        pace, place = ReadPace(_ROWS, _MOST_ROWS), -1
        while True:
            asked, rows = pace.read(lambda size, limited: (size, self.part(sql, (place, size), limited=limited)))  # noqa: B023 - called at once
            yield from (row[:-1] for row in rows)
            if len(rows) < asked:
                return
            place = rows[-1][-1]

    def listed(self, run_ids: Sequence[str]) -> str:
        return json.dumps(list(run_ids))

    def in_order(self, texts: Sequence[str]) -> Sequence[str]:
        """Return texts by their code points, as MLflow's columns are sorted in each SQLite file."""
        return sorted(texts)

    def layout(self) -> tuple[StoreLayout, Sequence[str]]:
        """Return what the catalogue tells of tables and indexes, and the revisions that are named."""
        columns: dict[str, set[str]] = {}
        for table, column in self.rows(
            "SELECT s.name, c.name FROM sqlite_master s JOIN pragma_table_info(s.name) c WHERE s.type = 'table'"
        ):
            columns.setdefault(table, set()).add(column)
        indexes = self.rows("SELECT name FROM sqlite_master WHERE type = 'index'")
        revisions = self.rows("SELECT version_num FROM alembic_version") if "alembic_version" in columns else []
        told = {table: frozenset(names) for table, names in columns.items()}
        return StoreLayout(told, frozenset(name for (name,) in indexes)), [str(revision) for (revision,) in revisions]

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the one value that a query has (None: no row)."""
        rows = self.rows(sql, parameters)
        return rows[0][0] if rows else None

    def schema_version(self) -> int:
        """Return what changes with each change of tables and indexes, and when ``VACUUM`` numbers rows anew."""
        return int(self.value("PRAGMA schema_version"))

    def is_same_file(self) -> bool:
        """Tell whether what lies at the path is still the file that was opened. Raises NotFound where nothing does."""
        return self._identity() == self._file

    def close(self) -> None:
        with suppress(sqlite3.Error):  # a store that can't be read can be left all the same
            self._connection.close()

    def _note_length(self) -> None:
        if self._begun is not None:
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - self._begun)

    def _is_late(self) -> bool:
        """Tell whether a read lasts too long. It begins when it is first asked about: before, it waits for a writer."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
        return self._limited and now - self._begun > LONGEST_READ_SECONDS

    def _identity(self) -> tuple[int, int]:
        try:
            facts = self.path.stat()
        except FileNotFoundError as error:
            raise missing(self.shown) from error
        except OSError as error:
            raise _unreadable(self.shown, error) from error
        if not stat.S_ISREG(facts.st_mode):
            raise Unavailable(f"{self.shown} is no file.", "Name the file that mlflow server was started with.")
        return facts.st_dev, facts.st_ino


def _text(data: bytes) -> str:
    """Read a text whatever its bytes are: what other programs wrote must not keep everything else from being read."""
    return data.decode("utf-8", "replace")


def _unreadable(shown: str, error: OSError) -> DeskError:
    return Unavailable(f"The store at {shown} can't be read: {error.strerror}.", "May this user open its folder?")


# Where an SQLite table that only grows ends at the moment, and whether what was its end is still there.
#
# Rowids grow with each row, but the largest is given out again when its row was deleted (``mlflow gc``). So an end is
# remembered with what stood there, and what comes after it is new for as long as that is still so. ``VACUUM`` may
# number all rows anew; it raises the file's schema version.

_WHAT = {"metrics": "key, run_uuid, step, timestamp", "params": "key, run_uuid", "tags": "key, run_uuid"}


@dataclass(frozen=True, slots=True)
class TableEnd:
    """The last row of a table: its place, a checksum of what it is, and the version of the file's schema."""

    schema: int
    rowid: int = 0
    checksum: int = 0

    def __str__(self) -> str:
        return f"{self.schema}.{self.rowid}.{self.checksum}"


def end_of(connection: SqliteConnection, table: str) -> TableEnd:
    schema = connection.schema_version()
    rows = connection.rows(f"SELECT rowid, {_WHAT[table]} FROM {table} ORDER BY rowid DESC LIMIT 1")  # noqa: S608 - our own words
    return TableEnd(schema, int(rows[0][0]), _checksum(rows[0][1:])) if rows else TableEnd(schema)


def end_at(connection: SqliteConnection, table: str, rowid: int) -> TableEnd:
    """Return the end that a row is; a row that is gone makes one that ``is_there`` never finds."""
    schema = connection.schema_version()
    rows = connection.rows(f"SELECT {_WHAT[table]} FROM {table} WHERE rowid = ?", (rowid,))  # noqa: S608 - our own words
    return TableEnd(schema, rowid, _checksum(rows[0]) if rows else -1)


def is_there(connection: SqliteConnection, table: str, end: TableEnd) -> bool:
    """Tell whether rows behind ``end`` are those that came after it."""
    if connection.schema_version() != end.schema:
        return False
    if end.rowid == 0:
        return True
    rows = connection.rows(f"SELECT {_WHAT[table]} FROM {table} WHERE rowid = ?", (end.rowid,))  # noqa: S608 - our own words
    return bool(rows) and _checksum(rows[0]) == end.checksum


def read_end(text: str) -> TableEnd | None:
    """Return the end that a text tells of, None where it tells of none."""
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 20 for part in parts):  # 64 bits have 19 digits
        return None
    return TableEnd(*map(int, parts))


def _checksum(row: tuple[object, ...]) -> int:
    return zlib.crc32(repr(row).encode("utf-8", "surrogatepass"))
