"""The database of windows: what monitors of drift have seen, rolled up by hour, day and month.

The tables of the database of windows, as SQLAlchemy 2 typed mappings.

``drift_windows`` holds one row for each window and each roll-up, ``window_profiles`` what froze their bins, by its
digest; ``window_references`` which of these a monitor's windows are held against, ``window_followed`` how far a
monitor's source was read. What is in the blobs is the business of ``drift.store``.

Hours, days and months of UTC, which no clock that is set for summer moves: a window belongs to those it began in.

Rows of the database of windows: kept together with how far the source was read, found by time, expired by periods.

Knows nothing of what is in a window. Each method is one transaction, so that whoever is killed leaves whole windows
only, and a cursor that fits them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Index, delete, exists, func, insert, literal, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mlops_desk.kit.storage.database import Database, DatabaseKind
from mlops_desk.kit.storage.salvage import AnyRow

OPEN, RAW, HOUR, DAY, MONTH = -1, 0, 1, 2, 3  # part of the format


class WindowsBase(DeclarativeBase):
    """All tables of the database of windows."""


class StoredProfile(WindowsBase):
    """A profile in its own form, by its SHA-256."""

    __tablename__ = "window_profiles"

    digest: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes]


class StoredReference(WindowsBase):
    """What a monitor's windows are held against now."""

    __tablename__ = "window_references"

    monitor: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]


class StoredWindow(WindowsBase):
    """A window (``RAW``), the one that still grows (``OPEN``), or the sum of those that began in a period.

    ``period`` is the Unix second in which the hour (of windows too), day or month began, UTC. ``layout`` is the digest
    of the profile that froze the bins. ``is_rolled``: it is part of its hour's sum. ``segments`` is
    empty where rows are not told apart; it stands last, so that who does not ask for it reads none of it.
    """

    __tablename__ = "drift_windows"
    __table_args__ = (
        Index("drift_windows_by_time", "monitor", "level", "is_rolled", "start"),
        Index("drift_windows_by_period", "level", "is_rolled", "period"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    monitor: Mapped[str]
    level: Mapped[int]
    period: Mapped[int]
    layout: Mapped[str]
    start: Mapped[float]
    end: Mapped[float]
    n_rows: Mapped[int]
    is_rolled: Mapped[bool]
    size_bytes: Mapped[int]
    facts: Mapped[bytes]
    rest: Mapped[bytes]
    bins: Mapped[bytes]
    segments: Mapped[bytes]


class StoredCursor(WindowsBase):
    """How far a monitor's source was read, in the words of who reads it."""

    __tablename__ = "window_followed"

    monitor: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[str]


HOUR_SECONDS = 3600  # an hour has as many
DAY_SECONDS = 86_400  # a day of UTC has as many: Unix time counts no leap second
_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799  # the years 1 and 9999: calendars know no others


def period_of(level: int, moment: float) -> int:
    """Return the Unix second in which the hour, day or month of a moment began; a moment of no year is the nearest."""
    at = int(min(max(moment, _EARLIEST), _LATEST) // HOUR_SECONDS) * HOUR_SECONDS
    if level == DAY:
        return at // DAY_SECONDS * DAY_SECONDS
    if level == MONTH:
        return int(_date(at).replace(day=1, hour=0).timestamp())
    return at


def period_end(level: int, period: int) -> int:
    """Return the Unix second in which a period ends."""
    if level == HOUR:
        return period + HOUR_SECONDS
    if level == DAY:
        return period + DAY_SECONDS
    first = _date(period)
    if (first.year, first.month) == (9999, 12):
        return _LATEST + 1
    return int((first + timedelta(days=31)).replace(day=1).timestamp())


def _date(moment: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)


_TABLES = WindowsBase.metadata.tables
WINDOWS = _TABLES[StoredWindow.__tablename__]
PROFILES = _TABLES[StoredProfile.__tablename__]
REFERENCES = _TABLES[StoredReference.__tablename__]
CURSORS = _TABLES[StoredCursor.__tablename__]
_INSERT = insert(WINDOWS)
_PRAGMAS = ("secure_delete=OFF",)  # no zeros over freed pages: they are a megabyte a window
_KIND = DatabaseKind(
    # FULL: an acknowledged window is judged and told of, so it must not be gone after a power cut.
    "windows", frozenset(_TABLES), AnyRow(), "FULL", thorough=False, pragmas=_PRAGMAS
)  # fmt: skip
_READ_AT_ONCE = 100  # chosen: SQLite takes far more names, and as many windows are 12 MB


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One row as it is stored; see ``StoredWindow``. ``id`` is 0 for one that is not stored yet."""

    monitor: str
    level: int
    period: int
    layout: str
    start: float
    end: float
    n_rows: int
    facts: bytes
    rest: bytes
    bins: bytes
    segments: bytes = b""
    id: int = 0


@dataclass(frozen=True, slots=True)
class WindowPlace:
    """What a list needs to know of a window."""

    id: int
    level: int
    layout: str
    start: float
    end: float
    n_rows: int


_PLACE = (WINDOWS.c.id, WINDOWS.c.level, WINDOWS.c.layout, WINDOWS.c.start, WINDOWS.c.end, WINDOWS.c.n_rows)
_WHOLE = tuple(WINDOWS.c[name] for name in WindowRow.__slots__)
_WITHOUT_SEGMENTS = tuple(literal(b"") if one is WINDOWS.c.segments else one for one in _WHOLE)


class WindowTables:
    """The rows. Every method raises Unavailable, DiskFull or Damaged when the disk does not play along."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, _KIND)

    def close(self) -> None:
        self.database.close()

    def keep(self, monitor: str, rows: Sequence[WindowRow], growing: WindowRow | None, cursor: str | None) -> list[int]:
        """Store windows, the one that still grows in the place of the last, and how far was read; all or nothing."""
        with self.database.transaction() as connection:
            found = [int(connection.execute(_INSERT, _values(row)).lastrowid) for row in rows]
            if cursor is not None:
                connection.execute(delete(WINDOWS).where(WINDOWS.c.monitor == monitor, WINDOWS.c.level == OPEN))
                _put(connection, CURSORS, "monitor", monitor=monitor, cursor=cursor)
            if growing is not None:
                connection.execute(_INSERT, _values(growing))
        return found

    def cursor(self, monitor: str) -> str | None:
        """Return how far a monitor's source was read."""
        with self.database.transaction() as connection:
            found = connection.execute(select(CURSORS.c.cursor).where(CURSORS.c.monitor == monitor)).scalar()
        return None if found is None else str(found)

    def growing(self, monitor: str) -> WindowRow | None:
        """Return the window that still grows."""
        with self.database.transaction() as connection:
            query = select(*_WHOLE).where(WINDOWS.c.monitor == monitor, WINDOWS.c.level == OPEN)
            row = connection.execute(query).first()
        return None if row is None else WindowRow(*row)

    def put_reference(self, monitor: str, digest: str, content: bytes) -> None:
        """Store a profile, and that a monitor's windows are held against it from now on."""
        with self.database.transaction() as connection:
            _put(connection, PROFILES, "digest", digest=digest, content=content)
            _put(connection, REFERENCES, "monitor", monitor=monitor, digest=digest)

    def extend(self, monitor: str, digest: str, content: bytes, growing: WindowRow | None) -> None:
        """Store a profile that windows are held against from now on, with the one that grows as it is by that one."""
        with self.database.transaction() as connection:
            _put(connection, PROFILES, "digest", digest=digest, content=content)
            _put(connection, REFERENCES, "monitor", monitor=monitor, digest=digest)
            connection.execute(delete(WINDOWS).where(WINDOWS.c.monitor == monitor, WINDOWS.c.level == OPEN))
            if growing is not None:
                connection.execute(_INSERT, _values(growing))

    def reference(self, monitor: str) -> str | None:
        """Return the digest of what a monitor's windows are held against."""
        with self.database.transaction() as connection:
            found = connection.execute(select(REFERENCES.c.digest).where(REFERENCES.c.monitor == monitor)).scalar()
        return None if found is None else str(found)

    def profile(self, digest: str) -> bytes | None:
        """Return the content of a profile."""
        with self.database.transaction() as connection:
            found = connection.execute(select(PROFILES.c.content).where(PROFILES.c.digest == digest)).scalar()
        return None if found is None else bytes(found)

    def load(self, ids: Sequence[int], *, with_segments: bool = True) -> Iterator[WindowRow]:
        """Read windows whole, a few at a time."""
        chosen = _WHOLE if with_segments else _WITHOUT_SEGMENTS
        for first in range(0, len(ids), _READ_AT_ONCE):
            some = ids[first : first + _READ_AT_ONCE]
            with self.database.transaction() as connection:
                rows = connection.execute(select(*chosen).where(WINDOWS.c.id.in_(some)).order_by(WINDOWS.c.id)).all()
            yield from (WindowRow(*row) for row in rows)

    def finest(self, monitor: str, since: float, until: float, limit: int) -> list[WindowPlace]:
        """Return the newest of a span by their beginnings, oldest first: windows, and roll-ups where those are gone."""
        with self.database.transaction() as connection:
            found: list[WindowPlace] = []
            for level in (RAW, HOUR, DAY):
                query = select(*_PLACE).where(*_within(monitor, level, since, until))
                query = query.where(*_alone(level)).order_by(WINDOWS.c.start.desc()).limit(limit)
                found += [WindowPlace(*row) for row in connection.execute(query)]
        found.sort(key=lambda one: (one.start, one.id))
        return found[-limit:] if limit else []

    def covering(self, monitor: str, start: float, end: float) -> list[WindowPlace]:
        """Return the fewest rows that together are all windows which began in a span.

        A roll-up whose windows are gone belongs to a span when its own beginning does.
        """
        with self.database.transaction() as connection:
            fresh = select(*_PLACE).where(*_within(monitor, RAW, start, end), WINDOWS.c.is_rolled.is_(False))
            found = [WindowPlace(*row) for row in connection.execute(fresh)]
            return found + _cover(connection, monitor, start, end, MONTH)

    def unrolled(self, before: float, limit: int) -> list[WindowRow]:
        """Return windows of hours that began before a moment, and are no part of their hour's sum yet."""
        query = select(*_WHOLE).where(WINDOWS.c.level == RAW, WINDOWS.c.is_rolled.is_(False))
        query = query.where(WINDOWS.c.period < before).order_by(WINDOWS.c.monitor, WINDOWS.c.period, WINDOWS.c.id)
        with self.database.transaction() as connection:
            return [WindowRow(*row) for row in connection.execute(query.limit(limit))]

    def sum_of(self, monitor: str, layout: str, level: int, period: int) -> WindowRow | None:
        """Return a roll-up."""
        query = select(*_WHOLE).where(
            WINDOWS.c.level == level, WINDOWS.c.period == period,
            WINDOWS.c.monitor == monitor, WINDOWS.c.layout == layout,
        )  # fmt: skip
        with self.database.transaction() as connection:
            row = connection.execute(query).first()
        return None if row is None else WindowRow(*row)

    def roll(self, ids: Sequence[int], sums: Iterable[WindowRow]) -> None:
        """Put sums in the place of the old ones, and note that windows are part of them; all or nothing."""
        with self.database.transaction() as connection:
            for row in sums:
                if row.id:
                    connection.execute(update(WINDOWS).where(WINDOWS.c.id == row.id).values(_values(row)))
                else:
                    connection.execute(_INSERT, _values(row))
            for first in range(0, len(ids), _READ_AT_ONCE):
                some = WINDOWS.c.id.in_(ids[first : first + _READ_AT_ONCE])
                connection.execute(update(WINDOWS).where(some).values(is_rolled=True))

    def newest(self) -> dict[str, float]:
        """Return when each monitor's newest window began."""
        query = select(WINDOWS.c.monitor, func.max(WINDOWS.c.start)).where(WINDOWS.c.level >= RAW)
        with self.database.transaction() as connection:
            return {str(row[0]): float(row[1]) for row in connection.execute(query.group_by(WINDOWS.c.monitor))}

    def size_bytes(self) -> int:
        """Return what all windows take."""
        with self.database.transaction() as connection:
            return int(connection.execute(select(func.total(WINDOWS.c.size_bytes))).scalar_one())

    def expire(self, monitor: str, level: int, before: int) -> int:
        """Delete what is part of coarser sums and began before a moment; return how many rows that were."""
        gone = delete(WINDOWS).where(WINDOWS.c.monitor == monitor, WINDOWS.c.level == level, WINDOWS.c.period < before)
        with self.database.transaction() as connection:
            return int(connection.execute(gone.where(WINDOWS.c.is_rolled.is_(True))).rowcount)

    def oldest(self, level: int) -> tuple[str, int] | None:
        """Return the monitor and the period of the oldest row of a level that may go."""
        query = select(WINDOWS.c.monitor, WINDOWS.c.period).where(WINDOWS.c.level == level, WINDOWS.c.is_rolled)
        with self.database.transaction() as connection:
            row = connection.execute(query.order_by(WINDOWS.c.period).limit(1)).first()
        return None if row is None else (str(row[0]), int(row[1]))

    def drop(self, ids: Sequence[int]) -> None:
        """Delete windows by their ids."""
        with self.database.transaction() as connection:
            connection.execute(delete(WINDOWS).where(WINDOWS.c.id.in_(ids)))

    def forget(self, monitor: str) -> None:
        """Delete all that is kept of a monitor."""
        with self.database.transaction() as connection:
            for table in (WINDOWS, REFERENCES, CURSORS):
                connection.execute(delete(table).where(table.c.monitor == monitor))

    def drop_unused_profiles(self) -> None:
        """Delete profiles that neither a window nor a monitor has."""
        used = exists().where(WINDOWS.c.layout == PROFILES.c.digest)
        held = exists().where(REFERENCES.c.digest == PROFILES.c.digest)
        with self.database.transaction() as connection:
            connection.execute(delete(PROFILES).where(~used, ~held))


def _values(row: WindowRow) -> dict[str, Any]:
    """Return a row's columns; sums are part of coarser ones from the beginning."""
    values = {name: getattr(row, name) for name in WindowRow.__slots__ if name != "id"}
    return values | {
        "is_rolled": row.level > RAW,
        "size_bytes": len(row.facts) + len(row.rest) + len(row.bins) + len(row.segments),
    }


def _put(connection: Connection, table: Any, key: str, **values: Any) -> None:
    statement = upsert(table).values(**values)
    others = {name: value for name, value in values.items() if name != key}
    connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=others))


def _within(monitor: str, level: int, start: float, end: float) -> tuple[Any, ...]:
    at = WINDOWS.c.start if level == RAW else WINDOWS.c.period
    return WINDOWS.c.monitor == monitor, WINDOWS.c.level == level, at >= start, at < end


def _alone(level: int) -> tuple[Any, ...]:
    """Return the condition that nothing finer is left of a roll-up."""
    if level == RAW:
        return ()
    finer = WINDOWS.alias("finer")
    seconds = HOUR_SECONDS if level == HOUR else DAY_SECONDS
    return tuple(
        ~exists().where(
            finer.c.monitor == WINDOWS.c.monitor, finer.c.layout == WINDOWS.c.layout,
            finer.c.level == below, finer.c.is_rolled.is_(True),
            finer.c.start >= WINDOWS.c.period, finer.c.start < WINDOWS.c.period + seconds,
        )
        for below in range(RAW, level)
    )  # fmt: skip


def _cover(connection: Connection, monitor: str, start: float, end: float, level: int) -> list[WindowPlace]:
    """Cover a span by sums of a level, and what these leave open at both ends by finer ones."""
    if start >= end:
        return []
    conditions = _within(monitor, level, start, end)
    if level == RAW:
        query = select(*_PLACE).where(*conditions, WINDOWS.c.is_rolled.is_(True))
        return [WindowPlace(*row) for row in connection.execute(query)]
    # What begins before the span and reaches into it is asked of the finer ones.
    rows = connection.execute(select(*_PLACE, WINDOWS.c.period).where(*conditions).order_by(WINDOWS.c.period)).all()
    whole = [row for row in rows if period_end(level, row.period) <= end]
    found = [WindowPlace(*row[:6]) for row in whole]
    if not whole:
        found += _cover(connection, monitor, start, end, level - 1)
    else:
        found += _cover(connection, monitor, start, whole[0].period, level - 1)
        found += _cover(connection, monitor, period_end(level, whole[-1].period), end, level - 1)
    cut = [row for row in rows if period_end(level, row.period) > end]
    return found + [WindowPlace(*row[:6]) for row in cut if not _has_finer(connection, monitor, level, row)]


def _has_finer(connection: Connection, monitor: str, level: int, row: Any) -> bool:
    """Tell whether anything that a sum is made of is still kept: then that is asked, and not the sum."""
    finer = select(WINDOWS.c.id).where(
        WINDOWS.c.monitor == monitor, WINDOWS.c.layout == row.layout, WINDOWS.c.is_rolled.is_(True),
        WINDOWS.c.level.between(RAW, level - 1),
        WINDOWS.c.start >= row.period, WINDOWS.c.start < period_end(level, row.period),
    )  # fmt: skip
    return connection.execute(finer.limit(1)).first() is not None
