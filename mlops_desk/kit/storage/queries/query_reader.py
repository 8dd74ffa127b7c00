"""One query's answer, batch by batch: a transaction that may change nothing, and a time after which it is ended.

A server keeps the rows (a named cursor) and gives so many at a time; SQLite steps from row to row. Neither ever has the
whole answer in memory. PostgreSQL ends a query at its time by itself, SQLite is asked every few thousand steps.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from mlops_desk.kit.base.disk.files import check_sqlite
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.queries import address

BATCH_ROWS = 5_000  # chosen: a few megabytes of rows as Python has them
_CONNECT_SECONDS = 10  # chosen: a server that is there answers within one
_SILENT_MILLISECONDS = 30_000  # chosen: what was sent and is not acknowledged that long never will be
_STEPS = 10_000  # of SQLite between two looks at the clock; chosen: about a millisecond
_LARGEST_VALUE_BYTES = 16 << 20
"""Chosen: no cell of a table is larger, and a query can't take gigabytes by one call (randomblob, printf)."""
_SAID = 300  # chosen: what a database says of an error stands in the first line
_TIMED_OUT = "57014"  # PostgreSQL, Appendix A: query_canceled
_ASK = "Ask for fewer rows, or give it more time: --query-seconds."


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """The names of the columns, as the query gave them (two may be alike), and the rows."""

    names: tuple[str, ...]
    batches: Iterator[Sequence[Sequence[Any]]]


@contextmanager
def asked(
    place: str, query: str, timeout_seconds: float, password: str | None = None, slow: str = _ASK
) -> Iterator[QueryAnswer]:
    """Ask a database; the answer is read within. Raises Invalid, NotFound, TimedOut, Unavailable, also while reading.

    No message has the password in it. ``slow`` says what to do where it was not answered in time.
    """
    url = address.read(place, password)
    shown = address.shown(place)
    deadline = time.monotonic() + timeout_seconds
    engine = _engine(url, shown, deadline)
    try:
        with engine.connect() as connection, connection.begin() as transaction:
            streamed = connection.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS, no_parameters=True)
            found = streamed.exec_driver_sql(query)
            with closing(found):  # a server keeps rows for one that nobody reads to its end
                if not found.returns_rows:
                    raise Invalid(f"The query to {shown} gives no rows.", "Give one that begins with SELECT or WITH.")
                batches = _until(deadline, found.partitions(BATCH_ROWS), shown, slow)
                yield QueryAnswer(tuple(map(str, found.keys())), batches)
            transaction.rollback()
    except SQLAlchemyError as error:
        raise _trouble(error, url, shown, slow) from None  # the original has the address in it
    finally:
        engine.dispose()


def _until(deadline: float, batches: Iterator[Sequence[Any]], shown: str, slow: str) -> Iterator[Sequence[Any]]:
    """Hand on batches; a server that gives them too slowly is left at the deadline."""
    for batch in batches:
        yield batch
        if time.monotonic() > deadline:
            raise TimedOut(f"The query to {shown} was not answered in time.", slow)


def _engine(url: URL, shown: str, deadline: float) -> Engine:
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "").absolute()
        if not path.is_file():
            raise NotFound(f"There is no file {plain(str(path), _SAID)}, as {shown} says.", "Check the path.")
        try:
            check_sqlite(path)
        except OSError as error:
            raise Unavailable(f"{shown} can't be read: {error.filename}: {error.strerror}.") from error
        return create_engine("sqlite://", creator=lambda: _sqlite(path, deadline), poolclass=NullPool)
    left = max(1, int((deadline - time.monotonic()) * 1000))
    options = f"-c statement_timeout={left} -c default_transaction_read_only=on -c standard_conforming_strings=on"
    arguments = {
        "connect_timeout": _CONNECT_SECONDS,
        "tcp_user_timeout": _SILENT_MILLISECONDS,
        "options": options,
        "application_name": "mlops-desk",
    }
    try:
        return create_engine(url, poolclass=NullPool, connect_args=arguments)
    except ImportError as error:
        raise Unavailable("PostgreSQL's driver is not installed.", "Install psycopg.") from error


def _sqlite(path: Path, deadline: float) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE_BYTES)
    connection.execute("PRAGMA query_only = ON")
    connection.set_authorizer(_may)
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
    return connection


def _may(action: int, *_about: str | None) -> int:
    """Keep a query to its own file: another database is neither opened nor written (VACUUM INTO attaches one)."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def _trouble(error: SQLAlchemyError, url: URL, shown: str, slow: str) -> DeskError:
    cause = getattr(error, "orig", None) or error
    said = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    for secret in address.secrets_of(url):
        said = said.replace(secret, "***")
    if getattr(cause, "sqlstate", None) == _TIMED_OUT or said == "interrupted":
        return TimedOut(f"The query to {shown} was not answered in time.", slow)
    text = f"{shown} did not answer the query: {plain(said, _SAID)}"
    is_connected = getattr(cause, "sqlstate", None) is not None or isinstance(cause, sqlite3.Error)
    if is_connected:
        return Invalid(text, "Check the query, by the database's own client; it may read alone.")
    hint = "Does it run, and may you log in? A password is looked for in the address, in PGPASSWORD and in ~/.pgpass."
    return Unavailable(text, hint)
