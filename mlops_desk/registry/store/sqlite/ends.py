"""Where an SQLite table that only grows ends at the moment, and whether what was its end is still there.

Rowids grow with each row, but the largest is given out again when its row was deleted (``mlflow gc``). So an end is
remembered with what stood there, and what comes after it is new for as long as that is still so. ``VACUUM`` may number
all rows anew; it raises the file's schema version.
"""

import zlib
from dataclasses import dataclass

from mlops_desk.registry.store.sqlite.connection import SqliteConnection

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
