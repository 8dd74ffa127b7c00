"""A table of records. One that can't be read is named, kept as a file besides, and left out; the others are there."""

import json
import logging
from builtins import list as list_of
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Select,
    cast,
    delete,
    func,
    literal_column,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.cursor import Position, cursor_of, position_of
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.database import Database, DiskFull
from mlops_desk.kit.storage.repair import keep_row
from mlops_desk.kit.storage.tables import Stored

_log = logging.getLogger(__name__)

R = TypeVar("R")
Columns = tuple[str, str, str, float]


def read_document(document: bytes, kind: type[R]) -> R:
    """Build a record from what a row holds. Raises Invalid."""
    try:
        data = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"This is not a JSON document: {error}.") from error
    return wire.from_builtins(data, kind)


class StoredRecords(Generic[R]):
    """One kind of record. ``columns`` gives a record's key, state, parent and creation time.

    ``unreadable`` has the keys of rows that were found to be damaged, with the reason. ``make_room`` is called when a
    record that ``is_vital`` finds the disk full; True means that it is worth another try.
    """

    def __init__(self, database: Database, table: type[Stored], kind: type[R], columns: Callable[[R], Columns]) -> None:
        self._database = database
        self._table = table
        self._kind = kind
        self._columns = columns
        self.unreadable: dict[str, str] = {}
        self.is_vital: Callable[[R], bool] = lambda _record: False
        self.make_room: Callable[[], bool] = lambda: False

    def put(self, record: R) -> None:
        """Insert ``record`` or replace the one of its key; durable when this returns."""
        try:
            self._put(record)
        except DiskFull:
            if not (self.is_vital(record) and self.make_room()):
                raise
            self._put(record)

    def put_all(self, records: Sequence[R]) -> None:
        """Insert or replace records, all of them or none."""
        with self._database.transaction() as connection:
            for record in records:
                self.insert(connection, record)

    def _put(self, record: R) -> None:
        with self._database.transaction() as connection:
            self.insert(connection, record)
        self.unreadable.pop(self._columns(record)[0], None)

    def insert(self, connection: Connection, record: R) -> None:
        """Insert ``record`` or replace the one of its key, inside a transaction that is under way."""
        key, state, parent, created_at = self._columns(record)
        row = {
            "key": key,
            "state": state,
            "parent": parent,
            "created_at": created_at,
            "document": wire.to_builtins(record),
        }
        changed = {name: value for name, value in row.items() if name != "key"}
        connection.execute(
            insert(self._table).values(**row).on_conflict_do_update(index_elements=["key"], set_=changed)
        )

    def get(self, key: str) -> R | None:
        """Return the record of ``key``, or None."""
        return next(iter(self._read(self._select().where(self._table.key == key), None)), None)

    def find(self, prefix: str, limit: int = 2) -> list_of[R]:
        """Return up to ``limit`` records whose key begins with ``prefix``."""
        pattern = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        return self._read(self._select().where(self._table.key.like(pattern, escape="\\")), limit)

    def list(
        self,
        *,
        states: tuple[str, ...] | None = None,
        parent: str | None = None,
        since: float | None = None,
        limit: int | None = None,
        newest_first: bool = True,
    ) -> list_of[R]:
        """Return records by creation time, optionally those in some states, of one parent, or made since a time."""
        # Of those made in the same moment, the one that was put in last is the newest.
        made, put_in = self._table.created_at, literal_column("rowid", Integer)
        order = (made.desc(), put_in.desc()) if newest_first else (made.asc(), put_in.asc())
        return self._read(self._select().where(*self._chosen(states, parent, since)).order_by(*order), limit)

    def page(
        self,
        limit: int,
        cursor: str | None = None,
        *,
        states: tuple[str, ...] | None = None,
        parent: str | None = None,
        since: float | None = None,
    ) -> ListPage[R]:
        """Return the newest ``limit`` records, or where ``cursor`` goes on. Raises Invalid.

        Whatever is added or forgotten meanwhile, going on gives each record at most once, and in order.
        """
        after = None if cursor is None else position_of(cursor)
        made, key = self._table.created_at, self._table.key
        statement = self._select(made).where(*self._chosen(states, parent, since)).order_by(made.desc(), key.desc())
        records: list_of[R] = []
        while True:
            wanted = limit - len(records)
            rest = statement if after is None else statement.where(tuple_(made, key) < tuple_(after.at, after.key))
            with self._database.transaction() as connection:
                rows = connection.execute(rest.limit(wanted + 1)).all()
            found = (self._record(row.key, row.document) for row in rows[:wanted])
            records += [record for record in found if record is not None]
            if len(rows) <= wanted:
                return ListPage(tuple(records))
            after = Position(rows[wanted - 1].created_at, rows[wanted - 1].key)
            if len(records) == limit:
                return ListPage(tuple(records), cursor_of(after))

    def _chosen(
        self, states: tuple[str, ...] | None, parent: str | None, since: float | None
    ) -> Iterator[ColumnElement[bool]]:
        """Yield what keeps to records in some states, of one parent, or made since a time."""
        if states is not None:
            yield self._table.state.in_(states)
        if parent is not None:
            yield self._table.parent == parent
        if since is not None:
            yield self._table.created_at >= since

    def newest_with(self, member: str, value: str) -> R | None:
        """Return the newest record whose document has ``value`` in its ``member``; a walk unless that is indexed."""
        return next(iter(self._read(self._with(member, value), 1)), None)

    def all_with(self, member: str, value: str) -> list_of[R]:
        """Return the records whose document has ``value`` in its ``member``, newest first; likewise a walk."""
        return self._read(self._with(member, value), None)

    def _with(self, member: str, value: str) -> Select[Any]:
        # SQLite takes an index of an expression only for the very same one: the path can't be a bound value.
        found = func.json_extract(self._table.document, literal_column(f"'$.{member}'"))
        return self._select().where(found == value).order_by(self._table.created_at.desc())

    def remove(self, key: str) -> None:
        """Forget the record of ``key``."""
        with self._database.transaction() as connection:
            self.forget(connection, key)

    def forget(self, connection: Connection, key: str) -> None:
        """Forget the record of ``key``, inside a transaction that is under way."""
        connection.execute(delete(self._table).where(self._table.key == key))

    def forget_of(self, connection: Connection, parent: str) -> None:
        """Forget all records of one parent, inside a transaction that is under way."""
        connection.execute(delete(self._table).where(self._table.parent == parent))

    def trim(self, keep: int, state: str | None = None) -> None:
        """Forget all but the newest ``keep`` records, of all or of those in one ``state``."""
        mine = self._table.state == state if state is not None else true()
        newest = select(self._table.created_at).where(mine).order_by(self._table.created_at.desc())
        with self._database.transaction() as connection:
            boundary = connection.execute(newest.offset(keep).limit(1)).scalar()
            if boundary is not None:
                connection.execute(delete(self._table).where(mine, self._table.created_at <= boundary))

    def count(self) -> int:
        with self._database.transaction() as connection:
            return int(connection.execute(select(func.count()).select_from(self._table)).scalar_one())

    def keys(self) -> set[str]:
        """Return the keys of all rows, of those that can't be read too."""
        with self._database.transaction() as connection:
            return set(connection.execute(select(self._table.key)).scalars())

    def check(self) -> int:
        """Look at every row: name what can't be read, and mend columns that contradict their document.

        Returns how many were mended.
        """
        mended = 0
        with self._database.transaction() as connection:
            rows = connection.execute(self._select(self._table.state, self._table.parent, self._table.created_at)).all()
            for row in rows:
                record = self._record(row.key, row.document)
                if record is None:
                    continue
                told = self._columns(record)
                if told != (row.key, row.state, row.parent, row.created_at) and told[0] == row.key:
                    values = {"state": told[1], "parent": told[2], "created_at": told[3]}
                    connection.execute(update(self._table).where(self._table.key == row.key).values(**values))
                    _log.warning(
                        "The columns of record %s of %s were damaged", plain(told[0]), self._table.__tablename__
                    )
                    mended += 1
        return mended

    def _select(self, *more: Any) -> Select[Any]:
        return select(self._table.key, cast(self._table.document, LargeBinary).label("document"), *more)

    def _read(self, statement: Select[Any], limit: int | None) -> list_of[R]:
        """Return the records of a query, up to ``limit`` that can be read."""
        asked = limit
        while True:
            with self._database.transaction() as connection:
                rows = connection.execute(statement.limit(asked)).all()
            records = [record for row in rows if (record := self._record(row.key, row.document)) is not None]
            if limit is None or asked is None or len(rows) < asked or len(records) >= limit:
                return records if limit is None else records[:limit]
            asked += max(limit, len(rows) - len(records))

    def _record(self, key: str, document: bytes) -> R | None:
        try:
            return read_document(document, self._kind)
        except Invalid as error:
            self._name(key, document, error.message)
            return None

    def _name(self, key: str, document: bytes, why: str) -> None:
        if key in self.unreadable:
            return
        self.unreadable[key] = why
        table = self._table.__tablename__
        try:
            kept = keep_row(self._database.path.parent, table, {"key": key, "document": document}, why)
        except OSError as error:
            _log.error("Record %s of %s can't be read (%s), nor kept apart: %s", plain(key), table, why, error.strerror)
        else:
            _log.error(
                "Record %s of %s can't be read and is left out: %s It is kept as %s", plain(key), table, why, kept
            )
