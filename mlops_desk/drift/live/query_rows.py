"""New rows of a database's query, each once: those with a watermark beyond what was read, and those that lag a little.

The watermark is a column that only grows: a number or a moment. Transactions do not end in the order in which they drew
their numbers, and rows may share one; so the newest rows are read again each time and known by digests of their values,
and what is new among them is taken, whatever its watermark. What comes below them is late: counted as far back as
``_WATCHED_ROWS``, and in no window. A row that was changed there is a new row. Rows without a watermark are left out,
and told of when the query is asked first.

The query is asked within ours, read only, ordered and cut by the database; an index on the watermark makes that cheap.
"""

# ruff: noqa: S608 - the query is the user's own, names and values are quoted by ``watermarks``

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.rows import table_of_rows
from mlops_desk.drift.data.value_parsers import is_moment, is_words
from mlops_desk.drift.live.file_rows import batch_of
from mlops_desk.drift.live.spans import RowBatch
from mlops_desk.drift.live.watermarks import QueryCursor, QueryPlace, Watermark, is_one, literal, named, watermark_of
from mlops_desk.kit.base.errors import Invalid, TimedOut
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.queries import address
from mlops_desk.kit.storage.queries.query_reader import asked

QUERY_SECONDS = 60.0  # chosen: both questions together; less than a worker has, more than an index needs
_AGAIN_ROWS = 1_000  # chosen: more than are inserted while the slowest ordinary transaction is open
_MOST_AGAIN = 100_000  # chosen: of more rows of one watermark nobody could tell which are new, within a megabyte
_WATCHED_ROWS = 100_000  # chosen: as many as one look reads; counting them takes a database a tenth of a second
_DIGEST_BYTES = 8  # of 100,000 rows two are taken for one with a chance of 3 in 10^10 (n² / 2^65)
_SLOW = "An index on the watermark's column makes the query fast; a WHERE in it that leaves old rows out helps, too."


@dataclass(frozen=True, slots=True)
class QueryRows:
    """What was read; ``batch`` is None where nothing is new."""

    batch: RowBatch | None
    cursor: QueryCursor
    n_late: int = 0
    n_rejected: int = 0
    notes: tuple[str, ...] = ()
    has_more: bool = False


def read_query(
    connection: Any, place: QueryPlace, cursor: QueryCursor | None, now: float, limit: int, folder: Path
) -> QueryRows:
    """Read at most ``limit`` new rows; ``now`` is Unix time, ``folder`` for what is written on the way.

    Raises DeskError (TimedOut after ``QUERY_SECONDS``), OSError, duckdb.Error.
    """
    known = cursor or QueryCursor()
    question = _Question(place, time.monotonic() + QUERY_SECONDS)
    n_rejected = 0 if known.is_begun else question.count("IS NULL")
    notes = (_without(n_rejected, place.watermark),) if n_rejected else ()
    n_below = question.below(known)
    n_late = max(0, n_below - known.n_below)
    known = replace(known, n_below=n_below, is_begun=True)
    reading = _Reading(known, place.watermark, limit)
    table = question.rows(connection, reading, folder)
    told = QueryRows(None, reading.cursor(known), n_late, n_rejected, notes, reading.is_cut)
    if not table.n_rows:
        return told
    column = place.time_column or _moments(table, place.watermark)
    return replace(told, batch=batch_of(connection, table, table.relation, (column, now, now)))


def _without(n: int, column: str) -> str:
    return f"{n:,} rows have no value in {plain(column, 100)}, which tells the new ones: they are left out."


def _moments(table: OpenedTable, watermark: str) -> str | None:
    """Return the watermark where it may be moments: of numbers only somebody who knows can tell."""
    kind = table.columns[watermark][1] if watermark in table.columns else ""
    return watermark if is_moment(kind) or is_words(kind) else None


class _Question:
    """What a database is asked, until the deadline."""

    def __init__(self, place: QueryPlace, deadline: float) -> None:
        self._place = place
        self._deadline = deadline
        self._is_sqlite = address.read(place.place).get_backend_name() == "sqlite"
        self._mark = named(place.watermark)
        inner = place.query.strip().rstrip(";")
        self._relation = f"(\n{inner}\n) AS followed"  # a comment at the end of the query ends with its line

    def count(self, condition: str) -> int:
        """Count the rows whose watermark is so."""
        with self._asked(f"SELECT count(*) FROM {self._relation} WHERE {self._mark} {condition}") as answer:
            return int(next(iter(answer.batches))[0][0])

    def below(self, cursor: QueryCursor) -> int:
        """Count the rows that are not read again, as far back as they are watched."""
        if cursor.since is None:
            return 0
        below = f"< {self._value(cursor.since)}"
        floor = "" if cursor.floor is None else f" AND {self._mark} >= {self._value(cursor.floor)}"
        return self.count(f"{below}{floor}")

    def rows(self, connection: Any, reading: "_Reading", folder: Path) -> OpenedTable:
        """Read the rows that are new to ``reading``."""
        since = reading.since
        condition = f"{self._mark} IS NOT NULL" if since is None else f"{self._mark} >= {self._value(since)}"
        query = f"SELECT * FROM {self._relation} WHERE {condition} ORDER BY {self._mark} LIMIT {reading.limit}"
        with self._asked(query) as answer:
            fresh = reading.fresh(answer.names, answer.batches)
            try:
                return table_of_rows(connection, answer.names, fresh, folder, lambda _text: None)
            except (OSError, duckdb.Error) as error:
                said = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
                text = f"The answer of {address.shown(self._place.place)} can't be kept: {plain(str(said), 300)}"
                raise Invalid(text, "Is there room on the disk for temporary files?") from error

    def _value(self, mark: Watermark) -> str:
        return literal(mark, is_sqlite=self._is_sqlite)

    def _asked(self, query: str) -> Any:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(f"The query to {address.shown(self._place.place)} was not answered in time.", _SLOW)
        return asked(self._place.place, query, left, self._place.password, slow=_SLOW)


@dataclass(slots=True)
class _Reading:
    """Goes through an answer in the watermark's order: leaves out what was taken, and keeps the end of it in mind."""

    before: QueryCursor
    watermark: str
    n_wanted: int
    n_read: int = 0
    n_dropped: int = 0
    first: Any = None
    n_unmet: int = 0
    tail: list[tuple[Any, Sequence[Any]]] = field(default_factory=list)
    unmet: Counter[bytes] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        digests = _parted(self.before.seen)
        self.unmet, self.n_unmet = Counter(digests), len(digests)

    @property
    def since(self) -> Watermark | None:
        return self.before.since

    @property
    def limit(self) -> int:
        """Return how many rows are asked for: those that were taken are among them."""
        return self.n_wanted + len(_parted(self.before.seen))

    @property
    def is_cut(self) -> bool:
        return self.n_read >= self.limit

    def fresh(
        self, names: Sequence[str], batches: Iterator[Sequence[Sequence[Any]]]
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """Hand on what is new. Raises Invalid where the watermark is none."""
        place = _place_of(names, self.watermark)
        for batch in batches:
            if not self.n_read and batch:
                self.first = batch[0][place]
            self.n_read += len(batch)
            self.tail += [(row[place], row) for row in batch]
            self._shorten()
            yield [row for row in batch if not self._was_taken(row)]

    def _was_taken(self, row: Sequence[Any]) -> bool:
        """Tell whether a row was taken before; each of several that are alike is met once."""
        if not self.n_unmet:
            return False
        digest = _digest(row)
        if not self.unmet[digest]:
            return False
        self.unmet[digest] -= 1
        self.n_unmet -= 1
        return True

    def _shorten(self) -> None:
        """Keep the newest rows, and with them all that have the watermark of the first of them."""
        begin = len(self.tail) - _AGAIN_ROWS
        while begin > 0 and is_one(self.tail[begin - 1][0], self.tail[begin][0]):
            begin -= 1
        if begin > 0:
            self.n_dropped += begin
            del self.tail[:begin]
        if len(self.tail) > _MOST_AGAIN:
            name = plain(self.watermark, 100)
            text = f"More than {_MOST_AGAIN:,} rows have one value of {name}, so that nobody can tell which are new."
            raise Invalid(text, "Name a column as watermark in which fewer rows are alike.")

    def cursor(self, known: QueryCursor) -> QueryCursor:
        """Return how far it was read. Rows that were taken and not met lie beyond the end, or are gone."""
        digests = [_digest(row) for _, row in self.tail]
        if self.is_cut:
            digests += list(self.unmet.elements())
        seen = base64.b64encode(b"".join(sorted(digests))).decode()
        if not self.n_dropped:
            return replace(known, seen=seen)
        since = watermark_of(self.tail[0][0], self.watermark)
        n_below, floor = known.n_below + self.n_dropped, known.floor
        if n_below > 2 * _WATCHED_ROWS:
            n_below, floor = self.n_dropped, watermark_of(self.first, self.watermark)
        return replace(known, since=since, seen=seen, floor=floor, n_below=n_below)


def _digest(row: Sequence[Any]) -> bytes:
    return hashlib.blake2b(repr(tuple(row)).encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()


def _parted(seen: str) -> list[bytes]:
    joined = base64.b64decode(seen)
    return [joined[at : at + _DIGEST_BYTES] for at in range(0, len(joined), _DIGEST_BYTES)]


def _place_of(names: Sequence[str], watermark: str) -> int:
    """Return where the watermark stands: SQLite takes names of any case. Raises Invalid."""
    for same in (str, str.casefold):
        found = [at for at, name in enumerate(names) if same(name) == same(watermark)]
        if len(found) == 1:
            return found[0]
    listed = ", ".join(plain(name, 60) for name in names[:20])
    raise Invalid(
        f"The query gives no single column {plain(watermark)!r} that could tell new rows.", f"It has {listed}."
    )
