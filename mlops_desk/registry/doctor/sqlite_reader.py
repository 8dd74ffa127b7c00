"""Reading an SQLite store that others write to: read-only, whole answers, and no answer that takes long.

Where a store keeps a rollback journal, a writer waits for whoever reads; MLflow's gives up after 20 s and its training
dies. So every question here is one statement that is read to its end at once, long ones are asked in pieces, and what
can't be asked in pieces is read without any lock (``unlocked``) and believed only if nobody wrote meanwhile.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from mlops_desk.kit.base.disk.files import check_sqlite, open_plain
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.text import plain

T = TypeVar("T")

_BUSY_SECONDS = 5.0  # chosen: longer than an ordinary transaction of MLflow
_PIECE_SECONDS = 0.02  # chosen: well below the 50 ms that a writer may be kept
_FIRST_PIECE, _LARGEST_PIECE = 64, 1 << 16  # chosen: small at first, for nobody knows how long a row takes
_COUNTER = slice(24, 28)  # the file change counter in the header of an SQLite file
_HEADER_BYTES = 100  # the header's length, by SQLite's file format
_TRIES = 3  # chosen: a store that is written to each time is written to all the time

Row = tuple[Any, ...]


class QuietStore:
    """An SQLite store that is only read. Raises Unavailable where it can't be."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            check_sqlite(path)
            self._connection = sqlite3.connect(
                f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
            )
            self._connection.execute("PRAGMA query_only = 1")
        except (sqlite3.Error, OSError) as error:
            raise self._trouble(error) from error

    def rows(self, query: str, **values: Any) -> list[Row]:
        """Return a whole answer. Raises Unavailable."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def value(self, query: str, **values: Any) -> Any:
        """Return the first value of the first row; None where there is none."""
        return next((row[0] for row in self.rows(query, **values)), None)

    def pieces(self, query: str) -> Iterator[Row]:
        """Yield what a query finds, asked piece by piece; it takes ``:after`` and ``:n``, its first column is the key.

        It says ``WHERE key > :after ORDER BY key LIMIT :n``; the pieces grow as long as each stays short.
        """
        after: Any = ""
        size = _FIRST_PIECE
        while True:
            began = time.monotonic()
            found = self.rows(query, after=after, n=size)
            took = time.monotonic() - began
            yield from found
            if len(found) < size:
                return
            after = found[-1][0]
            size = min(2 * size, _LARGEST_PIECE) if took < _PIECE_SECONDS / 2 else max(1, size * 3 // 4)

    def indexed(self, table: str, index: str) -> str:
        """Name a table with the index to use, where it is there: without statistics SQLite takes a worse one."""
        found = self.value("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = :name", name=index)
        return f"{table} INDEXED BY {index}" if found else table

    def has(self, table: str, column: str | None = None) -> bool:
        """Tell whether there is such a table, with such a column: older schemas lack some."""
        columns = [row[1] for row in self.rows(f"PRAGMA table_info({table})")]
        return bool(columns) if column is None else column in columns

    def close(self) -> None:
        self._connection.close()

    def _trouble(self, error: sqlite3.Error | OSError) -> Unavailable:
        code = getattr(error, "sqlite_errorname", "")
        text = f"{plain(str(self.path), 400)} can't be read: {plain(str(error))}."
        if "READONLY" in code:
            return UnfinishedStore(text, "A program that wrote to it was ended; it has to be taken back first.")
        if "BUSY" in code or "LOCKED" in code:
            return Unavailable(text, "Another program has it locked for long. Try again when it is done.")
        return Unavailable(text, "Is it damaged? A copy of it, or of an earlier day, can be looked at the same way.")


class UnfinishedStore(Unavailable):
    """What a writer that died has left must be taken back before it can be read, which a reader can't do."""


@contextmanager
def quiet(path: Path) -> Iterator[QuietStore]:
    """Open a store to read it, and close it."""
    with closing(QuietStore(path)) as store:
        yield store


def unlocked(path: Path, ask: Callable[[sqlite3.Connection], T]) -> T | None:
    """Return an answer that was read without a lock, and that nobody wrote into; None where they did each time.

    Raises sqlite3.Error only for a file that was left alone meanwhile.
    """
    for _ in range(_TRIES):
        before = _state(path)
        if before is None:
            time.sleep(_PIECE_SECONDS)
            continue
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
                answer = ask(connection)
        except sqlite3.Error:
            if _state(path) == before:
                raise
            continue
        if _state(path) == before:
            return answer
    return None


def _state(path: Path) -> tuple[bytes, int] | None:
    """Return what changes with every write into a store; None in the midst of one."""
    journal = path.with_name(f"{path.name}-journal")
    with contextlib.suppress(FileNotFoundError):  # gone, also between two looks at it: nobody writes
        if journal.stat().st_size:
            return None
    with open_plain(path, links=True) as file:
        header = file.read(_HEADER_BYTES)
    return header[_COUNTER], path.stat().st_size
