"""A store that was opened and found to be one that is known: what each of the two databases has for a reader.

Curves of an SQLite store, and how one is followed: by the rows that were added to the table of all points.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.readers.batch import RunBatch, RunChanges
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.store import schema
from mlops_desk.registry.store.batch_size import ReadPace
from mlops_desk.registry.store.columns import Separators
from mlops_desk.registry.store.errors import TooLong
from mlops_desk.registry.store.metric_history import MOST_OF_PART, PART, Point, curve, number
from mlops_desk.registry.store.schema import StoreDatabase
from mlops_desk.registry.store.sqlite.connection import SqliteConnection, end_of, is_there, read_end
from mlops_desk.registry.store.sqlite.tail import SqliteRuns, SqliteTail
from mlops_desk.registry.store.statements import Seen, SpotAsked, Statements

_FEW_NEW = 20_000  # rows of all runs together: reading them takes less than finding this run's among its own
_RUNS = 100  # whose values are asked for at a time, to begin with: a screenful
_MOST_RUNS = 500  # as many as are asked for at once (Reader.metric_values)
_FIRST_STEP = -(1 << 63)  # the least that a column of 64 bits has


class SqliteCurves:
    """Curves of one store."""

    def __init__(self, connection: SqliteConnection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements
        self._pace = ReadPace(PART, MOST_OF_PART)
        self._pace_of_values = ReadPace(_RUNS, _MOST_RUNS)

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        """Return a curve for each run. Raises Invalid for a mark that can't be gone on from."""
        end = end_of(self._connection, "metrics")
        if since is None:
            return [curve(run_id, metric, self._whole(run_id, metric), points, str(end)) for run_id in run_ids]
        begin = read_end(since)
        if len(run_ids) != 1 or begin is None or not is_there(self._connection, "metrics", begin):
            raise Invalid("This curve can't be followed from there any more.", "Ask for all of it: without since.")
        rows = self._after(run_ids[0], metric, begin.rowid, is_near=end.rowid - begin.rowid <= _FEW_NEW)
        count = self._connection.value(self._statements.count_of_history(), (run_ids[0], metric))
        return [curve(run_ids[0], metric, rows, points, str(end), int(count))]

    def values(self, run_ids: Sequence[str], asked: SpotAsked) -> dict[str, float]:
        """Return one value of a metric for each run that has it."""
        sql = asked.statement(self._statements)
        found: dict[str, float] = {}
        at = 0
        while at < len(run_ids):
            n_asked, some = self._pace_of_values.read(partial(self._values_of, sql, asked, run_ids[at:]))
            found |= some
            at += n_asked
        return found

    def _values_of(
        self, sql: str, asked: SpotAsked, run_ids: Sequence[str], size: int, _limited: bool
    ) -> tuple[int, dict[str, float]]:
        some = run_ids[:size]
        try:
            rows = self._connection.part(sql, (self._connection.listed(some), *asked.bound), limited=True)
        except TooLong:
            if size > 1:
                raise
            # One curve alone would keep writers waiting: it is read in parts, and the value taken from all of it.
            value = asked.of(some[0], self._whole(some[0], asked.metric))
            return 1, {} if value is None else {some[0]: value}
        return size, {run_id: number(value) for run_id, value in rows}

    def _whole(self, run_id: str, metric: str) -> list[Point]:
        """Read all points by step (by place, where the store is too old to have an index of steps)."""
        if self._statements.schema.step_index:
            goes_on = " AND step >= ? AND (step > ? OR rowid > ?) ORDER BY step, rowid LIMIT ?"
        else:
            goes_on = " AND rowid > ? ORDER BY rowid LIMIT ?"
        sql = self._statements.history(goes_on)
        found: list[Point] = []
        step, place = _FIRST_STEP, 0
        while True:
            where = (step, step, place) if self._statements.schema.step_index else (place,)
            asked, rows = self._pace.read(partial(self._part, sql, (run_id, metric, *where)))
            found += rows
            if len(rows) < asked:
                return found
            step, place = rows[-1][0], rows[-1][3]

    def _part(self, sql: str, values: Sequence[object], size: int, limited: bool) -> tuple[int, list[Point]]:
        return size, self._connection.part(sql, (*values, size), limited=limited)

    def _after(self, run_id: str, metric: str, place: int, *, is_near: bool) -> list[Point]:
        """Read the points that were added behind a row of the table."""
        if not is_near:
            return [row for row in self._whole(run_id, metric) if row[3] > place]
        sql = self._statements.appended()
        return self._connection.rows(sql, (place, run_id, metric))


V = TypeVar("V")


class NamedRuns(Protocol):
    def of(self, run_ids: Sequence[str], seen: Seen) -> Iterator[RunBatch]: ...


class StoreCurves(Protocol):
    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]: ...
    def values(self, run_ids: Sequence[str], asked: SpotAsked) -> dict[str, float]: ...


class StoreTail(Protocol):
    """Follows a store: ``mark`` begins anew, then all runs are read by ``batches``."""

    def mark(self) -> str: ...
    def batches(self) -> Iterator[RunBatch]: ...
    def changes(self, mark: str) -> RunChanges: ...


@dataclass(slots=True)
class OpenedStore:
    """``is_same`` tells whether the store is still the one that was opened: files are replaced, schemas migrated."""

    database: StoreDatabase
    statements: Statements
    runs: NamedRuns
    curves: StoreCurves
    is_same: Callable[[], bool]
    follow: Callable[[], StoreTail]
    _tail: StoreTail | None = field(default=None)

    def tail(self) -> StoreTail:
        """Return what follows the store; it begins with the first question."""
        if self._tail is None:
            self._tail = self.follow()
        return self._tail


def open_store(source: RegistrySource) -> OpenedStore:
    """Open what a source names. Raises UnknownSchema and DeskErrors."""
    return _file(source) if source.path is not None else _server(source)


def _file(source: RegistrySource) -> OpenedStore:
    assert source.path is not None  # noqa: S101 - asked by the caller
    database = SqliteConnection(source.path)
    version, statements = _known(database, database.schema_version)
    runs = SqliteRuns(database, statements)
    return OpenedStore(
        database, statements, runs, SqliteCurves(database, statements),
        lambda: database.is_same_file() and database.schema_version() == version,
        lambda: SqliteTail(database, statements, runs),
    )  # fmt: skip


def _server(source: RegistrySource) -> OpenedStore:
    # Their driver takes 0.15 s and 24 MB, which a file has no use for.
    from mlops_desk.registry.store.postgres.connection import PostgresConnection  # noqa: PLC0415 - see above
    from mlops_desk.registry.store.postgres.metric_history import PostgresCurves  # noqa: PLC0415 - see above
    from mlops_desk.registry.store.postgres.tail import PostgresRuns, PostgresTail  # noqa: PLC0415 - see above

    database = PostgresConnection(source.uri, source.shown)
    revisions, statements = _known(database, database.revisions)
    runs = PostgresRuns(database, statements)
    return OpenedStore(
        database, statements, runs, PostgresCurves(database, statements), lambda: database.revisions() == revisions,
        lambda: PostgresTail(database, statements, runs),
    )  # fmt: skip


def _known(database: StoreDatabase, version_now: Callable[[], V]) -> tuple[V, Statements]:
    """Return what tells a migration that comes later, and the statements for the schema that there is now."""
    try:
        version = version_now()
        layout, revisions = database.layout()
        return version, Statements(database.dialect, schema.known(layout, revisions, database.shown), Separators())
    except BaseException:
        database.close()
        raise
