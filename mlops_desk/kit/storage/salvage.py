"""Makes a sound database out of a damaged one: whatever can still be read is copied into a new file, row by row.

The damaged file is only read. Rows that their table leads to come first; leaves that nothing leads to any more are
sorted to the table whose columns they fit. What an index still names and no table has is named as lost.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from mlops_desk.kit.storage.pages import BadPage, Pages, StoredRow, Value

Columns: TypeAlias = dict[str, Value]


class RowJudge(Protocol):
    """Knows what the rows of a database mean."""

    def why_not(self, table: str, row: Columns) -> str | None:
        """Say why a row of a table must not be taken over; None when it may."""
        ...

    def belongs(self, table: str, row: Columns) -> bool:
        """Tell whether a row can be one of this table, and is whole."""
        ...


class AnyRow:
    """The judge of a database whose tables tell their rows apart by their columns."""

    def why_not(self, table: str, row: Columns) -> str | None:
        del table, row
        return None

    def belongs(self, table: str, row: Columns) -> bool:
        del table, row
        return True


_BATCH = 200  # chosen: so many rows are in memory and written at once
_KINDS: dict[str, tuple[type, ...]] = {"INTEGER": (int,), "BOOLEAN": (int,), "FLOAT": (float, int), "BLOB": (bytes,)}
_TEXT: tuple[type, ...] = (str,)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kinds: tuple[type, ...]
    is_optional: bool
    is_rowid: bool


@dataclass(slots=True)
class Salvaged:
    """What a salvage brought: ``rows`` of each table, ``aside`` what must not be taken over, with the reason.

    ``bad`` counts pages and records that can't be read; ``lost`` are keys of each table that only its index has, and
    ``unsure`` the tables whose index can't be read either.
    """

    rows: dict[str, int] = field(default_factory=dict)
    aside: list[tuple[str, Columns, str]] = field(default_factory=list)
    bad: int = 0
    lost: dict[str, list[str]] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    @property
    def count(self) -> int:
        return sum(self.rows.values())


def salvage(damaged: Path, target: Path, judge: RowJudge) -> Salvaged:
    """Copy what ``damaged`` has into ``target``, a new database that has its tables already. Raises sqlite3.Error."""
    pages = Pages(damaged)
    try:
        with closing(sqlite3.connect(target)) as connection:
            connection.execute("PRAGMA foreign_keys=OFF")
            found = _Salvage(pages, connection, judge).run()
            connection.commit()
        return found
    finally:
        pages.close()


def revision(damaged: Path) -> str | None:
    """Return the schema that a damaged file says it has; None when that can't be read."""
    pages = Pages(damaged)
    try:
        root = pages.roots().get("alembic_version")
        rows = [] if root is None else list(pages.walk(root).rows())
    finally:
        pages.close()
    values = [row.values[0] for row in rows if row.values]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


class _Salvage:
    def __init__(self, pages: Pages, connection: sqlite3.Connection, judge: RowJudge) -> None:
        self._pages = pages
        self._connection = connection
        self._judge = judge
        self._tables = _tables(connection)
        self._found = Salvaged(dict.fromkeys(self._tables, 0))

    def run(self) -> Salvaged:
        seen, roots = {1}, self._pages.roots()
        indexes: dict[str, set[str]] = {}
        for table in self._tables:
            if table in roots:
                walk = self._pages.walk(roots[table])
                self._take(table, walk.rows())
                self._found.bad += walk.bad
                seen |= walk.seen
            if not self._keyed(table):
                continue
            if f"INDEX {table}" not in roots:
                self._found.unsure.add(table)
                continue
            walk = self._pages.walk(roots[f"INDEX {table}"])
            indexes[table] = {key for key in walk.names() if isinstance(key, str)}
            seen |= walk.seen
            if walk.bad:
                self._found.unsure.add(table)
        self._take_orphans(seen | self._pages.free())
        self._name_lost(indexes)
        return self._found

    def _take_orphans(self, seen: set[int]) -> None:
        for number in range(2, self._pages.count + 1):
            if number in seen:
                continue
            try:
                rows, _ = self._pages.leaf(number)
            except BadPage:
                continue
            for row in rows:
                homes = self._homes(row)
                if len(homes) == 1:
                    self._take(homes[0], [row])

    def _take(self, table: str, rows: Iterable[StoredRow]) -> None:
        columns = self._tables[table]
        names, marks = ", ".join(f'"{column.name}"' for column in columns), ", ".join("?" for _ in columns)
        statement = f'INSERT OR IGNORE INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608 - names of our own schema
        for batch in _batches(self._sound(table, rows)):
            before = self._connection.total_changes
            self._connection.executemany(statement, batch)
            self._found.rows[table] += self._connection.total_changes - before

    def _sound(self, table: str, rows: Iterable[StoredRow]) -> Iterator[tuple[Value, ...]]:
        """Yield the values of the rows that may be taken over; the others are told."""
        for row in rows:
            named = self._named(table, row)
            if not self._fits(table, row):
                self._found.aside.append((table, named, "its columns are not those of the table"))
            elif (why := self._judge.why_not(table, named)) is not None:
                self._found.aside.append((table, named, why))
            elif not self._judge.belongs(table, named) and self._homes(row):
                self._found.bad += 1  # a damaged way has led to another table's row, which is found on its own way
            else:
                yield tuple(named.values())

    def _homes(self, row: StoredRow) -> list[str]:
        return [
            table
            for table in self._tables
            if self._fits(table, row) and self._judge.belongs(table, self._named(table, row))
        ]

    def _named(self, table: str, row: StoredRow) -> Columns:
        """Return a row's values by column; a column that was added later than the row is None."""
        columns = self._tables[table]
        padded = [*row.values, *[None] * (len(columns) - len(row.values))]
        return {
            column.name: row.rowid if column.is_rowid else value for column, value in zip(columns, padded, strict=False)
        }

    def _fits(self, table: str, row: StoredRow) -> bool:
        columns = self._tables[table]
        if not 0 < len(row.values) <= len(columns):
            return False
        padded = [*row.values, *[None] * (len(columns) - len(row.values))]
        return all(_is_of(column, value) for column, value in zip(columns, padded, strict=True))

    def _keyed(self, table: str) -> bool:
        return not any(column.is_rowid for column in self._tables[table])

    def _name_lost(self, indexes: dict[str, set[str]]) -> None:
        for table, keys in indexes.items():
            first = self._tables[table][0].name
            there = {key for (key,) in self._connection.execute(f'SELECT "{first}" FROM "{table}"')}  # noqa: S608 - the names are the schema's own, quoted
            if lost := sorted(keys - there):
                self._found.lost[table] = lost


def _is_of(column: _Column, value: Value) -> bool:
    if value is None or column.is_rowid:
        return value is None and (column.is_optional or column.is_rowid)
    return isinstance(value, column.kinds)


def _tables(connection: sqlite3.Connection) -> dict[str, list[_Column]]:
    """Return the columns of each table of a new database, what SQLite and Alembic keep for themselves left out."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    found = {}
    for (name,) in names.fetchall():
        if name != "alembic_version":
            info = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
            found[name] = [
                _Column(column, _KINDS.get(kind, _TEXT), not is_needed and not key, kind == "INTEGER" and key == 1)
                for _, column, kind, is_needed, _, key in info
            ]
    return found


def _batches(rows: Iterable[tuple[Value, ...]]) -> Iterator[list[tuple[Value, ...]]]:
    batch: list[tuple[Value, ...]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
