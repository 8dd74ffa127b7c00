"""A PostgreSQL store, asked for reading alone, with a deadline for whatever may hang.

Its readers keep no writer waiting, so a read may last as long as it takes to answer; parts are small all the same, for
whoever asks meanwhile. What the address says beside user, host and database goes to libpq as it is (``sslmode``, …).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import psycopg

from mlops_desk.kit.base.errors import DeskError, Refused, TimedOut, Unavailable
from mlops_desk.registry.store.errors import said, unknown_database
from mlops_desk.registry.store.schema import StoreLayout

CONNECT_SECONDS = 5  # chosen: longer than a far server takes, shorter than a person's patience
ANSWER_SECONDS = 20  # chosen: the longest question reads the whole of a table
_SILENT_MS = 10_000  # chosen: as long may the network lose what was sent
_SETTINGS = (
    "SET default_transaction_read_only = on",
    f"SET statement_timeout = '{ANSWER_SECONDS}s'",
    "SET lock_timeout = '5s'",  # a migration holds its locks for longer, and says so
)
_SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://")
_COLUMNS = (
    "SELECT table_name::text, column_name::text FROM information_schema.columns "
    "WHERE table_schema = ANY(current_schemas(false))"
)
_PROBE = ("a", "B", "_c", " d", "E", "é", "f")  # no language has capitals before all others, as code points have
_INDEXES = "SELECT indexname::text FROM pg_indexes WHERE schemaname = ANY(current_schemas(false))"


class PostgresConnection:
    """One connection to one database, made anew where it was lost."""

    dialect = "postgresql"
    sorts_itself = True

    def __init__(self, uri: str, shown: str) -> None:
        address, n_found = _SCHEME.subn("postgresql://", uri, count=1)
        if not n_found:
            raise unknown_database(shown)
        self.shown = shown
        self._address = address
        self._is_by_code_points: bool | None = None
        self._connection = self._connected()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query; a question mark stands for a value. Raises DeskErrors."""
        if self._connection.closed:
            self._connection = self._connected()
        try:
            with self._connection.cursor(binary=True) as cursor:
                # The texts are our own (statements.py), with no other question mark and no per cent sign in them.
                cursor.execute(sql.replace("?", "%s").encode(), parameters)
                return list(cursor.fetchall())
        except psycopg.Error as error:
            raise self._told(error) from error

    def part(self, sql: str, parameters: Sequence[Any], *, limited: bool) -> list[tuple[Any, ...]]:  # noqa: ARG002 - no reader keeps writers out here
        return self.rows(sql, parameters)

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the one value that a query has (None: no row)."""
        rows = self.rows(sql, parameters)
        return rows[0][0] if rows else None

    def table(self, columns: str, table: str, condition: str) -> Iterator[tuple[Any, ...]]:
        """Yield rows of a small table."""
        yield from self.rows(f"SELECT {columns} FROM {table} WHERE {condition}")  # noqa: S608 - our own words

    def listed(self, run_ids: Sequence[str]) -> list[str]:
        return list(run_ids)

    def in_order(self, texts: Sequence[str]) -> Sequence[str]:
        """Return texts in the database's order: mostly that of a language, where "a" stands before "B"."""
        if self._is_by_code_points is None:
            self._is_by_code_points = self._sorted(_PROBE) == sorted(_PROBE)
        return sorted(texts) if self._is_by_code_points else self._sorted(texts)

    def _sorted(self, texts: Sequence[str]) -> list[str]:
        return [text for (text,) in self.rows("SELECT v FROM unnest(?::text[]) v ORDER BY v", (list(texts),))]

    def layout(self) -> tuple[StoreLayout, Sequence[str]]:
        """Return what the catalogue tells of tables and indexes, and the revisions that are named."""
        columns: dict[str, set[str]] = {}
        for table, column in self.rows(_COLUMNS):
            columns.setdefault(table, set()).add(column)
        indexes = self.rows(_INDEXES)
        told = {table: frozenset(names) for table, names in columns.items()}
        return StoreLayout(told, frozenset(name for (name,) in indexes)), self.revisions() or []

    def revisions(self) -> Sequence[str] | None:
        """Return the revisions that are named (None: there is no such table), which a migration changes."""
        try:
            return [str(revision) for (revision,) in self.rows("SELECT version_num FROM alembic_version")]
        except Unavailable as error:
            if isinstance(error.__cause__, psycopg.errors.UndefinedTable):
                return None
            raise

    def close(self) -> None:
        with suppress(psycopg.Error):  # a server that is gone can be left all the same
            self._connection.close()

    def _connected(self) -> Any:
        try:
            connection = psycopg.connect(
                self._address,
                autocommit=True,
                prepare_threshold=None,  # what stands between may hand the next question to another connection
                connect_timeout=CONNECT_SECONDS,
                tcp_user_timeout=_SILENT_MS,
                application_name="mlops-desk",
            )
            for setting in _SETTINGS:
                connection.execute(setting.encode())
        except psycopg.ProgrammingError as error:
            # Its text may hold the whole address, password and all.
            text = f"The address {self.shown} is not one that PostgreSQL's client understands."
            raise Unavailable(text, "Write it as postgresql://USER@HOST:PORT/DATABASE.") from error
        except psycopg.Error as error:
            raise self._told(error) from error
        return connection

    def _told(self, error: psycopg.Error) -> DeskError:
        """Say what the server or its client said."""
        state, text = error.sqlstate or "", said(error)
        where = f"The database at {self.shown}"
        if isinstance(error, psycopg.errors.ConnectionTimeout) or state in {"57014", "55P03"}:
            return TimedOut(f"{where} gave no answer in time.", "It may be busy, or being migrated.")
        if state.startswith("28") or "password" in text.lower():  # of a failed connect libpq tells no state
            return Refused(f"{where} does not accept this login: {text}", "Is its user and password the right one?")
        if state == "42501":
            return Refused(f"{where} does not let this login read: {text}", "GRANT SELECT on MLflow's tables to it.")
        return Unavailable(f"{where} can't be read: {text}", "Is it running, and can it be reached from here?")
