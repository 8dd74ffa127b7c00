"""A store in PostgreSQL: read in one session that may change nothing, with a time for each question; and its two fixes.

Neither needs a copy: counting rows and making an index change no data, and neither keeps a writer waiting.
"""

import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.doctor.checks import indexes, statistics
from mlops_desk.registry.records.doctor import StoreFixed

_CONNECT_SECONDS = 8  # chosen: as long as the registry's other connections are given
_QUESTION_MILLISECONDS = 15_000  # chosen: a walk through some ten million rows
_MEND_MILLISECONDS = 30 * 60 * 1000  # chosen: an index on a hundred million rows
_PIECE_ROWS = 1 << 16  # chosen: some megabytes at a time


def _engine(uri: str, shown: str, timeout_milliseconds: int, *, read_only: bool) -> Engine:
    """Open a database. Raises Unavailable where its driver is not installed."""
    scheme, _, rest = uri.partition("://")
    options = (
        f"-c statement_timeout={timeout_milliseconds} -c default_transaction_read_only={'on' if read_only else 'off'}"
    )
    try:
        return create_engine(
            f"{'postgresql+psycopg' if scheme == 'postgresql' else scheme}://{rest}",
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": _CONNECT_SECONDS, "options": options},
        )
    except (SQLAlchemyError, ImportError) as error:
        hint = "Only SQLite and PostgreSQL are looked into."
        raise Unavailable(f"{shown} can't be opened: {plain(_first_line(error))}.", hint) from error


def _first_line(error: Exception) -> str:
    """Return what a database said, without the statement and without the address, which may hold a password."""
    cause = getattr(error, "orig", None) or error
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__


class ServerStore:
    """A store in PostgreSQL, read only."""

    dialect = "postgresql"

    def __init__(self, uri: str, shown: str) -> None:
        self._shown = shown
        self._engine = _engine(uri, shown, _QUESTION_MILLISECONDS, read_only=True)
        try:
            self._connection = self._engine.connect()
        except SQLAlchemyError as error:
            raise self._trouble(error) from error

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        try:
            return [tuple(row) for row in self._connection.execute(text(query), values).fetchall()]
        except SQLAlchemyError as error:
            raise self._trouble(error) from error

    def value(self, query: str, **values: Any) -> Any:
        return next((row[0] for row in self.rows(query, **values)), None)

    def pieces(self, query: str) -> Iterator[tuple[Any, ...]]:
        after: Any = ""
        while True:
            found = self.rows(query, after=after, n=_PIECE_ROWS)
            yield from found
            if len(found) < _PIECE_ROWS:
                return
            after = found[-1][0]

    def indexed(self, table: str, index: str) -> str:
        del index  # PostgreSQL chooses by itself
        return table

    def has(self, table: str, column: str | None = None) -> bool:
        query = "SELECT column_name FROM information_schema.columns WHERE table_name = :table AND table_schema = "
        columns = {str(name) for (name,) in self.rows(f"{query}current_schema()", table=table)}
        return bool(columns) if column is None else column in columns

    def size_bytes(self) -> int:
        """Return how much the whole database takes."""
        return int(self.value("SELECT pg_database_size(current_database())"))

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()

    def _trouble(self, error: SQLAlchemyError) -> Unavailable:
        text_ = f"{self._shown} could not answer: {plain(_first_line(error))}."
        return Unavailable(text_, "Is the database up, and may this login read the tables?")


def mend(uri: str, shown: str, fix: str) -> StoreFixed:
    """Count the rows, or make the indexes that lack. Raises DeskErrors."""
    act = {statistics.FIX: _analyze, indexes.FIX: _make_indexes}.get(fix)
    if act is None:
        raise Invalid(f"{plain(fix)!r} is no fix of a database server.", "There are analyze and index.")
    began = time.monotonic()
    engine = _engine(uri, shown, _MEND_MILLISECONDS, read_only=False)
    try:
        with engine.connect() as connection:
            told = act(connection)
    except SQLAlchemyError as error:
        raise Unavailable(f"{shown} could not do this: {plain(_first_line(error))}.") from error
    finally:
        engine.dispose()
    return StoreFixed(fix, f"{told} No data changed, so no copy was made.", None, time.monotonic() - began)


def _analyze(connection: Connection) -> str:
    for table in statistics.SORTED:
        connection.execute(text(f"ANALYZE {table}"))
    return f"The rows of {', '.join(statistics.SORTED)} were counted."


def _make_indexes(connection: Connection) -> str:
    query = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
    lacking = indexes.missing({str(name) for (name,) in connection.execute(text(query)).fetchall()})
    for one in lacking:
        columns = ", ".join(f'"{column}"' for column in one.columns)
        connection.execute(text(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {one.ours} ON {one.table} ({columns})"))
    return f"Made, while writers went on: {', '.join(one.ours for one in lacking) or 'nothing, all were there'}."
